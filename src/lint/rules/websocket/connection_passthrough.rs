//! Clients who decide which headers the next hop drops.

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Handshake, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, edit, examples};

use super::connection_map;

pub static RULE: Rule = Rule {
    id: "WS121",
    name: "connection-passthrough",
    severity: Severity::Warning,
    profile: Profile::Security,
    summary: "Connection is copied from the client",
    why: "Connection names headers that end at the next hop. Whoever may write it can name X-Forwarded-For \
          or X-Real-IP there, and a backend that keeps to the standard drops what the proxy has set. It \
          carries WebSockets, but so does a map that is upgrade for handshakes alone.",
    mend: Mend::Unsafe,
    examples: examples!("connection-passthrough"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in site.ways() {
        let headers = way.pass.block.headers();
        for line in headers.all("Connection") {
            let Some(value) = line.args.get(1).filter(|value| is_client_s(&value.value)) else { continue };
            let message = "Connection is copied from the client: it can name headers for the next hop to drop \
                           (hop-by-hop abuse)";
            let finding = rule
                .finding(line.head(), message)
                .also(way.pass.directive.head(), "it goes to the upstream from here");
            found.push(match way.handshake {
                Handshake::Passed => connection_map::instead(site, finding, value),
                _ => finding.help("write \"proxy_set_header Connection '';\"").fix(Fix {
                    title: "send no Connection".to_owned(),
                    safe: false,
                    edits: vec![edit::replace(value, "")],
                }),
            });
        }
    }
}

fn is_client_s(value: &[u8]) -> bool {
    let is = |piece: Piece<'_>| matches!(piece, Piece::Variable(name) if name.eq_ignore_ascii_case(b"http_connection"));
    pieces(value).into_iter().any(is)
}
