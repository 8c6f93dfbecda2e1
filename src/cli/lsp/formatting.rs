//! `textDocument/formatting`: the layout of `wsproxy fmt`.

use lsp_types::TextEdit;

use super::changes;
use super::documents::Document;
use super::positions::Lines;
use super::settings::Settings;
use crate::directive::Catalogue;
use crate::layout::layout;

/// What lays a text out; nothing if that is done, `None` if the text cannot be read: what is wrong is shown anyway.
pub fn formatted(document: &Document, settings: &Settings) -> Option<Vec<TextEdit>> {
    let before = document.text.as_bytes();
    let after = layout(&document.path.to_string_lossy(), before.to_vec(), &Catalogue).ok()?;
    let lines = Lines::new(before, settings.encoding);
    let edit = changes::one(before, &after);
    let edit = edit.map(|(start, end, new_text)| TextEdit { range: lines.range(start, end), new_text });
    Some(edit.into_iter().collect())
}
