//! Rooms whose members sit on different servers.

use crate::diagnostics::{Diagnostic, Severity};
use crate::upstream::Method;

use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

use super::ways::{spread, ways};

pub static RULE: Rule = Rule {
    id: "WS152",
    name: "ws-room-split",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "members of a chat room sit on different servers",
    why: "A server hands a message on to the connections it holds itself. With several of them the members of a room \
          are spread, and half of them do not hear what is said, unless the servers tell each other (Redis pub/sub, \
          NATS) or all of a room is kept on one of them.",
    mend: Mend::None,
    examples: examples!("ws-room-split"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(site) {
        let Some(upstream) = way.upstream(site).filter(|upstream| spread(upstream) > 1) else { continue };
        if matches!(upstream.spec.method, Method::Hash | Method::ConsistentHash) {
            continue;
        }
        let (group, servers) = (&upstream.spec.name, spread(upstream));
        let message = format!(
            "members of a room are spread over the {servers} servers of upstream \"{group}\": who is on another server \
             hears nothing unless they pass messages on to each other"
        );
        found.push(rule.finding(way.location.span, message).help(format!(
            "have the servers share a bus such as Redis pub/sub, or keep a room on one of them: \
             \"hash $arg_room consistent;\" in upstream \"{group}\""
        )));
    }
}
