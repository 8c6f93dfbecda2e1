//! Patterns that match in the middle of a path.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, examples};

pub static RULE: Rule = Rule {
    id: "OPS506",
    name: "unanchored-regex",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "the pattern of a location has no anchor: it matches anywhere in a path",
    why: "A pattern without ^ and $ is looked for in the whole path: \\.php takes /old.phpinfo.txt/x as well as /index.php. \
          Requests come to a location that was not meant for them, and each of them is searched to its end. It is right \
          where a location refuses what it matches, and wherever it is.",
    mend: Mend::None,
    examples: examples!("unanchored-regex"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in site.locations() {
        let Some(name) = location.name().filter(|name| name.modifier.is_pattern()) else { continue };
        if is_anchored(name.name) || refuses(location) {
            continue;
        }
        let pattern = name.name.to_str_lossy();
        found.push(rule.finding(name.span, format!("{pattern} matches anywhere in the path")).help(format!(
            "\"^\" before it ties it to the beginning of the path, \"$\" behind it to the end: \"{pattern}$\""
        )));
    }
}

/// Whether any anchor stands in the pattern outside of a class.
fn is_anchored(pattern: &[u8]) -> bool {
    let (mut at, mut in_class) = (0, false);
    while at < pattern.len() {
        match pattern[at] {
            b'\\' => {
                if matches!(pattern.get(at + 1), Some(b'A' | b'z' | b'Z' | b'G')) {
                    return true;
                }
                at += 1;
            }
            b'[' => in_class = true,
            b']' => in_class = false,
            b'^' | b'$' if !in_class => return true,
            _ => {}
        }
        at += 1;
    }
    false
}

/// Whether the location only says no.
fn refuses(location: Block<'_>) -> bool {
    let says = |name: &str, starts: &[&[u8]]| {
        location.own(name).iter().any(|line| {
            line.args.first().is_some_and(|word| starts.iter().any(|start| word.value.starts_with(start)))
        })
    };
    says("deny", &[b"all"]) || says("return", &[b"4"]) || location.has("internal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_found_where_they_are_anchors() {
        for pattern in ["^/a", r"\.php$", r"\.php(/|$)", r"\A/x", "(^|/)a"] {
            assert!(is_anchored(pattern.as_bytes()), "{pattern}");
        }
        for pattern in [r"\.php", r"\.php[^/]*", r"\$x", r"a[$]b"] {
            assert!(!is_anchored(pattern.as_bytes()), "{pattern}");
        }
    }
}
