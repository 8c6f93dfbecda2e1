//! Answers that say which nginx gave them.

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};

pub static RULE: Rule = Rule {
    id: "SEC319",
    name: "version-disclosure",
    severity: Severity::Info,
    profile: Profile::Security,
    summary: "answers say which version of nginx gave them",
    why: "The Server header and pages of errors carry the version. Who looks for servers with a known hole finds yours \
          in a list. It does not keep out those who try without looking, so updates matter more.",
    mend: Mend::Safe,
    examples: examples!("version-disclosure"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (block, directive) in site.all(&["server_tokens"]) {
        let Some(value) = directive.args.first() else { continue };
        let is_told = value.value.eq_ignore_ascii_case(b"on") || value.value.eq_ignore_ascii_case(b"build");
        if Context::IN_HTTP.meets(block.context()) && is_told && !sets_server(block) {
            let message = format!("\"server_tokens {}\" sends the version of nginx", value.value);
            let edits = vec![edit::replace(value, "off")];
            found.push(finding(rule, directive.head(), message, edits));
        }
    }
    let Some(http) = site.http().filter(|http| http.directive().is_some()) else { return };
    let (Some(block), Some(head)) = (http.directive(), http.head()) else { return };
    let is_silent = |server: Block<'_>| {
        server.level("server_tokens").is_none() && !sets_server(server) && server.is_known()
    };
    if http.is_known() && site.servers().any(is_silent) {
        let message = "the version of nginx is sent: \"server_tokens\" is on unless it is written";
        let edits = edit::first_in(site.tree, block, "server_tokens off;").into_iter().collect();
        found.push(finding(rule, head, message.to_owned(), edits));
    }
}

fn finding(rule: &Rule, span: crate::source::Span, message: String, edits: Vec<Edit>) -> Diagnostic {
    rule.finding(span, message).help("keep it back: \"server_tokens off;\" in \"http\"").fix(Fix {
        title: "turn server_tokens off".to_owned(),
        safe: true,
        edits,
    })
}

/// Whether another module writes the header.
fn sets_server(block: Block<'_>) -> bool {
    block.outwards().any(|level| {
        let lines = ["more_set_headers", "more_clear_headers"].into_iter().flat_map(|name| level.own(name));
        lines.flat_map(|line| &line.args).any(|word| word.value.to_ascii_lowercase().starts_with(b"server"))
    })
}
