//! Why a request is refused: nginx's status and nginx's words for the log.

use std::fmt;

use super::Known;

/// What makes a head unacceptable. The connection closes behind every one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    InvalidMethod,
    /// The request line, or the target in it.
    InvalidRequest,
    /// HTTP/2.0 or later.
    InvalidVersion,
    /// HTTP/0.9 knows GET alone.
    InvalidHttp09Method,
    /// The request line does not fit one of `large_client_header_buffers`.
    TooLongUri,
    InvalidHostInLine,
    InvalidHost,
    NoHost,
    DuplicateHost(Box<Duplicate>),
    DuplicateHeader(Box<Duplicate>),
    /// A header line, up to its first byte that cannot stand there, and that byte.
    InvalidHeaderLine(Box<[u8]>, u8),
    /// A header line that does not fit one of `large_client_header_buffers`; its beginning.
    TooLongHeaderLine(Box<[u8]>),
    /// All of `large_client_header_buffers` are full.
    TooLargeRequest,
    /// More than `max_headers`.
    TooManyHeaders,
    InvalidContentLength,
    Http10TransferEncoding,
    LengthAndTransferEncoding,
    UnknownTransferEncoding(Box<[u8]>),
    Connect,
    Trace,
}

/// A field that may come once, and the one that came before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// `Name: value`.
    pub line: Box<[u8]>,
    /// `Name: value`.
    pub previous: Box<[u8]>,
}

impl RequestError {
    /// nginx's code for the error page; 494 is shown to the client as 400
    /// ([`super::status::shown_status`]).
    pub fn status(&self) -> u16 {
        match self {
            RequestError::InvalidVersion => 505,
            RequestError::TooLongUri => 414,
            RequestError::TooLongHeaderLine(_)
            | RequestError::TooLargeRequest
            | RequestError::TooManyHeaders => 494,
            RequestError::UnknownTransferEncoding(_) => 501,
            RequestError::Connect | RequestError::Trace => 405,
            _ => 400,
        }
    }
}

/// nginx's line for the error log. Bytes of the client that are not printable ASCII are written as
/// `\xHH`, where nginx writes them as they are, so that nobody writes lines of their own into the log.
impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::InvalidMethod => f.write_str("client sent invalid method"),
            RequestError::InvalidRequest => f.write_str("client sent invalid request"),
            RequestError::InvalidVersion => f.write_str("client sent invalid version"),
            RequestError::InvalidHttp09Method => {
                f.write_str("client sent invalid method in HTTP/0.9 request")
            }
            RequestError::TooLongUri => f.write_str("client sent too long URI"),
            RequestError::InvalidHostInLine => f.write_str("client sent invalid host in request line"),
            RequestError::InvalidHost => f.write_str("client sent invalid host header"),
            RequestError::NoHost => f.write_str("client sent HTTP/1.1 request without \"Host\" header"),
            RequestError::DuplicateHost(lines) => lines.write(f, "host header"),
            RequestError::DuplicateHeader(lines) => lines.write(f, "header line"),
            RequestError::InvalidHeaderLine(line, byte) => {
                write!(f, "client sent invalid header line: \"{}\\x{byte:02x}...\"", Line(line))
            }
            RequestError::TooLongHeaderLine(line) => {
                write!(f, "client sent too long header line: \"{}...\"", Line(line))
            }
            RequestError::TooLargeRequest => f.write_str("client sent too large request"),
            RequestError::TooManyHeaders => f.write_str("client sent too many header lines"),
            RequestError::InvalidContentLength => {
                f.write_str("client sent invalid \"Content-Length\" header")
            }
            RequestError::Http10TransferEncoding => {
                f.write_str("client sent HTTP/1.0 request with \"Transfer-Encoding\" header")
            }
            RequestError::LengthAndTransferEncoding => f.write_str(
                "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
            ),
            RequestError::UnknownTransferEncoding(value) => {
                write!(f, "client sent unknown \"Transfer-Encoding\": \"{}\"", Printable(value))
            }
            RequestError::Connect => f.write_str("client sent CONNECT method"),
            RequestError::Trace => f.write_str("client sent TRACE method"),
        }
    }
}

impl std::error::Error for RequestError {}

impl Duplicate {
    pub(super) fn new(field: (&[u8], &[u8]), previous: (&[u8], &[u8])) -> Box<Duplicate> {
        let line = |(name, value): (&[u8], &[u8])| [name, b": ", value].concat().into_boxed_slice();
        Box::new(Duplicate { line: line(field), previous: line(previous) })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, what: &str) -> fmt::Result {
        let (line, previous) = (Line(&self.line), Line(&self.previous));
        write!(f, "client sent duplicate {what}: \"{line}\", previous value: \"{previous}\"")
    }
}

/// A header line for a log, or its beginning. Of one that is there to hold a password or a token it is the name
/// alone: whoever reads the log is not to be let in.
struct Line<'a>(&'a [u8]);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = self.0.iter().position(|byte| *byte == b':');
        let name = colon.map(|colon| &self.0[..colon]);
        match name.filter(|name| SECRET.contains(&Known::of(name.trim_ascii()))) {
            Some(name) => write!(f, "{}: ***", Printable(name)),
            None => Printable(self.0).fmt(f),
        }
    }
}

/// Headers whose values are not logged.
const SECRET: &[Known] =
    &[Known::Authorization, Known::Cookie, Known::ProxyAuthorization, Known::SecWebSocketProtocol];

/// Bytes of a peer for a log: what is not printable ASCII as `\xHH`.
pub(super) struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| match byte {
            b' '..=b'~' => write!(f, "{}", *byte as char),
            _ => write!(f, "\\x{byte:02X}"),
        })
    }
}
