//! The parameters of `health_check`.

use std::time::Duration;

use crate::diagnostics::Diagnostic;
use crate::directive::values;
use crate::features::Call;

use super::{HealthCheck, Kind, Reference, Written};

const USAGE: &str = "one of interval=, jitter=, fails=, passes=, uri=, mandatory, persistent, match=, port=, \
type= and keepalive_time=";

/// A `health_check` line.
pub fn set(written: &mut Written, call: &mut Call) {
    let mut check = HealthCheck {
        interval: Duration::from_secs(5),
        jitter: Duration::ZERO,
        fails: 1,
        passes: 1,
        uri: (*b"/").into(),
        mandatory: false,
        persistent: false,
        port: None,
        kind: Kind::Http,
        keepalive_time: None,
        matching: None,
        place: call.place(),
    };
    if let Some(at) = (0..call.args().len()).find(|at| call.arg(*at) == b"type=grpc") {
        return call.not_served(at, "\"type=grpc\" of a \"health_check\"");
    }
    let mut named = None;
    let mut sound = true;
    for at in 0..call.args().len() {
        match call.arg(at).strip_prefix(b"match=") {
            Some(name) if !name.is_empty() => named = Some((name, at)),
            _ => match parameter(&mut check, call.arg(at)) {
                Ok(()) => {}
                Err(why) => {
                    sound = false;
                    let message = format!("invalid parameter \"{}\"", call.text(at));
                    call.say(Diagnostic::error("invalid-parameter", call.span(at), message).help(why));
                }
            },
        }
    }
    if check.persistent && !check.mandatory {
        let at = (0..call.args().len()).find(|at| call.arg(*at) == b"persistent").unwrap_or_default();
        let finding = Diagnostic::warning("no-effect", call.span(at), "\"persistent\" has no effect here")
            .here("a server is healthy from the start")
            .help("it belongs to \"mandatory\": write \"mandatory persistent\"");
        call.say(finding);
    }
    if let Some((name, at)) = named {
        let reference = Reference { name: name.into(), span: call.span(at), kind: check.kind };
        call.build.matches.referred.push(reference);
    }
    if sound {
        written.check = Some((check, named.map(|(name, _)| name.into())));
    }
}

/// Sets one parameter; the error says what would be right.
fn parameter(check: &mut HealthCheck, word: &[u8]) -> Result<(), &'static str> {
    let equals = word.iter().position(|byte| *byte == b'=');
    let (name, value) = match equals {
        Some(equals) => (&word[..equals], Some(&word[equals + 1..])),
        None => (word, None),
    };
    let time = |least: Duration| value.and_then(values::time).filter(|time| *time >= least);
    let count = || {
        let count = value.and_then(values::number).and_then(|count| u32::try_from(count).ok());
        count.filter(|count| *count > 0).ok_or("a number from 1 on")
    };
    match (name, value) {
        (b"interval", Some(_)) => {
            check.interval = time(Duration::from_millis(1)).ok_or("a time above 0, such as interval=5s")?;
        }
        (b"jitter", Some(_)) => check.jitter = time(Duration::ZERO).ok_or("a time, such as jitter=1s")?,
        (b"fails", Some(_)) => check.fails = count()?,
        (b"passes", Some(_)) => check.passes = count()?,
        (b"uri", Some(uri)) => {
            let sound = uri.starts_with(b"/") && uri.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
            check.uri = sound.then(|| uri.into()).ok_or("a URI begins with a \"/\" and has no blanks")?;
        }
        (b"mandatory", None) => check.mandatory = true,
        (b"persistent", None) => check.persistent = true,
        (b"port", Some(port)) => {
            let port = values::number(port).and_then(|port| u16::try_from(port).ok());
            check.port = Some(port.filter(|port| *port > 0).ok_or("a port is a number from 1 to 65535")?);
        }
        (b"type", Some(b"http")) => check.kind = Kind::Http,
        (b"type", Some(b"websocket")) => check.kind = Kind::WebSocket,
        (b"type", Some(_)) => return Err("type=http or type=websocket"),
        (b"keepalive_time", Some(_)) => {
            let time = time(Duration::ZERO).ok_or("a time, such as keepalive_time=60s")?;
            check.keepalive_time = Some(time).filter(|time| !time.is_zero());
        }
        _ => return Err(USAGE),
    }
    Ok(())
}
