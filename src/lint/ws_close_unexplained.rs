//! Clients that are cut off and never learn why.

use crate::diagnostics::Diagnostic;
use crate::model::Http;

use super::{Rule, ways};

pub static RULE: Rule = Rule {
    name: "ws-close-unexplained",
    why: "Without a Close frame a browser shows 1006, whatever has happened: a deploy, a timeout, a server that died. \
          The page cannot tell whether to come back at once, later, or never.",
    check,
};

fn check(rule: &Rule, http: &Http, found: &mut Vec<Diagnostic>) {
    for way in ways(http).filter(|way| !way.location.settings.websocket.tells_why()) {
        let message = "clients are not told why a WebSocket ends: \"websocket_close_notify\" is off";
        found.push(
            Diagnostic::info(rule.name, way.location.span, message)
                .help("without that line they get a Close with a code, a reason and the directive"),
        );
    }
}
