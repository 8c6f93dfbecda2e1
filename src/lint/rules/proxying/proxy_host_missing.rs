//! Upstreams that are asked for by a name of our own making.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Pass, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;

use super::destination::{Destination, Peer};
use super::places::{at_all, header_lines, without_header};
use super::subrequests::Subrequests;

pub static RULE: Rule = Rule {
    id: "PX207",
    name: "proxy-host-missing",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "the upstream is told the name in proxy_pass, not the site's",
    why: "Without a Host line the upstream is asked for what stands in proxy_pass: the name of an upstream block or an \
          address. Redirects and links it makes lead there, cookies are for that name, virtual hosts and checks of \
          Origin do not match. It does not matter to a backend that never looks at Host.",
    mend: Mend::Unsafe,
    examples: examples!("proxy-host-missing"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let subrequests = Subrequests::of(site);
    for mut passes in without_header(site, "Host") {
        passes.retain(|pass| {
            let is_asked = pass.block.location().is_some_and(|location| subrequests.has(location));
            !is_asked && is_made_up(pass)
        });
        let Some(host) = passes.first().and_then(|pass| Destination::all(pass).into_iter().next()) else {
            continue;
        };
        let spans: Vec<Span> = passes.iter().map(|pass| pass.directive.span).collect();
        let message = format!(
            "the upstream gets \"Host: {}\" (the name in proxy_pass), not the site's name",
            host.proxy_host()
        );
        let Some(finding) = at_all(rule, &spans, message, "here too") else { continue };
        let line = "proxy_set_header Host $host;";
        let mut finding = finding.help(format!("pass on what the client asked for: \"{line}\""));
        finding.fix = header_lines(&passes, line).map(|edits| Fix {
            title: "pass on the client's Host".to_owned(),
            safe: false,
            edits,
        });
        found.push(finding);
    }
}

/// Whether no host that is passed to can be meant as a site's name. An upstream block may be named after a site.
fn is_made_up(pass: &Pass<'_>) -> bool {
    let hosts = Destination::all(pass);
    !hosts.is_empty()
        && hosts.iter().all(|one| match one.peer(pass.block.site) {
            Peer::Group(_) => !one.host.contains_str("."),
            Peer::Address | Peer::Localhost | Peer::Socket => true,
            Peer::Name => false,
        })
}
