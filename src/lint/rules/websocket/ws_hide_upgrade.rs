//! An answer of which clients miss half.

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::syntax::Directive;

use super::ways::open;

pub static RULE: Rule = Rule {
    id: "WS128",
    name: "ws-hide-upgrade",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "proxy_hide_header Upgrade takes Upgrade out of the 101 as well",
    why: "A client has to see Upgrade: websocket in the 101, and gives up without it (RFC 6455, 4.1). The \
          line is copied around because Apache tells of h2 in an Upgrade header, which Safari once stumbled \
          over; where WebSockets pass, it does harm.",
    mend: Mend::Safe,
    examples: examples!("ws-hide-upgrade"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in open(site) {
        let block = way.pass.block;
        let is_upgrade = |line: &&&Directive| {
            line.args.first().is_some_and(|name| name.value.eq_ignore_ascii_case(b"upgrade"))
        };
        let Some(line) = block.all_in_effect("proxy_hide_header").iter().find(is_upgrade) else { continue };
        if block.all_in_effect("proxy_pass_header").iter().any(|line| is_upgrade(&line)) {
            continue;
        }
        let message = "proxy_hide_header Upgrade also removes Upgrade from the 101 answer: clients must reject the \
                       handshake";
        let is_own = site.block_of(line) == block.location();
        let (help, edit) = match is_own {
            true => ("take the line away here", edit::remove(site.tree, line)),
            false => (
                "write \"proxy_pass_header Upgrade;\" where WebSockets pass",
                edit::after(site.tree, way.pass.directive, "proxy_pass_header Upgrade;"),
            ),
        };
        let title = "let clients see Upgrade".to_owned();
        found.push(
            rule.finding(line.head(), message)
                .also(way.pass.directive.head(), "WebSockets pass here")
                .help(help)
                .fix(Fix {
                    title,
                    safe: is_own || way.pass.block.location() == Some(block),
                    edits: vec![edit],
                }),
        );
    }
}
