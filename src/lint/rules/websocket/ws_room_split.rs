//! Rooms whose members sit on different servers.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, examples};

use super::groups;
use super::ways::open;

pub static RULE: Rule = Rule {
    id: "WS152",
    name: "ws-room-split",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "members of a chat room sit on different servers",
    why: "A server hands a message on to the connections it holds itself. With several of them the members \
          of a room are spread, and half of them do not hear what is said, unless the servers tell each \
          other (Redis pub/sub, NATS) or all of a room is kept on one of them.",
    mend: Mend::None,
    examples: examples!("ws-room-split"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in open(site) {
        let Some(upstream) = way.pass.upstream().filter(|upstream| upstream.is_known()) else { continue };
        let (Some(location), servers) =
            (way.pass.block.location().and_then(Block::head), groups::spread(upstream))
        else {
            continue;
        };
        if servers < 2 || upstream.has("hash") {
            continue;
        }
        let group = way.pass.authority().as_bstr();
        let message = format!(
            "members of a room are spread over the {servers} servers of upstream \"{group}\": who is on another server \
             hears nothing unless they pass messages on to each other"
        );
        found.push(rule.finding(location, message).help(format!(
            "have the servers share a bus such as Redis pub/sub, or keep a room on one of them: \
             \"hash $arg_room consistent;\" in upstream \"{group}\""
        )));
    }
}
