//! Lines that would pass a handshake on, and a deeper line that takes their place.

use std::collections::HashSet;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Block, Handshake, Site, Way};
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::syntax::{Directive, NodeId};

use super::paths;
use super::ways::ways;

pub static RULE: Rule = Rule {
    id: "WS104",
    name: "ws-headers-lost",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "a deeper proxy_set_header cancels the Upgrade and Connection lines further out",
    why: "nginx inherits proxy_set_header only where a level has none of its own: one line for another \
          header, and all those further out are gone. The handshake becomes a plain request and is answered \
          200, 400 or 426 in place of 101. Where other locations still pass handshakes on, only places that \
          are named for WebSockets are reported.",
    mend: Mend::Safe,
    examples: examples!("ws-headers-lost"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    // Levels whose lines still pass handshakes on for somebody: who loses them may mean to.
    let used: HashSet<Option<NodeId>> =
        site.ways().filter(Way::is_open).filter_map(|way| way.pass.block.headers().level).map(id).collect();
    let mut seen = HashSet::new();
    for way in ways(site) {
        let (Handshake::Lost, Some(outer), Some(level)) =
            (way.handshake, way.outer, way.pass.block.headers().level)
        else {
            continue;
        };
        let is_meant = || way.pass.block.location().is_some_and(paths::is_named_for_websockets);
        if level.is_known() && (!used.contains(&id(outer)) || is_meant()) && seen.insert(id(level)) {
            found.push(finding(rule, site, &way, outer, level));
        }
    }
}

fn id(block: Block<'_>) -> Option<NodeId> {
    block.directive().map(|directive| directive.id)
}

fn finding(rule: &Rule, site: &Site<'_>, way: &Way<'_>, outer: Block<'_>, level: Block<'_>) -> Diagnostic {
    let own = level.own("proxy_set_header");
    let (first, last) = (own[0], own[own.len() - 1]);
    let message = format!(
        "proxy_set_header here cancels the Upgrade and Connection headers set in {outer}: none of the outer ones are \
         inherited"
    );
    let outer = outer.headers();
    let lost: Vec<&Directive> = ["Upgrade", "Connection"].iter().flat_map(|field| outer.all(field)).collect();
    let mut finding = rule.finding(first.head(), message);
    for line in &lost {
        finding = finding.also(line.head(), "set here, and lost");
    }
    finding = finding.also(way.pass.directive.head(), "no WebSocket comes to be here");
    let lines: Vec<String> = lost.into_iter().map(edit::line).collect();
    finding.help(format!("repeat them here: \"{}\"", lines.join(" "))).fix(Fix {
        title: "repeat the lines that pass handshakes on".to_owned(),
        safe: true,
        edits: vec![edit::after(site.tree, last, &lines.join("\n"))],
    })
}
