//! `resolver` and other lines that name hosts nginx resolves while it reads them.

use crate::diagnostics::{DependsOn, Diagnostic};
use crate::directive::{Context, values};

use super::address::{self, Target};
use super::{Call, Check};

pub const CHECKS: &[Check] = &[Check { name: "resolver", contexts: Context::ANY, check }];

fn check(call: &mut Call) {
    if call.context.meets(Context::IN_MAIL) && call.arg(0) == b"off" {
        return;
    }
    let (mut servers, mut without) = (0, 0);
    for at in 0..call.args().len() {
        let word = call.arg(at);
        let Some(equals) = word.iter().position(|byte| *byte == b'=') else {
            servers += 1;
            address(call, at, word, false, "resolver");
            continue;
        };
        let value = &word[equals + 1..];
        let fits = match &word[..equals] {
            b"valid" => values::seconds(value).is_some(),
            b"ipv4" | b"ipv6" => {
                without += usize::from(value == b"off");
                matches!(value, b"on" | b"off")
            }
            b"status_zone" => true,
            _ => false,
        };
        if !fits {
            let message = format!("invalid parameter: {}", call.text(at));
            let finding = Diagnostic::error("invalid-parameter", call.span(at), message);
            call.say(finding.help("parameters are valid=TIME, ipv4=on|off and ipv6=on|off"));
        }
    }
    if without == 2 {
        call.error(0, "invalid-parameter", "\"ipv4\" and \"ipv6\" cannot both be \"off\"");
    }
    if servers == 0 {
        call.error(0, "missing-parameter", "no name servers defined");
    }
}

/// An address whose host has to resolve on this machine.
pub fn address(call: &mut Call, at: usize, word: &[u8], uri: bool, of: &str) {
    match address::parse(word, uri) {
        Ok(target) if target.is_name() => host(call, at, of),
        Ok(Target::Unix(_) | Target::Host { .. }) => {}
        Err(why) => {
            let message = format!("{why} in {of} \"{}\"", call.text(at));
            call.error(at, "invalid-address", message);
        }
    }
}

/// A host name: whether it resolves is for the machine to say, and nothing here asks.
pub fn host(call: &mut Call, at: usize, of: &str) {
    let name = call.text(at);
    if name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'/'))
    {
        return;
    }
    let message = format!("host not found in {of} \"{name}\"");
    call.say(Diagnostic::error("unresolved-host", call.span(at), message).depends_on(DependsOn::Resolver));
}
