//! What a client offers in `Sec-WebSocket-Protocol`, where a token may stand among the subprotocols.
//!
//! A page cannot give its WebSocket header lines, but it can name subprotocols, and so tokens are written there:
//! behind a word that marks them (`bearer, TOKEN`), or behind a prefix (`access_token.TOKEN`).

use std::borrow::Cow;
use std::sync::LazyLock;

use data_encoding::BASE64URL_NOPAD;

use crate::http1::connection::list;

/// Entries of a list that are looked at. Whatever is behind them is nobody's token, and goes no further with one.
pub const MOST_ENTRIES: usize = 64;

/// What stands behind a prefix that begins like this is base64url of a token.
const ENCODED: &[u8] = b"base64url.";

/// Words and prefixes that tell a token from a subprotocol, whatever their case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spellings {
    /// The entry behind one of these is a token.
    words: Box<[Box<[u8]>]>,
    /// A token is what stands behind one of these in the same entry.
    prefixes: Box<[Box<[u8]>]>,
}

/// One entry of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    Protocol(&'a [u8]),
    /// Says that a token comes next. It is harmless itself.
    Marker(&'a [u8]),
    Token(Token<'a>),
}

/// An entry that carries a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// All of the entry.
    pub entry: &'a [u8],
    /// The token as it is written there.
    pub written: &'a [u8],
    is_encoded: bool,
}

/// How clients of Kubernetes and of many a library spell tokens.
pub fn known_spellings() -> &'static Spellings {
    static KNOWN: LazyLock<Spellings> = LazyLock::new(|| {
        let words: [&[u8]; 6] = [
            b"bearer",
            b"base64url.bearer.authorization.k8s.io.*",
            b"access_token.*",
            b"bearer.*",
            b"jwt.*",
            b"token.*",
        ];
        Spellings::new(words)
    });
    &KNOWN
}

impl Spellings {
    /// `word`, or `prefix*`.
    pub fn new<'a>(spellings: impl IntoIterator<Item = &'a [u8]>) -> Spellings {
        let (mut words, mut prefixes) = (Vec::new(), Vec::new());
        for spelling in spellings {
            match spelling.strip_suffix(b"*") {
                Some(prefix) => prefixes.push(prefix.into()),
                None => words.push(spelling.into()),
            }
        }
        Spellings { words: words.into(), prefixes: prefixes.into() }
    }

    /// The entries of all lines of the header, in the order of the client's preference.
    pub fn entries<'a>(&self, lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = Entry<'a>> {
        let mut marked = false;
        lines.flat_map(list).take(MOST_ENTRIES).map(move |entry| {
            let was_marked = std::mem::take(&mut marked);
            if self.words.iter().any(|word| word.eq_ignore_ascii_case(entry)) {
                marked = true;
                return Entry::Marker(entry);
            }
            match self.prefix_of(entry) {
                Some(prefix) => Entry::Token(Token {
                    entry,
                    written: &entry[prefix.len()..],
                    is_encoded: prefix
                        .get(..ENCODED.len())
                        .is_some_and(|it| it.eq_ignore_ascii_case(ENCODED)),
                }),
                None if was_marked => Entry::Token(Token { entry, written: entry, is_encoded: false }),
                None => Entry::Protocol(entry),
            }
        })
    }

    /// The longest prefix that an entry begins with, if there is anything behind it.
    fn prefix_of(&self, entry: &[u8]) -> Option<&[u8]> {
        let prefixes = self.prefixes.iter().map(|prefix| &**prefix);
        let begins =
            |prefix: &&[u8]| entry.len() > prefix.len() && entry[..prefix.len()].eq_ignore_ascii_case(prefix);
        prefixes.filter(begins).max_by_key(|prefix| prefix.len())
    }
}

