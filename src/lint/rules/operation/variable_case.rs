//! Variables that differ in nothing but the case of their letters.

use std::collections::BTreeMap;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Origin, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;
use crate::syntax::Directive;

pub static RULE: Rule = Rule {
    id: "OPS509",
    name: "variable-case",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "a variable is written with capitals here and without them there",
    why: "nginx makes small letters of the names of variables: $Foo and $FOO are one, and what is set last holds for both. \
          Who meant two has one; who meant one is harder to understand than need be.",
    mend: Mend::None,
    examples: examples!("variable-case"),
    check,
};

/// Where a spelling was first seen.
struct Seen {
    spelling: Vec<u8>,
    place: Span,
}

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let mut all: BTreeMap<Vec<u8>, Vec<Seen>> = BTreeMap::new();
    for line in site.blocks().flat_map(|block| block.items().iter().copied()) {
        look(line, &mut all);
        if line.is("map") {
            site.tree.items(Some(line.id)).for_each(|row| look(row, &mut all));
        }
    }
    for (name, spellings) in all {
        let [first, others @ ..] = &spellings[..] else { continue };
        let own = |origin: &Origin<'_>| !matches!(origin, Origin::Builtin(_));
        if others.is_empty() || !site.origins(&name).iter().any(own) {
            continue;
        }
        let written: Vec<String> =
            spellings.iter().map(|seen| format!("${}", seen.spelling.to_str_lossy())).collect();
        let last = &others[0];
        let message = format!("{} are the same variable", written.join(" and "));
        found.push(
            rule.finding(last.place, message).also(first.place, format!("the same as {}", written[0])).help(
                format!(
                    "write ${} everywhere, or give the second one a name of its own",
                    name.to_str_lossy()
                ),
            ),
        );
    }
}

/// Notes the variables that a line names. Patterns are left out: their `$` is an anchor.
fn look(line: &Directive, all: &mut BTreeMap<Vec<u8>, Vec<Seen>>) {
    for word in line.args.iter().filter(|word| word.value.contains(&b'$')) {
        if line.is("location") || word.value.starts_with(b"~") || word.value.starts_with(b"^") {
            continue;
        }
        for piece in pieces(&word.value) {
            let Piece::Variable(spelling) = piece else { continue };
            let seen = all.entry(spelling.to_ascii_lowercase()).or_default();
            if !seen.iter().any(|one| one.spelling == spelling) {
                seen.push(Seen { spelling: spelling.to_vec(), place: word.span });
            }
        }
    }
}
