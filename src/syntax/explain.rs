//! Findings that follow from others, and are not told.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bstr::ByteSlice;

use super::doubts::errors;
use super::{Directive, Tree};
use crate::diagnostics::Diagnostic;
use crate::source::{Span, Text};

/// Of what was found, all that does not follow from `mistakes` or from the rest of it.
pub(super) fn unexplained(tree: &Tree, mistakes: &[Diagnostic], found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let malformed = Wrong::new(tree, mistakes);
    let found: Vec<Diagnostic> =
        found.into_iter().filter(|found| malformed.holding(found.span()).is_none()).collect();
    absences(tree, mistakes, found)
}

/// What is found in a file as often as it is included, told once.
pub(super) fn once(tree: &Tree, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut told: Vec<(Diagnostic, usize)> = Vec::with_capacity(found.len());
    let mut known: HashMap<(*const Text, u32, &'static str, String), usize> = HashMap::new();
    for found in found {
        let text = Arc::as_ptr(&tree.sources.get(found.span().file).text);
        let next = told.len();
        match *known.entry((text, found.span().start, found.code, found.message.clone())).or_insert(next) {
            first if first == next => told.push((found, 0)),
            first if told[first].0.span().file == found.span().file => told.push((found, 0)),
            first => told[first].1 += 1,
        }
    }
    let noted = told.into_iter().map(|(found, more)| match more {
        0 => found,
        1 => found.note("the same is found where the file is included once more"),
        more => found.note(format!("the same is found where the file is included {more} more times")),
    });
    noted.collect()
}

/// From a directive's name to the end of its last argument.
pub(super) fn words_of(directive: &Directive) -> Span {
    directive.name.span.to(directive.args.last().map_or(directive.name.span, |last| last.span))
}

/// Whether a finding is about a directive with these words; a missing `;` is right behind them.
pub(super) fn within(span: Span, words: Span) -> bool {
    span.file == words.file && words.start <= span.start && span.start <= words.end
}

/// The words of directives in which errors are, in order.
struct Wrong(Vec<Span>);

impl Wrong {
    fn new(tree: &Tree, found: &[Diagnostic]) -> Wrong {
        let mut told: Vec<Span> = errors(found).map(Diagnostic::span).collect();
        if told.is_empty() {
            return Wrong(Vec::new());
        }
        told.sort();
        let holds_one = |words: &Span| {
            let at = told.partition_point(|span| (span.file, span.start) < (words.file, words.start));
            told.get(at).is_some_and(|span| within(*span, *words))
        };
        let mut wrong: Vec<Span> = tree.nodes.iter().map(words_of).filter(holds_one).collect();
        wrong.sort();
        Wrong(wrong)
    }

    /// The words in which a finding stands.
    fn holding(&self, span: Span) -> Option<Span> {
        let behind = self.0.partition_point(|words| (words.file, words.start) <= (span.file, span.start));
        let words = *self.0.get(behind.checked_sub(1)?)?;
        within(span, words).then_some(words)
    }
}

/// Findings that something is nowhere defined. nginx comes to most of them only when all was read.
const ABSENCES: &[&str] = &[
    "empty-upstream",
    "missing-auth-http",
    "missing-certificate",
    "missing-events",
    "missing-handler",
    "missing-key",
    "unknown-log-format",
    "unknown-variable",
    "unknown-zone",
];

/// Leaves out what is missing only because the directive that would define it is wrong, or the file
/// that would hold it could not be read.
fn absences(tree: &Tree, mistakes: &[Diagnostic], found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    if !found.iter().any(|found| ABSENCES.contains(&found.code)) {
        return found;
    }
    let (absent, others): (Vec<_>, Vec<_>) = found.iter().partition(|found| ABSENCES.contains(&found.code));
    let unread = mistakes.iter().any(|mistake| mistake.code == "cannot-read");
    let Wrong(mut wrong) = Wrong::new(tree, mistakes);
    let others: Vec<Diagnostic> = others.into_iter().cloned().collect();
    wrong.extend(Wrong::new(tree, &others).0);
    let follows = |absent: &Diagnostic| {
        let names = || absent.message.split('"').skip(1).step_by(2).filter(|name| !name.is_empty());
        let defines = |words: &&Span| {
            let text = tree.sources.bytes(**words);
            !within(absent.span(), **words) && names().any(|name| is_named(text, name.as_bytes()))
        };
        unread || wrong.iter().any(|words| defines(&words))
    };
    let dropped: HashSet<*const Diagnostic> =
        absent.into_iter().filter(|absent| follows(absent)).map(std::ptr::from_ref).collect();
    let dropped: Vec<bool> = found.iter().map(|found| dropped.contains(&std::ptr::from_ref(found))).collect();
    found.into_iter().zip(dropped).filter(|(_, dropped)| !dropped).map(|(found, _)| found).collect()
}

/// Whether a name is a word of its own in a text: `a_b` in `set $a_b`, `(?<a_b>` and `zone=a_b:1m`,
/// not in `a_bc`.
fn is_named(text: &[u8], name: &[u8]) -> bool {
    let part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    text.find_iter(name).any(|at| !part(text[..at].last()) && !part(text.get(at + name.len())))
}
