//! Timeouts that are raised for WebSockets and have nothing to do with them.

use std::time::Duration;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::values::time;
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

use super::ways::{open_locations, pings};

pub static RULE: Rule = Rule {
    id: "WS110",
    name: "ws-timeout-directive-without-effect",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "a timeout is raised for WebSockets that does not keep them open",
    why: "What ends an idle tunnel is proxy_read_timeout and nothing else. proxy_send_timeout and \
          send_timeout count only while something cannot be written, keepalive_timeout counts between \
          requests, and proxy_connect_timeout is over when the tunnel begins; a TCP connect rarely takes \
          more than 75 seconds anyway.",
    mend: Mend::None,
    examples: examples!("ws-timeout-directive-without-effect"),
    check,
};

/// Longer than anybody wants to wait for a page: meant for tunnels.
const LONG: Duration = Duration::from_secs(600);
/// What proxy_connect_timeout can usually not exceed.
const LONGEST_CONNECT: Duration = Duration::from_secs(75);

/// Timeouts that people raise, and what they are about.
const OTHERS: [(&str, Duration, &str); 4] = [
    ("proxy_connect_timeout", LONGEST_CONNECT, "is over when the tunnel begins"),
    ("proxy_send_timeout", LONG, "counts while the upstream takes nothing"),
    ("send_timeout", LONG, "counts while the client takes nothing"),
    ("keepalive_timeout", LONG, "counts between requests"),
];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in open_locations(site).filter(|location| !pings(*location)) {
        for (name, limit, about) in OTHERS {
            let Some(line) = location.own_last(name) else { continue };
            if line.args.first().and_then(|word| time(&word.value)).is_none_or(|time| time <= limit) {
                continue;
            }
            let message = format!("{name} does not keep WebSockets open; proxy_read_timeout does");
            let finding = rule.finding(line.head(), message).here(format!("it {about}"));
            found.push(match location.in_effect("proxy_read_timeout") {
                Some(line) => finding.also(line.head(), "this is how long a tunnel may be silent"),
                None => finding.help("write \"proxy_read_timeout\" with that time"),
            });
        }
    }
}
