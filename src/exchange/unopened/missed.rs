//! What is wrong with a request that asks for a WebSocket, and not as RFC 6455 wants it.

use std::fmt;

use crate::websocket::handshake::WhyNot;

use super::cut;

/// Why a client's request is no handshake.
pub struct Missed<'a>(pub WhyNot<'a>);

impl Missed<'_> {
    fn cure(&self) -> &'static str {
        match self.0 {
            WhyNot::LostUpgrade | WhyNot::NoConnectionUpgrade | WhyNot::HttpVersion => {
                "a proxy in front of this one that does not pass on HTTP/1.1, Upgrade and Connection does that"
            }
            WhyNot::NoUpgrade | WhyNot::OtherProtocol(_) | WhyNot::RepeatedUpgrade => {
                "the client has to ask for websocket and nothing else"
            }
            WhyNot::Method | WhyNot::Body => "a handshake is a GET without a body; mend the client",
            WhyNot::NoVersion | WhyNot::OtherVersion(_) | WhyNot::RepeatedVersion => {
                "version 13 is the only one; update the client"
            }
            WhyNot::NoKey | WhyNot::BadKey | WhyNot::RepeatedKey => {
                "by its key a client knows a WebSocket server; mend the client"
            }
        }
    }
}

impl fmt::Display for Missed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (why, cure) = (cut(self.0), self.cure());
        write!(f, "a WebSocket was asked for, but not as RFC 6455 wants it ({why}): {cure}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_cure() {
        for (why, told) in [
            (WhyNot::LostUpgrade, "no Upgrade, though a Sec-WebSocket-Key): a proxy in front"),
            (WhyNot::NoConnectionUpgrade, "no Connection: upgrade): a proxy in front"),
            (WhyNot::HttpVersion, "not HTTP/1.1): a proxy in front"),
            (WhyNot::Method, "method is not GET): a handshake is a GET without a body"),
            (WhyNot::Body, "request has a body): a handshake is a GET without a body"),
            (WhyNot::NoVersion, "no Sec-WebSocket-Version): version 13 is the only one"),
            (WhyNot::OtherVersion(b"8"), "Sec-WebSocket-Version 8 instead of 13): version 13"),
            (WhyNot::NoKey, "no Sec-WebSocket-Key): by its key"),
            (WhyNot::BadKey, "Sec-WebSocket-Key is not 16 bytes in base64): by its key"),
        ] {
            let text = Missed(why).to_string();
            let expected = format!("a WebSocket was asked for, but not as RFC 6455 wants it ({told}");
            assert!(text.starts_with(&expected), "{text}");
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let text = Missed(WhyNot::OtherVersion(&[b'1'; 5000])).to_string();
        assert!(text.len() < 250 && text.contains("111…)"), "{text}");
    }
}
