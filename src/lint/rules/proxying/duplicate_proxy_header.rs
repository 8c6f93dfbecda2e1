//! A header field that is sent twice.

use std::collections::HashMap;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::directive::Context;
use crate::lint::edit;
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, Version, examples};
use crate::syntax::Directive;

use super::places::is_written_in;

pub static RULE: Rule = Rule {
    id: "PX213",
    name: "duplicate-proxy-header",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "proxy_set_header sets the same field twice: both lines are sent",
    why: "A second line does not replace the first one, not even of an included file: the upstream gets both. What it \
          makes of two values is its own affair (the first, the last, both with a comma), and two Host lines are a 400 \
          to many. Of two Host lines nginx 1.31 sends the last.",
    mend: Mend::Safe,
    examples: examples!("duplicate-proxy-header"),
    check,
};

/// Fields that may come in several lines, so that different values add up.
const LISTS: [&str; 12] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "cookie",
    "forwarded",
    "link",
    "pragma",
    "te",
    "trailer",
    "via",
    "warning",
];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for level in site.within(Context::HTTP.or(Context::SERVER).or(Context::LOCATION)) {
        let mut seen: HashMap<Vec<u8>, &Directive> = HashMap::new();
        for line in level.own("proxy_set_header").iter().copied() {
            let [field, value] = &line.args[..] else { continue };
            if is_never_sent(level, &value.value) {
                continue;
            }
            let name = field.value.to_ascii_lowercase();
            match seen.get(&name) {
                Some(first) => found.extend(finding(rule, level, first, line)),
                None => drop(seen.insert(name, line)),
            }
        }
    }
}

fn finding(rule: &Rule, level: Block<'_>, first: &Directive, second: &Directive) -> Option<Diagnostic> {
    let (field, one, other) = (&second.args[0].value, &first.args[1].value, &second.args[1].value);
    let is_same = one == other;
    let is_list = LISTS.iter().any(|known| field.eq_ignore_ascii_case(known.as_bytes()));
    if !is_same && (is_list || may_be_empty(level, one) && may_be_empty(level, other)) {
        return None;
    }
    let name = field.to_str_lossy();
    let is_host = field.eq_ignore_ascii_case(b"host");
    let sent = match is_host && level.site.target >= Version::NEWEST {
        true => "the last one is sent; older versions of nginx send both",
        false => "the upstream gets both lines",
    };
    let finding = rule
        .finding(second.span, format!("{name} is set twice: {sent}"))
        .here(if is_same { "the same again" } else { "a second value" })
        .also(first.span, "set here first");
    if !is_same {
        return Some(finding.help("leave one of them"));
    }
    let mut finding = finding.help("leave one of them: they are the same");
    // What the block itself says goes, rather than a line that others include.
    let surplus = if is_written_in(level, second) || !is_written_in(level, first) { second } else { first };
    finding.fix = Some(Fix {
        title: "leave one of two equal lines".to_owned(),
        safe: true,
        edits: vec![edit::remove(level.site.tree, surplus)],
    });
    Some(finding)
}

/// A line without a value sends nothing: it keeps a field of the client's from being passed on.
fn is_never_sent(level: Block<'_>, value: &[u8]) -> bool {
    level.site.possible(level, value).is_some_and(|all| all.iter().all(|value| value.is_empty()))
}

/// Whether a value is made to be empty at times, so that one of two lines is sent.
fn may_be_empty(level: Block<'_>, value: &[u8]) -> bool {
    value.contains(&b'$') && level.site.outlines(level, value).iter().any(|value| value.is_empty())
}