impl<'a> Token<'a> {
    /// The token, if it is one: bytes that can be seen, as in a header line.
    pub fn value(&self) -> Option<Cow<'a, [u8]>> {
        let value = match self.is_encoded {
            true => Cow::Owned(BASE64URL_NOPAD.decode(self.written).ok()?),
            false => Cow::Borrowed(self.written),
        };
        (!value.is_empty() && value.iter().all(u8::is_ascii_graphic)).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The entries of some lines: `=` for a marker, `!` and the token for one, `?` for one that is none.
    fn entries(spellings: &Spellings, lines: &[&str]) -> Vec<String> {
        let shown = |entry| match entry {
            Entry::Protocol(name) => String::from_utf8_lossy(name).into_owned(),
            Entry::Marker(word) => format!("={}", String::from_utf8_lossy(word)),
            Entry::Token(token) => match token.value() {
                Some(value) => format!("!{}", String::from_utf8_lossy(&value)),
                None => "?".to_owned(),
            },
        };
        spellings.entries(lines.iter().map(|line| line.as_bytes())).map(shown).collect()
    }

    fn known(lines: &[&str]) -> Vec<String> {
        entries(known_spellings(), lines)
    }

    #[test]
    fn a_token_stands_behind_a_word() {
        assert_eq!(known(&["bearer, abc.def.ghi"]), ["=bearer", "!abc.def.ghi"]);
        assert_eq!(known(&["chat,BEARER , abc,superchat"]), ["chat", "=BEARER", "!abc", "superchat"]);
        // Lines of one header are one list.
        assert_eq!(known(&["chat", "bearer", "", " , abc", "more"]), ["chat", "=bearer", "!abc", "more"]);
        assert_eq!(known(&["chat, bearer"]), ["chat", "=bearer"]);
        assert_eq!(known(&["bearer, bearer, abc, chat"]), ["=bearer", "=bearer", "!abc", "chat"]);
        assert_eq!(known(&["bearer, Chat"]), ["=bearer", "!Chat"]);
    }

    #[test]
    fn or_behind_a_prefix() {
        for prefix in ["access_token.", "bearer.", "token.", "jwt.", "JWT.", "Access_Token."] {
            assert_eq!(known(&[&format!("chat, {prefix}a.b.c")]), ["chat", "!a.b.c"], "{prefix}");
            assert_eq!(known(&[prefix]), [prefix], "nothing is behind it");
        }
        assert_eq!(known(&["bearer, jwt.abc, chat"]), ["=bearer", "!abc", "chat"]);
        assert_eq!(known(&["bearers, jwts.abc"]), ["bearers", "jwts.abc"]);
    }

    #[test]
    fn kubernetes_writes_it_in_base64url() {
        let entry = |encoded: &str| format!("base64url.bearer.authorization.k8s.io.{encoded}, base.k8s.io");
        assert_eq!(known(&[&entry("YWJjLmRlZg")]), ["!abc.def", "base.k8s.io"]);
        // Padding, bits that stand for nothing, other alphabets, bytes that no header may have.
        for none in ["YWJjLmRlZg==", "YWJjLmRlZh", "YW+j", "YQ0KYg", "AA", "w6k", "YSBi"] {
            assert_eq!(known(&[&entry(none)]), ["?", "base.k8s.io"], "{none}");
        }
    }

    #[test]
    fn spellings_may_be_others() {
        let own = Spellings::new([&b"Authorization"[..], b"base64url.own.*", b"base64url.*"]);
        let shown =
            entries(&own, &["authorization, a, bearer, b, Base64URL.OWN.YQ, base64url.YWI, base64url."]);
        assert_eq!(shown, ["=authorization", "!a", "bearer", "b", "!a", "!ab", "base64url."]);
    }

    #[test]
    fn long_lists_are_looked_at_as_far_as_a_limit() {
        let list = format!("{}bearer, abc", "a,".repeat(MOST_ENTRIES - 1));
        let seen = known(&[&list]);
        assert_eq!((seen.len(), &*seen[MOST_ENTRIES - 1]), (MOST_ENTRIES, "=bearer"));
    }

    proptest! {
        /// Each entry is seen as it was written, and none is lost or made.
        #[test]
        fn entries_are_those_of_the_list(line in "(bearer|jwt\\.|[a-z.,=A-Z ]){0,40}") {
            let spellings = known_spellings();
            let seen: Vec<&[u8]> = spellings.entries([line.as_bytes()].into_iter()).map(|entry| match entry {
                Entry::Protocol(text) | Entry::Marker(text) => text,
                Entry::Token(token) => token.entry,
            }).collect();
            let written: Vec<&[u8]> = list(line.as_bytes()).collect();
            prop_assert_eq!(seen, written);
        }
    }
}
