//! What a WebSocket needs.
//!
//! What a location makes of a handshake says [`site`](crate::lint::site); `ways` picks those that a rule is about.
//! `traces` follows variables, `paths` reads names of locations, `groups` upstreams.

mod connection_map;
mod connection_passthrough;
mod groups;
mod paths;
mod proxy_pass_ws_scheme;
mod traces;
mod ways;
mod ws_any_upgrade;
mod ws_auth_request_upgrade;
mod ws_close_unexplained;
mod ws_connection_empty;
mod ws_connection_hardcoded;
mod ws_connection_header_missing;
mod ws_handshake_unchecked;
mod ws_headers_lost;
mod ws_hide_upgrade;
mod ws_http_version;
mod ws_idle_timeout;
mod ws_limit_conn;
mod ws_long_timeout_no_tcp_keepalive;
mod ws_map_close_keepalive;
mod ws_no_stickiness;
mod ws_origin_unchecked;
mod ws_reload_drain;
mod ws_room_split;
mod ws_shadowed_by_regex;
mod ws_slash_redirect;
mod ws_timeout_directive_without_effect;
mod ws_timeout_zero;
mod ws_token_in_log;
mod ws_upgrade_connection_swapped;
mod ws_upgrade_hardcoded;
mod ws_upgrade_header_missing;
mod ws_worker_connections;

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[
    &ws_upgrade_header_missing::RULE,
    &ws_connection_header_missing::RULE,
    &ws_http_version::RULE,
    &ws_headers_lost::RULE,
    &ws_connection_hardcoded::RULE,
    &ws_upgrade_hardcoded::RULE,
    &ws_upgrade_connection_swapped::RULE,
    &ws_map_close_keepalive::RULE,
    &ws_idle_timeout::RULE,
    &ws_timeout_directive_without_effect::RULE,
    &ws_timeout_zero::RULE,
    &ws_long_timeout_no_tcp_keepalive::RULE,
    &ws_worker_connections::RULE,
    &ws_no_stickiness::RULE,
    &ws_reload_drain::RULE,
    &ws_token_in_log::RULE,
    &ws_origin_unchecked::RULE,
    &ws_any_upgrade::RULE,
    &connection_passthrough::RULE,
    &ws_auth_request_upgrade::RULE,
    &ws_slash_redirect::RULE,
    &ws_shadowed_by_regex::RULE,
    &proxy_pass_ws_scheme::RULE,
    &ws_hide_upgrade::RULE,
    &ws_limit_conn::RULE,
    &ws_connection_empty::RULE,
    &ws_close_unexplained::RULE,
    &ws_room_split::RULE,
    &ws_handshake_unchecked::RULE,
];
