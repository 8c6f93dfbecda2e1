//! Connections that are closed after few requests.

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::{Context, values};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, Version, examples};

pub static RULE: Rule = Rule {
    id: "OPS504",
    name: "keepalive-requests-low",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "keepalive_requests is lower than nginx's default",
    why: "After so many requests nginx closes a connection, and the client has to make a new one: a handshake of TCP and \
          one of TLS. A page with many small files, and everything over HTTP/2, comes to the limit soon. The default is \
          1000 since nginx 1.19.10, and was 100 before; who wrote 100 once wrote the default.",
    mend: Mend::None,
    examples: examples!("keepalive-requests-low"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let default = if site.target >= Version(1, 19, 10) { 1000 } else { 100 };
    for (block, line) in
        site.all(&["keepalive_requests"]).filter(|(block, _)| Context::IN_HTTP.meets(block.context()))
    {
        let Some(count) = line.args.first().and_then(|word| values::number(&word.value)) else { continue };
        // 0 and 1 are ways to have no keep-alive at all, and without it the number says nothing.
        let is_off = block.value("keepalive_timeout", "75s").starts_with(b"0");
        if !(2..default).contains(&count) || is_off {
            continue;
        }
        let whose = match block.context() {
            Context::UPSTREAM => "to a server of the group",
            _ => "of a client",
        };
        let message =
            format!("a connection {whose} is closed after {count} requests; the default is {default}");
        found.push(rule.finding(line.head(), message).help("leave the line out, or write a higher number"));
    }
}
