//! Servers that do not tell browsers to come back over TLS.

use std::collections::HashMap;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::{Context, values};
use crate::lint::site::{Addresses, Block, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::{Directive, NodeId};

pub static RULE: Rule = Rule {
    id: "TLS403",
    name: "hsts",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "a server that speaks TLS sends no Strict-Transport-Security, or one that is soon forgotten",
    why: "Who types a name without https:// makes the first request in plain text, where somebody on the line may answer \
          in the server's place. Strict-Transport-Security makes browsers use TLS by themselves for as long as it says. \
          It is not wanted where a host has to stay reachable without TLS, and not needed where the server behind nginx \
          sends it.",
    mend: Mend::None,
    examples: examples!("hsts"),
    check,
};

const FIELD: &[u8] = b"strict-transport-security";
/// Half a year: what is shorter is gone before many come back.
const SHORT: u64 = 180 * 24 * 3600;

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let addresses = Addresses::of(site);
    let senders = senders(site);
    for server in site.servers().filter(|server| addresses.has_tls(*server) && server.is_known()) {
        let Some(head) = server.head() else { continue };
        if !site.sees(Context::HTTP) || is_silent(server) {
            continue;
        }
        let sender = |block: Block<'_>| senders.get(&block.directive().map(|owner| owner.id)).copied();
        let inside = server.descendants().filter_map(sender);
        let around = server.outwards().filter_map(sender);
        let Some(line) = around.chain(inside).next() else {
            let proxied = server.descendants().any(|block| block.pass().is_some());
            let finding =
                rule.finding(head, format!("{server} speaks TLS and sends no Strict-Transport-Security"));
            let finding = match proxied {
                true => finding.note("unless what it passes requests to sends one"),
                false => finding,
            };
            found.push(finding.help("\"add_header Strict-Transport-Security max-age=31536000 always;\""));
            continue;
        };
        if let Some(age) = age(server, line).filter(|age| (1..SHORT).contains(age)) {
            let message = format!(
                "Strict-Transport-Security is forgotten after {age} seconds, which is less than half a year"
            );
            found.push(
                rule.finding(line.head(), message).help("raise it when all works: \"max-age=31536000\""),
            );
        }
    }
}

/// Whether nobody gets an answer from the server.
fn is_silent(server: Block<'_>) -> bool {
    let closes = |line: &&Directive| line.args.first().is_some_and(|code| code.value == "444");
    server.is_on("ssl_reject_handshake", false) || server.own("return").iter().any(closes)
}

/// The line that sends the field, by the directive in whose block it stands.
fn senders<'a>(site: &'a Site<'a>) -> HashMap<Option<NodeId>, &'a Directive> {
    let mut all = HashMap::new();
    for block in site.blocks() {
        let names = |line: &&&Directive| {
            !line.name.value.ends_with(b"hide_header")
                && line.args.iter().any(|word| word.value.to_ascii_lowercase().contains_str(FIELD))
        };
        let line = block.items().iter().find(names);
        all.extend(line.map(|line| (block.directive().map(|owner| owner.id), *line)));
    }
    all
}

/// The `max-age` that is sure to be sent.
fn age(server: Block<'_>, line: &Directive) -> Option<u64> {
    let value = line.args.get(1).filter(|_| line.is("add_header"))?;
    let all = server.site.possible(server, &value.value)?;
    let text = all.first().filter(|_| all.len() == 1)?.to_ascii_lowercase();
    let from = text.find("max-age=")? + "max-age=".len();
    let digits = text[from..].trim_start_with(|c| c == '"');
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    values::number(&digits[..end])
}
