//! Patterns that a short text keeps busy for seconds.

use std::collections::HashMap;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::regex::Regex;
use crate::lint::site::{Modifier, Operator, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;

pub static RULE: Rule = Rule {
    id: "SEC320",
    name: "regex-redos",
    severity: Severity::Warning,
    profile: Profile::Security,
    summary: "a pattern can take exponential time on a text made for it",
    why: "Where something repeated is repeated again, as in \"(a+)+\", there are many ways to cut a text into parts, \
          and PCRE tries them all before it gives up. A worker does nothing else meanwhile. PCRE's own limit ends \
          it after millions of steps, and nginx answers 500; a handful of requests a second is enough all the same.",
    mend: Mend::None,
    examples: examples!("regex-redos"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    // The same pattern stands in many servers, and to prove that it is slow takes a moment.
    let mut known: HashMap<(&[u8], bool), Option<Vec<u8>>> = HashMap::new();
    for (pattern, caseless, span) in patterns(site) {
        let attack = known
            .entry((pattern, caseless))
            .or_insert_with(|| Regex::new(pattern, caseless).and_then(|regex| regex.exhausting()));
        let Some(attack) = attack else { continue };
        let length = attack.len();
        let start: String = attack[..length.min(24)].to_str_lossy().escape_debug().collect();
        let message = format!(
            "the pattern \"{}\" can take exponential time: PCRE gives up on {length} bytes that begin with \"{start}\"",
            pattern.to_str_lossy()
        );
        found.push(rule.finding(span, message).help(
            "repeat once: \"a+\" instead of \"(a+)+\"; or have a fixed character between what repeats",
        ));
    }
}

/// Every pattern that is compared with what clients send.
fn patterns<'a>(site: &'a Site<'_>) -> Vec<(&'a [u8], bool, Span)> {
    let mut all = Vec::new();
    for block in site.blocks() {
        if let Some(name) = block.name()
            && let Modifier::Pattern { caseless } = name.modifier
        {
            all.push((name.name, caseless, name.span));
        }
        if let Some(condition) = block.condition()
            && let Operator::Matches { caseless, .. } = condition.operator
        {
            all.push((condition.operand, caseless, condition.word.span));
        }
        for rewrite in block.own("rewrite") {
            all.extend(rewrite.args.first().map(|word| (&word.value[..], false, word.span)));
        }
        for name in block.own("server_name").iter().flat_map(|line| &line.args) {
            all.extend(name.value.strip_prefix(b"~").map(|pattern| (pattern, true, name.span)));
        }
        for (key, _) in block.own("map").iter().flat_map(|map| site.rows(map)) {
            let Some(pattern) = key.value.strip_prefix(b"~") else { continue };
            match pattern.strip_prefix(b"*") {
                Some(pattern) => all.push((pattern, true, key.span)),
                None => all.push((pattern, false, key.span)),
            }
        }
    }
    all
}
