//! Addresses that are never asked for again.

use std::collections::HashMap;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, Version, examples};
use crate::source::Span;

use super::destination::{Destination, Peer, host_and_port, is_address};
use super::places::at_all;

pub static RULE: Rule = Rule {
    id: "PX209",
    name: "proxy-static-dns",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "a name is resolved once, when nginx starts: a new address needs a reload",
    why: "nginx looks up the names in proxy_pass and in upstream blocks when it reads them, and keeps the addresses \
          until the next reload. When a container is made anew or a provider moves a service, requests go on to the \
          old address, perhaps to somebody else's machine. It does not matter where addresses stay.",
    mend: Mend::None,
    examples: examples!("proxy-static-dns"),
    check,
};

/// The first nginx in which everybody has `resolve` in upstream blocks.
const RESOLVE: Version = Version(1, 27, 3);

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (host, spans) in names(site) {
        let host = host.to_str_lossy();
        let message = format!("{host} is resolved once, when nginx starts: a new address needs a reload");
        let Some(finding) = at_all(rule, &spans, message, "and here") else { continue };
        let help = match site.target >= RESOLVE {
            true => format!(
                "where addresses change: \"server {host} resolve;\" in an upstream block with a \"zone\", and a \
                 \"resolver\""
            ),
            false => format!(
                "where addresses change: \"set $backend {host};\" with \"proxy_pass http://$backend;\" and a \"resolver\""
            ),
        };
        found.push(finding.help(help));
    }
}

/// Every name that is resolved when the configuration is read, and where it stands.
fn names<'a>(site: &'a Site<'a>) -> Vec<(Vec<u8>, Vec<Span>)> {
    let mut all: Vec<(Vec<u8>, Vec<Span>)> = Vec::new();
    let mut numbers: HashMap<Vec<u8>, usize> = HashMap::new();
    for (host, span) in in_upstreams(site).chain(in_passes(site)) {
        let host = host.to_ascii_lowercase();
        let number = *numbers.entry(host.clone()).or_insert_with(|| {
            all.push((host, Vec::new()));
            all.len() - 1
        });
        all[number].1.push(span);
    }
    all
}

fn in_upstreams<'a>(site: &'a Site<'a>) -> impl Iterator<Item = (Vec<u8>, Span)> + 'a {
    let servers = site.within(Context::UPSTREAM).flat_map(|block| block.own("server"));
    servers.filter_map(|line| {
        let word = line.args.first()?;
        let (host, _) = host_and_port(&word.value);
        let is_kept = line.args.iter().skip(1).any(|word| word.value == "resolve" || word.value == "down");
        let is_name = !is_local(host) && !word.value.starts_with(b"unix:");
        (is_name && !is_kept).then(|| (host.to_vec(), word.span))
    })
}

/// A name that may be an upstream block's, which stands elsewhere, is left out.
fn in_passes<'a>(site: &'a Site<'a>) -> impl Iterator<Item = (Vec<u8>, Span)> + 'a {
    let sees_groups = site.sees(Context::HTTP) && site.http().is_some_and(Block::is_known);
    site.passes().filter(|pass| !pass.has_variables()).filter_map(move |pass| {
        let one = Destination::all(&pass).into_iter().next()?;
        let is_name = matches!(one.peer(site), Peer::Name) && !one.host.is_empty() && !is_local(&one.host);
        let is_seen = sees_groups || one.host.contains_str(".") || one.port.is_some();
        (is_name && is_seen).then(|| (one.host.to_vec(), pass.url.span))
    })
}

/// Whether a host always has the address it has.
fn is_local(host: &[u8]) -> bool {
    let host = host.to_ascii_lowercase();
    is_address(&host)
        || host == b"localhost"
        || host.ends_with(b".localhost")
        || host.starts_with(b"localhost.")
}
