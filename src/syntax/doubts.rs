//! Mistakes of form that only show in what they mean.
//!
//! A forgotten `;` makes the next line an argument, and nginx reads on until something refuses it;
//! an extra `}` and a missing one make a text whose braces pair and whose directives are misplaced.
//! Once such an error is found, its place is doubted, and the text is read again: where its shape
//! says that something else was meant, that is the mistake, and what followed from it is not told.

use std::collections::HashMap;
use std::sync::Arc;

use super::explain::{once, unexplained, within, words_of};
use super::{Reader, Tree};
use crate::diagnostics::{Diagnostic, Severity};
use crate::source::Span;

/// What is doubted in one source.
#[derive(Clone, Debug, Default)]
pub(super) struct Doubts {
    /// Directives by their first byte, with what is said of them.
    directives: HashMap<u32, String>,
    /// Whether its braces pair as they were meant to.
    pub braces: bool,
}

impl Doubts {
    /// What was found wrong with the directive that begins at this byte.
    pub fn found(&self, start: u32) -> Option<&str> {
        self.directives.get(&start).map(String::as_str)
    }
}

/// Reads, and has `examine` look at what was read; if there are errors, reads again with doubts, and
/// keeps the reading that leaves less to tell.
///
/// Returns the tree, what `examine` made of it, and all that is to be told: the mistakes of form,
/// and of what `examine` found all that does not follow from others of them; what is so in a file
/// that is included often is told once.
pub fn understand<'a, T>(
    reader: &Reader<'a>,
    examine: impl Fn(&Tree) -> (T, Vec<Diagnostic>),
) -> (Tree, T, Vec<Diagnostic>) {
    let look = |reader: &Reader<'a>| {
        let (tree, mistakes) = reader.read();
        let (made, found) = examine(&tree);
        let found = unexplained(&tree, &mistakes, found);
        (tree, made, mistakes, found)
    };
    let first = look(reader);
    let doubts = doubts(&first.0, &first.3);
    let told = |(tree, made, mut mistakes, found): (Tree, T, Vec<Diagnostic>, Vec<Diagnostic>)| {
        mistakes.extend(found);
        let told = once(&tree, mistakes);
        (tree, made, told)
    };
    if doubts.is_empty() {
        return told(first);
    }
    let again = look(&reader.doubting(doubts));
    // A mistake of form is the simpler explanation.
    let wrong = |seen: &(Tree, T, Vec<Diagnostic>, Vec<Diagnostic>)| {
        errors(&seen.2).count() + 2 * errors(&seen.3).count()
    };
    if wrong(&again) <= wrong(&first) { told(again) } else { told(first) }
}

/// What to doubt where errors were found.
fn doubts(tree: &Tree, found: &[Diagnostic]) -> HashMap<Arc<str>, Doubts> {
    let mut errors: Vec<(Span, &Diagnostic)> = errors(found).map(|found| (found.span(), found)).collect();
    errors.sort_by_key(|(span, _)| *span);
    let mut doubts: HashMap<Arc<str>, Doubts> = HashMap::new();
    for (span, _) in errors.iter().filter(|(_, found)| BRACES.contains(&found.code)) {
        doubts.entry(tree.sources.get(span.file).name.clone()).or_default().braces = true;
    }
    for directive in &tree.nodes {
        let words = words_of(directive);
        let at = errors.partition_point(|(span, _)| (span.file, span.start) < (words.file, words.start));
        let Some((_, found)) = errors.get(at).filter(|(span, _)| within(*span, words)) else { continue };
        let source = doubts.entry(tree.sources.get(words.file).name.clone()).or_default();
        source.directives.insert(words.start, found.message.clone());
    }
    doubts
}

/// Errors that may come of braces that pair, but not as they were meant to.
const BRACES: &[&str] = &["misplaced-directive", "missing-block", "missing-semicolon"];

pub(super) fn errors(found: &[Diagnostic]) -> impl Iterator<Item = &Diagnostic> {
    found.iter().filter(|found| found.severity == Severity::Error)
}
