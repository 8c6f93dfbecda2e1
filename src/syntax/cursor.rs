//! What stands around a place in a text that is being written.
//!
//! Only what stands before the place counts: what comes behind it is most likely not finished, and a tree would show
//! what was made of that.

use std::ops::Range;

use bstr::{BString, ByteSlice};

use super::lua;
use super::words::{self, Kind};

/// What stands around a place.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The words in front of each `{` that is open, outermost first.
    pub blocks: Vec<Vec<BString>>,
    /// The words of the directive that is being written, without the one at the place.
    pub words: Vec<BString>,
    /// The bytes of the word in which the place is or which ends there, as far as the place; empty between words.
    pub word: Range<u32>,
}

/// What stands around the byte at `offset`; `None` in a comment, or in a text that is no configuration.
pub fn cursor(text: &[u8], offset: u32) -> Option<Cursor> {
    let offset = offset.min(text.len() as u32);
    let mut cursor = Cursor { word: offset..offset, ..Cursor::default() };
    let mut at = 0;
    while let Some(token) = words::token(text, at).filter(|token| token.start < offset) {
        at = token.end;
        match token.kind {
            Kind::Comment if token.end >= offset => return None,
            Kind::Comment => {}
            Kind::Word(_) | Kind::OpenQuote(_) if token.end >= offset => {
                cursor.word = token.start..offset;
                return Some(cursor);
            }
            Kind::Word(quote) => {
                let written = &text[token.start as usize..token.end as usize];
                cursor.words.push(words::meaning(written, quote));
            }
            Kind::OpenQuote(_) => return None,
            Kind::Semicolon => cursor.words.clear(),
            Kind::Open if cursor.words.first().is_some_and(|name| name.ends_with_str("_by_lua_block")) => {
                at = lua::block_end(text, token.end).filter(|end| *end <= offset)?;
                cursor.words.clear();
            }
            Kind::Open => cursor.blocks.push(std::mem::take(&mut cursor.words)),
            Kind::Close => {
                cursor.blocks.pop();
                cursor.words.clear();
            }
        }
    }
    Some(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands around the `|` of a text.
    fn around(text: &str) -> Option<(String, String, String)> {
        let at = text.find('|').unwrap();
        let found = cursor(text.replace('|', "").as_bytes(), at as u32)?;
        let joined = |words: &[BString]| bstr::join(" ", words).to_str_lossy().into_owned();
        let blocks: Vec<String> = found.blocks.iter().map(|head| joined(head)).collect();
        let word = &text[found.word.start as usize..at];
        Some((blocks.join(" > "), joined(&found.words), word.to_owned()))
    }

    fn told(blocks: &str, words: &str, word: &str) -> Option<(String, String, String)> {
        Some((blocks.to_owned(), words.to_owned(), word.to_owned()))
    }

    #[test]
    fn blocks_and_words_before_a_place_are_found() {
        assert_eq!(around("http { server { a b; pro|"), told("http > server", "", "pro"));
        assert_eq!(around("http { a {} location /x { root |; } }"), told("http > location /x", "root", ""));
        assert_eq!(around("a \"b c\" 'd|' e;"), told("", "a b c", "'d"));
        assert_eq!(around("a ${b|"), told("", "a", "${b"));
        assert_eq!(around("|a b;"), told("", "", ""));
        assert_eq!(around("a b;|"), told("", "", ""));
    }

    #[test]
    fn what_is_no_configuration_has_no_cursor() {
        assert_eq!(around("a; # b |"), None);
        assert_eq!(around("# b\n|"), told("", "", ""));
        assert_eq!(around("content_by_lua_block { if | } a"), None);
        assert_eq!(around("x { content_by_lua_block { {} } a |"), told("x", "a", ""));
    }
}
