//! The request line, read as `ngx_http_parse_request_line` of nginx 1.31 reads it: byte by byte, to be
//! taken up again when more bytes have come, and refused at the first byte that cannot stand there.

use super::headers::Bounds;
use super::request::{Method, Version};
use super::request_error::RequestError;

/// What has been read of a request line. All places count from its first byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestLine {
    state: State,
    /// The next byte to read; behind the line end once the line is whole.
    pub at: usize,
    pub method: Method,
    pub method_end: usize,
    pub scheme: Bounds,
    pub authority: Option<Bounds>,
    pub target: Bounds,
    /// `HTTP/1.1` as it was sent; empty in HTTP/0.9.
    pub protocol: Bounds,
    pub version: Version,
    /// The line without its line end.
    pub line: Bounds,
    major: u16,
    minor: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Method,
    SpacesBeforeTarget,
    Scheme,
    SchemeSlash,
    SchemeSlashSlash,
    SpacesBeforeHost,
    HostStart,
    Host,
    HostEnd,
    IpLiteral,
    Port,
    Target,
    AfterTarget,
    /// Inside `HTTP/`, with the number of its bytes that were read.
    Protocol(u8),
    FirstMajorDigit,
    MajorDigit,
    FirstMinorDigit,
    MinorDigit,
    SpacesAfterDigit,
    AlmostDone,
}

const PROTOCOL: &[u8; 5] = b"HTTP/";

impl RequestLine {
    pub fn new() -> RequestLine {
        RequestLine {
            state: State::Start,
            at: 0,
            method: Method::Other,
            method_end: 0,
            scheme: Bounds::default(),
            authority: None,
            target: Bounds::default(),
            protocol: Bounds::default(),
            version: Version::Http09,
            line: Bounds::default(),
            major: 0,
            minor: 0,
        }
    }

    /// Reads on in `line`, the bytes from the first of the request line on. True when the line is whole.
    pub fn read(&mut self, line: &[u8]) -> Result<bool, RequestError> {
        while let Some(byte) = line.get(self.at).copied() {
            if self.state == State::Target && is_target_byte(byte) {
                // The longest part, taken in one go.
                let rest = &line[self.at..];
                self.at += rest.iter().position(|byte| !is_target_byte(*byte)).unwrap_or(rest.len());
                continue;
            }
            if self.step(line, byte)? {
                self.at += 1;
                self.finish()?;
                return Ok(true);
            }
            self.at += 1;
        }
        Ok(false)
    }

    /// Takes one byte; true when it ends the line.
    fn step(&mut self, line: &[u8], byte: u8) -> Result<bool, RequestError> {
        self.state = match self.state {
            State::Method if byte == b' ' => self.end_method(line),
            State::Start | State::Method if is_method_byte(byte) => State::Method,
            State::Start | State::Method => return Err(RequestError::InvalidMethod),
            State::SpacesBeforeTarget => match byte {
                b' ' => State::SpacesBeforeTarget,
                b'/' => self.begin_target(),
                _ if byte.is_ascii_alphabetic() => {
                    self.scheme = Bounds::new(self.at, self.at);
                    State::Scheme
                }
                _ => return Err(RequestError::InvalidRequest),
            },
            State::Scheme => match byte {
                b':' => {
                    self.scheme.end = self.at as u32;
                    State::SchemeSlash
                }
                b'+' | b'-' | b'.' => State::Scheme,
                _ if byte.is_ascii_alphanumeric() => State::Scheme,
                _ => return Err(RequestError::InvalidRequest),
            },
            State::SchemeSlash if byte == b'/' => State::SchemeSlashSlash,
            State::SchemeSlashSlash if byte == b'/' => State::HostStart,
            State::SpacesBeforeHost if byte == b' ' => State::SpacesBeforeHost,
            State::SpacesBeforeHost | State::HostStart => {
                self.authority = Some(Bounds::new(self.at, self.at));
                if byte == b'[' { State::IpLiteral } else { self.in_host(byte)? }
            }
            State::Host => self.in_host(byte)?,
            State::HostEnd => self.behind_host(byte)?,
            State::IpLiteral => match byte {
                b']' => State::HostEnd,
                _ if is_literal_byte(byte) => State::IpLiteral,
                _ => return Err(RequestError::InvalidRequest),
            },
            State::Port if byte.is_ascii_digit() => State::Port,
            State::Port => self.behind_authority(byte)?,
            State::Target => match byte {
                b' ' | b'\r' | b'\n' => return self.end_target(byte),
                _ if is_target_byte(byte) => State::Target,
                _ => return Err(RequestError::InvalidRequest),
            },
            State::AfterTarget => match byte {
                b' ' => State::AfterTarget,
                b'\r' => State::AlmostDone,
                b'\n' => return Ok(self.end_line(self.at)),
                b'H' => {
                    self.protocol = Bounds::new(self.at, self.at);
                    State::Protocol(1)
                }
                _ => return Err(RequestError::InvalidRequest),
            },
            State::Protocol(read) if byte == PROTOCOL[read as usize] => {
                if read as usize + 1 < PROTOCOL.len() {
                    State::Protocol(read + 1)
                } else {
                    self.end_protocol_name()
                }
            }
            State::FirstMajorDigit | State::MajorDigit => self.in_major(byte)?,
            State::FirstMinorDigit if byte.is_ascii_digit() => {
                self.minor = u16::from(byte - b'0');
                State::MinorDigit
            }
            State::MinorDigit | State::SpacesAfterDigit => match byte {
                b'\r' => State::AlmostDone,
                b'\n' => return Ok(self.end_line(self.at)),
                b' ' => State::SpacesAfterDigit,
                _ => self.in_minor(byte)?,
            },
            State::AlmostDone if byte == b'\n' => return Ok(self.end_line(self.at - 1)),
            _ => return Err(RequestError::InvalidRequest),
        };
        Ok(false)
    }

