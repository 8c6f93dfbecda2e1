//! Handshakes that are also made with the service that is asked for leave.

use std::collections::HashSet;

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::lint::site::{Block, Pass, Patterns, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::syntax::Directive;

use super::ways::open;

pub static RULE: Rule = Rule {
    id: "WS122",
    name: "ws-auth-request-upgrade",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "the service that auth_request asks is sent the handshake's Upgrade",
    why: "A subrequest has the client's headers, and lines that pass handshakes on do so for it as well. If \
          the service that is asked answers 101, nginx says: connection upgrade in subrequest, and closes \
          the client's connection. It does not matter where that service knows no WebSockets at all.",
    mend: Mend::Safe,
    examples: examples!("ws-auth-request-upgrade"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let mut patterns = Patterns::default();
    let mut seen = HashSet::new();
    for way in open(site) {
        let block = way.pass.block;
        let Some(asks) = block.in_effect("auth_request") else { continue };
        let Some(uri) = asks.args.first().filter(|uri| uri.value != "off") else { continue };
        let target = block.server().and_then(|server| server.answers(&uri.value, &mut patterns));
        let Some(pass) = target.and_then(Block::pass).filter(|pass| pass.way().is_open()) else { continue };
        let Some(upgrade) = pass.block.headers().get("Upgrade").filter(|_| seen.insert(pass.directive.id))
        else {
            continue;
        };
        let message = format!(
            "auth_request target {} {} the Upgrade header: if the auth service answers 101 the handshake dies",
            uri.value,
            if pass.block.has("proxy_set_header") { "sets" } else { "inherits" }
        );
        found.push(
            rule.finding(pass.directive.head(), message)
                .also(asks.head(), "asked here, before a handshake is passed on")
                .also(upgrade.head(), "this makes the question a handshake too")
                .help("clear it there: \"proxy_set_header Upgrade '';\" and \"proxy_set_header Connection '';\"")
                .fix(Fix { title: "ask without Upgrade".to_owned(), safe: true, edits: cleared(site, pass) }),
        );
    }
}

/// Takes Upgrade and Connection out of what is sent from here; what is inherited is repeated.
fn cleared(site: &Site<'_>, pass: Pass<'_>) -> Vec<Edit> {
    let headers = pass.block.headers();
    let is_of_upgrade = |line: &&&Directive| {
        let is = |name: &str| {
            line.args.first().is_some_and(|field| field.value.eq_ignore_ascii_case(name.as_bytes()))
        };
        is("Upgrade") || is("Connection")
    };
    if pass.block.has("proxy_set_header") {
        let values = headers.lines.iter().filter(is_of_upgrade).filter_map(|line| line.args.get(1));
        return values
            .filter(|value| !value.value.is_empty())
            .map(|value| edit::replace(value, ""))
            .collect();
    }
    let others = headers.lines.iter().filter(|line| !is_of_upgrade(line)).map(|line| edit::line(line));
    let cleared = ["Upgrade", "Connection"].iter().map(|name| format!("proxy_set_header {name} \"\";"));
    let lines: Vec<String> = others.chain(cleared).collect();
    vec![edit::after(site.tree, pass.directive, &lines.join("\n"))]
}
