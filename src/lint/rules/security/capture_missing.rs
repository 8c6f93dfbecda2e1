//! Groups that a pattern does not have.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::regex::compiled;
use crate::lint::site::{Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;
use crate::syntax::{Directive, Word};

use super::matched::matched;

pub static RULE: Rule = Rule {
    id: "SEC314",
    name: "capture-missing",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "$1 to $9 of a group that the pattern does not have",
    why: "A group that is not there is empty: requests go to a shorter path than was meant, often to that of the \
          directory above, and nobody is told.",
    mend: Mend::None,
    examples: examples!("capture-missing"),
    check,
};

/// Directives whose arguments may have groups in them; what they say is looked up in the block they stand in.
const USERS: [&str; 16] = [
    "rewrite",
    "return",
    "set",
    "proxy_pass",
    "fastcgi_pass",
    "uwsgi_pass",
    "scgi_pass",
    "grpc_pass",
    "alias",
    "root",
    "try_files",
    "add_header",
    "proxy_set_header",
    "fastcgi_param",
    "error_page",
    "access_log",
];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let places = Context::SERVER.or(Context::LOCATION).or(Context::IF_SERVER).or(Context::IF_LOCATION);
    for (block, directive) in site.all(&USERS).filter(|(block, _)| places.meets(block.context())) {
        let texts = directive.args.iter().skip(usize::from(directive.is("rewrite")));
        let used: Vec<(&Word, usize)> = texts.filter_map(|word| Some((word, highest(word)?))).collect();
        let Some((word, number)) = used.into_iter().max_by_key(|(_, number)| *number) else { continue };
        let Some(matched) = matched(block, directive) else { continue };
        let Some(groups) = compiled(matched.pattern, matched.caseless).map(|pattern| pattern.groups()) else {
            continue;
        };
        if number > groups {
            found.push(finding(rule, word, number, groups, matched.pattern, matched.word.span));
        }
    }
    for map in site.all(&["map"]).map(|(_, map)| map) {
        rows(rule, site, map, found);
    }
}

fn rows(rule: &Rule, site: &Site<'_>, map: &Directive, found: &mut Vec<Diagnostic>) {
    for (key, value) in site.rows(map) {
        let (Some(pattern), Some(number)) = (key.value.strip_prefix(b"~"), highest(value)) else { continue };
        let caseless = pattern.strip_prefix(b"*");
        let pattern = compiled(caseless.unwrap_or(pattern), caseless.is_some());
        if let Some(groups) = pattern.map(|pattern| pattern.groups()).filter(|groups| number > *groups) {
            found.push(finding(rule, value, number, groups, &key.value, key.span));
        }
    }
}

fn finding(
    rule: &Rule,
    word: &Word,
    number: usize,
    groups: usize,
    pattern: &[u8],
    place: Span,
) -> Diagnostic {
    let has = match groups {
        0 => "has no groups".to_owned(),
        1 => "has only one group".to_owned(),
        _ => format!("has only {groups} groups"),
    };
    let message = format!("${number} is always empty: the pattern \"{}\" {has}", pattern.to_str_lossy());
    rule.finding(word.span, message)
        .also(place, "the pattern that was compared last")
        .help("put parentheses around what is to be taken over, or leave it out")
}

/// The highest number of a group in a text.
fn highest(word: &Word) -> Option<usize> {
    let numbers = pieces(&word.value).into_iter().filter_map(|piece| match piece {
        Piece::Capture(number) => Some(usize::from(number)),
        _ => None,
    });
    numbers.max()
}