    fn end_method(&mut self, line: &[u8]) -> State {
        self.method_end = self.at;
        self.method = Method::of(&line[..self.at]);
        if self.method == Method::Connect { State::SpacesBeforeHost } else { State::SpacesBeforeTarget }
    }

    fn begin_target(&mut self) -> State {
        self.target = Bounds::new(self.at, self.at);
        State::Target
    }

    fn in_host(&mut self, byte: u8) -> Result<State, RequestError> {
        if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-' {
            return Ok(State::Host);
        }
        self.behind_host(byte)
    }

    fn behind_host(&mut self, byte: u8) -> Result<State, RequestError> {
        match byte {
            b':' => Ok(State::Port),
            _ if self.method == Method::Connect => Err(RequestError::InvalidRequest),
            _ => self.behind_authority(byte),
        }
    }

    fn behind_authority(&mut self, byte: u8) -> Result<State, RequestError> {
        if let Some(authority) = &mut self.authority {
            authority.end = self.at as u32;
        }
        match byte {
            b' ' if self.method == Method::Connect => Ok(State::AfterTarget),
            _ if self.method == Method::Connect => Err(RequestError::InvalidRequest),
            b'/' | b'?' => Ok(self.begin_target()),
            b' ' => {
                // Without a path the target is `/`; the first slash of `://` serves as its text.
                self.target = Bounds { start: self.scheme.end + 1, end: self.scheme.end + 2 };
                Ok(State::AfterTarget)
            }
            _ => Err(RequestError::InvalidRequest),
        }
    }

    /// Takes the byte behind the target; a line end there means HTTP/0.9.
    fn end_target(&mut self, byte: u8) -> Result<bool, RequestError> {
        self.target.end = self.at as u32;
        self.state = match byte {
            b' ' => State::AfterTarget,
            b'\r' => State::AlmostDone,
            _ => return Ok(self.end_line(self.at)),
        };
        Ok(false)
    }

    fn end_protocol_name(&mut self) -> State {
        if self.method == Method::Connect {
            // A CONNECT has no path either; the slash of `HTTP/` serves as its text.
            self.target = Bounds::new(self.at, self.at + 1);
        }
        State::FirstMajorDigit
    }

    fn in_major(&mut self, byte: u8) -> Result<State, RequestError> {
        match byte {
            b'.' if self.state == State::MajorDigit => return Ok(State::FirstMinorDigit),
            b'0' if self.state == State::FirstMajorDigit => return Err(RequestError::InvalidRequest),
            b'0'..=b'9' => self.major = self.major * 10 + u16::from(byte - b'0'),
            _ => return Err(RequestError::InvalidRequest),
        }
        if self.major > 1 { Err(RequestError::InvalidVersion) } else { Ok(State::MajorDigit) }
    }

    fn in_minor(&mut self, byte: u8) -> Result<State, RequestError> {
        if self.state != State::MinorDigit || !byte.is_ascii_digit() || self.minor > 99 {
            return Err(RequestError::InvalidRequest);
        }
        self.minor = self.minor * 10 + u16::from(byte - b'0');
        Ok(State::MinorDigit)
    }

    fn end_line(&mut self, end: usize) -> bool {
        self.line = Bounds::new(0, end);
        true
    }

    fn finish(&mut self) -> Result<(), RequestError> {
        self.version = match (self.major, self.minor) {
            (0, _) => Version::Http09,
            (_, 0) => Version::Http10,
            _ => Version::Http11,
        };
        if self.version > Version::Http09 {
            self.protocol.end = self.line.end;
        } else if self.method != Method::Get {
            return Err(RequestError::InvalidHttp09Method);
        }
        Ok(())
    }
}

fn is_target_byte(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f
}

fn is_method_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte == b'_' || byte == b'-'
}

/// What may stand between the brackets of a literal address: unreserved, sub-delims and the colon.
fn is_literal_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b':' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'')
        || matches!(byte, b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}
