//! WebSockets that nobody speaks through end after a minute.

use std::time::Duration;

use humantime::format_duration;

use crate::diagnostics::{Diagnostic, Severity};

use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

use super::ways::ways;

pub static RULE: Rule = Rule {
    id: "WS109",
    name: "ws-idle-timeout",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "idle WebSockets are closed after a minute or less",
    why: "A tunnel ends when neither side sends anything for proxy_read_timeout, which is a minute unless it is \
          written. People who only read a chat are thrown out, come back, and are thrown out again.",
    mend: Mend::None,
    examples: examples!("ws-idle-timeout"),
    check,
};

/// Up to this a limit that is written is taken for one that was meant for answers, not for tunnels.
const SHORT: Duration = Duration::from_secs(60);

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(site) {
        let settings = &way.location.settings;
        let limit = &settings.proxy.read_timeout;
        if limit.value > SHORT || settings.websocket.pings() {
            continue;
        }
        let after = format_duration(limit.value);
        let message = format!("idle WebSockets are closed after {after} (proxy_read_timeout)");
        let written = match &limit.place {
            Some(place) => format!("it is written at {place}"),
            None => "it is written nowhere, and a minute is what holds then".to_owned(),
        };
        found.push(
            rule.finding(way.location.span, message)
                .note(written)
                .help("raise it (\"proxy_read_timeout 1h;\") or have silent sides asked: \"websocket_ping_interval 20s;\""),
        );
    }
}
