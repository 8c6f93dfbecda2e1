//! What no log shows of a request: the bytes that were used as a token in it.
//!
//! A client chooses what it sends as a token, and must not be able to blank out what a log says of it: an address
//! is never masked, and what could be a word or a path only where a token may stand.

use std::net::IpAddr;
use std::ops::Range;

use memchr::memmem;

/// What stands in a log in a token's place.
pub const MASK: &[u8] = b"***";

/// Bytes of the shortest value that is looked for within other text. A shorter one, or one with a slash, is
/// masked only where it stands alone.
const SHORT: usize = 20;

/// Bytes of a longer value that betray it where it was cut off.
const BEGINNING: usize = 8;

/// So many values are looked for. A request that holds more shows nothing at all.
const MOST: usize = 64;

/// The mark of text that was cut off (`exchange/report.rs`): a token that is cut off there is one all the same.
const CUT: &[u8] = "…".as_bytes();

/// Values that are hidden.
#[derive(Debug, Default)]
pub struct Secrets {
    values: Vec<Box<[u8]>>,
    too_many: bool,
}

impl Secrets {
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub fn clear(&mut self) {
        self.values.clear();
        self.too_many = false;
    }

    /// Hides a value from now on, and what it stands for where it is percent-encoded.
    pub fn add(&mut self, value: &[u8]) {
        self.add_one(value);
        if value.contains(&b'%') {
            self.add_one(&decoded(value));
        }
    }

    fn add_one(&mut self, value: &[u8]) {
        if value.is_empty() || is_address(value) || self.values.iter().any(|own| **own == *value) {
            return;
        }
        if self.values.len() == MOST {
            self.too_many = true;
            return;
        }
        self.values.push(value.into());
    }

    /// Masks what is hidden in `text` from `start` on, in each of the spellings that logs have. It takes time that
    /// grows with the text, not with what a client has written there.
    pub fn mask(&self, text: &mut Vec<u8>, start: usize) {
        if self.too_many && text.len() > start {
            text.truncate(start);
            text.extend_from_slice(MASK);
            return;
        }
        let spans = self.spans(&text[start..]);
        if spans.is_empty() {
            return;
        }
        let shown = text.split_off(start);
        let mut at = 0;
        for span in spans {
            text.extend_from_slice(&shown[at..span.start]);
            text.extend_from_slice(MASK);
            at = span.end;
        }
        text.extend_from_slice(&shown[at..]);
    }

    /// Where hidden values are, in order; those that overlap are one.
    fn spans(&self, text: &[u8]) -> Vec<Range<usize>> {
        let plain = Plain::of(text);
        let mut found = Vec::new();
        for value in &self.values {
            let anywhere = value.len() >= SHORT && !value.contains(&b'/');
            let mut keep = |span: Range<usize>| {
                if anywhere || stands_alone(text, span.start, span.end) {
                    found.push(span);
                }
            };
            all(text, value).for_each(|at| keep(at..at + value.len()));
            if plain.is_other {
                all(&plain.bytes, value).for_each(|at| keep(plain.at[at]..plain.at[at + value.len()]));
            }
            if anywhere {
                found.extend(plain.cut(value));
            }
        }
        found.sort_unstable_by_key(|span| span.start);
        found.dedup_by(|later, earlier| {
            let overlaps = later.start < earlier.end;
            if overlaps {
                earlier.end = earlier.end.max(later.end);
            }
            overlaps
        });
        found
    }
}

/// Text with what URLs and logs escape in it as it is meant.
struct Plain {
    bytes: Vec<u8>,
    /// Where each of them begins in the text, and where that ends.
    at: Vec<usize>,
    /// Something was escaped.
    is_other: bool,
}

