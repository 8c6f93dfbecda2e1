//! What attackers could use.

mod access;
mod add_header_content_type;
mod add_header_lost;
mod add_header_multiline;
mod alias_traversal;
mod allow_without_deny;
mod capture_missing;
mod chosen;
mod error_log_off;
mod filesystem_root;
mod host_header_untrusted;
mod hosts;
mod if_is_evil;
mod line_breaks;
mod map_without_default;
mod matched;
mod origin_regex_loose;
mod origins;
mod regex_redos;
mod resolver_external;
mod response_splitting;
mod return_bypasses_access;
mod ssrf;
mod status_exposed;
mod valid_referers_none;
mod version_disclosure;

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[
    &alias_traversal::RULE,
    &response_splitting::RULE,
    &ssrf::RULE,
    &host_header_untrusted::RULE,
    &add_header_lost::RULE,
    &add_header_multiline::RULE,
    &add_header_content_type::RULE,
    &origin_regex_loose::RULE,
    &valid_referers_none::RULE,
    &allow_without_deny::RULE,
    &return_bypasses_access::RULE,
    &if_is_evil::RULE,
    &map_without_default::RULE,
    &capture_missing::RULE,
    &error_log_off::RULE,
    &resolver_external::RULE,
    &status_exposed::RULE,
    &filesystem_root::RULE,
    &version_disclosure::RULE,
    &regex_redos::RULE,
];
