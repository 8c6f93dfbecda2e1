//! `expires`: `ngx_http_parse_expires`.

use crate::directive::{Context, values};

use super::{Call, Check};

pub const CHECKS: &[Check] = &[Check { name: "expires", contexts: Context::IN_HTTP, check }];

const DAY: u64 = 24 * 60 * 60;

fn check(call: &mut Call) {
    let at = call.args().len() - 1;
    let modified = at == 1;
    if modified && call.arg(0) != b"modified" {
        return call.error(0, "invalid-value", "\"expires\" directive invalid value");
    }
    let word = call.arg(at);
    if word.contains(&b'$') || !modified && matches!(word, b"epoch" | b"max" | b"off") {
        return;
    }
    let (daily, time) = match word {
        [b'@', time @ ..] => (true, time),
        [b'+' | b'-', time @ ..] => (false, time),
        time => (false, time),
    };
    let why = match values::seconds(time) {
        _ if daily && modified => "daily time cannot be used with \"modified\" parameter",
        None => "invalid value",
        Some(time) if daily && time.as_secs() > DAY => "daily time value must be less than 24 hours",
        Some(_) => return,
    };
    call.error(at, "invalid-value", format!("\"expires\" directive {why}"));
}
