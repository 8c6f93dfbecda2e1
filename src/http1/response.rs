//! The head of an upstream's response, read as `ngx_http_proxy_process_status_line` and
//! `ngx_http_proxy_process_header` read it.

use std::fmt;

use super::connection;
use super::field_lines::{LineError, LineRules, read_fields};
use super::head_buffers::MOST;
use super::headers::{Bounds, Headers};
use super::request_error::Printable;

/// A response's head. A value is reused for head after head without allocating again.
#[derive(Clone, Debug, Default)]
pub struct ResponseHead {
    pub headers: Headers,
    pub status: u16,
    /// Major and minor version, each at most 999.
    pub version: (u16, u16),
    /// `200 OK`: the status line behind the version.
    status_line: Bounds,
}

impl ResponseHead {
    pub fn new() -> ResponseHead {
        ResponseHead::default()
    }

    /// Forgets the head and keeps the memory.
    pub fn clear(&mut self) {
        let mut headers = std::mem::take(&mut self.headers);
        headers.clear();
        *self = ResponseHead { headers, ..ResponseHead::default() };
    }

    /// Status and reason as the upstream wrote them, such as `404 Nothing Here`; nginx passes it on.
    pub fn status_line(&self) -> &[u8] {
        self.status_line.of(&self.headers.bytes)
    }

    /// The reason behind the status; may be empty.
    pub fn reason(&self) -> &[u8] {
        self.status_line().get(4..).unwrap_or_default()
    }

    /// Whether the upstream lets the connection persist: HTTP/1.1 or later and no `Connection: close`,
    /// as `connection_close` in ngx_http_upstream. A `keep-alive` does not save an HTTP/1.0 connection.
    pub fn keep_alive(&self) -> bool {
        self.version >= (1, 1) && connection::wish(&self.headers) != Some(false)
    }
}

/// What an upstream sent where a head should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedResponse {
    /// The head took that many bytes.
    Head(usize),
    /// More bytes are needed: call again with these and more.
    Partial,
    /// No status line: an HTTP/0.9 answer, all of it body. nginx logs
    /// `upstream sent no valid HTTP/1.0 header` and passes the bytes on with status 200 to the log.
    Http09,
}

/// Why an upstream's head is refused. nginx answers 502, or tries the next upstream where
/// `proxy_next_upstream` lists `invalid_header`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// It does not fit `proxy_buffer_size`.
    TooBig,
    /// A header line, up to its first byte that cannot stand there, and that byte.
    InvalidHeader(Box<[u8]>, u8),
    DuplicateHeader {
        name: &'static str,
        value: Box<[u8]>,
        previous: Box<[u8]>,
    },
    InvalidContentLength(Box<[u8]>),
    LengthAndTransferEncoding,
    UnknownTransferEncoding(Box<[u8]>),
}

/// nginx's line for the error log, with bytes that are not printable ASCII as `\xHH`.
impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseError::TooBig => f.write_str("upstream sent too big header"),
            ResponseError::InvalidHeader(line, byte) => {
                write!(f, "upstream sent invalid header: \"{}\\x{byte:02x}...\"", Printable(line))
            }
            ResponseError::DuplicateHeader { name, value, previous } => {
                let (value, previous) = (Printable(value), Printable(previous));
                write!(f, "upstream sent duplicate header line: \"{name}: {value}\", ")?;
                write!(f, "previous value: \"{name}: {previous}\"")
            }
            ResponseError::InvalidContentLength(value) => {
                let value = Printable(value);
                write!(f, "upstream sent invalid \"Content-Length\" header: \"Content-Length: {value}\"")
            }
            ResponseError::LengthAndTransferEncoding => f.write_str(
                "upstream sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
            ),
            ResponseError::UnknownTransferEncoding(value) => {
                write!(f, "upstream sent unknown \"Transfer-Encoding\": \"{}\"", Printable(value))
            }
        }
    }
}

impl std::error::Error for ResponseError {}

