//! The opening handshake (RFC 6455 section 4), as a proxy sees it.

use std::fmt;

use data_encoding::BASE64;
use sha1::{Digest, Sha1};

use crate::http1::connection::list;

/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The only version there is (RFC 6455 section 4.1).
const VERSION: &[u8] = b"13";

/// Base64 of 16 bytes.
const KEY_LENGTH: usize = 24;

/// Base64 of a SHA-1 digest.
const ACCEPT_LENGTH: usize = 28;

/// A client's wish for a WebSocket, kept until the upstream has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    key: [u8; KEY_LENGTH],
    /// Every `Sec-WebSocket-Protocol` line, joined by commas.
    protocols: Vec<u8>,
}

impl Wish {
    /// The client's `Sec-WebSocket-Key`.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The `Sec-WebSocket-Accept` that answers it.
    pub fn accept_key(&self) -> [u8; ACCEPT_LENGTH] {
        accept_key(&self.key)
    }

    /// The subprotocols offered, in the client's order of preference.
    pub fn protocols(&self) -> impl Iterator<Item = &[u8]> {
        list(&self.protocols)
    }
}

/// Decides whether a request asks for a WebSocket. No other place does, and without a wish there is no
/// tunnel: what only resembles a handshake is how requests are smuggled past a proxy.
///
/// `headers` are all of the request's, as received; `has_body` is whether it declares a body of any length
/// but zero.
pub fn wish<'a>(
    method: &[u8],
    http_1_1: bool,
    has_body: bool,
    headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<Wish, WhyNot<'a>> {
    let mut said = Said::default();
    for (name, value) in headers {
        said.hear(name, value.trim_ascii());
    }
    said.upgrades_to_websocket()?;
    if method != b"GET" {
        return Err(WhyNot::Method);
    }
    if !http_1_1 {
        return Err(WhyNot::HttpVersion);
    }
    if has_body {
        return Err(WhyNot::Body);
    }
    match said.version {
        Line::Never => return Err(WhyNot::NoVersion),
        Line::Once(VERSION) => {}
        Line::Once(other) => return Err(WhyNot::OtherVersion(other)),
        Line::Repeated => return Err(WhyNot::RepeatedVersion),
    }
    let key = match said.key {
        Line::Never => return Err(WhyNot::NoKey),
        Line::Once(key) => key_of(key).ok_or(WhyNot::BadKey)?,
        Line::Repeated => return Err(WhyNot::RepeatedKey),
    };
    Ok(Wish { key, protocols: said.protocols })
}

/// Why a request is not a WebSocket's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNot<'a> {
    NoUpgrade,
    /// No `Upgrade`, but a `Sec-WebSocket-Key`: somebody on the way took it off.
    LostUpgrade,
    /// `Upgrade` names something else, or more than `websocket`.
    OtherProtocol(&'a [u8]),
    RepeatedUpgrade,
    NoConnectionUpgrade,
    Method,
    HttpVersion,
    Body,
    NoVersion,
    OtherVersion(&'a [u8]),
    RepeatedVersion,
    NoKey,
    BadKey,
    RepeatedKey,
}

impl WhyNot<'_> {
    /// Whether the request is plain HTTP that never meant to be a handshake.
    pub fn is_plain(&self) -> bool {
        matches!(self, WhyNot::NoUpgrade | WhyNot::OtherProtocol(_) | WhyNot::RepeatedUpgrade)
    }
}

impl fmt::Display for WhyNot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WhyNot::NoUpgrade => "no Upgrade: websocket",
            WhyNot::LostUpgrade => "no Upgrade, though a Sec-WebSocket-Key",
            WhyNot::OtherProtocol(other) => return write!(f, "Upgrade: {}", other.escape_ascii()),
            WhyNot::RepeatedUpgrade => "more than one Upgrade",
            WhyNot::NoConnectionUpgrade => "no Connection: upgrade",
            WhyNot::Method => "method is not GET",
            WhyNot::HttpVersion => "not HTTP/1.1",
            WhyNot::Body => "request has a body",
            WhyNot::NoVersion => "no Sec-WebSocket-Version",
            WhyNot::OtherVersion(other) => {
                return write!(f, "Sec-WebSocket-Version {} instead of 13", other.escape_ascii());
            }
            WhyNot::RepeatedVersion => "more than one Sec-WebSocket-Version",
            WhyNot::NoKey => "no Sec-WebSocket-Key",
            WhyNot::BadKey => "Sec-WebSocket-Key is not 16 bytes in base64",
            WhyNot::RepeatedKey => "more than one Sec-WebSocket-Key",
        })
    }
}

