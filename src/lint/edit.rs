//! Edits that keep a file's manners: its indent, its line ends, its comments where they are.

use bstr::ByteSlice;

use crate::diagnostics::Edit;
use crate::source::{Sources, Span};
use crate::syntax::{Body, Directive, Note, Tree, Word, note};

/// Puts a line, or several, before a directive, and before exemptions above it that are about it.
pub fn before(tree: &Tree, directive: &Directive, line: &str) -> Edit {
    let place = Span { end: directive.span.start, ..directive.span };
    let place = match is_first(tree, directive) {
        true => place,
        false => exemptions(tree, place).first().map_or(place, |first| Span { end: first.start, ..*first }),
    };
    let text = match indent(&tree.sources, place) {
        Some(indent) => {
            let end = line_end(&tree.sources, place);
            format!("{}{end}{indent}", indented(line, end, &indent))
        }
        None => format!("{} ", joined(line)),
    };
    Edit { span: place, text }
}

/// Puts a line, or several, behind a directive, and behind the comment that ends its line.
pub fn after(tree: &Tree, directive: &Directive, line: &str) -> Edit {
    let indent = indent(&tree.sources, Span { end: directive.span.start, ..directive.span });
    behind(&tree.sources, directive.span.after(), indent.as_deref(), line)
}

/// Puts a line, or several, in a block, before all others, but behind exemptions that are about the block; `None` if
/// the directive has no block.
pub fn first_in(tree: &Tree, block: &Directive, line: &str) -> Option<Edit> {
    let Body::Block { open, .. } = &block.body else { return None };
    let own =
        |directive: &Directive| indent(&tree.sources, Span { end: directive.span.start, ..directive.span });
    let inner = match block.items().first() {
        Some(first) => own(tree.get(*first)),
        None => own(block).map(|outer| outer + "    "),
    };
    let first = block.items().first().map(|first| tree.get(*first).span);
    let head = first.map(|first| exemptions(tree, Span { end: first.start, ..first })).unwrap_or_default();
    let place = head.last().map_or(open.after(), |last| last.after());
    Some(behind(&tree.sources, place, inner.as_deref(), line))
}

/// Takes a directive away, with its line if nothing else stands on it.
pub fn remove(tree: &Tree, directive: &Directive) -> Edit {
    let span = directive.span;
    let bytes = &tree.sources.get(span.file).text.bytes;
    let alone =
        indent(&tree.sources, Span { end: span.start, ..span }).zip(blank_to_line_end(bytes, span.end));
    let span = match alone {
        Some((indent, end)) => Span { start: span.start - indent.len() as u32, end, ..span },
        None => span,
    };
    Edit { span, text: String::new() }
}

/// Puts another word in the place of one, quoted where it has to be.
pub fn replace(word: &Word, text: &str) -> Edit {
    Edit { span: word.span, text: quoted(text) }
}

/// Puts a word behind all others of a directive.
pub fn append(directive: &Directive, word: &str) -> Edit {
    Edit { span: directive.head().after(), text: format!(" {}", quoted(word)) }
}

/// Takes one argument away, with the blanks before it; a comment that stands there stays.
pub fn remove_argument(tree: &Tree, directive: &Directive, at: usize) -> Edit {
    let span = directive.args[at].span;
    let before = at.checked_sub(1).map_or(directive.name.span, |at| directive.args[at].span);
    let bytes = &tree.sources.get(span.file).text.bytes;
    let is_blank =
        before.file == span.file && bytes[before.end as usize..span.start as usize].trim_ascii().is_empty();
    let start = if is_blank { before.end } else { span.start };
    Edit { span: Span { start, ..span }, text: String::new() }
}

/// A directive without a block, written anew: to be repeated elsewhere.
pub fn line(directive: &Directive) -> String {
    let words = [&directive.name].into_iter().chain(&directive.args);
    let words: Vec<String> = words.map(|word| quoted(&word.value.to_str_lossy())).collect();
    format!("{};", words.join(" "))
}