/// Reads a response's head from the start of `bytes`. At most `most` bytes (`proxy_buffer_size`) may
/// belong to it; `bytes` may be longer where body has come with it.
pub fn parse_response(
    bytes: &[u8],
    most: usize,
    head: &mut ResponseHead,
) -> Result<ParsedResponse, ResponseError> {
    head.clear();
    let most = most.min(MOST);
    let bytes_of_head = &bytes[..bytes.len().min(most)];
    let partial =
        || if bytes.len() >= most { Err(ResponseError::TooBig) } else { Ok(ParsedResponse::Partial) };
    let line = match read_status_line(bytes_of_head) {
        StatusLine::Whole(line) => line,
        StatusLine::Partial => return partial(),
        StatusLine::None => return Ok(ParsedResponse::Http09),
    };
    let Some(end) = find_end(bytes_of_head, line.length) else {
        return partial();
    };
    head.headers.bytes.extend_from_slice(&bytes[..end]);
    head.status = line.status;
    head.version = line.version;
    head.status_line = line.text;
    match read_fields(&mut head.headers, line.length, LineRules::UPSTREAM, &mut Vec::new()) {
        Err(LineError::Invalid { start, at }) => {
            let bytes = &head.headers.bytes;
            let byte = bytes.get(at).copied().unwrap_or(b'\n');
            Err(ResponseError::InvalidHeader(bytes[start..at].into(), byte))
        }
        Err(LineError::TooMany) | Ok(()) => Ok(ParsedResponse::Head(end)),
    }
}

fn find_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut start = from;
    for end in memchr::memchr_iter(b'\n', &bytes[from..]).map(|at| from + at + 1) {
        if matches!(&bytes[start..end], b"\n" | b"\r\n") {
            return Some(end);
        }
        start = end;
    }
    None
}

enum StatusLine {
    Whole(ReadStatusLine),
    Partial,
    None,
}

struct ReadStatusLine {
    version: (u16, u16),
    status: u16,
    text: Bounds,
    /// With its line end.
    length: usize,
}

/// ngx_http_parse_status_line: `HTTP/` version, spaces, three digits, then the line end, or a space or
/// a dot (IIS sent `403.1`) and any text.
fn read_status_line(bytes: &[u8]) -> StatusLine {
    match status_line(&mut bytes.iter().copied().enumerate()) {
        Ok(line) => StatusLine::Whole(line),
        Err(Some(())) => StatusLine::None,
        Err(None) => StatusLine::Partial,
    }
}

