//! A WebSocket handshake as RFC 6455 shows it.

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// The answer that opens one.
pub const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A client's wish.
pub fn handshake(uri: &str) -> Vec<u8> {
    format!("GET {uri} HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n").into_bytes()
}