/// A word as it has to be written.
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| !c.is_whitespace() && !matches!(c, ';' | '{' | '}' | '"' | '\'' | '\\' | '#');
    // The braces of `${name}` are no braces to nginx.
    let outside = text.split("${").enumerate().map(|(at, part)| match part.split_once('}') {
        Some((_, rest)) if at > 0 => rest,
        _ => part,
    });
    if !text.is_empty() && outside.flat_map(str::chars).all(is_plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A line behind a place, on its own line if what stands there ends its line.
fn behind(sources: &Sources, place: Span, indent: Option<&str>, line: &str) -> Edit {
    let bytes = &sources.get(place.file).text.bytes;
    let rest = &bytes[place.end as usize..];
    let end = rest.find_byte(b'\n').unwrap_or(rest.len());
    let tail = rest[..end].trim_ascii();
    match indent {
        Some(indent) if tail.is_empty() || tail.starts_with(b"#") => {
            let length = rest[..end].trim_ascii_end().len() as u32;
            let at = place.end + length;
            let end = line_end(sources, place);
            let text = format!("{end}{indent}{}", indented(line, end, indent));
            Edit { span: Span { start: at, end: at, ..place }, text }
        }
        _ => Edit { span: place, text: format!(" {}", joined(line)) },
    }
}

/// Whether nothing stands before a directive in its block, or in its file.
fn is_first(tree: &Tree, directive: &Directive) -> bool {
    match directive.parent {
        Some(parent) => tree.get(parent).items(),
        None => tree.roots(),
    }
    .iter()
    .map(|beside| tree.get(*beside).span)
    .find(|beside| beside.file == directive.span.file)
    .is_none_or(|first| first == directive.span)
}

/// The exemptions that stand on lines of their own above a place, with nothing but comments between, in order.
fn exemptions(tree: &Tree, place: Span) -> Vec<Span> {
    let bytes = &tree.sources.get(place.file).text.bytes;
    let (mut found, mut end) = (Vec::new(), line_start(bytes, place.end));
    while let Some(above) = end.checked_sub(1) {
        let start = line_start(bytes, above);
        let line = &bytes[start as usize..above as usize];
        let comment = line.trim_ascii();
        if !comment.is_empty() && !comment.starts_with(b"#") {
            break;
        }
        if matches!(note(comment), Some(Note::Allow { .. })) {
            let start = start + (line.len() - line.trim_ascii_start().len()) as u32;
            found.push(Span { start, end: start + comment.len() as u32, ..place });
        }
        end = start;
    }
    // What looks like one may be part of a word.
    found.retain(|one| {
        tree.comments.iter().any(|comment| comment.span.start == one.start && comment.span.file == one.file)
    });
    found.reverse();
    found
}

/// Lines as they stand below each other in a file.
fn indented(lines: &str, end: &str, indent: &str) -> String {
    lines.replace('\n', &format!("{end}{indent}"))
}

/// Lines as they stand on one.
fn joined(lines: &str) -> String {
    lines.split('\n').map(str::trim_start).collect::<Vec<&str>>().join(" ")
}

/// Where the line of a place begins.
fn line_start(bytes: &[u8], place: u32) -> u32 {
    bytes[..place as usize].rfind_byte(b'\n').map_or(0, |at| at as u32 + 1)
}

/// What stands before a place on its line, if that is white space.
fn indent(sources: &Sources, place: Span) -> Option<String> {
    let bytes = &sources.get(place.file).text.bytes;
    let before = &bytes[line_start(bytes, place.end) as usize..place.end as usize];
    before
        .iter()
        .all(|byte| matches!(byte, b' ' | b'\t'))
        .then(|| String::from_utf8_lossy(before).into_owned())
}

/// How lines of a file end.
fn line_end(sources: &Sources, place: Span) -> &'static str {
    let bytes = &sources.get(place.file).text.bytes;
    match bytes.find_byte(b'\n') {
        Some(at) if at > 0 && bytes[at - 1] == b'\r' => "\r\n",
        _ => "\n",
    }
}

