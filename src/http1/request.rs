//! The head of a request, from bytes that may come one by one.

use super::connection;
use super::field_lines::{LineError, LineRules, read_fields};
use super::framing::{Framing, request_framing};
use super::head_buffers::{Full, HeadBuffers};
use super::headers::{Bounds, Headers};
use super::host::validate_host;
use super::known::Known;
use super::request_error::{Duplicate, RequestError};
use super::request_line::RequestLine;

/// What a head may be; the directives are nginx's, with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// `client_header_buffer_size`, in bytes.
    pub client_header_buffer_size: usize,
    /// First word of `large_client_header_buffers`.
    pub large_count: usize,
    /// Second word of `large_client_header_buffers`, in bytes.
    pub large_size: usize,
    /// `max_headers`, since nginx 1.30.
    pub max_headers: usize,
    pub ignore_invalid_headers: bool,
    pub underscores_in_headers: bool,
}

impl Default for HeadLimits {
    fn default() -> HeadLimits {
        HeadLimits {
            client_header_buffer_size: 1024,
            large_count: 4,
            large_size: 8192,
            max_headers: 1000,
            ignore_invalid_headers: true,
            underscores_in_headers: false,
        }
    }
}

/// The version that decides what a client is served; 1.2 and what follows below 2.0 is 1.1 to nginx.
/// The text as sent is [`RequestHead::protocol`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http09,
    Http10,
    #[default]
    Http11,
}

/// The methods nginx knows by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Mkcol,
    Copy,
    Move,
    Options,
    Propfind,
    Proppatch,
    Lock,
    Unlock,
    Patch,
    Trace,
    Connect,
    #[default]
    Other,
}

impl Method {
    /// Methods are told apart by case: `get` is none that nginx knows.
    pub fn of(name: &[u8]) -> Method {
        match name {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"MKCOL" => Method::Mkcol,
            b"COPY" => Method::Copy,
            b"MOVE" => Method::Move,
            b"OPTIONS" => Method::Options,
            b"PROPFIND" => Method::Propfind,
            b"PROPPATCH" => Method::Proppatch,
            b"LOCK" => Method::Lock,
            b"UNLOCK" => Method::Unlock,
            b"PATCH" => Method::Patch,
            b"TRACE" => Method::Trace,
            b"CONNECT" => Method::Connect,
            _ => Method::Other,
        }
    }
}

/// A request's head. A value is reused for head after head without allocating again.
///
/// After an error the head holds what nginx would log of the request: [`RequestHead::line`] up to the
/// line end or the last byte that came, and the fields in front of the one that was refused.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    pub headers: Headers,
    line: Bounds,
    method: Method,
    method_name: Bounds,
    scheme: Bounds,
    target: Bounds,
    protocol: Bounds,
    version: Version,
    framing: Framing,
    host: Vec<u8>,
    port: Option<u16>,
    keep_alive: bool,
    dropped: Vec<Bounds>,
    length: usize,
}

impl RequestHead {
    pub fn new() -> RequestHead {
        RequestHead::default()
    }

    /// Forgets the head and keeps the memory.
    pub fn clear(&mut self) {
        let RequestHead {
            headers,
            line,
            method,
            method_name,
            scheme,
            target,
            protocol,
            version,
            framing,
            host,
            port,
            keep_alive,
            dropped,
            length,
        } = self;
        headers.clear();
        host.clear();
        dropped.clear();
        for bounds in [line, method_name, scheme, target, protocol] {
            *bounds = Bounds::default();
        }
        (*method, *version, *framing) = (Method::default(), Version::default(), Framing::default());
        (*port, *keep_alive, *length) = (None, false, 0);
    }

    /// The request line without its line end: `$request`.
    pub fn line(&self) -> &[u8] {
        self.line.of(&self.headers.bytes)
    }

    pub fn method(&self) -> Method {
        self.method
    }

    /// `$request_method`.
    pub fn method_name(&self) -> &[u8] {
        self.method_name.of(&self.headers.bytes)
    }

