//! Connections that are kept for nobody.

use std::collections::BTreeMap;

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::directive::Context;
use crate::lint::edit;
use crate::lint::site::{Block, Pass, Site};
use crate::lint::{Mend, Profile, Rule, Version, examples};
use crate::source::Span;
use crate::syntax::{Directive, NodeId};

use super::destination::{Destination, Peer};
use super::places::{header_line, line_in, shown};

pub static RULE: Rule = Rule {
    id: "PX212",
    name: "upstream-keepalive-ineffective",
    severity: Severity::Warning,
    profile: Profile::Compat,
    summary: "an upstream has keepalive, but requests ask it to close the connection",
    why: "keepalive keeps connections that the upstream leaves open, and after a request of HTTP/1.0 or one with \
          \"Connection: close\" it leaves none: every request opens a connection anew. Before nginx 1.29.7 both are \
          what holds unless it is written otherwise; since then neither is, and who names such a nginx with \
          --nginx-version is told only of what is written.",
    mend: Mend::Safe,
    examples: examples!("upstream-keepalive-ineffective"),
    check,
};

/// Since then HTTP/1.1 without a Connection header is what holds unless it is written otherwise.
const KEPT: Version = Version(1, 29, 7);

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let mut groups: BTreeMap<NodeId, (&Directive, Vec<Pass<'_>>)> = BTreeMap::new();
    for pass in site.passes().filter(|pass| pass.block.is_known() && !reasons(pass).is_empty()) {
        for one in Destination::all(&pass) {
            let Peer::Group(group) = one.peer(site) else { continue };
            if let Some(line) = kept(group) {
                let (_, passes) = groups.entry(line.id).or_insert_with(|| (line, Vec::new()));
                if passes.last().is_none_or(|last| last.directive.id != pass.directive.id) {
                    passes.push(pass);
                }
            }
        }
    }
    for (line, passes) in groups.values() {
        let Some(group) = site.block_of(line) else { continue };
        let Some(first) = passes.first() else { continue };
        let reasons = reasons(first);
        let before = if is_by_default(first, &reasons) { "before nginx 1.29.7 " } else { "" };
        let message =
            format!("{group} has keepalive, but {before}requests go out with {}", reasons.join(" and "));
        let spans: Vec<Span> = passes.iter().map(|pass| pass.directive.span).collect();
        let finding = rule.finding(line.span, message).here("these connections are never used again");
        let mut finding = shown(finding, &spans, "requests go out here").help(
            "\"proxy_http_version 1.1;\" and \"proxy_set_header Connection '';\" where they are passed on",
        );
        finding.fix = fix(passes);
        found.push(finding);
    }
}

/// The line by which a group keeps connections.
fn kept(group: Block<'_>) -> Option<&Directive> {
    let is_on = |line: &&Directive| {
        group.context() == Context::UPSTREAM && line.args.first().is_some_and(|n| n.value != "0")
    };
    group.own_last("keepalive").filter(is_on)
}

/// What asks the upstream to close. A Connection with a variable is meant for WebSockets and another rule's.
fn reasons(pass: &Pass<'_>) -> Vec<&'static str> {
    let closes = closes_by_default(pass.block.site);
    let default = if closes { "1.0" } else { "1.1" };
    let connection = connection(pass);
    let is = |value: &str| {
        connection.is_some_and(|line| line.args[1].value.eq_ignore_ascii_case(value.as_bytes()))
    };
    let mut all = Vec::new();
    if pass.block.value("proxy_http_version", default) == b"1.0" && !is("keep-alive") {
        all.push("HTTP/1.0");
    }
    if is("close") || (connection.is_none() && closes) {
        all.push("\"Connection: close\"");
    }
    all
}

/// Whether the nginx that is meant asks upstreams to close where nothing is written; one that nobody has named may.
fn closes_by_default(site: &Site<'_>) -> bool {
    site.target < KEPT || !site.is_target_named
}

/// Whether all of it holds for an older nginx than the newest alone.
fn is_by_default(pass: &Pass<'_>, reasons: &[&str]) -> bool {
    let written = |reason: &&str| match *reason {
        "HTTP/1.0" => pass.block.in_effect("proxy_http_version").is_some(),
        _ => connection(pass).is_some(),
    };
    !pass.block.site.is_target_named && !reasons.iter().any(written)
}

fn connection<'a>(pass: &Pass<'a>) -> Option<&'a Directive> {
    pass.block.headers().get("Connection").filter(|line| line.args.len() == 2)
}

fn fix(passes: &[Pass<'_>]) -> Option<Fix> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut add = |edit: Edit| {
        if !edits.iter().any(|made| made.span == edit.span && made.text == edit.text) {
            edits.push(edit);
        }
    };
    for pass in passes {
        for reason in reasons(pass) {
            add(match (reason, pass.block.in_effect("proxy_http_version"), connection(pass)) {
                ("HTTP/1.0", Some(line), _) => edit::replace(line.args.first()?, "1.1"),
                ("HTTP/1.0", None, _) => {
                    line_in(pass.block.location()?, "proxy_pass", "proxy_http_version 1.1;")?
                }
                (_, _, Some(line)) => edit::replace(line.args.get(1)?, ""),
                (_, _, None) => header_line(pass, "proxy_set_header Connection \"\";")?,
            });
        }
    }
    Some(Fix { title: "let connections be kept".to_owned(), safe: true, edits })
}
