//! What belongs into one header stands in the other.

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Handshake, Origin, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::syntax::{Directive, Word};

use super::connection_map;
use super::ways::ways;

pub static RULE: Rule = Rule {
    id: "WS107",
    name: "ws-upgrade-connection-swapped",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "Upgrade is sent what belongs into Connection, or the other way round",
    why: "Upgrade names a protocol: websocket. Connection says that there is an Upgrade: upgrade. With the \
          one in the other's place the backend reads Upgrade: upgrade, or Connection: websocket, and \
          refuses.",
    mend: Mend::Safe,
    examples: examples!("ws-upgrade-connection-swapped"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(site).filter(|way| way.handshake == Handshake::Swapped) {
        let headers = way.pass.block.headers();
        let pass = way.pass.directive.head();
        let line = |field: &str| headers.get(field).and_then(|line| Some((line, line.args.get(1)?)));
        let is_client_s = |value: &Word| value.value.eq_ignore_ascii_case(b"$http_upgrade");
        if let Some((upgrade, value)) = line("Upgrade").filter(|(_, value)| !is_client_s(value)) {
            let message = format!(
                "Upgrade is set to {}, which holds a Connection value such as \"upgrade\"",
                value.value
            );
            let finding =
                rule.finding(upgrade.head(), message).also(pass, "handshakes are refused behind this");
            let finding = origin(site, &value.value)
                .into_iter()
                .fold(finding, |finding, map| finding.also(map.head(), "it gets its value here"));
            found.push(finding.help("write \"proxy_set_header Upgrade $http_upgrade;\"").fix(Fix {
                title: "send the client's Upgrade".to_owned(),
                safe: true,
                edits: vec![edit::replace(value, "$http_upgrade")],
            }));
        } else if let Some((connection, value)) = line("Connection") {
            let message = format!(
                "Connection is set to {}, which holds an Upgrade value such as \"websocket\"",
                value.value
            );
            let finding =
                rule.finding(connection.head(), message).also(pass, "handshakes are refused behind this");
            found.push(connection_map::instead(site, finding, value));
        }
    }
}

/// The map that a text which is one variable is the value of.
fn origin<'s>(site: &'s Site<'_>, text: &[u8]) -> Option<&'s Directive> {
    let origins = site.origins(text.strip_prefix(b"$")?);
    origins.into_iter().find_map(|origin| match origin {
        Origin::Map { directive, .. } => Some(directive),
        _ => None,
    })
}
