//! One layout for a text, in which nothing but white space is decided.
//!
//! Knows no directive. Start at [`layout`]: `pieces` tells what a text is made of, `writer` puts white space
//! between the pieces. Nothing else is changed, and a text is never given back that would be read otherwise.

mod pieces;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostics::{Diagnostic, Severity};
use crate::source::{Files, Sources, Span, Text};
use crate::syntax::{Hints, MAX_BYTES, Reader, Tree};

use pieces::Piece;

/// Why a text was not laid out.
#[derive(Debug)]
pub struct Refused {
    /// The text, for those who print what was found in it.
    pub sources: Sources,
    pub found: Vec<Diagnostic>,
}

/// Lays a text out; `name` is what it is called in findings.
///
/// The words, their order and the comments stay as they are. What is laid out already is given back unchanged.
///
/// # Errors
/// Says what is wrong with a text that cannot be read, or that seems to lack a `;`: where lines begin tells
/// what was meant, and that would be lost. Where only the text that would come out is wrong, that is shown: nginx
/// has no room for a space behind a word of 4095 bytes.
pub fn layout(name: &str, text: Vec<u8>, hints: &dyn Hints) -> Result<Vec<u8>, Refused> {
    let (tree, text) = read(name.into(), text, hints)?;
    let pieces = pieces::of(&tree);
    let Some(written) = writer::write(&text.bytes, &pieces) else { return Err(too_much(tree)) };
    let (again, _) = read(format!("{name}, laid out"), written.clone(), hints)?;
    let kept = |(before, after): (&Piece, &Piece)| {
        before.kind == after.kind && before.bytes(&text.bytes) == after.bytes(&written)
    };
    let again = pieces::of(&again);
    assert!(
        pieces.len() == again.len() && pieces.iter().zip(&again).all(kept),
        "a layout decides about white space alone"
    );
    Ok(written)
}

/// Reads a text, without what it includes, that a layout would not make worse.
fn read(name: String, text: Vec<u8>, hints: &dyn Hints) -> Result<(Tree, Arc<Text>), Refused> {
    let (tree, mut found) = Reader::new(Path::new("/"), &Empty).hints(hints).text(&name, text).read();
    found.retain(|found| match found.severity {
        Severity::Error => found.code != "byte-order-mark",
        Severity::Warning | Severity::Info => found.code == "swallowed-directive",
    });
    match found.is_empty() {
        true => {
            let text = tree.sources.iter().next().map(|(_, source)| source.text.clone());
            Ok((tree, text.unwrap_or_default()))
        }
        false => Err(Refused { sources: tree.sources, found }),
    }
}

fn too_much(tree: Tree) -> Refused {
    let message = format!("laid out, the text would have more than {} MiB", MAX_BYTES >> 20);
    let found = tree.sources.iter().take(1).map(|(file, _)| {
        let found = Diagnostic::error("too-much", Span { file, start: 0, end: 0 }, message.clone());
        found.help("nest its blocks less deeply")
    });
    Refused { found: found.collect(), sources: tree.sources }
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
