//! Where the Lua code of a `*_by_lua_block` ends.
//!
//! A `}` counts unless it stands in a string, a comment or a long bracket (Lua 5.1 manual, 2.1).

/// `lua block`: behind the `}` that matches the `{` right before `from`, or `None` if there is none.
pub(super) fn block_end(bytes: &[u8], from: u32) -> Option<u32> {
    let mut brackets = LongBrackets { bytes, unclosed: [false; MAX_LEVEL] };
    let mut depth = 1;
    let mut at = from as usize;
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            // `lua braces`
            b'{' => {
                depth += 1;
                at + 1
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at as u32 + 1);
                }
                at + 1
            }
            b'"' | b'\'' => string_end(bytes, at),
            b'[' => brackets.end(at).unwrap_or(at + 1),
            b'-' if bytes[at..].starts_with(b"--") => brackets.comment_end(at),
            // `lua character`
            _ => at + 1,
        };
    }
    None
}

/// `lua string`: behind the quote that closes the string opened at `at`. A string ends with its line at the
/// latest; a quote that is not closed there opens no string.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut next = at + 1;
    while let Some(byte) = bytes.get(next) {
        match byte {
            b'\\' => next += 2,
            b'\n' => return at + 1,
            byte if *byte == bytes[at] => return next + 1,
            _ => next += 1,
        }
    }
    at + 1
}

/// How many `=` a long bracket may have. Lua has no such limit, and nobody uses more than a few.
const MAX_LEVEL: usize = 32;

struct LongBrackets<'a> {
    bytes: &'a [u8],
    /// Levels of which no closing bracket is left, so that each is looked for in vain but once.
    unclosed: [bool; MAX_LEVEL],
}

impl LongBrackets<'_> {
    /// `lua comment`: behind a comment, long or to the end of the line.
    fn comment_end(&mut self, at: usize) -> usize {
        let text = at + 2;
        if let Some(end) = self.end(text) {
            return end;
        }
        self.bytes[text..].iter().position(|byte| *byte == b'\n').map_or(self.bytes.len(), |end| text + end)
    }

    /// `long bracket`: behind the `]==]` that closes a `[==[` at `at`; `None` if none opens there or none closes it.
    fn end(&mut self, at: usize) -> Option<usize> {
        let behind = self.bytes.get(at..)?.strip_prefix(b"[")?;
        let level = behind.iter().take(MAX_LEVEL).take_while(|byte| **byte == b'=').count();
        if level == MAX_LEVEL || self.unclosed[level] || behind.get(level) != Some(&b'[') {
            return None;
        }
        let text = at + 2 + level;
        let closes = |window: &[u8]| {
            window[0] == b']'
                && window[level + 1] == b']'
                && window[1..=level].iter().all(|byte| *byte == b'=')
        };
        let end = self.bytes[text..].windows(level + 2).position(closes);
        self.unclosed[level] = end.is_none();
        end.map(|end| text + end + level + 2)
    }
}
