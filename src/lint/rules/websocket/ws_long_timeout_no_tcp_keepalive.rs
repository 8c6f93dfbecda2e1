//! Tunnels that outlive those who spoke through them.

use std::time::Duration;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::directive::values::time;
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::syntax::{Directive, Word};

use super::ways::{open_locations, pings};

pub static RULE: Rule = Rule {
    id: "WS112",
    name: "ws-long-timeout-no-tcp-keepalive",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "tunnels may be silent for hours, and nobody asks whether the other side is still there",
    why: "A phone that loses its network says no goodbye. Its connection and the one to the upstream stay \
          until the timeout, unless somebody asks: TCP keepalive, or pings of the backend. Where the backend \
          pings every client and closes those who do not answer, it does not matter.",
    mend: Mend::Unsafe,
    examples: examples!("ws-long-timeout-no-tcp-keepalive"),
    check,
};

/// Up to this nobody minds a dead tunnel.
const LONG: Duration = Duration::from_secs(3600);

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    if site.all(&["listen"]).any(|(_, listen)| probes_clients(listen)) {
        return;
    }
    for location in open_locations(site) {
        let Some(line) = location.in_effect("proxy_read_timeout") else { continue };
        let is_long = |word: &&Word| time(&word.value).is_some_and(|limit| limit > LONG);
        let Some(limit) = line.args.first().filter(is_long) else { continue };
        if pings(location) || !location.is_known() || location.is_on("proxy_socket_keepalive", false) {
            continue;
        }
        let message = format!(
            "idle tunnels live for {} and neither proxy_socket_keepalive nor so_keepalive is on: dead peers hold two \
             connections that long",
            limit.value
        );
        let added = "proxy_socket_keepalive on;";
        let finding = rule.finding(line.head(), message);
        let finding = match location.in_effect("proxy_socket_keepalive") {
            Some(off) => finding.also(off.head(), "it is turned off here"),
            None => finding.fix(Fix {
                title: "have TCP ask whether the upstream is there".to_owned(),
                safe: false,
                edits: vec![edit::after(site.tree, line, added)],
            }),
        };
        found.push(
            finding.help(format!("write \"{added}\", and \"so_keepalive=on\" behind listen for the clients")),
        );
    }
}

fn probes_clients(listen: &Directive) -> bool {
    let values = listen.args.iter().filter_map(|word| word.value.strip_prefix(b"so_keepalive="));
    values.into_iter().any(|value| value != b"off")
}
