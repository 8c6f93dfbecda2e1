//! What shows when many people come.

mod default_server_implicit;
mod http2_misdirected;
mod keepalive_requests_low;
mod nofile_too_low;
mod proxy_buffering_off;
mod regex_exact;
mod try_files_cost;
mod unanchored_regex;
mod variable_case;
mod worker_processes_default;

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[
    &default_server_implicit::RULE,
    &nofile_too_low::RULE,
    &worker_processes_default::RULE,
    &keepalive_requests_low::RULE,
    &proxy_buffering_off::RULE,
    &unanchored_regex::RULE,
    &regex_exact::RULE,
    &http2_misdirected::RULE,
    &variable_case::RULE,
    &try_files_cost::RULE,
];
