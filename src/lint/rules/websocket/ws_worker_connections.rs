//! Room for fewer WebSockets than people think.

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::directive::values::number;
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::Directive;

use super::ways::open_locations;

pub static RULE: Rule = Rule {
    id: "WS113",
    name: "ws-worker-connections",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "worker_connections leaves room for a few hundred WebSockets",
    why: "A WebSocket through nginx is two connections, one to the client and one to the upstream, and both \
          count for as long as it is open. When a worker has no more, it drops whoever comes next, for pages \
          too. For a handful of users it does not matter.",
    mend: Mend::None,
    examples: examples!("ws-worker-connections"),
    check,
};

/// What nginx has where nothing is written.
const DEFAULT: u64 = 512;
/// Up to this the number is most likely the one that came with the package.
const FEW: u64 = 1024;

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let Some(events) = site.within(Context::EVENTS).next().filter(|events| events.is_known()) else { return };
    let written = events.own_last("worker_connections");
    let word = written.and_then(|line| line.args.first());
    let Some(count) = word.map_or(Some(DEFAULT), |word| number(&word.value)) else { return };
    let Some(location) = open_locations(site).next().filter(|_| count <= FEW) else { return };
    let (Some(span), Some(place)) = (written.map(Directive::head).or(events.head()), location.head()) else {
        return;
    };
    let message = format!(
        "worker_connections {count} allows at most about {} WebSockets per worker: each takes two connections",
        count / 2
    );
    let finding = rule.finding(span, message).also(place, "WebSockets pass here");
    let finding = match written {
        Some(_) => finding,
        None => finding.note("it is written nowhere, and 512 is what holds then"),
    };
    found.push(finding.help(
        "write \"worker_connections 8192;\", and \"worker_rlimit_nofile 20000;\" outside of events if the system allows fewer open files",
    ));
}