/// An error of `None` is the end of the bytes, `Some` a byte that cannot stand there.
fn status_line(bytes: &mut impl Iterator<Item = (usize, u8)>) -> Result<ReadStatusLine, Option<()>> {
    const WRONG: Option<()> = Some(());
    let mut next = || bytes.next().ok_or(None);
    for expected in b"HTTP/" {
        if next()?.1 != *expected {
            return Err(WRONG);
        }
    }
    let mut number = |first: std::ops::RangeInclusive<u8>, behind: u8| {
        let (_, digit) = next()?;
        if !first.contains(&digit) {
            return Err(WRONG);
        }
        let mut number = u16::from(digit - b'0');
        loop {
            match next()?.1 {
                byte if byte == behind => return Ok(number),
                byte @ b'0'..=b'9' if number <= 99 => number = number * 10 + u16::from(byte - b'0'),
                _ => return Err(WRONG),
            }
        }
    };
    let version = (number(b'1'..=b'9', b'.')?, number(b'0'..=b'9', b' ')?);
    let (mut status, mut digits, mut start) = (0, 0, 0);
    while digits < 3 {
        match next()? {
            // nginx lets spaces stand between the digits too and takes the last three bytes as the status text.
            (_, b' ') => {}
            (at, byte @ b'0'..=b'9') => {
                status = status * 10 + u16::from(byte - b'0');
                digits += 1;
                start = at - 2;
            }
            _ => return Err(WRONG),
        }
    }
    let (mut at, mut byte) = next()?;
    if !matches!(byte, b' ' | b'.' | b'\r' | b'\n') {
        return Err(WRONG);
    }
    while byte != b'\r' && byte != b'\n' {
        (at, byte) = next()?;
    }
    let end = at;
    if byte == b'\r' {
        (at, byte) = next()?;
        if byte != b'\n' {
            return Err(WRONG);
        }
    }
    Ok(ReadStatusLine { version, status, text: Bounds::new(start, end), length: at + 1 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::known::Known;
    use super::*;

    fn parse(bytes: &[u8]) -> (Result<ParsedResponse, ResponseError>, ResponseHead) {
        let mut head = ResponseHead::new();
        (parse_response(bytes, 4096, &mut head), head)
    }

    #[test]
    fn a_head_and_what_follows() {
        let (parsed, head) = parse(b"HTTP/1.1 404 Nothing  Here\r\nX_a: 1\nServer: me\r\n\r\nbody");
        assert_eq!(parsed, Ok(ParsedResponse::Head(49)));
        assert_eq!((head.status, head.version), (404, (1, 1)));
        assert_eq!(head.status_line(), b"404 Nothing  Here");
        assert_eq!(head.reason(), b"Nothing  Here");
        assert_eq!(head.headers.first(Known::Server), Some(&b"me"[..]));
        assert!(head.keep_alive());
        let (_, head) = parse(b"HTTP/1.0 200\nConnection: keep-alive\n\n");
        assert_eq!((head.status_line(), head.reason(), head.keep_alive()), (&b"200"[..], &b""[..], false));
        assert!(!parse(b"HTTP/1.1 200 OK\r\nConnection: x, close\r\n\r\n").1.keep_alive());
    }

    #[test]
    fn no_status_line_is_http_09() {
        for text in
            ["hello", "HTTP/2", "HTTP/0.9 200 OK\r\n", "HTTP/1.1 20x", "HTTP/1.1 2000", "HTTQ", "\r\n"]
        {
            let expected = if text == "HTTP/2" { ParsedResponse::Partial } else { ParsedResponse::Http09 };
            assert_eq!(parse(text.as_bytes()).0, Ok(expected), "{text}");
        }
        assert_eq!(parse(b"HTTP/1.1 200 OK\rx").0, Ok(ParsedResponse::Http09));
    }

    #[test]
    fn bad_lines_and_sizes() {
        for line in ["a b: c", " folded", "a: b\0", "a: b\rc"] {
            let text = format!("HTTP/1.1 200 OK\r\nServer: x\r\n{line}\r\n\r\n");
            assert!(matches!(parse(text.as_bytes()).0, Err(ResponseError::InvalidHeader(..))), "{line:?}");
        }
        let many =
            [&b"HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\n"[..], &b"a: b\r\n".repeat(300), b"\r\n"].concat();
        let (parsed, head) = parse(&many);
        assert_eq!((parsed, head.headers.len()), (Ok(ParsedResponse::Head(many.len())), 300));
        let mut head = ResponseHead::new();
        assert_eq!(parse_response(&many, many.len(), &mut head), Ok(ParsedResponse::Head(many.len())));
        assert_eq!(parse_response(&many, many.len() - 1, &mut head), Err(ResponseError::TooBig));
        assert_eq!(parse_response(&many[..9], 10, &mut head), Ok(ParsedResponse::Partial));
        assert_eq!(parse_response(&many[..10], 10, &mut head), Err(ResponseError::TooBig));
    }

    proptest! {
        /// However a head is cut, its first part is partial and its whole is read the same.
        #[test]
        fn every_prefix_of_a_head_is_partial(reason in "[ -~]{0,9}", lines in "([a-z]{1,3}: ?[!-~]{0,5}\r?\n){0,4}") {
            let text = format!("HTTP/1.1 200 {reason}\r\n{lines}\r\n");
            for cut in 0..text.len() {
                prop_assert_eq!(parse(&text.as_bytes()[..cut]).0, Ok(ParsedResponse::Partial));
            }
            prop_assert_eq!(parse(text.as_bytes()).0, Ok(ParsedResponse::Head(text.len())));
        }
    }
}
