//! Sessions that begin with polling, over servers that do not know each other's.

use crate::diagnostics::{Diagnostic, Severity};
use crate::features::upstream::Upstream;
use crate::upstream::Method;

use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

use super::ways::{spread, ways};

pub static RULE: Rule = Rule {
    id: "WS114",
    name: "ws-no-stickiness",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "requests of one polling session are spread over several servers",
    why: "Socket.IO, SockJS and SignalR begin with several HTTP requests that belong together. Spread over servers, \
          the second one comes to a server that has never heard of the session: 400, again and again.",
    mend: Mend::None,
    examples: examples!("ws-no-stickiness"),
    check,
};

/// What is in the paths of protocols that begin so.
const POLLING_FIRST: [&str; 5] = ["/socket.io", "/engine.io", "/sockjs", "/signalr", "/negotiate"];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in ways(site) {
        let name = way.name().to_ascii_lowercase();
        let Some(upstream) = way.upstream(site).filter(|upstream| spread(upstream) > 1) else { continue };
        if !POLLING_FIRST.iter().any(|path| name.contains(path)) || is_sticky(upstream) {
            continue;
        }
        let (group, servers) = (&upstream.spec.name, spread(upstream));
        let message = format!(
            "upstream \"{group}\" has {servers} servers and no stickiness, but {name} is a polling-first protocol: \
             requests of one session reach different servers"
        );
        found.push(
            rule.finding(way.location.span, message)
                .help(format!("add a line to upstream \"{group}\": \"sticky cookie srv;\" or \"ip_hash;\"")),
        );
    }
}

fn is_sticky(upstream: &Upstream) -> bool {
    let spec = &upstream.spec;
    spec.sticky || matches!(spec.method, Method::IpHash | Method::Hash | Method::ConsistentHash)
}