    /// The target as it was sent, of an absolute form only what stands behind the authority:
    /// `$request_uri`. Starts with `/`, or with `?` where an absolute form has no path.
    pub fn target(&self) -> &[u8] {
        self.target.of(&self.headers.bytes)
    }

    /// The scheme of an absolute-form target, else empty.
    pub fn scheme(&self) -> &[u8] {
        self.scheme.of(&self.headers.bytes)
    }

    /// The version as it was sent, such as `HTTP/1.1`; empty in HTTP/0.9.
    pub fn protocol(&self) -> &[u8] {
        self.protocol.of(&self.headers.bytes)
    }

    /// Makes a GET of it that brings no body, whatever it says of one; its name stays as the client wrote it.
    pub fn become_get(&mut self) {
        self.method = Method::Get;
        self.framing = Framing::None;
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The host in lower case, without port: of an absolute-form target or else of `Host`. Empty where
    /// an HTTP/1.0 client named none.
    pub fn host(&self) -> &[u8] {
        &self.host
    }

    /// The port that stands behind the host: `$request_port`.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether the client lets the connection persist: its version and its `Connection`.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the client waits for `100 Continue` (ngx_http_test_expect).
    pub fn expects_continue(&self) -> bool {
        let expect = self.headers.first(Known::Expect);
        self.version >= Version::Http11
            && expect.is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
    }

    /// Header lines left out because of `ignore_invalid_headers`; nginx notes each at level info as
    /// `client sent invalid header line: "…"`.
    pub fn dropped(&self) -> impl Iterator<Item = &[u8]> {
        self.dropped.iter().map(|line| line.of(&self.headers.bytes))
    }

    /// How many bytes the head had, from the request line to the empty line.
    pub fn length(&self) -> usize {
        self.length
    }
}

/// Reads one head after another. Call [`RequestParser::parse`] with all unread bytes of the connection
/// whenever some have come; what was looked at is not looked at again.
#[derive(Clone, Debug)]
pub struct RequestParser {
    stage: Stage,
    /// The first byte of the request line.
    start: usize,
    line: RequestLine,
    /// The first byte of the header line that is not finished.
    header_at: usize,
    /// How far that line was searched for its end.
    searched: usize,
    buffers: HeadBuffers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    EmptyLines,
    RequestLine,
    Headers,
}

impl Default for RequestParser {
    fn default() -> RequestParser {
        RequestParser::new()
    }
}

impl RequestParser {
    pub fn new() -> RequestParser {
        RequestParser {
            stage: Stage::EmptyLines,
            start: 0,
            line: RequestLine::new(),
            header_at: 0,
            searched: 0,
            buffers: HeadBuffers::new(0, 0, 0, 0),
        }
    }

    /// Reads a head from the start of `bytes`. `None`: more bytes are needed, call again with these and
    /// more. `Some(n)`: the head is in `head` and took `n` bytes, and the parser is ready for another.
    ///
    /// The limits hold for unfinished heads too, so `bytes` never needs more room than
    /// `client_header_buffer_size + large_count * large_size` and the empty lines in front.
    pub fn parse(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        head: &mut RequestHead,
    ) -> Result<Option<usize>, RequestError> {
        let outcome = self.advance(bytes, limits, head);
        match &outcome {
            Ok(None) => return outcome,
            Ok(Some(_)) => {}
            Err(error) if head.headers.bytes.is_empty() => {
                self.keep_line(bytes, head);
                if matches!(error, RequestError::InvalidHttp09Method) {
                    head.version = Version::Http09;
                }
            }
            Err(_) => {}
        }
        *self = RequestParser::new();
        outcome
    }

