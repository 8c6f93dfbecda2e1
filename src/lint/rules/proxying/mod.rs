//! Where requests go, and with what.

mod destination;
mod duplicate_proxy_header;
mod places;
mod proxy_headers_lost;
mod proxy_host_missing;
mod proxy_pass_normalized;
mod proxy_pass_slash_extra;
mod proxy_pass_slash_missing;
mod proxy_pass_variable_no_resolver;
mod proxy_pass_variable_uri;
mod proxy_settings_without_proxy_pass;
mod proxy_static_dns;
mod proxy_xff_missing;
mod replaced;
mod subrequests;
mod try_files_with_proxy;
mod unreachable_handler;
mod upstream_keepalive_ineffective;
mod upstream_tls_no_sni;
mod upstream_tls_unverified;

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[
    &proxy_pass_slash_extra::RULE,
    &proxy_pass_slash_missing::RULE,
    &proxy_pass_normalized::RULE,
    &proxy_pass_variable_no_resolver::RULE,
    &proxy_pass_variable_uri::RULE,
    &proxy_headers_lost::RULE,
    &proxy_host_missing::RULE,
    &proxy_xff_missing::RULE,
    &proxy_static_dns::RULE,
    &proxy_settings_without_proxy_pass::RULE,
    &unreachable_handler::RULE,
    &upstream_keepalive_ineffective::RULE,
    &duplicate_proxy_header::RULE,
    &try_files_with_proxy::RULE,
    &upstream_tls_unverified::RULE,
    &upstream_tls_no_sni::RULE,
];
