//! A map that closes connections which an upstream would keep.

use std::collections::HashSet;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Origin, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::syntax::{Directive, Word};

use super::ways::open;

pub static RULE: Rule = Rule {
    id: "WS108",
    name: "ws-map-close-keepalive",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "a map sends Connection: close for plain requests to an upstream that keeps connections",
    why: "The map that many guides show is close where no upgrade is asked for. Behind it every plain \
          request costs a connection of its own, and the upstream's keepalive does nothing. Sent empty, the \
          header is left out, and connections are used again.",
    mend: Mend::Unsafe,
    examples: examples!("ws-map-close-keepalive"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    for way in open(site) {
        let Some(line) = way.pass.block.headers().get("Connection") else { continue };
        let Some((map, close)) = line.args.get(1).and_then(|value| closing(site, &value.value)) else {
            continue;
        };
        let Some(upstream) = way.pass.upstream() else { continue };
        let Some(keepalive) = upstream.own_last("keepalive").filter(|line| keeps(line)) else { continue };
        if !seen.insert(map.id) {
            continue;
        }
        let name = way.pass.authority().as_bstr();
        let message = format!(
            "map sends \"Connection: close\" for plain requests, so the keepalive connections of upstream {name} are \
             never reused; map \"\" to \"\""
        );
        found.push(
            rule.finding(close.span, message)
                .also(line.head(), "sent here")
                .also(keepalive.head(), "connections are to be kept here")
                .help("write \"\" in its place")
                .fix(Fix {
                    title: "send no Connection for plain requests".to_owned(),
                    safe: false,
                    edits: vec![edit::replace(close, "")],
                }),
        );
    }
}

/// The map that a value is the variable of, and the word by which it closes connections of plain requests.
fn closing<'s>(site: &'s Site<'_>, value: &[u8]) -> Option<(&'s Directive, &'s Word)> {
    let origins = site.origins(value.strip_prefix(b"$")?);
    let [Origin::Map { directive, input }] = origins[..] else { return None };
    if !input.value.eq_ignore_ascii_case(b"$http_upgrade") {
        return None;
    }
    let row =
        |wanted: &str| site.rows(directive).find(|(key, _)| key.value == wanted).map(|(_, value)| value);
    let close = row("").or(row("default")).filter(|word| word.value.eq_ignore_ascii_case(b"close"))?;
    Some((directive, close))
}

fn keeps(line: &Directive) -> bool {
    line.args.first().is_some_and(|count| count.value != "0")
}
