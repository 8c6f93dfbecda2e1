//! What a WebSocket needs.

mod ways;
mod ws_close_unexplained;
mod ws_handshake_unchecked;
mod ws_idle_timeout;
mod ws_no_stickiness;
mod ws_room_split;

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[
    &ws_idle_timeout::RULE,
    &ws_no_stickiness::RULE,
    &ws_close_unexplained::RULE,
    &ws_room_split::RULE,
    &ws_handshake_unchecked::RULE,
];
