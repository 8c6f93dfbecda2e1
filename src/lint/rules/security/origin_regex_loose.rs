//! Checks of Origin or Referer that let others pass as well.

use std::collections::HashMap;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::regex::Regex;
use crate::lint::site::{Block, Operator, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::Word;

use super::access;
use super::origins::{Kind, Stranger, stranger};

pub static RULE: Rule = Rule {
    id: "SEC308",
    name: "origin-regex-loose",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "a check of Origin or Referer lets other sites pass as well",
    why: "A pattern without ^ and $ matches anywhere in the text, and a dot that is not escaped is any character. So a \
          stranger registers a name that the pattern takes for yours, and pages there speak to your server with your \
          users' cookies: a WebSocket is bound by nothing but this check.",
    mend: Mend::None,
    examples: examples!("origin-regex-loose"),
    check,
};

/// A pattern that decides whose pages are trusted.
struct Check<'a> {
    pattern: &'a [u8],
    caseless: bool,
    word: &'a Word,
    kind: Kind,
}

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let mut known: HashMap<(&[u8], bool, Kind), Option<Stranger>> = HashMap::new();
    for Check { pattern, caseless, word, kind } in checks(site) {
        let found_one = known
            .entry((pattern, caseless, kind))
            .or_insert_with(|| Regex::new(pattern, caseless).and_then(|regex| stranger(&regex, kind)));
        let Some(Stranger { example, meant, is_local }) = found_one else { continue };
        let what = if kind == Kind::Origin { "Origin" } else { "Referer" };
        let message = format!("this {what} check also matches {example}");
        let mut finding = rule.finding(word.span, message).here(format!("meant for {meant}"));
        if *is_local {
            finding.severity = Severity::Warning;
            finding = finding.note("such a name cannot be registered, but it may be one of a local network");
        }
        let end = if kind == Kind::Origin { "end with \"$\"" } else { "have \"/\" behind the host" };
        found.push(
            finding.help(format!(
                "begin the pattern with \"^\", {end}, and write each dot of a name as \"\\.\""
            )),
        );
    }
}

fn checks<'a>(site: &'a Site<'_>) -> Vec<Check<'a>> {
    let mut all = Vec::new();
    for block in site.within(Context::IF_SERVER.or(Context::IF_LOCATION)) {
        all.extend(of_condition(block));
    }
    let refusing = refusing(site);
    for (_, map) in site.all(&["map"]) {
        let [input, variable] = &map.args[..] else { continue };
        let Some(kind) = kind(&input.value) else { continue };
        let name = variable.value.strip_prefix(b"$").unwrap_or(&variable.value).to_ascii_lowercase();
        let uses = refusing.get(&name).map_or(&[][..], |uses| &uses[..]);
        for (key, value) in site.rows(map) {
            let Some(pattern) = key.value.strip_prefix(b"~") else { continue };
            if !lets_in(&value.value, uses, kind) {
                continue;
            }
            let (pattern, caseless) = match pattern.strip_prefix(b"*") {
                Some(pattern) => (pattern, true),
                None => (pattern, false),
            };
            all.push(Check { pattern, caseless, word: key, kind });
        }
    }
    for (_, line) in site.all(&["valid_referers"]) {
        let patterns = line.args.iter().filter_map(|word| Some((word, word.value.strip_prefix(b"~")?)));
        all.extend(patterns.map(|(word, pattern)| Check {
            pattern,
            caseless: true,
            word,
            kind: Kind::BareReferer,
        }));
    }
    all
}

/// The check that an `if` makes, if it is one of who may, not of who may not.
fn of_condition(block: Block<'_>) -> Option<Check<'_>> {
    let condition = block.condition()?;
    let Operator::Matches { caseless, negated } = condition.operator else { return None };
    let kind = kind(condition.subject)?;
    let lets_in = match kind {
        _ if negated => true,
        Kind::Origin => !access::refuses(block),
        _ => block.has("add_header") && !access::refuses(block),
    };
    lets_in.then_some(Check { pattern: condition.operand, caseless, word: condition.word, kind })
}

fn kind(text: &[u8]) -> Option<Kind> {
    let [Piece::Variable(name)] = pieces(text)[..] else { return None };
    match &name.to_ascii_lowercase()[..] {
        b"http_origin" => Some(Kind::Origin),
        b"http_referer" => Some(Kind::Referer),
        _ => None,
    }
}

/// Conditions by which requests are turned away, by the variable they look at.
fn refusing<'a>(site: &'a Site<'_>) -> HashMap<Vec<u8>, Vec<(Operator, &'a [u8])>> {
    let mut all: HashMap<Vec<u8>, Vec<_>> = HashMap::new();
    for block in
        site.within(Context::IF_SERVER.or(Context::IF_LOCATION)).filter(|block| access::refuses(*block))
    {
        let Some(condition) = block.condition() else { continue };
        for piece in pieces(condition.subject) {
            if let Piece::Variable(name) = piece {
                all.entry(name.to_ascii_lowercase())
                    .or_default()
                    .push((condition.operator, condition.operand));
            }
        }
    }
    all
}

/// Whether a row of a map that gives this value says who may. Lists of Referers that may not are common; a value
/// for an Origin that nothing turns away is one that may.
fn lets_in(value: &[u8], uses: &[(Operator, &[u8])], kind: Kind) -> bool {
    let is_yes = !matches!(value, b"" | b"0");
    let refused = |(operator, operand): &(Operator, &[u8])| match operator {
        Operator::Holds => is_yes,
        Operator::Equal { negated } => (value == *operand) != *negated,
        _ => true,
    };
    match uses {
        [] => kind == Kind::Origin && is_yes,
        uses => !uses.iter().any(refused),
    }
}
