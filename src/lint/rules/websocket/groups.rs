//! What the servers of an `upstream` mean to a session.

use crate::lint::site::Block;
use crate::syntax::Directive;

/// How many servers requests are spread over.
pub fn spread(upstream: Block<'_>) -> usize {
    let is_aside =
        |server: &Directive| server.args.iter().any(|word| word.value == "down" || word.value == "backup");
    upstream.own("server").iter().filter(|server| !is_aside(server)).count()
}

/// Whether a client comes back to the server it came from.
pub fn is_sticky(upstream: Block<'_>) -> bool {
    const METHODS: [&str; 5] = ["ip_hash", "hash", "sticky", "sticky_cookie_insert", "balancer_by_lua_block"];
    METHODS.iter().any(|method| upstream.has(method))
}

/// Whether `ip_hash` can be added: it stands alone and knows no backups.
pub fn takes_ip_hash(upstream: Block<'_>) -> bool {
    const METHODS: [&str; 4] = ["least_conn", "least_time", "random", "queue"];
    let is_backup = |server: &&Directive| server.args.iter().any(|word| word.value == "backup");
    !METHODS.iter().any(|method| upstream.has(method)) && !upstream.own("server").iter().any(is_backup)
}
