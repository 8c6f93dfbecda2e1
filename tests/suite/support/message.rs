//! A strict reader of HTTP/1 messages that keeps every byte: order, case and spacing of a head, and a
//! body with its framing taken off. Anything not as RFC 9112 wants it is an error a test shows.

use std::io::{self, Read};

use super::stream::Stream;

/// A request or a response as it came.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// The first line and the header lines, without line ends.
    pub head: Vec<Vec<u8>>,
    /// The body without its framing; empty when there is none.
    pub body: Vec<u8>,
    /// Trailer lines behind a chunked body.
    pub trailers: Vec<Vec<u8>>,
}

/// Whether a body follows a head, and how its end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

impl Message {
    /// The values of a header, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.head.iter().skip(1).filter_map(move |line| {
            let colon = line.iter().position(|b| *b == b':')?;
            line[..colon].eq_ignore_ascii_case(name.as_bytes()).then(|| line[colon + 1..].trim_ascii())
        })
    }

    /// The first value of a header as text.
    pub fn header(&self, name: &str) -> Option<String> {
        self.values(name).next().map(|value| String::from_utf8_lossy(value).into_owned())
    }

    pub fn first_line(&self) -> String {
        self.head.first().map(|line| String::from_utf8_lossy(line).into_owned()).unwrap_or_default()
    }

    /// The status of a response; 0 when the first line has none.
    pub fn status(&self) -> u16 {
        self.first_line().split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn framing(&self) -> io::Result<Option<Framing>> {
        let lengths: Vec<_> = self.values("content-length").collect();
        let codings: Vec<_> = self.values("transfer-encoding").collect();
        match (&lengths[..], &codings[..]) {
            ([], []) => Ok(None),
            ([length], []) => {
                let length = str::from_utf8(length).ok().and_then(|text| text.parse().ok());
                length.map(|n| Some(Framing::Length(n))).ok_or_else(|| bad("a bad Content-Length"))
            }
            ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Some(Framing::Chunked)),
            _ => Err(bad("a message that could be read two ways")),
        }
    }

    /// How a request's body ends.
    pub fn request_framing(&self) -> io::Result<Framing> {
        Ok(self.framing()?.unwrap_or(Framing::None))
    }

    /// How a response's body ends, given whether it answers HEAD.
    pub fn response_framing(&self, to_head: bool) -> io::Result<Framing> {
        let framing = self.framing()?.unwrap_or(Framing::UntilClose);
        let bodiless = to_head || matches!(self.status(), 100..=199 | 204 | 304);
        Ok(if bodiless { Framing::None } else { framing })
    }
}

/// Reads messages from a socket and keeps what came behind them for the next one.
#[derive(Debug)]
pub struct Reader {
    pub stream: Stream,
    ahead: Vec<u8>,
}

impl Reader {
    pub fn new(stream: Stream) -> Reader {
        Reader { stream, ahead: Vec::new() }
    }

    /// A head, or None when the peer closes before its first byte.
    pub fn head(&mut self) -> io::Result<Option<Message>> {
        let mut message = Message::default();
        loop {
            match self.line()? {
                None if message.head.is_empty() => return Ok(None),
                None => return Err(cut("in the head")),
                Some(line) if line.is_empty() => return Ok(Some(message)),
                Some(line) => message.head.push(line),
            }
        }
    }

    /// The body that `framing` announces, put into `message` as far as it came.
    pub fn body(&mut self, message: &mut Message, framing: Framing) -> io::Result<()> {
        match framing {
            Framing::None => Ok(()),
            Framing::Length(length) => self.exactly(length, &mut message.body),
            Framing::UntilClose => {
                self.until_end(&mut message.body)?;
                Ok(())
            }
            Framing::Chunked => self.chunks(message),
        }
    }

    fn chunks(&mut self, message: &mut Message) -> io::Result<()> {
        loop {
            let line = self.line()?.ok_or_else(|| cut("before a chunk"))?;
            let digits = str::from_utf8(&line).map_err(|_| bad("a chunk size that is no text"))?;
            let size = usize::from_str_radix(digits, 16)
                .map_err(|_| bad(format!("`{digits}` where a chunk size should be")))?;
            if size == 0 {
                break;
            }
            self.exactly(size, &mut message.body)?;
            if self.line()?.ok_or_else(|| cut("behind a chunk"))? != b"" {
                return Err(bad("no line end behind a chunk"));
            }
        }
        loop {
            match self.line()?.ok_or_else(|| cut("in the trailers"))? {
                line if line.is_empty() => return Ok(()),
                line => message.trailers.push(line),
            }
        }
    }

    /// A line without its CRLF; None at the end. A line that ends otherwise is an error.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.ahead.iter().position(|b| *b == b'\n') {
                let mut line: Vec<u8> = self.ahead.drain(..=at).collect();
                line.pop();
                if line.pop() != Some(b'\r') {
                    return Err(bad("a line that ends in a bare LF"));
                }
                return Ok(Some(line));
            }
            if !self.fill()? {
                return if self.ahead.is_empty() { Ok(None) } else { Err(cut("in a line")) };
            }
        }
    }

    /// Appends `count` bytes to `into`, or all there were and an error.
    pub fn exactly(&mut self, count: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let mut missing = count;
        loop {
            let take = missing.min(self.ahead.len());
            into.extend(self.ahead.drain(..take));
            missing -= take;
            if missing == 0 {
                return Ok(());
            }
            if !self.fill()? {
                return Err(cut(format!("with {missing} of {count} bytes to come")));
            }
        }
    }

    /// Appends all there is until the peer closes.
    pub fn until_end(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        loop {
            into.append(&mut self.ahead);
            if !self.fill()? {
                return Ok(());
            }
        }
    }

    /// What has been read but not asked for yet, and what else comes in one read; empty at the end.
    pub fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.ahead.is_empty() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.ahead))
    }

    fn fill(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16384];
        let count = match self.stream.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came"));
            }
            other => other?,
        };
        self.ahead.extend_from_slice(&buffer[..count]);
        Ok(count > 0)
    }
}

fn bad(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

fn cut(place: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("closed {place}"))
}