    fn advance(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        head: &mut RequestHead,
    ) -> Result<Option<usize>, RequestError> {
        if self.stage == Stage::EmptyLines {
            head.clear();
            let rest = &bytes[self.start..];
            let Some(skipped) = rest.iter().position(|byte| !matches!(byte, b'\r' | b'\n')) else {
                self.start = bytes.len();
                return self.bound_empty_lines(limits);
            };
            self.start += skipped;
            self.stage = Stage::RequestLine;
            self.buffers = HeadBuffers::new(
                limits.client_header_buffer_size,
                limits.large_size,
                limits.large_count,
                self.start,
            );
        }
        if self.stage == Stage::RequestLine && !self.read_line(bytes)? {
            return Ok(None);
        }
        if self.line.version == Version::Http09 {
            return self.complete(bytes, self.header_at, limits, head).map(Some);
        }
        match self.find_end(bytes) {
            Ok(Some(end)) => self.complete(bytes, end, limits, head).map(Some),
            Ok(None) => Ok(None),
            Err(error) => {
                // A bad line in front of the one that is too much is what nginx would have seen first.
                self.copy(&bytes[..self.header_at], head);
                self.read_headers(limits, head)?;
                Err(error)
            }
        }
    }

    /// nginx skips empty lines in front of a request without end; here they have to fit the buffers a
    /// head may fill.
    fn bound_empty_lines(&self, limits: &HeadLimits) -> Result<Option<usize>, RequestError> {
        let most = limits.client_header_buffer_size.max(limits.large_size);
        if self.start > most { Err(RequestError::InvalidRequest) } else { Ok(None) }
    }

    /// True when the request line is whole. What does not fit the buffers is not looked at.
    fn read_line(&mut self, bytes: &[u8]) -> Result<bool, RequestError> {
        let rest = &bytes[self.start..];
        let longest = self.buffers.longest_line();
        if !self.line.read(&rest[..rest.len().min(longest)])? {
            return if rest.len() < longest { Ok(false) } else { Err(RequestError::TooLongUri) };
        }
        self.buffers.store(self.line.at).map_err(|_| RequestError::TooLongUri)?;
        self.header_at = self.start + self.line.at;
        self.searched = self.header_at;
        self.stage = Stage::Headers;
        Ok(true)
    }

    /// The end of the head, behind its empty line.
    fn find_end(&mut self, bytes: &[u8]) -> Result<Option<usize>, RequestError> {
        while let Some(length) = memchr::memchr(b'\n', &bytes[self.searched..]) {
            let next = self.searched + length + 1;
            let line = &bytes[self.header_at..next];
            self.buffers.store(line.len()).map_err(|full| too_large(line, full))?;
            if matches!(line, b"\n" | b"\r\n") {
                return Ok(Some(next));
            }
            self.header_at = next;
            self.searched = next;
        }
        self.searched = bytes.len();
        let line = &bytes[self.header_at..];
        self.buffers.has_room_behind(line.len()).map_err(|full| too_large(line, full))?;
        Ok(None)
    }

    fn complete(
        &mut self,
        bytes: &[u8],
        end: usize,
        limits: &HeadLimits,
        head: &mut RequestHead,
    ) -> Result<usize, RequestError> {
        self.copy(&bytes[..end], head);
        head.length = end - self.start;
        if let Some(authority) = self.line.authority {
            set_host(head, authority).ok_or(RequestError::InvalidHostInLine)?;
        }
        if head.version > Version::Http09 {
            self.read_headers(limits, head)?;
            settle(head)?;
        }
        Ok(end)
    }

    fn read_headers(&self, limits: &HeadLimits, head: &mut RequestHead) -> Result<(), RequestError> {
        let rules = LineRules {
            underscores: limits.underscores_in_headers,
            drop_invalid: limits.ignore_invalid_headers,
            strict: true,
            max_fields: limits.max_headers,
            skip_status_lines: false,
        };
        let RequestHead { headers, dropped, .. } = head;
        read_fields(headers, self.line.at, rules, dropped).map_err(|error| match error {
            LineError::TooMany => RequestError::TooManyHeaders,
            LineError::Invalid { start, at } => {
                // nginx names the byte that it stumbled over; a line that breaks off has the line end there.
                let byte = headers.bytes.get(at).copied().unwrap_or(b'\n');
                RequestError::InvalidHeaderLine(headers.bytes[start..at].into(), byte)
            }
        })
    }

    /// Copies the head and the places of the request line, which is whole.
    fn copy(&self, bytes: &[u8], head: &mut RequestHead) {
        head.headers.bytes.extend_from_slice(&bytes[self.start..]);
        head.line = self.line.line;
        head.method = self.line.method;
        head.method_name = Bounds::new(0, self.line.method_end);
        head.scheme = self.line.scheme;
        head.target = self.line.target;
        head.protocol = self.line.protocol;
        head.version = self.line.version;
    }

