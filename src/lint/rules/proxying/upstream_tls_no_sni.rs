//! TLS handshakes that do not say for whom they are.

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice};

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Pass, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;
use crate::syntax::NodeId;

use super::destination::{Destination, Peer};
use super::places::{at_all, line_in};

pub static RULE: Rule = Rule {
    id: "PX217",
    name: "upstream-tls-no-sni",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "an https upstream is not told which name is wanted: no SNI is sent",
    why: "proxy_ssl_server_name is off unless it is written, and nginx then begins TLS without a name. A machine that \
          serves many sites (every CDN and cloud does) ends the handshake with an alert, which is a 502 here, or shows \
          another site's certificate. It does not matter where the upstream has one certificate.",
    mend: Mend::Safe,
    examples: examples!("upstream-tls-no-sni"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let mut all: BTreeMap<(Option<NodeId>, BString), Vec<Pass<'_>>> = BTreeMap::new();
    for pass in site.passes().filter(|pass| pass.block.is_known()) {
        // Who has written "off" has met a server that minds.
        if pass.block.level("proxy_ssl_server_name").is_some() {
            continue;
        }
        let Some(host) = Destination::all(&pass).into_iter().find(|one| needs_a_name(site, one)) else {
            continue;
        };
        let server = pass.block.server().and_then(|server| server.directive());
        all.entry((server.map(|directive| directive.id), host.host)).or_default().push(pass);
    }
    for ((_, host), passes) in &all {
        let spans: Vec<Span> = passes.iter().map(|pass| pass.url.span).collect();
        let message = format!("https upstream {host} without proxy_ssl_server_name: no SNI is sent");
        let Some(finding) = at_all(rule, &spans, message, "here too") else { continue };
        let mut finding = finding.help(format!("say the name: \"{LINE}\""));
        finding.fix = fix(passes);
        found.push(finding);
    }
}

const LINE: &str = "proxy_ssl_server_name on;";

/// Whether a host is reached by TLS under a name of the Internet's. The name of an upstream block would help nobody,
/// addresses have no name to send, and what is known in one network only rarely shares its machine.
fn needs_a_name(site: &Site<'_>, one: &Destination) -> bool {
    one.scheme == "https"
        && one.is_known()
        && one.host.contains_str(".")
        && matches!(one.peer(site), Peer::Name)
}

fn fix(passes: &[Pass<'_>]) -> Option<Fix> {
    let mut edits = Vec::new();
    for pass in passes {
        let edit = line_in(pass.block.location()?, "proxy_pass", LINE)?;
        if !edits.iter().any(|made: &crate::diagnostics::Edit| made.span == edit.span) {
            edits.push(edit);
        }
    }
    Some(Fix { title: "send the name".to_owned(), safe: true, edits })
}
