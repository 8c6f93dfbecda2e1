//! `sub_filter`.

use crate::directive::Context;

use super::{Call, Check};

pub const CHECKS: &[Check] = &[Check { name: "sub_filter", contexts: Context::IN_HTTP, check }];

/// How many patterns a block may have.
const MOST: usize = 255;

fn check(call: &mut Call) {
    if call.arg(0).is_empty() {
        return call.error(0, "invalid-value", "empty search pattern");
    }
    if call.earlier().nth(MOST - 1).is_some() {
        call.error(0, "too-many", "number of search patterns exceeds 255");
    }
}
