//! Servers that refuse handshakes and answer requests.

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Address, Addresses, Block, Site};
use crate::lint::{Mend, Profile, Rule, examples};

pub static RULE: Rule = Rule {
    id: "OPS508",
    name: "http2-misdirected",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "a server that refuses handshakes answers requests that come over another server's connection",
    why: "A browser with an HTTP/2 connection to one host uses it for another one too, if the certificate covers both. \
          The handshake was the first host's, so ssl_reject_handshake has nothing to refuse, and the request is answered by \
          the default server. Status 421 tells the browser to make a connection of its own.",
    mend: Mend::None,
    examples: examples!("http2-misdirected"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let addresses = Addresses::of(site);
    let mut told: Vec<Block<'_>> = Vec::new();
    for address in addresses.all.iter().filter(|address| address.has_tls) {
        let server = address.default().server;
        let refuses = server.is_on("ssl_reject_handshake", false) && server.is_known();
        if !refuses || !has_http2(address) || says_no(server) || told.contains(&server) {
            continue;
        }
        told.push(server);
        let (Some(line), Some(head)) = (server.in_effect("ssl_reject_handshake"), server.head()) else {
            continue;
        };
        found.push(
            rule.finding(
                head,
                format!(
                    "{server} refuses handshakes, and answers what comes over HTTP/2 connections of others"
                ),
            )
            .also(line.head(), "handshakes are refused here")
            .help("\"return 421;\" in the server"),
        );
    }
}

fn has_http2(address: &Address<'_>) -> bool {
    address.listens.iter().any(|listen| listen.has("http2") || listen.server.is_on("http2", false))
}

/// Whether the server, or its location for everything, ends requests with a status.
fn says_no(server: Block<'_>) -> bool {
    let ends = |block: Block<'_>| {
        block.has("return")
            || block.own("deny").iter().any(|line| line.args.first().is_some_and(|word| word.value == "all"))
    };
    let is_all =
        |block: &Block<'_>| block.name().is_some_and(|name| name.modifier.is_prefix() && name.name == b"/");
    ends(server) || server.children().filter(is_all).any(ends)
}
