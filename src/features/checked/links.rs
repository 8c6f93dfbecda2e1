//! Directives that take a word or a path where a little more than its form matters.

use crate::directive::Context;

use super::{Call, Check};

pub const CHECKS: &[Check] = &[
    Check { name: "auth_http", contexts: Context::IN_MAIL, check: auth_http },
    Check { name: "set_real_ip_from", contexts: Context::ANY, check: set_real_ip_from },
];

fn auth_http(call: &mut Call) {
    let word = call.arg(0);
    let authority = match word.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case(b"http://") => &word[7..],
        _ => word,
    };
    super::resolver::address(call, 0, authority, true, "auth_http");
}

fn set_real_ip_from(call: &mut Call) {
    if call.arg(0) != b"unix:" && crate::directive::values::cidr(call.arg(0)).is_none() {
        super::resolver::host(call, 0, "set_real_ip_from");
    }
}
