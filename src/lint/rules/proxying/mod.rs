//! Where requests go, and with what.

mod places;
mod proxy_pass_normalized;
mod proxy_pass_slash_extra;
mod proxy_pass_slash_missing;
mod replaced;
mod subrequests;

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[
    &proxy_pass_slash_extra::RULE,
    &proxy_pass_slash_missing::RULE,
    &proxy_pass_normalized::RULE,
];
