//! `resolver` outside of http, and other lines that name hosts nginx resolves while it reads them.

use crate::diagnostics::{DependsOn, Diagnostic};
use crate::directive::Context;
use crate::features::resolver;

use super::address::{self, Target};
use super::{Call, Check};

pub const CHECKS: &[Check] = &[Check { name: "resolver", contexts: Context::ANY, check }];

fn check(call: &mut Call) {
    if call.context.meets(Context::IN_MAIL) && call.arg(0) == b"off" {
        return;
    }
    resolver::read(call);
}

/// An address whose host has to resolve on this machine; `None` where it is none, which was said.
pub fn address<'a>(call: &mut Call, at: usize, word: &'a [u8], uri: bool, of: &str) -> Option<Target<'a>> {
    match address::parse(word, uri) {
        Ok(target) => {
            if target.is_name() {
                host(call, at, of);
            }
            Some(target)
        }
        Err(why) => {
            let message = format!("{why} in {of} \"{}\"", call.text(at));
            call.error(at, "invalid-address", message);
            None
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
