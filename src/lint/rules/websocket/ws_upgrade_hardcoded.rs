//! An upgrade that nobody asked for.

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Handshake, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};

use super::ways::{is_for_handshakes_alone, ways};

pub static RULE: Rule = Rule {
    id: "WS106",
    name: "ws-upgrade-hardcoded",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "Upgrade is a constant: plain requests ask for another protocol too",
    why: "Every request asks the backend to change protocols, also one whose client has not. If the backend \
          answers 101, nginx opens no tunnel for that client, who hears nothing until a timeout. Handshakes \
          work, which is why it goes unnoticed.",
    mend: Mend::Safe,
    examples: examples!("ws-upgrade-hardcoded"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(site).filter(|way| way.handshake == Handshake::Passed && !is_for_handshakes_alone(way)) {
        let block = way.pass.block;
        let Some(line) = block.headers().get("Upgrade") else { continue };
        let Some(word) = line.args.get(1) else { continue };
        let Some(values) = site.possible(block, &word.value).filter(|values| values.len() == 1) else {
            continue;
        };
        let Some(value) = values.first() else { continue };
        let message = format!(
            "Upgrade is the constant \"{value}\": every request asks the upstream to switch protocols"
        );
        found.push(
            rule.finding(line.head(), message)
                .also(way.pass.directive.head(), "plain requests go this way too")
                .help("write \"proxy_set_header Upgrade $http_upgrade;\", which is empty where the client asks for nothing")
                .fix(Fix {
                    title: "send the client's Upgrade".to_owned(),
                    safe: true,
                    edits: vec![edit::replace(word, "$http_upgrade")],
                }),
        );
    }
}
