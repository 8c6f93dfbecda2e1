//! `# wsproxy: allow(rule)` where a finding is.

use bstr::ByteSlice;

use crate::diagnostics::Edit;
use crate::source::Span;
use crate::syntax::{Body, Note, Tree};

/// An exemption at the end of the line in which a place stands: one more rule where there is one already, the reason
/// where there is another comment. `None` where the line ends within a word, or with a directive in a comment.
pub fn here(tree: &Tree, place: Span, rule: &str) -> Option<Edit> {
    let text = &tree.sources.get(place.file).text;
    let line = text.line(place.start);
    let start = text.line_starts()[line as usize - 1];
    let written = text.line_bytes(line);
    let end = start + written.trim_ascii_end().len() as u32;
    let put = |at: u32, text: String| Some(Edit { span: Span { start: at, end: at, ..place }, text });
    let comment = tree
        .comments
        .iter()
        .find(|comment| comment.span.file == place.file && (start..end).contains(&comment.span.start));
    match comment.map(|comment| (comment.span, comment.note(&tree.sources))) {
        Some((comment, Some(Note::Allow { .. }))) => {
            let close = tree.sources.bytes(comment).find_byte(b')')?;
            put(comment.start + close as u32, format!(", {rule}"))
        }
        Some((_, Some(Note::Directives(_)))) => None,
        Some((comment, None)) => put(comment.start + 1, format!(" wsproxy: allow({rule})")),
        None if is_within_a_word(tree, Span { start: end, end, ..place }) => None,
        None => put(end, format!(" # wsproxy: allow({rule})")),
    }
}

fn is_within_a_word(tree: &Tree, place: Span) -> bool {
    let inside = |span: Span| span.file == place.file && span.start < place.start && place.start < span.end;
    tree.all().filter(|directive| inside(directive.span)).any(|directive| {
        let lua = matches!(directive.body, Body::Lua(text) if inside(text));
        lua || directive.args.iter().any(|word| inside(word.span))
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::source::Memory;
    use crate::syntax::Reader;

    /// The text with an exemption for what stands at `|`.
    fn allowed(text: &str) -> Option<String> {
        let at = text.find('|').unwrap() as u32;
        let mut text = text.replace('|', "");
        let nothing = Memory::default();
        let (tree, _) = Reader::new(Path::new(""), &nothing).text("x", text.clone().into()).read();
        let (file, _) = tree.sources.iter().next().unwrap();
        let edit = here(&tree, Span { file, start: at, end: at + 1 }, "r")?;
        text.insert_str(edit.span.start as usize, &edit.text);
        Some(text)
    }

    #[test]
    fn an_exemption_stands_at_the_end_of_the_line() {
        assert_eq!(allowed("a;\n|b;  \r\nc;").unwrap(), "a;\nb; # wsproxy: allow(r)  \r\nc;");
        assert_eq!(allowed("|a {\n b;\n}").unwrap(), "a { # wsproxy: allow(r)\n b;\n}");
        assert_eq!(allowed("|a; # why not").unwrap(), "a; # wsproxy: allow(r) why not");
        assert_eq!(allowed("|a; # wsproxy: allow(q) so").unwrap(), "a; # wsproxy: allow(q, r) so");
        assert_eq!(allowed("|a 'b\nc';"), None);
        assert_eq!(allowed("|a; # wsproxy: b;"), None);
    }
}
