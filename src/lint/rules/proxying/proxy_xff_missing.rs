//! Addresses that clients make up.

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;

use super::places::{at_all, header_lines, without_header};

pub static RULE: Rule = Rule {
    id: "PX208",
    name: "proxy-xff-missing",
    severity: Severity::Info,
    profile: Profile::Security,
    summary: "X-Forwarded-For is not set: what the client sent reaches the upstream",
    why: "What a client sends is passed on unless a line replaces it. A backend that takes X-Forwarded-For for the \
          client's address then believes whatever it is told: limits, blocks and logs go by an address somebody made \
          up. It does not matter to a backend that never looks at it.",
    mend: Mend::Unsafe,
    examples: examples!("proxy-xff-missing"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for passes in without_header(site, "X-Forwarded-For") {
        let spans: Vec<Span> = passes.iter().map(|pass| pass.directive.span).collect();
        let message = "X-Forwarded-For is not set: whatever the client sent reaches the upstream".to_owned();
        let Some(finding) = at_all(rule, &spans, message, "here too") else { continue };
        let line = "proxy_set_header X-Forwarded-For $remote_addr;";
        let mut finding = finding.help(format!(
            "say who the client is: \"{line}\"; behind other proxies \"$proxy_add_x_forwarded_for\" adds to what they \
             have said"
        ));
        finding.fix = header_lines(&passes, line).map(|edits| Fix {
            title: "set X-Forwarded-For to the client's address".to_owned(),
            safe: false,
            edits,
        });
        found.push(finding);
    }
}
