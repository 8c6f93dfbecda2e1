//! `image_filter` and its kin: `ngx_http_image_filter`.

use crate::directive::{Context, values};

use super::{Call, Check};

pub const CHECKS: &[Check] = &[
    Check { name: "image_filter", contexts: Context::IN_HTTP, check: image_filter },
    Check { name: "image_filter_jpeg_quality", contexts: Context::IN_HTTP, check: percent },
    Check { name: "image_filter_sharpen", contexts: Context::IN_HTTP, check: percent },
    Check { name: "image_filter_webp_quality", contexts: Context::IN_HTTP, check: percent },
];

fn image_filter(call: &mut Call) {
    let wrong = match (call.arg(0), call.args().len()) {
        (b"off" | b"test" | b"size", 1) => None,
        (b"rotate", 2) => {
            (!has_variable(call, 1) && !matches!(call.arg(1), b"90" | b"180" | b"270")).then_some(1)
        }
        (b"resize" | b"crop", 3) => (1..3).find(|at| !has_variable(call, *at) && !is_length(call.arg(*at))),
        _ => Some(0),
    };
    if let Some(at) = wrong {
        let message = format!("invalid parameter \"{}\"", call.text(at));
        call.error(at, "invalid-parameter", message);
    }
}

fn has_variable(call: &Call, at: usize) -> bool {
    call.arg(at).contains(&b'$')
}

/// A number of pixels, or `-` for what follows from the other side.
fn is_length(word: &[u8]) -> bool {
    word == b"-" || values::number(word).is_some_and(|pixels| pixels > 0)
}

fn percent(call: &mut Call) {
    if !has_variable(call, 0) && values::number(call.arg(0)).is_none_or(|value| value == 0) {
        let message = format!("invalid value \"{}\"", call.text(0));
        call.error(0, "invalid-value", message);
    }
}
