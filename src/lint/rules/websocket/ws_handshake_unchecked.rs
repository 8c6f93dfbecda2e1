//! WebSockets that anybody may open.

use std::sync::Arc;

use crate::diagnostics::{Diagnostic, Severity};
use crate::features::rewrite::{Line, Step};
use crate::model::Http;

use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

use super::ways::{Way, ways};

pub static RULE: Rule = Rule {
    id: "WS153",
    name: "ws-handshake-unchecked",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "anybody may open a WebSocket: nothing is asked for at the handshake",
    why: "A handshake is the only moment at which a WebSocket can be refused for what it carries. If the backend checks \
          a token later, in the first message, strangers hold sockets open meanwhile; if nobody does, they read along.",
    mend: Mend::None,
    examples: examples!("ws-handshake-unchecked"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(site).filter(|way| !is_checked(way, &site.model.http)) {
        let message =
            "anybody may open a WebSocket here: no token, password or address is asked for at the handshake";
        found.push(
            rule.finding(way.location.span, message)
                .help("ask for a token: \"auth_jwt chat;\" with \"auth_jwt_key_file\", or have a server decide: \"auth_request /session;\""),
        );
    }
}

fn is_checked(way: &Way<'_>, http: &Http) -> bool {
    let settings = &way.location.settings;
    settings.access.asks_addresses()
        || settings.auth_basic.is_on()
        || settings.auth_jwt.guard.is_some()
        || settings.auth_request.uri().is_some()
        || !settings.auth_require.requirements.is_empty()
        || settings.websocket.origins.is_some()
        || refuses(&way.server.script, http)
        || refuses(&way.location.script, http)
}

/// Whether steps of the rewrite module may refuse a request: they are somebody's own check.
fn refuses(script: &Arc<[Line]>, http: &Http) -> bool {
    script.iter().any(|line| match &line.step {
        Step::Return { status, .. } => matches!(status, 400 | 401 | 403 | 404 | 444),
        Step::If { then, .. } => refuses(&http.location(*then).script, http),
        _ => false,
    })
}
