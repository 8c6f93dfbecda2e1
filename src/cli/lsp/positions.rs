//! Offsets in bytes to the lines and columns that editors count, and back.
//!
//! A line ends with LF, CR LF or CR alone. What is no UTF-8 is read as an editor shows it: as U+FFFD.

use bstr::ByteSlice;
use lsp_types::{Position, PositionEncodingKind, Range};

/// What a column counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16,
    Utf32,
}

impl Encoding {
    /// The one to speak with a client that offers these: bytes if it can, what everybody can if not.
    pub fn choose(offered: Option<&[PositionEncodingKind]>) -> Encoding {
        let offers = |kind| offered.is_some_and(|kinds| kinds.contains(&kind));
        if offers(PositionEncodingKind::UTF8) {
            Encoding::Utf8
        } else if offers(PositionEncodingKind::UTF16) || !offers(PositionEncodingKind::UTF32) {
            Encoding::Utf16
        } else {
            Encoding::Utf32
        }
    }

    pub fn kind(self) -> PositionEncodingKind {
        match self {
            Encoding::Utf8 => PositionEncodingKind::UTF8,
            Encoding::Utf16 => PositionEncodingKind::UTF16,
            Encoding::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    fn width(self, c: char) -> u32 {
        match self {
            Encoding::Utf8 => c.len_utf8() as u32,
            Encoding::Utf16 => c.len_utf16() as u32,
            Encoding::Utf32 => 1,
        }
    }
}

/// A text and where its lines start.
pub struct Lines<'a> {
    bytes: &'a [u8],
    starts: Vec<usize>,
    encoding: Encoding,
}

impl<'a> Lines<'a> {
    pub fn new(bytes: &'a [u8], encoding: Encoding) -> Lines<'a> {
        let behind = |at: usize| match bytes[at] {
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => None,
            _ => Some(at + 1),
        };
        let ends = memchr::memchr2_iter(b'\n', b'\r', bytes);
        Lines { bytes, starts: std::iter::once(0).chain(ends.filter_map(behind)).collect(), encoding }
    }

    pub fn position(&self, offset: u32) -> Position {
        let offset = (offset as usize).min(self.bytes.len());
        let line = self.starts.partition_point(|start| *start <= offset) - 1;
        let before = &self.bytes[self.starts[line]..offset];
        let character = before.chars().map(|c| self.encoding.width(c)).sum();
        Position { line: line as u32, character }
    }

    pub fn range(&self, start: u32, end: u32) -> Range {
        Range { start: self.position(start), end: self.position(end) }
    }

    /// The byte at a position; the end of the line, or of the text, for one that lies behind it.
    pub fn offset(&self, position: Position) -> u32 {
        let Some(start) = self.starts.get(position.line as usize) else { return self.bytes.len() as u32 };
        let end = self.starts.get(position.line as usize + 1).copied().unwrap_or(self.bytes.len());
        let line = &self.bytes[*start..end];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut left = position.character;
        for (at, _, c) in line.char_indices() {
            let width = self.encoding.width(c);
            if left < width {
                return (start + at) as u32;
            }
            left -= width;
        }
        (start + line.len()) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &[u8], encoding: Encoding, at: u32, line: u32, character: u32) {
        let lines = Lines::new(text, encoding);
        assert_eq!(lines.position(at), Position { line, character });
        assert_eq!(lines.offset(Position { line, character }), at);
    }

    #[test]
    fn columns_count_what_was_agreed_on() {
        let text = "a\nż😀b".as_bytes();
        there_and_back(text, Encoding::Utf16, 8, 1, 3);
        there_and_back(text, Encoding::Utf8, 8, 1, 6);
        there_and_back(text, Encoding::Utf32, 8, 1, 2);
        assert_eq!(Lines::new(text, Encoding::Utf16).offset(Position { line: 1, character: 2 }), 4);
    }

    #[test]
    fn a_line_ends_in_three_ways() {
        for (at, line) in [(0, 0), (3, 1), (5, 2), (7, 3)] {
            there_and_back(b"a\r\nb\rc\n", Encoding::Utf16, at, line, 0);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_one_character() {
        there_and_back(b"\xff\xe4b", Encoding::Utf16, 2, 0, 2);
        there_and_back(b"\xff\xe4b", Encoding::Utf8, 2, 0, 6);
    }

    #[test]
    fn what_lies_behind_the_end_is_the_end() {
        let lines = Lines::new(b"ab\r\nc", Encoding::Utf16);
        assert_eq!(lines.offset(Position { line: 0, character: 9 }), 2);
        assert_eq!(lines.offset(Position { line: 7, character: 0 }), 5);
        assert_eq!(lines.position(99), Position { line: 1, character: 1 });
    }

    #[test]
    fn bytes_are_chosen_where_they_are_offered() {
        let (utf8, utf16, utf32) =
            (PositionEncodingKind::UTF8, PositionEncodingKind::UTF16, PositionEncodingKind::UTF32);
        assert_eq!(Encoding::choose(None), Encoding::Utf16);
        assert_eq!(Encoding::choose(Some(&[utf16.clone(), utf8])), Encoding::Utf8);
        assert_eq!(Encoding::choose(Some(std::slice::from_ref(&utf32))), Encoding::Utf32);
        assert_eq!(Encoding::choose(Some(&[utf32, utf16])), Encoding::Utf16);
    }
}