impl Plain {
    fn of(text: &[u8]) -> Plain {
        let (mut bytes, mut at) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len() + 1));
        let mut next = 0;
        while next < text.len() {
            let (byte, length) = escaped(&text[next..]).unwrap_or((text[next], 1));
            bytes.push(byte);
            at.push(next);
            next += length;
        }
        at.push(text.len());
        let is_other = bytes.len() < text.len();
        Plain { bytes, at, is_other }
    }

    /// Where a value begins that is cut off at the end, if enough of it is left to betray it.
    fn cut(&self, value: &[u8]) -> Option<Range<usize>> {
        let end = self.bytes.strip_suffix(CUT).map_or(self.bytes.len(), <[u8]>::len);
        let from = end.saturating_sub(value.len() - 1);
        let beginning = &value[..BEGINNING];
        let begins = all(&self.bytes[from..end], beginning).map(|at| from + at);
        let mut whole = begins.filter(|at| value.starts_with(&self.bytes[*at..end]));
        whole.next().map(|at| self.at[at]..self.at[end])
    }
}

/// Wherever `value` begins in `text`.
fn all(text: &[u8], value: &[u8]) -> impl Iterator<Item = usize> {
    let finder = memmem::Finder::new(value).into_owned();
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + finder.find(text.get(from..)?)?;
        from = at + 1;
        Some(at)
    })
}

/// Whether a value is all of the text, or all of an argument, a cookie, an element of a list within it.
fn stands_alone(text: &[u8], start: usize, end: usize) -> bool {
    let behind = text.get(end);
    match start.checked_sub(1).map(|at| text[at]) {
        None => behind.is_none(),
        Some(b'=') => behind.is_none_or(|byte| b"&;, #\"".contains(byte)),
        // Of a request line it is the target.
        Some(b' ') if text[start] == b'/' => false,
        Some(b' ' | b',') => behind.is_none_or(|byte| b", \"".contains(byte)),
        Some(_) => false,
    }
}

fn is_address(value: &[u8]) -> bool {
    str::from_utf8(value).is_ok_and(|text| text.parse::<IpAddr>().is_ok())
}

/// The byte that `%41` or `\x41` stands for, and the length of that.
fn escaped(text: &[u8]) -> Option<(u8, usize)> {
    let digits = text.strip_prefix(b"%").or_else(|| text.strip_prefix(b"\\x"))?;
    let digit = |at: usize| (*digits.get(at)? as char).to_digit(16);
    let byte = (digit(0)? * 16 + digit(1)?) as u8;
    Some((byte, text.len() - digits.len() + 2))
}

