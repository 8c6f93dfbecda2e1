//! `listen` in stream and mail: its address and its parameters.

use crate::diagnostics::Diagnostic;
use crate::directive::values;

use super::address;
use super::{Call, text};

/// The parameters of a `listen` outside of http; `words` are those without a value.
pub fn listen(call: &mut Call, words: &[&str]) {
    let word = call.arg(0);
    let is_port = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let port_of = |digits| values::number(digits).is_some_and(|port| (1..=65535).contains(&port));
    let why = match word {
        word if is_port => (!port_of(word)).then_some("invalid port"),
        word => self::address(word),
    };
    if let Some(why) = why {
        let message = format!("{why} in \"{}\" of the \"listen\" directive", text(word));
        call.error(0, "invalid-listen", message);
    }
    for at in 1..call.args().len() {
        if !words.iter().any(|known| known.as_bytes() == call.arg(at)) {
            parameter(call, at);
        }
    }
}

/// Why a word is no address to listen on; a port may be a range of ports.
fn address(word: &[u8]) -> Option<&'static str> {
    let range = word.iter().rposition(|byte| *byte == b':').filter(|_| !word.starts_with(b"unix:"));
    let ports =
        range.map(|colon| &word[colon + 1..]).filter(|ports| ports.contains(&b'-') && !ports.contains(&b']'));
    let (Some(ports), Some(colon)) = (ports, range) else { return address::parse(word, false).err() };
    let bounds: Vec<Option<u64>> = ports.splitn(2, |byte| *byte == b'-').map(values::number).collect();
    match bounds[..] {
        [Some(first), Some(last)] if 1 <= first && first <= last && last <= 65535 => {
            address::parse(&word[..colon], false).err()
        }
        _ => Some("invalid port"),
    }
}

fn parameter(call: &mut Call, at: usize) {
    let word = call.arg(at);
    let equals = word.iter().position(|byte| *byte == b'=');
    let (name, value) = equals.map_or((word, &b""[..]), |equals| (&word[..equals], &word[equals + 1..]));
    let number = values::number(value);
    let fits = match name {
        b"backlog" => number.is_some_and(|number| number > 0),
        b"fastopen" | b"setfib" => number.is_some(),
        b"rcvbuf" | b"sndbuf" => values::size(value).is_some(),
        b"accept_filter" if equals.is_some() => true,
        b"ipv6only" if value.starts_with(b"o") && !matches!(value, b"on" | b"off") => {
            let message = format!("invalid ipv6only flags \"{}\"", text(value));
            return call.error(at, "invalid-value", message);
        }
        b"ipv6only" => matches!(value, b"on" | b"off"),
        b"so_keepalive" if equals.is_some() => {
            if !is_keepalive(value) {
                let message = format!("invalid so_keepalive value: \"{}\"", text(value));
                call.error(at, "invalid-value", message);
            }
            return;
        }
        _ => false,
    };
    if fits {
        return;
    }
    let message = match name {
        b"backlog" | b"fastopen" | b"setfib" | b"rcvbuf" | b"sndbuf" if equals.is_some() => {
            format!("invalid {} \"{}\"", text(name), text(word))
        }
        _ => format!("invalid parameter \"{}\"", text(word)),
    };
    call.say(Diagnostic::error("invalid-parameter", call.span(at), message));
}

/// `on`, `off` or `idle:interval:count`, of which one has to be there.
fn is_keepalive(value: &[u8]) -> bool {
    if matches!(value, b"on" | b"off") {
        return true;
    }
    let parts: Vec<&[u8]> = value.splitn(3, |byte| *byte == b':').collect();
    let fits = |(at, part): (usize, &&[u8])| match at {
        _ if part.is_empty() => true,
        2 => values::number(part).is_some(),
        _ => values::seconds(part).is_some(),
    };
    parts.iter().any(|part| !part.is_empty()) && parts.iter().enumerate().all(fits)
}
