//! `websocket_protocols`: which subprotocols may be spoken.
//!
//! A handshake that offers none of them is refused before the upstream is asked; one that offers nothing at
//! all is, too, since it asks to speak something that has no name. What is offered beside an allowed
//! name goes to the upstream untouched, but for tokens that were used as such (`features/tokens`).
//! That the upstream then chooses an allowed one is seen to when it has answered.

use std::fmt;
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::features::Call;
use crate::source::Place;

/// The names that are allowed, and where that was said.
#[derive(Debug)]
pub struct Protocols {
    names: Box<[Box<[u8]>]>,
    pub place: Place,
}

impl Protocols {
    /// Whether this one may be spoken. Names of protocols are compared byte for byte (RFC 6455 section 4.2.2).
    pub fn allow(&self, name: &[u8]) -> bool {
        self.names.iter().any(|own| **own == *name)
    }
}

/// The names, as they were written.
impl fmt::Display for Protocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.names.iter().enumerate().try_for_each(|(at, name)| {
            write!(f, "{}{}", if at == 0 { "" } else { " " }, String::from_utf8_lossy(name))
        })
    }
}

/// `protocol ...` or `off`. `None` where it cannot be read, which was said.
pub fn read(call: &mut Call) -> Option<Option<Arc<Protocols>>> {
    if call.args().len() == 1 && call.arg(0) == b"off" {
        return Some(None);
    }
    let mut names: Vec<Box<[u8]>> = Vec::new();
    for at in 0..call.args().len() {
        let name = call.arg(at);
        if name == b"off" {
            let finding = Diagnostic::error("invalid-parameter", call.span(at), "invalid parameter \"off\"");
            call.say(finding.here("it allows any protocol and stands alone"));
            return None;
        }
        if name.is_empty() || !name.iter().all(|byte| is_protocol_byte(*byte)) {
            let message = format!("invalid protocol \"{}\"", call.text(at));
            let finding = Diagnostic::error("invalid-value", call.span(at), message)
                .here("expected a name as in Sec-WebSocket-Protocol: letters, digits and !#$%&'*+-.^_`|~")
                .help("several names are parted by blanks, not by commas");
            call.say(finding);
            return None;
        }
        if names.iter().any(|own| **own == *name) {
            let message = format!("duplicate value \"{}\"", call.text(at));
            call.warning(at, "duplicate-value", message);
            continue;
        }
        names.push(name.into());
    }
    Some(Some(Arc::new(Protocols { names: names.into(), place: call.place() })))
}

/// A character of a token (RFC 9110 section 5.6.2).
pub fn is_protocol_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
