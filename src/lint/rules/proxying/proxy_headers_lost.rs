//! Header lines that an inner level throws away.

use std::collections::BTreeMap;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Block, Headers, Pass, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::{Directive, NodeId};

use super::destination::{Destination, Peer};
use super::places::{line_in, listed, shown};
use super::subrequests::Subrequests;

pub static RULE: Rule = Rule {
    id: "PX206",
    name: "proxy-headers-lost",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "a proxy_set_header cancels those of the levels around it",
    why: "proxy_set_header lines are inherited all together or not at all: one line of its own, and a location has none \
          of those around it. The upstream then gets its own name as Host, or nobody's address, and redirects, logs \
          and access rules go wrong. It does not matter for what the upstream never looks at.",
    mend: Mend::Safe,
    examples: examples!("proxy-headers-lost"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let subrequests = Subrequests::of(site);
    for (level, passes) in levels(site) {
        let Some(outer) = level.parent().map(Block::headers) else { continue };
        let Some(around) = outer.level else { continue };
        let is_asked = level.location().is_some_and(|location| subrequests.has(location));
        if is_asked || speaks_as_another(&passes) {
            continue;
        }
        let lost = lost(&outer, &level.headers());
        let Some(first) = level.own("proxy_set_header").first().filter(|_| !lost.is_empty()) else {
            continue;
        };
        let names: Vec<String> =
            lost.iter().map(|line| line.args[0].value.to_str_lossy().into_owned()).collect();
        let message = format!("proxy_set_header here cancels {}, set in {around}", listed(&names));
        let finding = rule
            .finding(first.span, message)
            .here(format!("with this line {level} inherits none of {around}"));
        let spans: Vec<_> = lost.iter().map(|line| line.span).collect();
        let mut finding = shown(finding, &spans, "set here, and lost");
        let repeated: Vec<String> = lost.iter().map(|line| written(site, line)).collect();
        finding = finding.help(format!("repeat what is still wanted: {}", repeated.join(" ")));
        finding.fix = fix(level, &passes, &lost, &repeated);
        found.push(finding);
    }
}

/// The levels whose header lines some proxy_pass goes by, each with those that do.
fn levels<'a>(site: &'a Site<'a>) -> Vec<(Block<'a>, Vec<Pass<'a>>)> {
    let mut all: BTreeMap<Option<NodeId>, (Block<'a>, Vec<Pass<'a>>)> = BTreeMap::new();
    for pass in site.passes() {
        if let Some(level) = pass.block.headers().level {
            let key = level.directive().map(|directive| directive.id);
            all.entry(key).or_insert_with(|| (level, Vec::new())).1.push(pass);
        }
    }
    all.into_values().collect()
}

/// The outer lines whose field no inner line sets. Those of a WebSocket are `ws-headers-lost`'s, and what would go on
/// without a line is not lost.
fn lost<'a>(outer: &Headers<'a>, inner: &Headers<'a>) -> Vec<&'a Directive> {
    let is_lost = |line: &Directive| {
        let [field, value] = &line.args[..] else { return false };
        let Ok(field) = field.value.to_str() else { return false };
        let is_websockets = ["upgrade", "connection"].iter().any(|known| field.eq_ignore_ascii_case(known));
        let own = format!("$http_{}", field.replace('-', "_").to_ascii_lowercase());
        let goes_on = value.value.eq_ignore_ascii_case(own.as_bytes()) && !field.eq_ignore_ascii_case("host");
        let is_default = field.eq_ignore_ascii_case("host") && value.value == "$proxy_host";
        !is_websockets && !goes_on && !is_default && inner.get(field).is_none()
    };
    outer.lines.iter().copied().filter(|line| is_lost(line)).collect()
}

/// Whether all of them name themselves by a fixed name: that of somebody else's server, who has no business with what
/// others are told.
fn speaks_as_another(passes: &[Pass<'_>]) -> bool {
    passes.iter().all(|pass| {
        let host = pass.block.headers().get("Host").and_then(|line| line.args.get(1));
        host.is_some_and(|value| !value.value.contains(&b'$') || value.value == "$proxy_host")
    })
}

/// Safe where nothing is repeated but who asks for what, and only to servers that are ours.
fn fix(level: Block<'_>, passes: &[Pass<'_>], lost: &[&Directive], repeated: &[String]) -> Option<Fix> {
    let edits =
        repeated.iter().map(|line| line_in(level, "proxy_set_header", line)).collect::<Option<Vec<_>>>()?;
    let is_plain = |line: &&Directive| {
        let field = line.args[0].value.to_ascii_lowercase();
        let captures = pieces(&line.args[1].value).iter().any(|piece| matches!(piece, Piece::Capture(_)));
        let is_told = field == b"host" || field == b"x-real-ip" || field.starts_with(b"x-forwarded-");
        is_told && !captures
    };
    let is_ours = |pass: &Pass<'_>| {
        Destination::all(pass).iter().all(|one| !matches!(one.peer(pass.block.site), Peer::Name))
    };
    let safe = lost.iter().all(is_plain) && passes.iter().all(is_ours);
    Some(Fix { title: "repeat the outer lines".to_owned(), safe, edits })
}

/// A directive as it is written.
fn written(site: &Site<'_>, directive: &Directive) -> String {
    let text = site.tree.sources.bytes(directive.span).to_str_lossy().into_owned();
    if text.ends_with(';') { text } else { text + ";" }
}
