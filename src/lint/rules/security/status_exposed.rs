//! Counters for everybody.

use std::net::IpAddr;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::Directive;

use super::access;

pub static RULE: Rule = Rule {
    id: "SEC317",
    name: "status-exposed",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "anybody may read stub_status",
    why: "The page says how many connections there are and how many requests were served. That helps whoever wants to \
          see whether an attack works, and tells competitors how busy you are. It does not matter on an address that \
          only your own machines reach.",
    mend: Mend::None,
    examples: examples!("status-exposed"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (block, directive) in site.all(&["stub_status"]) {
        if !block.is_known() || is_guarded(block) {
            continue;
        }
        let message = format!("{block} shows stub_status to everybody: nothing is asked for");
        let mut finding = rule.finding(directive.head(), message);
        if block.server().is_some_and(is_private) {
            finding.severity = Severity::Info;
            finding = finding.note("its addresses are out of most strangers' reach");
        }
        found.push(finding.help("let your own machines in and no others: \"allow 127.0.0.1; deny all;\""));
    }
}

fn is_guarded(block: Block<'_>) -> bool {
    let is_internal = block.outwards().any(|level| level.has("internal"));
    let lets_all_in = access::rules(block).is_some_and(allows_all);
    let is_either = block.value("satisfy", "all") == b"any";
    let has_rules = access::rules(block).is_some() && !lets_all_in;
    let asks = access::asks_for_proof(block) && !(is_either && lets_all_in);
    has_rules
        || asks
        || access::is_filtered(block)
        || is_internal
        || block.server().is_some_and(|server| listens(server, |address| address.starts_with("unix:")))
}

/// Whether rules begin by letting everybody in. A list without a deny is another rule's matter.
fn allows_all(level: Block<'_>) -> bool {
    let first = level.items().iter().find(|item| item.is("allow") || item.is("deny"));
    first.is_some_and(|rule| rule.is("allow") && rule.args.first().is_some_and(|whom| whom.value == "all"))
}

/// Whether all addresses of a server are out of strangers' reach.
fn is_private(server: Block<'_>) -> bool {
    listens(server, is_private_address)
}

/// Whether a server listens on such addresses alone.
fn listens(server: Block<'_>, is_such: fn(&str) -> bool) -> bool {
    let such =
        |line: &&Directive| line.args.first().and_then(|word| word.value.to_str().ok()).is_some_and(is_such);
    let lines = server.own("listen");
    !lines.is_empty() && lines.iter().all(such)
}

fn is_private_address(text: &str) -> bool {
    if text.starts_with("unix:") || text.starts_with("localhost") {
        return true;
    }
    let host = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => text.split(':').next(),
    };
    match host.and_then(|host| host.parse::<IpAddr>().ok()) {
        Some(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Some(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        None => false,
    }
}