    /// Keeps the line of a request that could not be read, as far as it came, for the log.
    /// Leaves what has come of a request line in `head`, for the log: no more is waited for.
    pub fn give_up(&mut self, bytes: &[u8], head: &mut RequestHead) {
        self.keep_line(bytes, head);
        *self = RequestParser::new();
    }

    fn keep_line(&self, bytes: &[u8], head: &mut RequestHead) {
        let rest = &bytes[self.start..];
        // nginx has no more of it than one buffer holds.
        let rest = &rest[..rest.len().min(self.buffers.longest_line())];
        let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        head.headers.bytes.extend_from_slice(&rest[..end]);
        head.line = Bounds::new(0, end);
        head.method = self.line.method;
        head.method_name = Bounds::new(0, self.line.method_end);
    }
}

fn too_large(line: &[u8], Full(held): Full) -> RequestError {
    /// What nginx keeps of a line for the log: NGX_MAX_ERROR_STR less 300.
    const MOST_LOGGED: usize = 2048 - 300;
    match held {
        0 => RequestError::TooLargeRequest,
        _ => RequestError::TooLongHeaderLine(line[..line.len().min(held).min(MOST_LOGGED)].into()),
    }
}

fn set_host(head: &mut RequestHead, at: Bounds) -> Option<()> {
    let host = validate_host(at.of(&head.headers.bytes))?;
    head.host.extend(host.name.iter().map(u8::to_ascii_lowercase));
    head.port = host.port;
    Some(())
}

/// What only the whole head can tell, in the order nginx finds out: duplicates and hosts line by line,
/// then the absence of a host, the framing, and the methods that are not served.
fn settle(head: &mut RequestHead) -> Result<(), RequestError> {
    for index in 0..head.headers.len() {
        if let Err(error) = settle_field(head, index) {
            head.headers.truncate(index + 1);
            return Err(error);
        }
    }
    if head.version > Version::Http10 && !head.headers.contains(Known::Host) {
        return Err(RequestError::NoHost);
    }
    head.framing = request_framing(&head.headers, head.version)?;
    head.keep_alive = connection::wish(&head.headers).unwrap_or(head.version > Version::Http10);
    match head.method {
        Method::Connect => Err(RequestError::Connect),
        Method::Trace => Err(RequestError::Trace),
        _ => Ok(()),
    }
}

fn settle_field(head: &mut RequestHead, index: usize) -> Result<(), RequestError> {
    let field = head.headers.fields()[index];
    if !comes_once(field.known) {
        return Ok(());
    }
    let earlier = &head.headers.fields()[..index];
    if let Some(previous) = earlier.iter().find(|earlier| earlier.known == field.known) {
        let bytes = &head.headers.bytes;
        let lines = Duplicate::new(
            (field.name.of(bytes), field.value.of(bytes)),
            (previous.name.of(bytes), previous.value.of(bytes)),
        );
        return Err(match field.known {
            Known::Host => RequestError::DuplicateHost(lines),
            _ => RequestError::DuplicateHeader(lines),
        });
    }
    match field.known {
        Known::Host if head.host.is_empty() => set_host(head, field.value).ok_or(RequestError::InvalidHost),
        Known::Host => {
            let valid = validate_host(field.value.of(&head.headers.bytes)).is_some();
            if valid { Ok(()) } else { Err(RequestError::InvalidHost) }
        }
        _ => Ok(()),
    }
}

/// The fields nginx refuses to see twice (ngx_http_headers_in).
fn comes_once(known: Known) -> bool {
    matches!(
        known,
        Known::Host
            | Known::ContentLength
            | Known::TransferEncoding
            | Known::ContentRange
            | Known::Expect
            | Known::Authorization
            | Known::ProxyAuthorization
            | Known::IfModifiedSince
            | Known::IfUnmodifiedSince
            | Known::IfMatch
            | Known::IfNoneMatch
            | Known::IfRange
    )
}
