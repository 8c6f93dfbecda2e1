//! Connection speaks of an upgrade that is not sent.

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Handshake, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};

use super::ways::ways;

pub static RULE: Rule = Rule {
    id: "WS101",
    name: "ws-upgrade-header-missing",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "Connection says upgrade, but Upgrade is not passed on",
    why: "Upgrade is a header for one hop: nginx drops the client's unless a line sends it on. Without it \
          the backend sees a plain request and answers 200, 400 or 426 in place of 101, and no WebSocket \
          comes to be. A location through which none has to come does not need the Connection line either.",
    mend: Mend::Safe,
    examples: examples!("ws-upgrade-header-missing"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(site).filter(|way| way.handshake == Handshake::NoUpgrade && way.pass.block.is_known()) {
        let headers = way.pass.block.headers();
        let Some(connection) = headers.get("Connection") else { continue };
        let message = "Connection is set to upgrade but the Upgrade header is not passed to the upstream";
        let finding = rule
            .finding(connection.head(), message)
            .here("Connection: upgrade, without saying to what")
            .also(way.pass.directive.head(), "the upstream gets a plain request from here");
        let line = "proxy_set_header Upgrade $http_upgrade;";
        let (edits, label) = match headers.get("Upgrade") {
            Some(empty) => (
                empty.args.get(1).map(|word| edit::replace(word, "$http_upgrade")),
                Some((empty.head(), "it is taken out here")),
            ),
            None => (Some(edit::before(site.tree, connection, line)), None),
        };
        let finding = match label {
            Some((span, text)) => finding.also(span, text),
            None => finding,
        };
        found.push(finding.help(format!("write \"{line}\" beside it")).fix(Fix {
            title: "pass the client's Upgrade on".to_owned(),
            safe: headers.get("Upgrade").is_none(),
            edits: edits.into_iter().collect(),
        }));
    }
}
