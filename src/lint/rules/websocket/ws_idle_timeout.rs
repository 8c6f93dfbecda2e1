//! WebSockets that nobody speaks through end after a minute.

use std::time::Duration;

use humantime::format_duration;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::values::time;
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

use super::ways::{open_locations, pings};

pub static RULE: Rule = Rule {
    id: "WS109",
    name: "ws-idle-timeout",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "idle WebSockets are closed after a minute or less",
    why: "A tunnel ends when neither side sends anything for proxy_read_timeout, which is a minute unless it \
          is written. People who only read a chat are thrown out, come back, and are thrown out again.",
    mend: Mend::None,
    examples: examples!("ws-idle-timeout"),
    check,
};

/// Up to this a limit that is written is taken for one that was meant for answers, not for tunnels.
const SHORT: Duration = Duration::from_secs(60);

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in open_locations(site) {
        let written = location.in_effect("proxy_read_timeout");
        let Some(limit) = time(location.value("proxy_read_timeout", "60s")) else { continue };
        // Zero is no short limit but one of its own.
        if limit > SHORT || limit.is_zero() || pings(location) || (written.is_none() && !location.is_known())
        {
            continue;
        }
        let Some(head) = location.head() else { continue };
        let message =
            format!("idle WebSockets are closed after {} (proxy_read_timeout)", format_duration(limit));
        let finding = rule.finding(head, message);
        let finding = match written {
            Some(line) => finding.also(line.head(), "set here"),
            None => finding.note("it is written nowhere, and a minute is what holds then"),
        };
        found.push(finding.help(
            "raise it (\"proxy_read_timeout 1h;\") or have silent sides asked: \"websocket_ping_interval 20s;\"",
        ));
    }
}
