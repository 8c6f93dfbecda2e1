//! Header lines, read as `ngx_http_parse_header_line` reads them.
//!
//! A whole block goes to httparse first. What it takes, nginx takes in the same way (a test holds us to
//! that). What it refuses is read again line by line, for nginx lets more through: a name may hold any
//! byte above the space, a value may hold control bytes other than NUL and CR, a line may end in more
//! than one CR, and a line without a colon is a name with an empty value. The last three we take from
//! upstreams; in a request they are how attacks begin, so there, unlike in nginx, they are refused.

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

/// How many fields httparse is given room for, on the stack; a longer head is read line by line.
const FAST_FIELDS: usize = 64;

/// Reads the header lines in `headers.bytes[from..]`, which end with an empty line, into fields. After
/// an error the fields in front of the bad line are there. Lines left out are noted in `dropped`.
pub(super) fn read_fields(
    headers: &mut Headers,
    from: usize,
    rules: LineRules,
    dropped: &mut Vec<Bounds>,
) -> Result<(), LineError> {
    let block = &headers.bytes[from..];
    let mut parsed = [httparse::EMPTY_HEADER; FAST_FIELDS];
    let Ok(httparse::Status::Complete((_, parsed))) = httparse::parse_headers(block, &mut parsed) else {
        return read_fields_exactly(headers, from, rules, dropped);
    };
    let start = block.as_ptr() as usize;
    let place = |text: &[u8]| {
        let at = from + (text.as_ptr() as usize - start);
        Bounds::new(at, at + text.len())
    };
    for header in parsed {
        let name = header.name.as_bytes();
        let bounds = place(name);
        let known = Known::of(name);
        if rules.drops(name, known) {
            dropped.push(Bounds { end: place(header.value).end.max(bounds.end), ..bounds });
            continue;
        }
        if headers.fields.len() >= rules.max_fields {
            return Err(LineError::TooMany);
        }
        headers.fields.push(Field { name: bounds, value: place(header.value), known });
    }
    Ok(())
}

/// The same by nginx's rules alone, and also for a block that is cut off: then the whole lines are read.
pub(super) fn read_fields_exactly(
    headers: &mut Headers,
    from: usize,
    rules: LineRules,
    dropped: &mut Vec<Bounds>,
) -> Result<(), LineError> {
    let mut start = from;
    while let Some(length) = memchr::memchr(b'\n', &headers.bytes[start..]) {
        let line = &headers.bytes[start..start + length];
        let next = start + length + 1;
        match line {
            [] | [b'\r'] => return Ok(()),
            [b'H', b'T', b'T', b'P', b'/', ..] if rules.skip_status_lines => {}
            _ => {
                let (name, value) = split_line(line, rules.strict)
                    .map_err(|at| LineError::Invalid { start, at: start + at })?;
                let name_at = Bounds::new(start, start + name);
                let value_at = Bounds::new(start + value.0, start + value.1);
                let name = &line[..name];
                let known = Known::of(name);
                if rules.drops(name, known) {
                    dropped.push(Bounds { end: value_at.end, ..name_at });
                } else if headers.fields.len() >= rules.max_fields {
                    return Err(LineError::TooMany);
                } else {
                    headers.fields.push(Field { name: name_at, value: value_at, known });
                }
            }
        }
        start = next;
    }
    Ok(())
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

    fn read(block: &[u8], rules: LineRules, fast: bool) -> Read {
        let mut headers = Headers { bytes: block.to_vec(), fields: Vec::new() };
        let mut dropped = Vec::new();
        let read = if fast { read_fields } else { read_fields_exactly };
        let result = read(&mut headers, 0, rules, &mut dropped);
        let fields = headers.iter().map(|(name, value, _)| (name.to_vec(), value.to_vec())).collect();
        (result, fields, dropped.len())
    }

    fn fields(block: &[u8], rules: LineRules) -> Vec<(String, String)> {
        let (result, fields, _) = read(block, rules, true);
        assert_eq!(result, Ok(()), "{}", block.escape_ascii());
        let text = |bytes: Vec<u8>| bytes.escape_ascii().to_string();
        fields.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    fn assert_refused(block: &[u8], rules: LineRules, at: usize) {
        let (result, _, _) = read(block, rules, true);
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
        assert_eq!(read(block, underscores, true).1.len(), 2);
        let (result, kept, dropped) = read(block, LineRules { drop_invalid: false, ..RULES }, true);
        assert_eq!((result, kept.len(), dropped), (Ok(()), 4, 0));
    }

    #[test]
    fn the_number_of_fields_is_limited() {
        let rules = LineRules { max_fields: 2, ..RULES };
        assert_eq!(read(b"A: 1\r\nB: 2\r\n\r\n", rules, true).0, Ok(()));
        assert_eq!(read(b"A: 1\r\nX_X: 1\r\nB: 2\r\n\r\n", rules, true).0, Ok(()));
        assert_eq!(read(b"A: 1\r\nB: 2\r\nC: 3\r\n\r\n", rules, true).0, Err(LineError::TooMany));
        let many = b"A: 1\r\n".repeat(FAST_FIELDS + 9);
        let (result, fields, _) = read(&[&many[..], b"\r\n"].concat(), RULES, true);
        assert_eq!((result, fields.len()), (Ok(()), FAST_FIELDS + 9));
    }

    proptest! {
        /// The fast path takes nothing that nginx would read differently.
        #[test]
        fn httparse_and_the_line_reader_agree(
            lines in proptest::collection::vec("[ -~\t\r\n:_.\u{1}\u{ff}a-c]{0,12}\r?\n", 0..6),
            drop_invalid: bool,
            underscores: bool,
            strict: bool,
        ) {
            let block = format!("{}\r\n", lines.concat()).into_bytes();
            let rules = LineRules { drop_invalid, underscores, strict, ..RULES };
            prop_assert_eq!(read(&block, rules, true), read(&block, rules, false));
        }
    }
}
