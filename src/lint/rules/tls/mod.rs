//! Certificates, protocols, ciphers.

mod certificate_without_chain;
mod client_certificate_unchecked;
mod ecdh_curve_unknown;
mod hsts;
mod stapling_useless;
mod tls_listen_plain;
mod tls_old_protocols;
mod tls_weak_ciphers;

use crate::lint::Rule;

pub const RULES: &[&Rule] = &[
    &tls_old_protocols::RULE,
    &tls_weak_ciphers::RULE,
    &hsts::RULE,
    &stapling_useless::RULE,
    &ecdh_curve_unknown::RULE,
    &tls_listen_plain::RULE,
    &client_certificate_unchecked::RULE,
    &certificate_without_chain::RULE,
];
