//! What can only be said once everything is read.

use std::collections::{HashMap, HashSet};

use crate::diagnostics::{Diagnostic, Edit, Fix};
use crate::directive::Context;
use crate::directive::variables::Protocol;
use crate::features::{self, Build, NOT_SERVED, checked};
use crate::net::is_tlv_name;
use crate::request::{Source, VariableId};
use crate::source::Span;
use crate::syntax::{Directive, Tree};

use super::locations::Kind;
use super::walk::{RawLocation, RawMain};

pub fn finish(build: &mut Build, tree: &Tree, main: &RawMain) {
    if build.options.context == Context::MAIN && !build.options.fragment && !main.has_events {
        no_events(build, tree);
    }
    checked::afterwards(tree, build);
    features::health::afterwards(build);
    variables(build, tree);
}

fn no_events(build: &mut Build, tree: &Tree) {
    let Some(first) = tree.items(None).next() else {
        // An empty file has no place to point at but its first byte.
        let Some((file, _)) = tree.sources.iter().next() else { return };
        let span = Span { file, start: 0, end: 0 };
        build.diagnostics.push(events_finding(span));
        return;
    };
    build.diagnostics.push(events_finding(first.span));
}

fn events_finding(span: Span) -> Diagnostic {
    let end = Span { end: span.start, ..span };
    Diagnostic::error("missing-events", end, "no \"events\" section in configuration")
        .help("nginx wants one, empty or not: add a line \"events {}\"")
}

/// Gives each variable that was named its source; what has none is unknown.
fn variables(build: &mut Build, tree: &Tree) {
    let rows: HashMap<&str, _> = features::variables().map(|row| (row.name, row)).collect();
    let prefixes: Vec<_> = features::prefixes().collect();
    let mut unknown = HashSet::new();
    for id in build.variables.ids() {
        if !matches!(build.variables.source(id), Source::Absent) {
            continue;
        }
        let name = build.variables.name(id).to_vec();
        let row = std::str::from_utf8(&name).ok().and_then(|name| rows.get(name));
        let family = prefixes.iter().find(|family| name.starts_with(family.prefix.as_bytes()));
        let source = match (row, family) {
            (Some(row), _) => Source::Row(row),
            (None, Some(family)) => Source::Named(family, name[family.prefix.len()..].into()),
            (None, None) => {
                unknown.insert(id);
                continue;
            }
        };
        build.variables.define(id, source);
    }
    let mut said = HashSet::new();
    for (id, span) in std::mem::take(&mut build.mentions) {
        if let Some(finding) = too_early(build, tree, id, span) {
            build.diagnostics.push(finding);
        }
        let tlv = unknown_tlv(build.variables.source(id), span);
        build.diagnostics.extend(tlv);
        if unknown.contains(&id) && !checked::is_unused(tree, build, span) && said.insert(id) {
            let finding = absent(build, id, span);
            build.diagnostics.extend(finding);
        }
    }
}

/// A variable that only a log can show, anywhere else: it is empty there.
fn too_early(build: &Build, tree: &Tree, id: VariableId, span: Span) -> Option<Diagnostic> {
    let Source::Row(row) = build.variables.source(id) else { return None };
    if !features::websocket::is_told_at_the_end(row.name.as_bytes()) {
        return None;
    }
    let http = tree.items(None).find(|directive| directive.is("http")).map(|http| http.id);
    let covers = |line: &Directive| {
        line.span.file == span.file && line.span.start <= span.start && span.end <= line.span.end
    };
    if tree.items(http).any(|line| line.is("log_format") && covers(line)) {
        return None;
    }
    let message = format!("the variable \"${}\" is empty here", row.name);
    let finding = Diagnostic::warning("no-value-yet", span, message).here("known when the tunnel has ended");
    Some(finding.help("only a \"log_format\" is filled in as late as that"))
}

/// A part of the PROXY protocol's header that nobody knows; nginx says so for each request.
fn unknown_tlv(source: &Source, span: Span) -> Option<Diagnostic> {
    let Source::Named(family, name) = source else { return None };
    if family.prefix != "proxy_protocol_tlv_" || is_tlv_name(name) {
        return None;
    }
    let message = format!("unknown PROXY protocol TLV \"{}\"", String::from_utf8_lossy(name));
    let finding = Diagnostic::warning("unknown-variable", span, message);
    Some(finding.help(
        "alpn, authority, unique_id, ssl, netns, ssl_verify, ssl_version, ssl_cn, ssl_cipher, ssl_sig_alg, \
         ssl_key_alg, or a number such as 0xea",
    ))
}

fn absent(build: &Build, id: VariableId, span: Span) -> Option<Diagnostic> {
    let name = String::from_utf8_lossy(build.variables.name(id)).into_owned();
    if Protocol::Http.find(name.as_bytes()).is_some() {
        let message = format!("the variable \"${name}\" is not served by wsproxy: it is empty");
        return Some(Diagnostic::info(NOT_SERVED, span, message));
    }
    if build.options.fragment {
        return None;
    }
    let finding = Diagnostic::error("unknown-variable", span, format!("unknown \"{name}\" variable"));
    let known = build.variables.ids().filter(|other| *other != id);
    let known: Vec<String> = known
        .filter(|id| !matches!(build.variables.source(*id), Source::Absent))
        .map(|id| String::from_utf8_lossy(build.variables.name(id)).into_owned())
        .collect();
    Some(match Protocol::Http.nearest(&name, known.iter().map(String::as_str)) {
        Some(nearest) => {
            let title = format!("did you mean \"${nearest}\"?");
            let edits = vec![Edit { span, text: format!("${nearest}") }];
            finding.fix(Fix { title, safe: false, edits })
        }
        None => finding.help("\"set\", \"map\" and named captures give variables their values"),
    })
}

/// The locations of one level that say again what an earlier one says, and where that one is.
pub fn duplicate_locations(raw: &[RawLocation]) -> HashMap<usize, Span> {
    let mut first: HashMap<(bool, &[u8]), Span> = HashMap::new();
    let mut duplicates = HashMap::new();
    for (at, location) in raw.iter().enumerate() {
        let exact = match location.kind {
            Kind::Exact => true,
            Kind::Prefix | Kind::PrefixOnly => false,
            Kind::Named | Kind::Pattern(_) | Kind::Unnamed => continue,
        };
        match first.entry((exact, &location.name)) {
            std::collections::hash_map::Entry::Occupied(earlier) => {
                duplicates.insert(at, *earlier.get());
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(location.span);
            }
        }
    }
    duplicates
}
