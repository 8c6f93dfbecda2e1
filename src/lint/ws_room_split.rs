//! Rooms whose members sit on different servers.

use crate::diagnostics::Diagnostic;
use crate::model::Http;
use crate::upstream::Method;

use super::{Rule, spread, ways};

pub static RULE: Rule = Rule {
    name: "ws-room-split",
    why: "A server hands a message on to the connections it holds itself. With several of them the members of a room \
          are spread, and half of them do not hear what is said, unless the servers tell each other (Redis pub/sub, \
          NATS) or all of a room is kept on one of them.",
    check,
};

fn check(rule: &Rule, http: &Http, found: &mut Vec<Diagnostic>) {
    for way in ways(http) {
        let Some(upstream) = way.upstream(http).filter(|upstream| spread(upstream) > 1) else { continue };
        if matches!(upstream.spec.method, Method::Hash | Method::ConsistentHash) {
            continue;
        }
        let (group, servers) = (&upstream.spec.name, spread(upstream));
        let message = format!(
            "members of a room are spread over the {servers} servers of upstream \"{group}\": who is on another server \
             hears nothing unless they pass messages on to each other"
        );
        found.push(Diagnostic::info(rule.name, way.location.span, message).help(format!(
            "have the servers share a bus such as Redis pub/sub, or keep a room on one of them: \
             \"hash $arg_room consistent;\" in upstream \"{group}\""
        )));
    }
}
