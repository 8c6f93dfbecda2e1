//! WebSockets that nobody speaks through end after a minute.

use std::time::Duration;

use humantime::format_duration;

use crate::diagnostics::Diagnostic;
use crate::model::Http;

use super::{Rule, ways};

pub static RULE: Rule = Rule {
    name: "ws-idle-timeout",
    why: "A tunnel ends when neither side sends anything for proxy_read_timeout, which is a minute unless it is \
          written. People who only read a chat are thrown out, come back, and are thrown out again.",
    check,
};

/// Up to this a limit that is written is taken for one that was meant for answers, not for tunnels.
const SHORT: Duration = Duration::from_secs(60);

fn check(rule: &Rule, http: &Http, found: &mut Vec<Diagnostic>) {
    for way in ways(http) {
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
            Diagnostic::info(rule.name, way.location.span, message)
                .note(written)
                .help("raise it (\"proxy_read_timeout 1h;\") or have silent sides asked: \"websocket_ping_interval 20s;\""),
        );
    }
}
