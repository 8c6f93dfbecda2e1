//! WebSockets over a version of HTTP that has none.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Handshake, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};

use super::ways::ways;

pub static RULE: Rule = Rule {
    id: "WS103",
    name: "ws-http-version",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "handshakes go to the upstream in a version of HTTP that knows no upgrade",
    why: "Only HTTP/1.1 can change into a WebSocket by an Upgrade header. In 1.0 a backend ignores it, in \
          HTTP/2 it is forbidden: the answer is 200 or 400 in place of 101. Until nginx 1.29.7 the version \
          was 1.0 unless written.",
    mend: Mend::Safe,
    examples: examples!("ws-http-version"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(site).filter(|way| way.handshake == Handshake::Passed && !way.is_open()) {
        let (block, version) = (way.pass.block, way.pass.http_version().as_bstr());
        let message =
            format!("WebSocket location talks HTTP/{version} to the upstream; the upgrade needs 1.1");
        let Some(level) = block.headers().level else { continue };
        let Some(upgrade) = level.headers().get("Upgrade") else { continue };
        let line = "proxy_http_version 1.1;";
        let added = edit::before(site.tree, upgrade, line);
        let (finding, edit) = match block.in_effect("proxy_http_version") {
            Some(written) => {
                let finding = rule
                    .finding(written.head(), message)
                    .also(upgrade.head(), "handshakes are passed on here");
                let stands_further_out =
                    level.outwards().skip(1).any(|outer| Some(outer) == site.block_of(written));
                let replaced = written.args.first().map(|word| edit::replace(word, "1.1"));
                // What is written further out may be meant for others.
                (finding, if stands_further_out { Some(added) } else { replaced })
            }
            None if block.is_known() => {
                let note = "before nginx 1.29.7 the version is 1.0 where proxy_http_version is not written";
                (
                    rule.finding(upgrade.head(), message).here("handshakes are passed on here").note(note),
                    Some(added),
                )
            }
            None => continue,
        };
        let finding = finding.also(way.pass.directive.head(), "no WebSocket comes to be here");
        let title = "speak HTTP/1.1 to the upstream".to_owned();
        let edits = edit.into_iter().collect();
        found.push(finding.help(format!("write \"{line}\"")).fix(Fix { title, safe: true, edits }));
    }
}