/// What an upstream's `101` says beside yes. nginx passes it on whatever it says, and so do we: the client
/// decides. What is odd about it is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Says `Connection: upgrade`.
    pub connection_upgrade: bool,
    pub accept: Accept,
    /// Names no subprotocol, or one that was offered.
    pub protocol_offered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    Right,
    Wrong,
    Missing,
}

impl Grant {
    /// What a client will not like about it, in words that go behind "upstream answered 101".
    pub fn oddities(&self) -> impl Iterator<Item = &'static str> {
        let accept = match self.accept {
            Accept::Right => None,
            Accept::Wrong => Some("with a wrong Sec-WebSocket-Accept"),
            Accept::Missing => Some("without a Sec-WebSocket-Accept"),
        };
        let connection = (!self.connection_upgrade).then_some("without Connection: upgrade");
        let protocol =
            (!self.protocol_offered).then_some("with a Sec-WebSocket-Protocol that the client did not offer");
        [accept, connection, protocol].into_iter().flatten()
    }
}

/// Whether an upstream's final answer grants a wish. Only if it does may bytes flow.
pub fn granted<'a>(
    wish: &Wish,
    status: u16,
    headers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<Grant, NotGranted<'a>> {
    if status != 101 {
        return Err(NotGranted::Status(status));
    }
    let mut said = Said::default();
    for (name, value) in headers {
        said.hear(name, value.trim_ascii());
    }
    match said.upgrades_to_websocket() {
        Ok(()) | Err(WhyNot::NoConnectionUpgrade) => {}
        Err(why) => return Err(NotGranted::Upgrade(why)),
    }
    Ok(Grant {
        connection_upgrade: said.connection_upgrade,
        accept: match said.accept {
            Line::Never => Accept::Missing,
            Line::Once(accept) if accept == wish.accept_key() => Accept::Right,
            _ => Accept::Wrong,
        },
        protocol_offered: list(&said.protocols).all(|chosen| wish.protocols().any(|one| one == chosen)),
    })
}

/// Why an answer is not the one that was wished for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotGranted<'a> {
    Status(u16),
    /// A `101` that switches to something else.
    Upgrade(WhyNot<'a>),
}

impl fmt::Display for NotGranted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotGranted::Status(status) => write!(f, "status {status} instead of 101"),
            NotGranted::Upgrade(why) => write!(f, "status 101, but {why}"),
        }
    }
}

/// The `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
pub fn accept_key(key: &[u8]) -> [u8; ACCEPT_LENGTH] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; ACCEPT_LENGTH];
    BASE64.encode_mut(&digest, &mut accept);
    accept
}

/// What the lines of a head say that matter here.
#[derive(Default)]
struct Said<'a> {
    upgrade: Line<'a>,
    connection_upgrade: bool,
    key: Line<'a>,
    version: Line<'a>,
    accept: Line<'a>,
    protocols: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
enum Line<'a> {
    #[default]
    Never,
    Once(&'a [u8]),
    Repeated,
}

