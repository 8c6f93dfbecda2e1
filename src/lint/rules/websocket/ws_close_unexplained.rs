//! Clients that are cut off and never learn why.

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

use super::ways::open_locations;

pub static RULE: Rule = Rule {
    id: "WS151",
    name: "ws-close-unexplained",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "clients are not told why their WebSocket ends",
    why: "Without a Close frame a browser shows 1006, whatever has happened: a deploy, a timeout, a server \
          that died. The page cannot tell whether to come back at once, later, or never.",
    mend: Mend::None,
    examples: examples!("ws-close-unexplained"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in open_locations(site).filter(|location| !location.is_on("websocket_close_notify", true)) {
        let (Some(head), Some(line)) = (location.head(), location.in_effect("websocket_close_notify")) else {
            continue;
        };
        let message = "clients are not told why a WebSocket ends: \"websocket_close_notify\" is off";
        found.push(
            rule.finding(head, message)
                .also(line.head(), "turned off here")
                .help("without that line they get a Close with a code, a reason and the directive"),
        );
    }
}
