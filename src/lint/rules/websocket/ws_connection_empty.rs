//! The recipe for kept connections in the place of that for WebSockets.

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Handshake, Site};
use crate::lint::{Mend, Profile, Rule, examples};

use super::connection_map;
use super::ways::ways;

pub static RULE: Rule = Rule {
    id: "WS133",
    name: "ws-connection-empty",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "Connection is emptied where Upgrade is passed on",
    why: "An empty Connection is the recipe for connections to the upstream that are kept; a WebSocket wants \
          the word upgrade in it. An Upgrade header that no Connection names does nothing, and the handshake \
          is answered 200, 400 or 426. A map that is upgrade for handshakes and empty otherwise serves both.",
    mend: Mend::Unsafe,
    examples: examples!("ws-connection-empty"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in
        ways(site).filter(|way| way.handshake == Handshake::EmptyConnection && way.pass.block.is_known())
    {
        let headers = way.pass.block.headers();
        let (Some(line), Some(upgrade)) = (headers.get("Connection"), headers.get("Upgrade")) else {
            continue;
        };
        let message = "proxy_set_header Connection \"\" (for keepalive) removes the upgrade token; Upgrade alone does nothing";
        let finding = rule
            .finding(line.head(), message)
            .also(upgrade.head(), "handshakes are meant to be passed on")
            .also(way.pass.directive.head(), "no WebSocket comes to be here");
        found.push(match line.args.get(1) {
            Some(value) => connection_map::instead(site, finding, value),
            None => finding,
        });
    }
}
