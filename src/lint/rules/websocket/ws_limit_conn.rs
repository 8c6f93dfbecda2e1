//! A limit on connections that never end.

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::values::number;
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::Word;

use super::ways::open_locations;

pub static RULE: Rule = Rule {
    id: "WS130",
    name: "ws-limit-conn",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "limit_conn counts each open WebSocket for its whole life",
    why: "limit_conn was made for requests that are over soon. A WebSocket counts until it is closed: tabs, \
          reconnects and everybody behind one address use the number up, and the next handshake is answered \
          503. A limit that was chosen for WebSockets is as it should be; allow this rule there.",
    mend: Mend::None,
    examples: examples!("ws-limit-conn"),
    check,
};

/// More than this is no limit for tabs of a browser.
const MANY: u64 = 100;

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in open_locations(site).filter(|location| !location.is_on("limit_conn_dry_run", false)) {
        for line in location.all_in_effect("limit_conn") {
            let [zone, count] = &line.args[..] else { continue };
            let Some(head) = location.head() else { continue };
            if number(&count.value).is_none_or(|count| count > MANY) {
                continue;
            }
            let message = format!("limit_conn {} counts each open WebSocket for its whole life", count.value);
            let finding = rule.finding(line.head(), message).also(head, "WebSockets pass here");
            let finding = match key(site, &zone.value) {
                Some(key) => finding.also(key.span, "it is counted by this"),
                None => finding,
            };
            found.push(
                finding.help(
                    "raise it where WebSockets pass, or limit how often they are opened: \"limit_req\"",
                ),
            );
        }
    }
}

/// What connections are counted by in a zone.
fn key<'s>(site: &'s Site<'_>, zone: &[u8]) -> Option<&'s Word> {
    let is_it = |word: &Word| {
        word.value
            .strip_prefix(b"zone=")
            .is_some_and(|rest| rest.split(|byte| *byte == b':').next() == Some(zone))
    };
    let mut zones = site.all(&["limit_conn_zone"]).map(|(_, line)| line);
    zones.find(|line| line.args.iter().any(is_it))?.args.first()
}
