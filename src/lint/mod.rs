//! Rules: what nginx takes without a word and people come to regret.
//!
//! A rule looks at what a configuration means, so that it is silent where a line two levels up has seen to it. It
//! is a file with a name, a reason and a function, and a line in [`RULES`]. What nginx refuses is no rule's matter.

mod ws_close_unexplained;
mod ws_handshake_unchecked;
mod ws_idle_timeout;
mod ws_no_stickiness;
mod ws_room_split;

use crate::diagnostics::Diagnostic;
use crate::features::proxy::{Fixed, Target};
use crate::features::upstream::Upstream;
use crate::model::{Content, Http, Kind, Location, Model, Server};

/// What is found by one look.
pub struct Rule {
    /// What it finds: the code of its findings.
    pub name: &'static str,
    /// What happens to whom, in a sentence.
    pub why: &'static str,
    check: fn(&Rule, &Http, &mut Vec<Diagnostic>),
}

/// Every rule, in the order of the mistakes' story: what breaks first stands first.
pub static RULES: &[&Rule] = &[
    &ws_idle_timeout::RULE,
    &ws_no_stickiness::RULE,
    &ws_close_unexplained::RULE,
    &ws_room_split::RULE,
    &ws_handshake_unchecked::RULE,
];

/// Asks every rule. The first finding of each says why it matters.
pub fn findings(model: &Model) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for rule in RULES {
        let first = found.len();
        (rule.check)(rule, &model.http, &mut found);
        if let Some(finding) = found.get_mut(first) {
            finding.notes.push(rule.why.to_owned());
        }
    }
    found
}

/// A location through which WebSockets go to an upstream, and the server it stands in.
#[derive(Clone, Copy)]
struct Way<'a> {
    server: &'a Server,
    location: &'a Location,
}

/// Every location through which WebSockets go; an `if` in it is not told apart.
fn ways(http: &Http) -> impl Iterator<Item = Way<'_>> {
    let of = |server| move |location| Way { server, location };
    let all =
        http.servers.iter().flat_map(move |server| http.locations[server.own.clone()].iter().map(of(server)));
    all.filter(|way| {
        !matches!(way.location.kind, Kind::Unnamed)
            && matches!(way.location.content, Content::Pass(_))
            && way.location.settings.proxy.carries_websockets()
    })
}

impl Way<'_> {
    /// The upstream's group, where it is known while reading.
    fn upstream<'h>(&self, http: &'h Http) -> Option<&'h Upstream> {
        let Content::Pass(pass) = &self.location.content else { return None };
        match &pass.target {
            Target::Fixed(Fixed { group, .. }) => http.groups.get(*group),
            Target::Computed(_) => None,
        }
    }

    /// How messages name the location.
    fn name(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.location.name)
    }
}

/// How many servers of a group requests are spread over.
fn spread(upstream: &Upstream) -> usize {
    upstream.spec.servers.iter().filter(|server| !server.down && !server.backup).count()
}
