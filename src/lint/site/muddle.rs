//! Where it is not known what was meant, or what else there is.

use std::collections::HashSet;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::{Context, catalogue};
use crate::source::Span;
use crate::syntax::Tree;

use super::{Block, Held, Site};

/// Mistakes after which the lines around them may mean something else than they say.
const MUDDLING: [&str; 12] = [
    "unknown-directive",
    "wrong-arguments",
    "missing-semicolon",
    "missing-brace",
    "missing-open-brace",
    "missing-block",
    "surplus-brace",
    "open-quote",
    "unexpected",
    "placeholder",
    "too-deep",
    "too-many-mistakes",
];

/// Includes whose files are not seen: nobody knows what would stand there.
const UNSEEN: [&str; 4] = ["cannot-read", "cannot-include", "include-cycle", "include-too-deep"];

/// Blocks in which nginx would not know what to do.
pub struct Muddled {
    spans: Vec<Span>,
    everything: bool,
}

impl Muddled {
    pub fn has(&self, span: Span) -> bool {
        self.everything || self.spans.iter().any(|block| encloses(*block, span))
    }
}

impl Site<'_> {
    /// The blocks in which these mistakes stand.
    pub fn muddled(&self, mistakes: &[Diagnostic]) -> Muddled {
        let mut muddled = Muddled { spans: Vec::new(), everything: false };
        for mistake in mistakes.iter().filter(|one| muddles(self.tree, one)) {
            match innermost(&self.blocks, mistake.span()).and_then(|at| span(&self.blocks[at])) {
                Some(span) => muddled.spans.push(span),
                None => muddled.everything = true,
            }
        }
        muddled
    }
}

impl Block<'_> {
    /// Whether all that is in effect here is seen: no file that is included here or further out is missing, and this
    /// is not a part of a `server` or `location` whose rest stands elsewhere. Who says that something is *not*
    /// written asks this first. What stands around the servers of a part that belongs into `http` is taken for
    /// nothing; see [`Site::sees`].
    pub fn is_known(self) -> bool {
        let root = self.site.root();
        let is_whole = !self.site.fragment || root.context() == Context::HTTP;
        is_whole && self.outwards().all(|block| !self.site.unseen.contains(&block.at))
    }
}

/// The blocks into which something is included that cannot be read.
pub(super) fn unseen(blocks: &[Held<'_>], mistakes: &[Diagnostic]) -> HashSet<usize> {
    let missing = mistakes.iter().filter(|one| UNSEEN.contains(&one.code));
    missing.map(|one| innermost(blocks, one.span()).unwrap_or(0)).collect()
}

/// A name that nginx once knew, or that is for sale, is a mistake and no riddle.
fn muddles(tree: &Tree, mistake: &Diagnostic) -> bool {
    let is_known = || !catalogue::find(tree.sources.bytes(mistake.span())).is_empty();
    mistake.severity == Severity::Error
        && MUDDLING.contains(&mistake.code)
        && !(mistake.code == "unknown-directive" && is_known())
}

fn encloses(block: Span, place: Span) -> bool {
    block.file == place.file && block.start <= place.start && place.end <= block.end
}

/// From a block's name to its brace.
fn span(block: &Held<'_>) -> Option<Span> {
    block.directive.map(|directive| directive.span)
}

/// The innermost block around a place in the same file.
fn innermost(blocks: &[Held<'_>], place: Span) -> Option<usize> {
    let around = blocks.iter().enumerate().filter_map(|(at, block)| Some((span(block)?, at)));
    let around = around.filter(|(block, _)| encloses(*block, place));
    around.max_by_key(|(block, _)| block.start).map(|(_, at)| at)
}
