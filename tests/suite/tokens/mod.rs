//! Tokens: how long a socket outlives the one that let it in, where browsers put them, and what becomes of them.

mod clients;
mod expiry;
mod jwt;
mod protocols;
mod secrecy;

use crate::support::{
    client::Client,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
};

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// A text of two bytes, masked by zeros as clients may, and its echo by the upstream and by `websocket_echo`.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";
const ECHOED: &[u8] = b"\x81\x02hi";

/// wsproxy with `lines` in `http`, in front of `@UPSTREAM1@`, which switches, and `@UPSTREAM2@`, which judges.
struct Gateway {
    server: Server,
    upstream: Origin,
    judge: Origin,
}

impl Gateway {
    fn start(site: &str, upstream: Answer, judge: Answer) -> Gateway {
        let place = Place::new();
        let upstream = Origin::start(&place.address("UPSTREAM1"), vec![upstream]);
        let judge = Origin::start(&place.address("UPSTREAM2"), vec![judge]);
        Gateway { server: Server::start(Kind::Wsproxy, place, site), upstream, judge }
    }

    fn client(&self) -> Client {
        Client::connect(&self.server.address("LISTEN"))
    }
}

/// A handshake for a target with these header lines.
fn handshake(target: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "GET {target} HTTP/1.1\r\nHost: example.com\r\n{lines}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// An upstream's 101 with these header lines.
fn switching(lines: &str) -> Answer {
    Answer::new(format!("{SWITCHING}{lines}\r\n")).then(Then::Echo)
}

/// A Close with 4401, the reason and the directive.
fn expired() -> Vec<u8> {
    let reason = b"token expired (websocket_token_expiry)";
    [&[0x88, reason.len() as u8 + 2][..], &4401u16.to_be_bytes(), reason].concat()
}
