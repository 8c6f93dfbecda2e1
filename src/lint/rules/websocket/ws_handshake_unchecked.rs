//! WebSockets that anybody may open.

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, examples};

use super::traces::{has_a_script, ifs, refusal};
use super::ways::{is_inner, open_locations};

pub static RULE: Rule = Rule {
    id: "WS153",
    name: "ws-handshake-unchecked",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "anybody may open a WebSocket: nothing is asked for at the handshake",
    why: "A handshake is the only moment at which a WebSocket can be refused for what it carries. If the \
          backend checks a token later, in the first message, strangers hold sockets open meanwhile; if \
          nobody does, they read along.",
    mend: Mend::None,
    examples: examples!("ws-handshake-unchecked"),
    check,
};

/// Directives that ask who somebody is, unless they are off.
const GUARDS: [&str; 8] = [
    "auth_basic",
    "auth_delay",
    "auth_jwt",
    "auth_oidc",
    "auth_request",
    "auth_require",
    "ssl_verify_client",
    "websocket_origins",
];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in open_locations(site).filter(|location| location.is_known() && !is_checked(*location)) {
        let Some(head) = location.head() else { continue };
        let message =
            "anybody may open a WebSocket here: no token, password or address is asked for at the handshake";
        found.push(
            rule.finding(head, message)
                .help("ask for a token: \"auth_jwt chat;\" with \"auth_jwt_key_file\", or have a server decide: \"auth_request /session;\""),
        );
    }
}

fn is_checked(location: Block<'_>) -> bool {
    let asks = |name: &&str| location.in_effect(name).is_some() && location.value(name, "off") != b"off";
    let addresses = location.outwards().find(|block| block.has("allow") || block.has("deny"));
    GUARDS.iter().any(asks)
        || addresses.is_some_and(|block| block.has("deny"))
        || is_inner(location)
        || has_a_script(location)
        || ifs(location).any(|block| refusal(block).is_some())
}
