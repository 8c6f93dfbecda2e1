//! Upgrade goes on, and Connection does not say so.

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Handshake, ONE_ONE_BY_DEFAULT, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::syntax::Directive;

use super::connection_map::{self, ConnectionMap};
use super::ways::ways;

pub static RULE: Rule = Rule {
    id: "WS102",
    name: "ws-connection-header-missing",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "Upgrade is passed on, but Connection does not say upgrade",
    why: "An Upgrade header counts only if Connection names it. Without that word the backend takes a \
          handshake for a plain request and answers 200, 400 or 426 in place of 101. A backend that is \
          told of no upgrade needs no Upgrade header.",
    mend: Mend::Safe,
    examples: examples!("ws-connection-header-missing"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(site).filter(|way| way.handshake == Handshake::NoConnection && way.pass.block.is_known())
    {
        let headers = way.pass.block.headers();
        let Some(upgrade) = headers.get("Upgrade") else { continue };
        let finding = match headers.get("Connection").and_then(|line| Some((line, line.args.get(1)?))) {
            Some((line, value)) => {
                let values = site.possible(way.pass.block, &value.value).unwrap_or_default();
                let values: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
                let message = format!(
                    "Upgrade is passed but Connection is {}, without the word upgrade",
                    values.join(" or ")
                );
                let finding =
                    rule.finding(line.head(), message).also(upgrade.head(), "Upgrade is passed on here");
                connection_map::instead(site, finding, value)
            }
            None => is_not_set(rule, site, upgrade),
        };
        found.push(finding.also(way.pass.directive.head(), "no WebSocket comes to be here"));
    }
}

fn is_not_set(rule: &Rule, site: &Site<'_>, upgrade: &Directive) -> Diagnostic {
    let instead = if site.target >= ONE_ONE_BY_DEFAULT { "none by itself" } else { "\"Connection: close\"" };
    let message = format!("Upgrade is passed but Connection is not: nginx sends {instead}");
    let finding = rule.finding(upgrade.head(), message).here("Connection: upgrade has to go with it");
    match ConnectionMap::of(site) {
        Some(map) => {
            let line = edit::after(site.tree, upgrade, &map.line());
            map.mend(finding, line, true)
        }
        None => finding.help("write \"proxy_set_header Connection upgrade;\" beside it"),
    }
}
