//! A second Content-Type beside nginx's own.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::syntax::Directive;

use super::access;

pub static RULE: Rule = Rule {
    id: "SEC307",
    name: "add-header-content-type",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "add_header adds a second Content-Type beside the one there is",
    why: "add_header does not replace what nginx or the upstream says of the type: the answer has two lines, and which \
          of them a client believes is up to the client. It does not matter where there is no other: in an answer \
          with 204, or where the upstream's is hidden.",
    mend: Mend::Unsafe,
    examples: examples!("add-header-content-type"),
    check,
};

/// Directives that keep a header of the upstream's back.
const HIDING: [&str; 5] =
    ["proxy_hide_header", "fastcgi_hide_header", "uwsgi_hide_header", "scgi_hide_header", "grpc_hide_header"];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (block, directive) in site.all(&["add_header"]) {
        let [name, value, ..] = &directive.args[..] else { continue };
        if !name.value.eq_ignore_ascii_case(b"content-type") || value.value.is_empty() || is_alone(block) {
            continue;
        }
        let message = "\"add_header Content-Type\" adds a second one: nginx sends its own as well";
        let mut finding = rule.finding(directive.head(), message);
        let line = format!("default_type {};", edit::quoted(&value.value.to_str_lossy()));
        if may_be_default(block) {
            finding =
                finding.help(format!("for files without a known extension and for \"return\": \"{line}\""));
            if !block.has("default_type") {
                finding = finding.fix(replaced(directive, &line));
            }
        } else {
            finding = finding.help(
                "say it with \"default_type\" or \"types\" in the location, or keep the other one back: \
                 \"proxy_hide_header Content-Type;\"",
            );
        }
        found.push(finding);
    }
}

/// Whether no other Content-Type is sent with it.
fn is_alone(block: Block<'_>) -> bool {
    let hides = |name: &&str| {
        block.all_in_effect(name).iter().any(|line| {
            line.args.first().is_some_and(|field| field.value.eq_ignore_ascii_case(b"content-type"))
        })
    };
    let is_empty =
        block.own("return").iter().filter_map(|line| access::answer(line)).any(|(status, _)| status == 204);
    let clears = ["more_clear_headers", "more_set_headers"].iter().any(|name| block.level(name).is_some());
    HIDING.iter().any(hides) || is_empty || clears || block.value("default_type", "text/plain").is_empty()
}

/// Whether `default_type` would be believed here: nginx makes the answer itself.
fn may_be_default(block: Block<'_>) -> bool {
    Context::LOCATION.meets(block.context()) && block.has("return")
}

fn replaced(directive: &Directive, line: &str) -> Fix {
    let edits = vec![Edit { span: directive.span, text: line.to_owned() }];
    Fix { title: "say it with default_type".to_owned(), safe: false, edits }
}
