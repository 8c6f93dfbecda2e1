//! One layout for a text, in which nothing but white space is decided.
//!
//! Knows no directive. Start at [`layout`]: `pieces` tells what a text is made of, `writer` puts white space
//! between the pieces. Nothing else is changed, and a text is never given back that would be read otherwise.

mod pieces;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostics::{Diagnostic, Severity};
use crate::source::{Files, Sources, Span};
use crate::syntax::{BUFFER, Hints, MAX_BYTES, Reader, Tree};

use pieces::Piece;

/// Why a text was not laid out.
#[derive(Debug)]
pub struct Refused {
    /// The text, for those who print what was found.
    pub sources: Sources,
    pub found: Vec<Diagnostic>,
}

/// Lays a text out; `name` is what it is called in findings.
///
/// The words, their order and the comments stay as they are. What is laid out already is given back unchanged.
///
/// # Errors
/// Says what is wrong with a text that cannot be read, or that seems to lack a `;`: where lines begin tells
/// what was meant, and that would be lost.
pub fn layout(name: &str, text: Vec<u8>, hints: &dyn Hints) -> Result<Vec<u8>, Refused> {
    let (tree, found) = read(name, text, hints);
    let found: Vec<Diagnostic> = found.into_iter().filter(refuses).collect();
    let pieces = pieces::of(&tree);
    if !found.is_empty() {
        return Err(Refused { sources: tree.sources, found });
    }
    let Some((file, source)) = tree.sources.iter().next() else { return Ok(Vec::new()) };
    let text = &source.text.bytes;
    let found = match writer::write(text, &pieces) {
        None => too_much(Span { file, start: 0, end: 0 }),
        Some(written) => match first_lost(text, &pieces, &written, hints) {
            None => return Ok(written),
            Some(Piece { start, end, .. }) => too_tight(Span { file, start, end }),
        },
    };
    Err(Refused { sources: tree.sources, found: vec![found] })
}

/// Reads a text without what it includes.
fn read(name: &str, text: Vec<u8>, hints: &dyn Hints) -> (Tree, Vec<Diagnostic>) {
    Reader::new(Path::new("/"), &Empty).hints(hints).text(name, text).read()
}

/// A byte-order mark is nothing that a layout could make worse.
fn refuses(found: &Diagnostic) -> bool {
    found.severity == Severity::Error && found.code != "byte-order-mark"
        || found.code == "swallowed-directive"
}

/// The first piece that is not read any more as it was.
fn first_lost(text: &[u8], pieces: &[Piece], written: &[u8], hints: &dyn Hints) -> Option<Piece> {
    let (tree, found) = read("", written.to_vec(), hints);
    let again = pieces::of(&tree);
    let wrong = found.iter().filter(|found| refuses(found)).map(|found| found.span().start).min();
    let is_kept = |(before, after): (&Piece, &Piece)| {
        let same = before.kind == after.kind && before.bytes(text) == after.bytes(written);
        same && wrong.is_none_or(|wrong| after.end <= wrong)
    };
    let kept = pieces.iter().zip(&again).take_while(|pair| is_kept(*pair)).count();
    pieces.get(kept).or(pieces.last().filter(|_| again.len() > kept)).copied()
}

fn too_tight(piece: Span) -> Diagnostic {
    Diagnostic::error("too-tight", piece, "the text cannot be laid out: it would be read otherwise")
        .here("there is no room for white space behind this")
        .note(format!(
            "nginx reads through a buffer of {BUFFER} bytes, and a word has to fit into it with what follows"
        ))
}

fn too_much(text: Span) -> Diagnostic {
    let message = format!("laid out, the text would have more than {} MiB", MAX_BYTES >> 20);
    Diagnostic::error("too-much", text, message).help("nest its blocks less deeply")
}

/// A disk whose files are empty: an `include` is a directive like others.
struct Empty;

impl Files for Empty {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn glob(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}
