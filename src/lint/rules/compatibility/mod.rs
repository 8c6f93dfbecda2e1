//! What depends on the version of nginx.

mod directive_too_new;
mod listen_http2;
mod nginx_cves;
mod ssl_on;

use crate::lint::Rule;

pub use ssl_on::GONE as SSL_GONE;

pub const VULNERABILITIES: &[&Rule] = &[&nginx_cves::RULE];

pub const RULES: &[&Rule] = &[&listen_http2::RULE, &ssl_on::RULE, &directive_too_new::RULE];
