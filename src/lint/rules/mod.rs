//! The rules: a folder for each group, a file for each rule.

mod compatibility;
mod operation;
mod proxying;
mod security;
mod tls;
mod websocket;

use std::sync::LazyLock;

use super::Rule;

pub(super) use compatibility::SSL_GONE;

/// Every rule, group by group, in the order of their ids.
pub static RULES: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| {
    [
        websocket::RULES,
        proxying::RULES,
        security::RULES,
        tls::RULES,
        operation::RULES,
        compatibility::VULNERABILITIES,
        compatibility::RULES,
    ]
    .concat()
});
