//! Headers that protect people, thrown away by a deeper add_header.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, Version, edit, examples};
use crate::syntax::Directive;

use super::access;

pub static RULE: Rule = Rule {
    id: "SEC305",
    name: "add-header-lost",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "add_header cancels security headers that are set further out",
    why: "A block with any add_header inherits none: nginx takes the list of the nearest block that has one. So a \
          location that adds a header of its own answers without the Content-Security-Policy or \
          Strict-Transport-Security of its server. It does not matter for answers that no page is made of.",
    mend: Mend::Unsafe,
    examples: examples!("add-header-lost"),
    check,
};

/// Headers that somebody is less safe without.
const PROTECTING: [&str; 14] = [
    "x-frame-options",
    "x-content-type-options",
    "x-xss-protection",
    "content-security-policy",
    "content-security-policy-report-only",
    "strict-transport-security",
    "referrer-policy",
    "permissions-policy",
    "feature-policy",
    "cross-origin-opener-policy",
    "cross-origin-embedder-policy",
    "cross-origin-resource-policy",
    "x-permitted-cross-domain-policies",
    "x-download-options",
];

/// Since this version blocks can add to what they inherit.
const MERGING: Version = Version(1, 29, 3);

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for block in site.blocks() {
        let Some(first) = block.own("add_header").first() else { continue };
        let Some(outer) = block.parent().and_then(|parent| parent.level("add_header")) else { continue };
        if merges(block) || is_no_page(block) {
            continue;
        }
        let lost: Vec<&Directive> = lost(block, outer);
        if lost.is_empty() {
            continue;
        }
        let names: Vec<_> =
            lost.iter().filter_map(|line| line.args.first()).map(|name| name.value.to_str_lossy()).collect();
        let plural = if lost.len() == 1 { "it" } else { "them" };
        let message = format!("add_header here cancels {}, set in {outer}", names.join(", "));
        let mut finding =
            rule.finding(first.head(), message).here(format!("answers of {block} go without {plural}"));
        for line in lost.iter().take(8) {
            finding = finding.also(line.head(), "set here");
        }
        finding = finding.help(format!("repeat {plural} in {block}, best in a file that both include"));
        if site.target >= MERGING {
            finding = finding.help("or let the block add to what it inherits: \"add_header_inherit merge;\"");
        }
        let lines: Vec<_> =
            lost.iter().map(|line| site.tree.sources.bytes(line.span).to_str_lossy()).collect();
        let edits = lines.iter().map(|line| edit::before(site.tree, first, line)).collect();
        let title = format!("repeat the headers of {outer}");
        found.push(finding.fix(Fix { title, safe: false, edits }));
    }
}

/// Whether what is set further out stays, or was told to go.
pub fn merges(block: Block<'_>) -> bool {
    block.site.target >= MERGING && block.value("add_header_inherit", "on") != b"on"
}

/// The lines of an outer block that protect somebody and have no counterpart in this one.
pub fn lost<'a>(block: Block<'a>, outer: Block<'a>) -> Vec<&'a Directive> {
    let field = |line: &Directive| line.args.first().map(|name| name.value.to_ascii_lowercase());
    let own: Vec<Vec<u8>> = block.own("add_header").iter().filter_map(|line| field(line)).collect();
    let is_lost = |line: &&&Directive| {
        let protects = |name: &Vec<u8>| {
            PROTECTING.iter().any(|known| name == known.as_bytes()) || keeps_private(line, name)
        };
        let has_value = line.args.get(1).is_some_and(|value| !value.value.is_empty());
        has_value && field(line).is_some_and(|name| protects(&name) && !own.contains(&name))
    };
    outer.own("add_header").iter().filter(is_lost).copied().collect()
}

/// A Cache-Control that keeps answers out of caches, where nothing in effect writes another.
fn keeps_private(line: &Directive, name: &[u8]) -> bool {
    let value = line.args.get(1).map_or(&b""[..], |value| &value.value[..]).to_ascii_lowercase();
    name == b"cache-control" && (value.contains_str("no-store") || value.contains_str("private"))
}

/// Whether the answers are none that a browser makes a page of: redirects, refusals, and those without content.
fn is_no_page(block: Block<'_>) -> bool {
    let mut answers = block.own("return").iter().filter_map(|line| access::answer(line));
    answers.next().is_some_and(|(status, _)| status == 204 || status >= 300)
}
