//! The shape of a text: its lines, and how far to the right they begin.

use crate::source::Text;

/// How far a tab reaches: to the next multiple of so many columns.
const TAB: u32 = 4;

#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    text: &'a Text,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a Text) -> Lines<'a> {
        Lines { text }
    }

    /// The line, counted from 1, of a byte.
    pub fn of(&self, offset: u32) -> u32 {
        self.text.line(offset)
    }

    pub fn count(&self) -> u32 {
        self.text.line_starts().len() as u32
    }

    /// The line behind the last one; what stands behind the last line feed counts if there is any.
    pub fn written(&self) -> u32 {
        self.count() + !self.text.bytes.ends_with(b"\n") as u32
    }

    /// The first byte of a line, counted in the whole text.
    pub fn start(&self, line: u32) -> u32 {
        self.text.line_starts()[line as usize - 1]
    }

    /// Whether only white space stands before a byte on its line.
    pub fn is_first(&self, offset: u32) -> bool {
        let before = self.text.bytes[..offset as usize]
            .iter()
            .rev()
            .find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
        before.is_none_or(|byte| *byte == b'\n')
    }

    /// The column, counted from 0, at which the line of a byte begins to be written.
    pub fn indent(&self, offset: u32) -> u32 {
        self.indent_of(self.of(offset))
    }

    /// The column, counted from 0, at which a line begins to be written; its width if it is empty.
    pub fn indent_of(&self, line: u32) -> u32 {
        let space = self.text.line_bytes(line).iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
        space.fold(0, |column, byte| if *byte == b'\t' { (column / TAB + 1) * TAB } else { column + 1 })
    }

    /// The white space with which the line of a byte begins.
    pub fn space_before(&self, offset: u32) -> String {
        let line = self.of(offset);
        String::from_utf8_lossy(&self.text.line_bytes(line)[..self.space(line) as usize]).into_owned()
    }

    /// How many bytes of white space a line begins with.
    pub fn space(&self, line: u32) -> u32 {
        self.text.line_bytes(line).iter().take_while(|byte| byte.is_ascii_whitespace()).count() as u32
    }

    /// The first byte written on a line, or a line feed if there is none.
    pub fn first_byte(&self, line: u32) -> u8 {
        self.text.line_bytes(line).trim_ascii_start().first().copied().unwrap_or(b'\n')
    }

    /// The next line behind `line` that is not empty.
    pub fn next_written(&self, line: u32) -> Option<u32> {
        (line + 1..=self.count()).find(|next| self.first_byte(*next) != b'\n')
    }

    /// Behind the first `}` that begins a line below `open`, as far to the right as the line of
    /// `open` or less.
    pub fn end_of_block(&self, open: u32) -> Option<u32> {
        let line = self.of(open);
        let indent = self.indent_of(line);
        let closes = |below: &u32| self.first_byte(*below) == b'}' && self.indent_of(*below) <= indent;
        let below = (line + 1..=self.count()).find(closes)?;
        let space = self.text.line_bytes(below).iter().take_while(|byte| **byte != b'}').count();
        Some(self.start(below) + space as u32 + 1)
    }
}
