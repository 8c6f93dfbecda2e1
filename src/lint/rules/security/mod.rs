//! What attackers could use.

mod access;
mod add_header_content_type;
mod add_header_lost;
mod add_header_multiline;
mod if_is_evil;

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[
    &add_header_lost::RULE,
    &add_header_multiline::RULE,
    &add_header_content_type::RULE,
    &if_is_evil::RULE,
];
