//! Sessions that begin with polling, over servers that do not know each other's.

use crate::diagnostics::Diagnostic;
use crate::features::upstream::Upstream;
use crate::model::Http;
use crate::upstream::Method;

use super::{Rule, spread, ways};

pub static RULE: Rule = Rule {
    name: "ws-no-stickiness",
    why: "Socket.IO, SockJS and SignalR begin with several HTTP requests that belong together. Spread over servers, \
          the second one comes to a server that has never heard of the session: 400, again and again.",
    check,
};

/// What is in the paths of protocols that begin so.
const POLLING_FIRST: [&str; 5] = ["/socket.io", "/engine.io", "/sockjs", "/signalr", "/negotiate"];

fn check(rule: &Rule, http: &Http, found: &mut Vec<Diagnostic>) {
    for way in ways(http) {
        let name = way.name().to_ascii_lowercase();
        let Some(upstream) = way.upstream(http).filter(|upstream| spread(upstream) > 1) else { continue };
        if !POLLING_FIRST.iter().any(|path| name.contains(path)) || is_sticky(upstream) {
            continue;
        }
        let (group, servers) = (&upstream.spec.name, spread(upstream));
        let message = format!(
            "upstream \"{group}\" has {servers} servers and no stickiness, but {name} is a polling-first protocol: \
             requests of one session reach different servers"
        );
        found.push(
            Diagnostic::warning(rule.name, way.location.span, message)
                .help(format!("add a line to upstream \"{group}\": \"sticky cookie srv;\" or \"ip_hash;\"")),
        );
    }
}

fn is_sticky(upstream: &Upstream) -> bool {
    let spec = &upstream.spec;
    spec.sticky || matches!(spec.method, Method::IpHash | Method::Hash | Method::ConsistentHash)
}