impl<'a> Said<'a> {
    fn hear(&mut self, name: &[u8], value: &'a [u8]) {
        // Most names are none of these: the length tells so at once.
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"Upgrade") => self.upgrade.hear(value),
            10 if name.eq_ignore_ascii_case(b"Connection") => {
                self.connection_upgrade |= list(value).any(|one| one.eq_ignore_ascii_case(b"upgrade"));
            }
            17 if name.eq_ignore_ascii_case(b"Sec-WebSocket-Key") => self.key.hear(value),
            20 if name.eq_ignore_ascii_case(b"Sec-WebSocket-Accept") => self.accept.hear(value),
            21 if name.eq_ignore_ascii_case(b"Sec-WebSocket-Version") => self.version.hear(value),
            22 if name.eq_ignore_ascii_case(b"Sec-WebSocket-Protocol") => {
                if !self.protocols.is_empty() {
                    self.protocols.push(b',');
                }
                self.protocols.extend_from_slice(value);
            }
            _ => {}
        }
    }

    /// `Upgrade` names `websocket` and nothing else, and `Connection` says that it is meant.
    fn upgrades_to_websocket(&self) -> Result<(), WhyNot<'a>> {
        match self.upgrade {
            Line::Never if !matches!(self.key, Line::Never) => Err(WhyNot::LostUpgrade),
            Line::Never => Err(WhyNot::NoUpgrade),
            Line::Repeated => Err(WhyNot::RepeatedUpgrade),
            Line::Once(protocol) if !protocol.eq_ignore_ascii_case(b"websocket") => {
                Err(WhyNot::OtherProtocol(protocol))
            }
            Line::Once(_) if !self.connection_upgrade => Err(WhyNot::NoConnectionUpgrade),
            Line::Once(_) => Ok(()),
        }
    }
}

impl<'a> Line<'a> {
    fn hear(&mut self, value: &'a [u8]) {
        *self = match self {
            Line::Never => Line::Once(value),
            _ => Line::Repeated,
        };
    }
}

