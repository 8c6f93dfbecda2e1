//! Header lines, read as `ngx_http_parse_header_line` reads them.
//!
//! A plain line, as nearly all are, is read eight bytes at a time. Any other is read by nginx's rules alone: a
//! name may hold any byte above the space, a value may hold control bytes other than NUL and CR, a line may
//! end in more than one CR, and a line without a colon is a name with an empty value. The last three we take
//! from upstreams; in a request they are how attacks begin, so there, unlike in nginx, they are refused.

use super::headers::{Bounds, Field, Headers};
use super::known::Known;

/// How the lines of a head are to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineRules {
    /// `underscores_in_headers on`: `_` is an ordinary byte of a name.
    pub underscores: bool,
    /// `ignore_invalid_headers on`: fields whose name has a byte besides letters, digits, `-` are left out.
    pub drop_invalid: bool,
    /// Control bytes in values and lines without a colon are refused (RFC 9110, 5.5; RFC 9112, 5).
    pub strict: bool,
    /// More fields than this are an error.
    pub max_fields: usize,
    /// An upstream may repeat its status line among the header lines; IIS did.
    pub skip_status_lines: bool,
}

impl LineRules {
    /// Names with underscores and other odd bytes pass from an upstream; only clients are held to more.
    pub const UPSTREAM: LineRules = LineRules {
        underscores: true,
        drop_invalid: false,
        strict: false,
        max_fields: usize::MAX,
        skip_status_lines: true,
    };

    /// Every known name is a plain one.
    fn drops(self, name: &[u8], known: Known) -> bool {
        self.drop_invalid && known == Known::Other && !is_plain_name(name, self.underscores)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineError {
    /// The line that starts at `start` has the byte at `at`, which cannot stand there.
    Invalid {
        start: usize,
        at: usize,
    },
    TooMany,
}

/// Reads the header lines in `headers.bytes[from..]` up to the empty line, or all whole ones where there is
/// none, into fields. After an error the fields in front of the bad line are there. Lines left out are noted
/// in `dropped`.
pub(super) fn read_fields(
    headers: &mut Headers,
    from: usize,
    rules: LineRules,
    dropped: &mut Vec<Bounds>,
) -> Result<(), LineError> {
    let mut start = from;
    while let Some(line) = next_line(&headers.bytes[start..], rules) {
        let invalid = |at| LineError::Invalid { start, at: start + at };
        let Line { name, value, length } = match line {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(Misread::Skipped(length)) => {
                start += length;
                continue;
            }
            Err(Misread::Invalid(at)) => return Err(invalid(at)),
        };
        let bytes = &headers.bytes[start..start + name];
        let known = Known::of(bytes);
        let name = Bounds::new(start, start + name);
        let value = Bounds::new(start + value.0, start + value.1);
        if rules.drops(bytes, known) {
            dropped.push(Bounds { end: value.end, ..name });
        } else if headers.len() >= rules.max_fields {
            return Err(LineError::TooMany);
        } else {
            headers.add(Field { name, value, known });
        }
        start += length;
    }
    Ok(())
}

/// Places in a line, from its first byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    /// Where the name ends.
    name: usize,
    value: (usize, usize),
    /// With its line end.
    length: usize,
}

/// A line that is no field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Misread {
    /// It has that many bytes and is left out.
    Skipped(usize),
    /// The byte there cannot stand where it does.
    Invalid(usize),
}

/// The first line of `bytes`: `None` where it is not whole, `Ok(None)` where it is the empty one.
fn next_line(bytes: &[u8], rules: LineRules) -> Option<Result<Option<Line>, Misread>> {
    if let [b'\n', ..] | [b'\r', b'\n', ..] = bytes {
        return Some(Ok(None));
    }
    if !(rules.skip_status_lines && bytes.starts_with(b"HTTP/"))
        && let Some(line) = plain_line(bytes)
    {
        return Some(Ok(Some(line)));
    }
    let length = memchr::memchr(b'\n', bytes)?;
    let line = &bytes[..length];
    Some(match line {
        [b'H', b'T', b'T', b'P', b'/', ..] if rules.skip_status_lines => Err(Misread::Skipped(length + 1)),
        _ => match split_line(line, rules.strict) {
            Ok((name, value)) => Ok(Some(Line { name, value, length: length + 1 })),
            Err(at) => Err(Misread::Invalid(at)),
        },
    })
}