/// Where the next line begins, if nothing but white space stands before it.
fn blank_to_line_end(bytes: &[u8], from: u32) -> Option<u32> {
    let rest = &bytes[from as usize..];
    let end = rest.find_byte(b'\n').map_or(rest.len(), |at| at + 1);
    rest[..end].trim_ascii().is_empty().then_some(from + end as u32)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::source::Memory;
    use crate::syntax::Reader;

    use super::*;

    fn tree(text: &str) -> Tree {
        let nothing = Memory::default();
        Reader::new(Path::new(""), &nothing).text("x", text.into()).read().0
    }

    /// The text with an edit made to it.
    fn made(tree: &Tree, edit: Edit) -> String {
        let bytes = &tree.sources.get(edit.span.file).text.bytes;
        let mut text = String::from_utf8(bytes.clone()).unwrap();
        text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
        text
    }

    #[test]
    fn a_line_of_its_own_has_the_indent_of_its_neighbours() {
        let all = tree("http {\r\n\ta 1; # why\r\n\tb;\r\n}\r\n");
        let http = all.items(None).next().unwrap();
        let a = all.items(Some(http.id)).next().unwrap();
        let after_a = made(&all, after(&all, a, "c;"));
        assert_eq!(after_a, "http {\r\n\ta 1; # why\r\n\tc;\r\n\tb;\r\n}\r\n");
        assert_eq!(made(&all, before(&all, a, "c;")), "http {\r\n\tc;\r\n\ta 1; # why\r\n\tb;\r\n}\r\n");
        let first = made(&all, first_in(&all, http, "c;").unwrap());
        assert_eq!(first, "http {\r\n\tc;\r\n\ta 1; # why\r\n\tb;\r\n}\r\n");
        let several = made(&all, after(&all, a, "c {\n\td;\n}"));
        assert_eq!(several, "http {\r\n\ta 1; # why\r\n\tc {\r\n\t\td;\r\n\t}\r\n\tb;\r\n}\r\n");
        let b = all.items(Some(http.id)).nth(1).unwrap();
        assert_eq!(made(&all, remove(&all, b)), "http {\r\n\ta 1; # why\r\n}\r\n");
        assert_eq!(made(&all, remove(&all, a)), "http {\r\n\t # why\r\n\tb;\r\n}\r\n");
    }

    #[test]
    fn what_stands_on_one_line_stays_on_it() {
        let all = tree("http { a 1; b; }");
        let http = all.items(None).next().unwrap();
        let a = all.items(Some(http.id)).next().unwrap();
        assert_eq!(made(&all, after(&all, a, "c;")), "http { a 1; c; b; }");
        assert_eq!(made(&all, before(&all, a, "c;")), "http { c; a 1; b; }");
        assert_eq!(made(&all, before(&all, a, "c {\n    d;\n}")), "http { c { d; } a 1; b; }");
        assert_eq!(made(&all, first_in(&all, http, "c;").unwrap()), "http { c; a 1; b; }");
        assert_eq!(made(&all, remove(&all, a)), "http {  b; }");
    }

    #[test]
    fn exemptions_stay_with_what_they_are_about() {
        let all = tree("http {\n  a;\n  # wsproxy: allow(x) why\n  # more of it\n\n  b;\n}\n");
        let http = all.items(None).next().unwrap();
        let b = all.items(Some(http.id)).nth(1).unwrap();
        let before_b = made(&all, before(&all, b, "c;"));
        assert_eq!(before_b, "http {\n  a;\n  c;\n  # wsproxy: allow(x) why\n  # more of it\n\n  b;\n}\n");
        let all = tree("http {\n  # wsproxy: allow(x) all of it\n\n  a;\n}\n");
        let http = all.items(None).next().unwrap();
        let a = all.items(Some(http.id)).next().unwrap();
        let before_a = made(&all, before(&all, a, "c;"));
        assert_eq!(before_a, "http {\n  # wsproxy: allow(x) all of it\n\n  c;\n  a;\n}\n");
        let first = made(&all, first_in(&all, http, "c;").unwrap());
        assert_eq!(first, "http {\n  # wsproxy: allow(x) all of it\n  c;\n\n  a;\n}\n");
    }

    #[test]
    fn what_looks_like_an_exemption_in_a_word_is_none() {
        let all = tree("a;\nb \"\n# wsproxy: allow(x)\";\nc;\n");
        let c = all.items(None).nth(2).unwrap();
        assert_eq!(made(&all, before(&all, c, "d;")), "a;\nb \"\n# wsproxy: allow(x)\";\nd;\nc;\n");
    }

    #[test]
    fn words_come_and_go() {
        let all = tree("a 1  2 # why\n  3;");
        let a = all.items(None).next().unwrap();
        assert_eq!(made(&all, append(a, "4 5")), "a 1  2 # why\n  3 \"4 5\";");
        assert_eq!(made(&all, remove_argument(&all, a, 1)), "a 1 # why\n  3;");
        assert_eq!(made(&all, remove_argument(&all, a, 2)), "a 1  2 # why\n  ;");
    }

    #[test]
    fn words_are_quoted_where_they_have_to_be() {
        assert_eq!(quoted("$http_upgrade"), "$http_upgrade");
        assert_eq!(quoted("a${b}c"), "a${b}c");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("a{2}"), "\"a{2}\"");
    }
}
