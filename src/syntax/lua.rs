//! Where the Lua code of a `*_by_lua_block` ends.
//!
//! A `}` counts unless it stands in a string, a comment or a long bracket (Lua 5.1 manual, 2.1).

/// Behind the `}` that matches the `{` right before `from`, or `None` if there is none.
pub(super) fn block_end(bytes: &[u8], from: u32) -> Option<u32> {
    let mut depth = 1;
    let mut at = from as usize;
    while let Some(byte) = bytes.get(at) {
        at = match byte {
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
            b'[' => long_bracket_end(bytes, at).unwrap_or(at + 1),
            b'-' if bytes[at..].starts_with(b"--") => comment_end(bytes, at),
            _ => at + 1,
        };
    }
    None
}

/// Behind the quote that closes the string opened at `at`. A string ends with its line at the
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

/// Behind a comment, long or to the end of the line.
fn comment_end(bytes: &[u8], at: usize) -> usize {
    let text = at + 2;
    let line = || bytes[text..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| text + end);
    long_bracket_end(bytes, text).unwrap_or_else(line)
}

/// Behind the `]==]` that closes a `[==[` at `at`; `None` if none opens there or none closes it.
fn long_bracket_end(bytes: &[u8], at: usize) -> Option<usize> {
    let level = bytes.get(at..)?.strip_prefix(b"[")?.iter().take_while(|byte| **byte == b'=').count();
    let text = at + 2 + level;
    if bytes.get(text - 1) != Some(&b'[') {
        return None;
    }
    let closes = |window: &[u8]| {
        window[0] == b']' && window[level + 1] == b']' && window[1..=level].iter().all(|byte| *byte == b'=')
    };
    let end = bytes[text..].windows(level + 2).position(closes)?;
    Some(text + end + level + 2)
}
