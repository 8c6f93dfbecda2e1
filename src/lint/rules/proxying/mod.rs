//! Where requests go, and with what.

mod destination;
mod places;
mod proxy_pass_normalized;
mod proxy_pass_slash_extra;
mod proxy_pass_slash_missing;
mod proxy_pass_variable_no_resolver;
mod proxy_pass_variable_uri;
mod proxy_static_dns;
mod replaced;
mod subrequests;

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[
    &proxy_pass_slash_extra::RULE,
    &proxy_pass_slash_missing::RULE,
    &proxy_pass_normalized::RULE,
    &proxy_pass_variable_no_resolver::RULE,
    &proxy_pass_variable_uri::RULE,
    &proxy_static_dns::RULE,
];