/// The value, if it is base64 of 16 bytes. The last digit carries four bits too many, which some clients do
/// not set to zero; like other servers we do not mind.
fn key_of(value: &[u8]) -> Option<[u8; KEY_LENGTH]> {
    let key: [u8; KEY_LENGTH] = value.try_into().ok()?;
    let (digits, padding) = key.split_at(KEY_LENGTH - 2);
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    (padding == b"==" && digits.iter().all(digit)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The handshake of RFC 6455 section 1.3.
    const REQUEST: &str = "Host: server.example.com
        Upgrade: websocket
        Connection: Upgrade
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
        Origin: http://example.com
        Sec-WebSocket-Protocol: chat, superchat
        Sec-WebSocket-Version: 13";

    const RESPONSE: &str = "Upgrade: websocket
        Connection: Upgrade
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
        Sec-WebSocket-Protocol: chat";

    fn headers(text: &str) -> Vec<(&[u8], &[u8])> {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().as_bytes(), value.as_bytes()))
            .collect()
    }

    fn why_not(text: &str) -> String {
        wish(b"GET", true, false, headers(text)).unwrap_err().to_string()
    }

    #[test]
    fn the_handshake_of_the_rfc() {
        let wish = wish(b"GET", true, false, headers(REQUEST)).unwrap();
        assert_eq!(wish.key(), b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(&wish.accept_key(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(wish.protocols().collect::<Vec<_>>(), [&b"chat"[..], b"superchat"]);
        let grant = granted(&wish, 101, headers(RESPONSE)).unwrap();
        assert_eq!(grant, Grant { connection_upgrade: true, accept: Accept::Right, protocol_offered: true });
        assert_eq!(grant.oddities().count(), 0);
    }

    #[test]
    fn tokens_are_found_in_any_case_line_and_place() {
        for connection in ["keep-alive, Upgrade", "UPGRADE", ",upgrade,", "keep-alive\nConnection: upgrade"] {
            let text = REQUEST.replace("Connection: Upgrade", &format!("Connection: {connection}"));
            assert!(wish(b"GET", true, false, headers(&text)).is_ok(), "{connection}");
        }
        let text = REQUEST.replace("websocket", "WebSocket").to_ascii_uppercase();
        let text = text.replace("DGHLIHNHBXBSZSBUB25JZQ", "dGhlIHNhbXBsZSBub25jZQ");
        assert!(wish(b"GET", true, false, headers(&text)).is_ok());
    }

    #[test]
    fn only_the_real_thing_is_a_wish() {
        let without = |name: &str| {
            let keep = |line: &&str| !line.trim_start().starts_with(name);
            REQUEST.lines().filter(keep).collect::<Vec<_>>().join("\n")
        };
        let with = |name: &str, value: &str| format!("{}\n{name}: {value}", without(name));
        assert_eq!(why_not(&without("Upgrade")), "no Upgrade, though a Sec-WebSocket-Key");
        assert_eq!(why_not("Host: a"), "no Upgrade: websocket");
        assert_eq!(why_not(&with("Upgrade", "h2c")), "Upgrade: h2c");
        assert_eq!(why_not(&with("Upgrade", "websocket, h2c")), "Upgrade: websocket, h2c");
        assert_eq!(why_not(&format!("{REQUEST}\nUpgrade: h2c")), "more than one Upgrade");
        assert_eq!(why_not(&without("Connection")), "no Connection: upgrade");
        assert_eq!(why_not(&with("Connection", "keep-alive")), "no Connection: upgrade");
        assert_eq!(why_not(&with("Connection", "upgraded")), "no Connection: upgrade");
        assert_eq!(why_not(&without("Sec-WebSocket-Version")), "no Sec-WebSocket-Version");
        let old = with("Sec-WebSocket-Version", "8");
        assert_eq!(why_not(&old), "Sec-WebSocket-Version 8 instead of 13");
        let twice = format!("{REQUEST}\nSec-WebSocket-Version: 13");
        assert_eq!(why_not(&twice), "more than one Sec-WebSocket-Version");
        assert_eq!(why_not(&without("Sec-WebSocket-Key")), "no Sec-WebSocket-Key");
        let twice = format!("{REQUEST}\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(why_not(&twice), "more than one Sec-WebSocket-Key");
        for key in ["", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25j====", "dGhlIHNhbXBsZSBub25j Q=="] {
            let text = with("Sec-WebSocket-Key", key);
            assert_eq!(why_not(&text), "Sec-WebSocket-Key is not 16 bytes in base64", "{key}");
        }
    }

    #[test]
    fn method_version_and_body_are_looked_at() {
        let wish = |method: &[u8], http_1_1, has_body| {
            wish(method, http_1_1, has_body, headers(REQUEST)).unwrap_err().to_string()
        };
        assert_eq!(wish(b"POST", true, false), "method is not GET");
        assert_eq!(wish(b"get", true, false), "method is not GET");
        assert_eq!(wish(b"GET", false, false), "not HTTP/1.1");
        assert_eq!(wish(b"GET", true, true), "request has a body");
    }

    #[test]
    fn an_attempt_is_told_from_plain_http() {
        let why = |text: &'static str| wish(b"GET", true, false, headers(text)).unwrap_err();
        assert!(why("Host: a").is_plain());
        assert!(why("Upgrade: h2c\nConnection: upgrade").is_plain());
        assert!(!why("Upgrade: websocket").is_plain());
        assert!(!why("Sec-WebSocket-Key: a").is_plain());
    }

    #[test]
    fn only_a_101_to_websocket_grants() {
        let wish = wish(b"GET", true, false, headers(REQUEST)).unwrap();
        let refusal = |status, text: &str| granted(&wish, status, headers(text)).unwrap_err().to_string();
        assert_eq!(refusal(200, RESPONSE), "status 200 instead of 101");
        assert_eq!(refusal(101, "Connection: upgrade"), "status 101, but no Upgrade: websocket");
        assert_eq!(refusal(101, "Upgrade: h2c\nConnection: upgrade"), "status 101, but Upgrade: h2c");
    }

    #[test]
    fn what_is_odd_about_a_grant_is_told() {
        let wish = wish(b"GET", true, false, headers(REQUEST)).unwrap();
        let oddities = |text: &str| {
            let text = text.to_owned();
            granted(&wish, 101, headers(&text)).unwrap().oddities().collect::<Vec<_>>()
        };
        let everything = "Upgrade: websocket\nSec-WebSocket-Accept: x\nSec-WebSocket-Protocol: other";
        assert_eq!(
            oddities(everything),
            [
                "with a wrong Sec-WebSocket-Accept",
                "without Connection: upgrade",
                "with a Sec-WebSocket-Protocol that the client did not offer"
            ]
        );
        let bare = "Upgrade: websocket\nConnection: upgrade";
        assert_eq!(oddities(bare), ["without a Sec-WebSocket-Accept"]);
    }
}
