//! What an upstream was asked, read from the head that went out.

use crate::websocket::handshake::{self, WhyNot, Wish};

/// A request's head as it was sent.
pub struct Sent<'a> {
    pub uri: &'a [u8],
    pub http_1_1: bool,
    method: &'a [u8],
    /// The lines behind the first, and behind the empty one what there is of a body.
    lines: &'a [u8],
}

impl<'a> Sent<'a> {
    /// `head` is of our own making: a request line without other spaces, header lines, an empty line.
    pub fn read(head: &'a [u8]) -> Sent<'a> {
        let (line, lines) = split(head, b'\n');
        let (method, rest) = split(line.trim_ascii_end(), b' ');
        let (uri, version) = split(rest, b' ');
        Sent { uri, http_1_1: version == b"HTTP/1.1", method, lines }
    }

    /// Whether an upstream sees a handshake in it.
    pub fn wish(&self) -> Result<Wish, WhyNot<'a>> {
        handshake::wish(self.method, self.http_1_1, false, self.headers())
    }

    /// The first header called `name`.
    pub fn first(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.headers().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let lines = self.lines.split(|byte| *byte == b'\n').map(|line| line.trim_ascii_end());
        lines.take_while(|line| !line.is_empty()).map(|line| {
            let (name, value) = split(line, b':');
            (name, value.trim_ascii())
        })
    }
}

/// What stands before and behind the first `byte`.
fn split(text: &[u8], byte: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|own| *own == byte) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\nOrigin: body";

    #[test]
    fn a_head_is_read_back() {
        let sent = Sent::read(HEAD);
        assert_eq!((sent.uri, sent.http_1_1), (&b"/a?b"[..], true));
        assert_eq!(sent.first(b"host"), Some(&b"a"[..]));
        assert_eq!(sent.first(b"origin"), None);
        assert!(sent.wish().is_ok());
    }

    #[test]
    fn an_older_version_is_no_handshake() {
        let head = HEAD.to_vec();
        let older = String::from_utf8(head).unwrap().replace("HTTP/1.1", "HTTP/1.0");
        let sent = Sent::read(older.as_bytes());
        assert_eq!(sent.wish().unwrap_err(), WhyNot::HttpVersion);
    }
}