/// Reads a line whose value holds no control bytes and that ends in LF or CR LF, which means the same
/// whatever the rules.
fn plain_line(bytes: &[u8]) -> Option<Line> {
    let name = find(bytes, in_word::ends_name, ends_name)?;
    if name == 0 || bytes[name] != b':' {
        return None;
    }
    let mut value = name + 1;
    while is_space(*bytes.get(value)?) {
        value += 1;
    }
    let mut end = value + find(&bytes[value..], in_word::is_control, |byte| byte.is_ascii_control())?;
    let length = match bytes[end..] {
        [b'\n', ..] => end + 1,
        [b'\r', b'\n', ..] => end + 2,
        _ => return None,
    };
    while end > value && is_space(bytes[end - 1]) {
        end -= 1;
    }
    Some(Line { name, value: (value, end), length })
}

/// The place of the first byte for which `is` holds; `in_word` says the same of eight at once.
fn find(bytes: &[u8], in_word: fn(u64) -> u64, is: fn(u8) -> bool) -> Option<usize> {
    let (words, rest) = bytes.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let found = in_word(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let before = bytes.len() - rest.len();
    rest.iter().position(|byte| is(*byte)).map(|at| before + at)
}

/// Questions to the eight bytes of a word. The lowest bit of an answer lies in the first byte that was
/// asked for; those above it may lie.
mod in_word {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;

    /// `limit` is at most 0x80.
    fn below(word: u64, limit: u64) -> u64 {
        word.wrapping_sub(ONES * limit) & !word & HIGH
    }

    fn equal(word: u64, byte: u8) -> u64 {
        below(word ^ (ONES * byte as u64), 1)
    }

    pub fn ends_name(word: u64) -> u64 {
        below(word, 0x21) | equal(word, 0x7f) | equal(word, b':')
    }

    pub fn is_control(word: u64) -> u64 {
        below(word, 0x20) | equal(word, 0x7f)
    }
}

/// Where in a line (without its LF) the name ends and the value lies; or where the byte is that
/// makes the line invalid.
fn split_line(line: &[u8], strict: bool) -> Result<(usize, (usize, usize)), usize> {
    let name = line.iter().position(|byte| ends_name(*byte)).unwrap_or(line.len());
    let value = match line.get(name) {
        Some(b':') if name > 0 => {
            let spaces = line[name + 1..].iter().take_while(|byte| is_space(**byte)).count();
            name + 1 + spaces
        }
        None | Some(b'\r') if name > 0 && !strict => name,
        _ => return Err(name),
    };
    let end = memchr::memchr2(b'\r', 0, &line[value..]).map_or(line.len(), |at| value + at);
    if line[end..].iter().any(|byte| *byte != b'\r') || (strict && end + 1 < line.len()) {
        return Err(end);
    }
    if let Some(at) = line[value..end].iter().position(|byte| strict && is_control(*byte)) {
        return Err(value + at);
    }
    let trailing = line[value..end].iter().rev().take_while(|byte| is_space(**byte)).count();
    Ok((name, (value, end - trailing)))
}

fn ends_name(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || byte == b':'
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

fn is_plain_name(name: &[u8], underscores: bool) -> bool {
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || (underscores && *byte == b'_'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: LineRules = LineRules {
        underscores: false,
        drop_invalid: true,
        strict: true,
        max_fields: 1000,
        skip_status_lines: false,
    };
    const OF_UPSTREAM: LineRules = LineRules { strict: false, ..RULES };

    type Read = (Result<(), LineError>, Vec<(Vec<u8>, Vec<u8>)>, usize);

    fn read(block: &[u8], rules: LineRules) -> Read {
        let mut headers = Headers::new();
        headers.bytes.extend_from_slice(block);
        let mut dropped = Vec::new();
        let result = read_fields(&mut headers, 0, rules, &mut dropped);
        let fields = headers.iter().map(|(name, value, _)| (name.to_vec(), value.to_vec())).collect();
        (result, fields, dropped.len())
    }

    fn fields(block: &[u8], rules: LineRules) -> Vec<(String, String)> {
        let (result, fields, _) = read(block, rules);
        assert_eq!(result, Ok(()), "{}", block.escape_ascii());
        let text = |bytes: Vec<u8>| bytes.escape_ascii().to_string();
        fields.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    fn assert_refused(block: &[u8], rules: LineRules, at: usize) {
        let (result, _, _) = read(block, rules);
        assert_eq!(result, Err(LineError::Invalid { start: 0, at }), "{}", block.escape_ascii());
    }

    #[test]
    fn what_only_upstreams_may_send() {
        for (block, at, name, value) in [
            (&b"Foo\r\n\r\n"[..], 3, "Foo", ""),
            (b"Foo\n\n", 3, "Foo", ""),
            (b"A: x\x01y\x7f\r\n\r\n", 4, "A", "x\\x01y\\x7f"),
            (b"A: b\r\r\n\r\n", 4, "A", "b"),
        ] {
            assert_eq!(fields(block, OF_UPSTREAM), [pair(name, value)]);
            assert_refused(block, RULES, at);
        }
    }

    #[test]
    fn spaces_around_values_go() {
        let block = b"A:\t \r\nB:  b\tc \t\nC:\r\n\r\n";
        assert_eq!(fields(block, RULES), [pair("A", ""), pair("B", "b\\tc"), pair("C", "")]);
        assert_eq!(fields(&[block, &b"x"[..]].concat(), OF_UPSTREAM).len(), 3);
    }

    #[test]
    fn what_nginx_refuses() {
        for (block, at) in [
            (&b"Foo : x\r\n\r\n"[..], 3),
            (b" folded\r\n\r\n", 0),
            (b": x\r\n\r\n", 0),
            (b"A: b\0c\r\n\r\n", 4),
            (b"A: b\rc\r\n\r\n", 4),
            (b"A\x01: b\r\n\r\n", 1),
            (b"A\r: b\r\n\r\n", 1),
            (b"\x7fA: b\r\n\r\n", 0),
            (b"\r\r\n\r\n", 0),
        ] {
            assert_refused(block, RULES, at);
            assert_refused(block, OF_UPSTREAM, at);
        }
    }

    #[test]
    fn invalid_names_are_dropped_or_kept() {
        let block = b"X_A: 1\r\nB.b: 2\r\nC\xff: 3\r\nD: 4\r\n\r\n";
        assert_eq!(fields(block, RULES), [pair("D", "4")]);
        let underscores = LineRules { underscores: true, ..RULES };
        assert_eq!(read(block, underscores).1.len(), 2);
        let (result, kept, dropped) = read(block, LineRules { drop_invalid: false, ..RULES });
        assert_eq!((result, kept.len(), dropped), (Ok(()), 4, 0));
    }

    #[test]
    fn the_number_of_fields_is_limited() {
        let rules = LineRules { max_fields: 2, ..RULES };
        assert_eq!(read(b"A: 1\r\nB: 2\r\n\r\n", rules).0, Ok(()));
        assert_eq!(read(b"A: 1\r\nX_X: 1\r\nB: 2\r\n\r\n", rules).0, Ok(()));
        assert_eq!(read(b"A: 1\r\nB: 2\r\nC: 3\r\n\r\n", rules).0, Err(LineError::TooMany));
        let many = b"A: 1\r\n".repeat(99);
        let (result, fields, _) = read(&[&many[..], b"\r\n"].concat(), RULES);
        assert_eq!((result, fields.len()), (Ok(()), 99));
    }

    proptest! {
        /// The fast way takes nothing that nginx would read differently.
        #[test]
        fn a_plain_line_is_read_as_any_other(line in "[ -~\t\r:_.\u{1}\u{7f}\u{ff}a-c]{0,40}\r?\n", strict: bool) {
            let bytes = line.as_bytes();
            if let Some(Line { name, value, length }) = plain_line(bytes) {
                prop_assert_eq!(length, bytes.len());
                prop_assert_eq!(split_line(&bytes[..length - 1], strict), Ok((name, value)));
            }
        }

        /// What another reader takes, we take in the same way.
        #[test]
        fn httparse_agrees(lines in proptest::collection::vec("[ -~\t\r\n:_.\u{1}\u{ff}a-c]{0,12}\r?\n", 0..6)) {
            let block = format!("{}\r\n", lines.concat()).into_bytes();
            let mut parsed = [httparse::EMPTY_HEADER; 64];
            if let Ok(httparse::Status::Complete((_, parsed))) = httparse::parse_headers(&block, &mut parsed) {
                let parsed = parsed.iter().map(|field| (field.name.as_bytes().to_vec(), field.value.to_vec()));
                let (result, fields, _) = read(&block, LineRules { drop_invalid: false, ..RULES });
                prop_assert_eq!((result, fields), (Ok(()), parsed.collect()));
            }
        }

        #[test]
        fn the_first_byte_is_found(bytes: Vec<u8>) {
            let first = |is: fn(u8) -> bool| bytes.iter().position(|byte| is(*byte));
            prop_assert_eq!(find(&bytes, in_word::ends_name, ends_name), first(ends_name));
            let is_control = |byte: u8| byte.is_ascii_control();
            prop_assert_eq!(find(&bytes, in_word::is_control, is_control), first(is_control));
        }
    }
}
