//! What attackers could use.

mod access;
mod add_header_content_type;
mod add_header_lost;
mod add_header_multiline;
mod allow_without_deny;
mod if_is_evil;
mod map_without_default;
mod return_bypasses_access;
mod status_exposed;
mod valid_referers_none;

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[
    &add_header_lost::RULE,
    &add_header_multiline::RULE,
    &add_header_content_type::RULE,
    &valid_referers_none::RULE,
    &allow_without_deny::RULE,
    &return_bypasses_access::RULE,
    &if_is_evil::RULE,
    &map_without_default::RULE,
    &status_exposed::RULE,
];