fn decoded(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while at < value.len() {
        let (byte, length) = match escaped(&value[at..]) {
            Some(found) if value[at] == b'%' => found,
            _ => (value[at], 1),
        };
        out.push(byte);
        at += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(hidden: &[&str], text: &str) -> String {
        let mut secrets = Secrets::default();
        hidden.iter().for_each(|value| secrets.add(value.as_bytes()));
        let mut out = format!("before {text}").into_bytes();
        secrets.mask(&mut out, "before ".len());
        String::from_utf8(out).unwrap().strip_prefix("before ").unwrap().to_owned()
    }

    #[test]
    fn a_value_is_masked_wherever_it_stands() {
        let token = "eyJhbGciOiJIUzI1NiJ9.e30.sig";
        let line = "GET /ws?t=eyJhbGciOiJIUzI1NiJ9.e30.sig&a=1 HTTP/1.1";
        assert_eq!(masked(&[token], line), "GET /ws?t=***&a=1 HTTP/1.1");
        assert_eq!(masked(&[token], token), "***");
        assert_eq!(masked(&[token], &token.repeat(2)), "******");
        assert_eq!(masked(&[token], "eyJhbGciOiJIUzI1NiJ9.e30.other"), "eyJhbGciOiJIUzI1NiJ9.e30.other");
        assert_eq!(masked(&["", token], "a"), "a");
        assert_eq!(masked(&[], "eyJhbGciOi"), "eyJhbGciOi");
    }

    #[test]
    fn in_any_spelling() {
        let token = "a-secret.of-twenty\"x";
        assert_eq!(masked(&[token], "/ws?t=a-secret%2eof-twenty%22%78"), "/ws?t=***");
        assert_eq!(masked(&[token], "%61-secret%2Eof-twenty\\x22x"), "***");
        // What came encoded is hidden decoded, too; a percent sign may be one, or be written as one.
        assert_eq!(
            masked(&["a-longer-secret%2Etokens"], "a-longer-secret.tokens a-longer-secret%2etokens"),
            "*** ***"
        );
        assert_eq!(
            masked(&["100%-secret-twenty-two"], "100%-secret-twenty-two 100%25-secret-twenty-two"),
            "*** ***"
        );
    }

    #[test]
    fn of_a_value_that_was_cut_off_nothing_is_left() {
        assert_eq!(masked(&["a-very-long-secret-of-mine"], "t=a-very-long…"), "t=***…");
        assert_eq!(masked(&["a-very-long-secret-of-mine"], "t=a-very-l"), "t=***");
        // Fewer bytes than would be looked for tell nothing.
        assert_eq!(masked(&["a-very-long-secret-of-mine"], "t=a-very"), "t=a-very");
    }

    #[test]
    fn what_may_be_a_word_or_a_path_is_masked_where_it_stands_alone() {
        assert_eq!(masked(&["1"], "GET /1?a=1&b=11&c=1 HTTP/1.1"), "GET /1?a=***&b=11&c=*** HTTP/1.1");
        assert_eq!(masked(&["abc"], "abc"), "***");
        assert_eq!(masked(&["abc"], "abcd abc, bearer,abc"), "abcd ***, bearer,***");
        let path = "/a/path/of/more/than/twenty/bytes";
        let line = format!("GET {path}?t={path}&u={path} HTTP/1.1");
        assert_eq!(masked(&[path], &line), format!("GET {path}?t=***&u=*** HTTP/1.1"));
        assert_eq!(masked(&[path], path), "***");
        assert_eq!(masked(&["wp-login.php"], "GET /wp-login.php?t=wp-login.php"), "GET /wp-login.php?t=***");
    }

    #[test]
    fn an_address_is_no_secret() {
        for address in ["203.0.113.7", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff"] {
            assert_eq!(masked(&[address], address), address);
        }
    }

    #[test]
    fn the_longest_goes_first_and_too_many_hide_all() {
        assert_eq!(masked(&["a-secret", "a-secret-and-more"], "t=a-secret-and-more"), "t=***");
        let many: Vec<String> = (0..=MOST).map(|number| format!("secret-{number:03}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(masked(&many, "GET / HTTP/1.1"), "***");
        assert_eq!(masked(&many, ""), "");
    }

    /// Whoever writes a token of one letter, and more of it, waits no longer than others.
    #[test]
    fn no_token_makes_it_slow() {
        let token = "a".repeat(4000);
        let text = format!("GET /?t={token}&b={}b&c=%61{}", &token[1..], "a".repeat(4000));
        let mut secrets = Secrets::default();
        (0..MOST).for_each(|cut| secrets.add(&token.as_bytes()[cut..]));
        let began = std::time::Instant::now();
        let mut out = text.into_bytes();
        secrets.mask(&mut out, 0);
        assert!(out.starts_with(b"GET /?t=***&b=***b&c=***"), "{}", out.escape_ascii());
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    }

    proptest! {
        /// Whatever is around a token and however it is spelt, it is gone, and what is around it is not.
        #[test]
        fn no_spelling_gets_through(token in "[a-z.%_\"-]{20,40}", around in "[A-Z/?=& ]{0,20}", spelt in any::<u64>()) {
            let mut text = around.clone();
            for (at, byte) in token.bytes().enumerate() {
                match spelt >> (at % 32 * 2) & 3 {
                    0 => text.push_str(&format!("%{byte:02x}")),
                    1 => text.push_str(&format!("\\x{byte:02X}")),
                    _ if byte == b'%' => text.push_str("%25"),
                    _ => text.push(byte as char),
                }
            }
            text.push_str(&around);
            prop_assert_eq!(masked(&[&token], &text), format!("{around}***{around}"));
        }

        /// Text in which nothing hidden stands is left alone.
        #[test]
        fn other_text_stays(token in "[a-z]{8,20}", text in "[A-Z%0-9]{0,60}") {
            prop_assert_eq!(masked(&[&token], &text), text);
        }
    }
}
