//! Lists of who may come in that nobody is kept out by.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::syntax::Directive;

use super::access;

pub static RULE: Rule = Rule {
    id: "SEC310",
    name: "allow-without-deny",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "allow without a deny behind it restricts nothing",
    why: "nginx lets in whom no line speaks of. A list of addresses that may come in needs \"deny all\" at its end, in \
          the same block: where a block has any allow or deny, those of outer blocks are not heeded. With \"satisfy \
          any\" it is different: then whom the list does not name has to show a password.",
    mend: Mend::Safe,
    examples: examples!("allow-without-deny"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for block in site.blocks().filter(|block| block.has("allow")) {
        let idle = idle(block);
        let (Some(first), Some(last)) = (idle.first(), idle.last()) else { continue };
        // A file of nothing but addresses is a part of a list that goes on where it is included.
        let is_part = block.head().is_none();
        if is_part || !block.is_known() || is_way_in(block) {
            continue;
        }
        let named: Vec<_> =
            idle.iter().filter_map(|line| line.args.first()).map(|word| word.value.to_str_lossy()).collect();
        let named = match &named[..] {
            [one, two, three, _, ..] => format!("{one}, {two}, {three} and others"),
            few => few.join(", "),
        };
        let message = format!("{block} is open to all: nothing denies those who are not allowed ({named})");
        let mut finding = rule.finding(first.head(), message);
        if let Some(outer) = block.parent().and_then(access::rules)
            && let Some(deny) = outer.own_last("deny")
        {
            finding = finding.also(deny.head(), format!("not heeded in {block}, which has rules of its own"));
        }
        let edits = vec![edit::after(site.tree, last, "deny all;")];
        found.push(finding.help("end the list with \"deny all;\"").fix(Fix {
            title: "deny all others".to_owned(),
            safe: true,
            edits,
        }));
    }
}

/// The `allow` lines of a block behind which none denies anything, if they name somebody.
fn idle(block: Block<'_>) -> Vec<&Directive> {
    let rules = block.items().iter().copied().filter(|item| item.is("allow") || item.is("deny"));
    let rules: Vec<&Directive> = rules.collect();
    let from = rules.iter().rposition(|rule| rule.is("deny")).map_or(0, |at| at + 1);
    let idle = &rules[from..];
    let allows_all = |line: &&Directive| line.args.first().is_some_and(|word| is_everybody(&word.value));
    if idle.iter().any(allows_all) { Vec::new() } else { idle.to_vec() }
}

fn is_everybody(address: &[u8]) -> bool {
    matches!(address, b"all" | b"0.0.0.0/0" | b"::/0")
}

/// Whether the addresses are one way in of several, here or in a block that inherits them.
fn is_way_in(block: Block<'_>) -> bool {
    let either = |block: Block<'_>| block.value("satisfy", "all") == b"any" && access::asks_for_proof(block);
    either(block) || block.descendants().any(either)
}
