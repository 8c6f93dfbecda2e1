//! Servers with a certificate that speak plain text on the port of TLS.

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Addresses, Listen, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};

pub static RULE: Rule = Rule {
    id: "TLS406",
    name: "tls-listen-plain",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "a server with a certificate listens on port 443 without ssl",
    why: "Without the ssl parameter of listen nginx speaks plain HTTP on a port, whatever its number is, and never uses the \
          certificate. Browsers that come with TLS are told 400. It is enough that one server of the address says ssl.",
    mend: Mend::Unsafe,
    examples: examples!("tls-listen-plain"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let addresses = Addresses::of(site);
    if !addresses.are_known {
        return;
    }
    let is_plain = |listen: &&Listen<'_>| {
        is_tls_port(&listen.address) && addresses.at(listen).is_some_and(|address| !address.has_tls)
    };
    for server in site.servers() {
        let Some(certificate) = server.own_last("ssl_certificate") else { continue };
        // `ssl on` was the way to ask for TLS before 1.25.1.
        if server.is_on("ssl", false) || addresses.has_tls(server) {
            continue;
        }
        for line in server.listens().iter().filter(is_plain).filter_map(|listen| listen.directive) {
            let message = format!("{server} listens on port 443 without ssl: it speaks plain HTTP there");
            let edits = vec![edit::append(line, "ssl")];
            found.push(
                rule.finding(line.head(), message)
                    .also(certificate.head(), "a certificate that is never used")
                    .fix(Fix { title: "speak TLS".to_owned(), safe: false, edits }),
            );
        }
    }
}

fn is_tls_port(address: &str) -> bool {
    address.ends_with(":443")
}
