//! TLS to whoever answers.

use std::collections::BTreeMap;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Pass, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;
use crate::syntax::NodeId;

use super::destination::Destination;
use super::places::at_all;

pub static RULE: Rule = Rule {
    id: "PX216",
    name: "upstream-tls-unverified",
    severity: Severity::Info,
    profile: Profile::Security,
    summary: "an https upstream is not verified: any certificate will do",
    why: "proxy_ssl_verify is off unless it is written. The connection is encrypted, but to whom is not known: whoever \
          can redirect it reads and changes what is passed on, cookies and passwords among it. It does not matter \
          where nobody else is on the way.",
    mend: Mend::None,
    examples: examples!("upstream-tls-unverified"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let mut servers: BTreeMap<Option<NodeId>, Vec<Pass<'_>>> = BTreeMap::new();
    for pass in site.passes().filter(|pass| pass.block.is_known()) {
        let is_tls = Destination::all(&pass).iter().any(|one| one.scheme == "https");
        if is_tls && !pass.block.is_on("proxy_ssl_verify", false) {
            let server = pass.block.server().and_then(|server| server.directive());
            servers.entry(server.map(|directive| directive.id)).or_default().push(pass);
        }
    }
    for passes in servers.values() {
        let all = passes.iter().flat_map(Destination::all);
        let Some(host) = all.into_iter().find(|one| one.scheme == "https") else { continue };
        let spans: Vec<Span> = passes.iter().map(|pass| pass.url.span).collect();
        let message =
            format!("https upstream {} without proxy_ssl_verify: any certificate is accepted", host.shown());
        let finding = at_all(rule, &spans, message, "here too");
        let name =
            "the name in proxy_pass has to be the certificate's: otherwise say it in \"proxy_ssl_name\"";
        found.extend(finding.map(|finding| {
            finding
                .help("\"proxy_ssl_verify on;\" and, with those who signed it, \"proxy_ssl_trusted_certificate FILE;\"")
                .note(name)
        }));
    }
}
