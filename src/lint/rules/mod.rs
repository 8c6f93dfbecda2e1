//! The rules, a file each.

mod ways;
mod ws_close_unexplained;
mod ws_handshake_unchecked;
mod ws_idle_timeout;
mod ws_no_stickiness;
mod ws_room_split;

use super::Rule;

/// Every rule, in the order of their ids.
pub static RULES: &[&Rule] = &[
    &ws_idle_timeout::RULE,
    &ws_no_stickiness::RULE,
    &ws_close_unexplained::RULE,
    &ws_room_split::RULE,
    &ws_handshake_unchecked::RULE,
];
