//! `health_check` and `match`: servers of a group are asked how they are (`ngx_http_upstream_hc_module`, which
//! nginx sells; written from its documentation).
//!
//! What is asked, and what of an answer passes. Who asks, and when, is the runtime's.

mod arguments;
pub mod matching;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostics::{Diagnostic, Edit, Fix};
use crate::directive::Context;
use crate::directive::catalogue::distance;
use crate::http1::Headers;
use crate::request::Request;
use crate::source::{Place, Span};

use super::{Build, Feature, Row};

pub use matching::{Failed, Match, judge_plainly};

pub static FEATURE: Feature<Written> = Feature {
    name: "health",
    contexts: Context::LOCATION.or(Context::HTTP),
    rows: ROWS,
    at: |w| &mut w.health,
};

const ROWS: &[Row<Written>] = &[
    Row {
        name: "health_check",
        doc: "Asks the servers of the group, again and again, how they are; who fails gets no requests.",
        set: arguments::set,
    },
    Row {
        name: "match",
        doc: "Names tests that an answer to a health check has to pass.",
        set: matching::set,
    },
];

/// What one `health_check` line says.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    /// From one check of a server to the next.
    pub interval: Duration,
    /// Each check is put off by a time up to this, by chance.
    pub jitter: Duration,
    /// How many in a row make a server unhealthy.
    pub fails: u32,
    /// How many in a row make it healthy again.
    pub passes: u32,
    /// What is asked for; it begins with a `/` and has no blanks.
    pub uri: Box<[u8]>,
    /// No requests before the first check has passed.
    pub mandatory: bool,
    /// With `mandatory`: a server that was healthy before a reload is so after it.
    pub persistent: bool,
    /// Instead of the server's.
    pub port: Option<u16>,
    pub kind: Kind,
    /// How long a connection is used for checks; `None` makes one for each.
    pub keepalive_time: Option<Duration>,
    /// `None`: every 2xx and 3xx passes, and of a WebSocket its 101.
    pub matching: Option<Arc<Match>>,
    pub place: Place,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Http,
    /// A handshake (`type=websocket`, which is ours).
    WebSocket,
}

impl HealthCheck {
    /// The name of its `match`; empty without one. So nginx names a check in its log.
    pub fn name(&self) -> &[u8] {
        self.matching.as_ref().map_or(b"", |matching| &matching.name)
    }

    /// Whether an answer passes. A handshake has to be answered 101, unless a `match` says something of the status.
    pub fn judge(
        &self,
        status: u16,
        headers: &Headers,
        body: &[u8],
        request: &Request,
    ) -> Result<(), Failed> {
        let says_status = self.matching.as_ref().is_some_and(|matching| matching.tests_status());
        if self.kind == Kind::WebSocket && !says_status && status != 101 {
            return Err(Failed::Status);
        }
        match &self.matching {
            Some(matching) => matching.judge(status, headers, body, request),
            None if self.kind == Kind::WebSocket => Ok(()),
            None => judge_plainly(status),
        }
    }

    /// What was looked at last of an answer that passes.
    pub fn last(&self) -> Failed {
        self.matching.as_ref().map_or(Failed::Status, |matching| matching.last())
    }

    /// Whether the body of an answer has to be read.
    pub fn wants_body(&self) -> bool {
        self.matching.as_ref().is_some_and(|matching| matching.wants_body())
    }
}

/// What a location says of checks; a `match` is a matter of the whole configuration.
#[derive(Default)]
pub struct Written {
    check: Option<(HealthCheck, Option<Box<[u8]>>)>,
}

impl Written {
    /// The check, with its `match`. Without the `match` it names, which was said, there is none.
    pub fn resolve(self, matches: &Matches) -> Option<HealthCheck> {
        let (check, named) = self.check?;
        match named {
            None => Some(check),
            Some(name) => {
                let matching = Some(matches.defined.get(&name)?.0.clone());
                Some(HealthCheck { matching, ..check })
            }
        }
    }
}

/// The blocks `match`, by name, and who names them.
#[derive(Default)]
pub struct Matches {
    defined: HashMap<Box<[u8]>, (Arc<Match>, Span)>,
    referred: Vec<Reference>,
}

struct Reference {
    name: Box<[u8]>,
    /// The word `match=name`.
    span: Span,
    kind: Kind,
}

/// What can be said when every `match` has been read.
pub fn afterwards(build: &mut Build) {
    if build.options.fragment {
        return;
    }
    let found = build.matches.referred.iter().filter_map(|reference| build.matches.doubt(reference));
    let found: Vec<Diagnostic> = found.chain(build.matches.unused()).collect();
    build.diagnostics.extend(found);
}

impl Matches {
    fn doubt(&self, reference: &Reference) -> Option<Diagnostic> {
        let name = String::from_utf8_lossy(&reference.name);
        let Some((matching, defined)) = self.defined.get(&reference.name) else {
            let message = format!("unknown match \"{name}\"");
            let finding = Diagnostic::error("unknown-match", reference.span, message);
            return Some(match self.nearest(&name) {
                Some(nearest) => {
                    let title = format!("did you mean \"{nearest}\"?");
                    let edits = vec![Edit { span: reference.span, text: format!("match={nearest}") }];
                    finding.fix(Fix { title, safe: false, edits })
                }
                None => finding.help(format!("define it in \"http\": \"match {name} {{ status 200; }}\"")),
            });
        };
        if reference.kind == Kind::WebSocket && matching.wants_body() {
            let message = format!("the match \"{name}\" tests a body, and a handshake's answer has none");
            let finding = Diagnostic::error("incompatible", reference.span, message);
            let help = "leave the \"body\" line away, or \"type=websocket\"";
            return Some(finding.also(*defined, "it is defined here").help(help));
        }
        None
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let limit = (name.len() / 3).clamp(1, 3);
        let known = self.defined.keys().map(|name| String::from_utf8_lossy(name).into_owned());
        known.filter_map(|known| Some((distance(name, &known, limit)?, known))).min().map(|(_, known)| known)
    }

    fn unused(&self) -> impl Iterator<Item = Diagnostic> {
        let is_named = |name: &[u8]| self.referred.iter().any(|reference| *reference.name == *name);
        let mut unused: Vec<_> = self.defined.iter().filter(|(name, _)| !is_named(name)).collect();
        unused.sort_by_key(|(_, (_, span))| *span);
        unused.into_iter().map(|(name, (_, span))| {
            let name = String::from_utf8_lossy(name);
            let message = format!("no \"health_check\" uses the match \"{name}\"");
            Diagnostic::warning("no-effect", *span, message)
                .help(format!("write \"health_check match={name};\""))
        })
    }
}
