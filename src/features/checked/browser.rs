//! `modern_browser` and `userid_mark`.

use crate::directive::Context;

use super::{Call, Check};

pub const CHECKS: &[Check] = &[
    Check { name: "modern_browser", contexts: Context::IN_HTTP, check: modern_browser },
    Check { name: "userid_mark", contexts: Context::IN_HTTP, check: userid_mark },
];

const BROWSERS: [&str; 8] =
    ["msie", "gecko", "opera", "safari", "konqueror", "chrome", "firefox", "unlisted"];

fn modern_browser(call: &mut Call) {
    let name = call.text(0);
    if call.args().len() == 1 {
        if name != "unlisted" {
            call.error(0, "invalid-parameter", format!("invalid parameter \"{name}\""));
        }
        return;
    }
    if !BROWSERS[..5].iter().any(|known| known.eq_ignore_ascii_case(&name)) {
        return call.error(0, "invalid-value", format!("unknown browser name \"{name}\""));
    }
    if !call.arg(1).iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        let message = format!("invalid browser version \"{}\"", call.text(1));
        call.error(1, "invalid-value", message);
    }
}

fn userid_mark(call: &mut Call) {
    let single = matches!(call.arg(0), [mark] if mark.is_ascii_alphanumeric() || *mark == b'=');
    if !single && call.arg(0) != b"off" {
        let message = "\"userid_mark\" directive value must be \"off\" or a single letter, digit or \"=\"";
        call.error(0, "invalid-value", message);
    }
}
