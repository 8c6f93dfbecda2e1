//! Maps that leave open what becomes of all others.

use std::collections::HashMap;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Origin, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::{Directive, Quote};

use super::access;

pub static RULE: Rule = Rule {
    id: "SEC313",
    name: "map-without-default",
    severity: Severity::Info,
    profile: Profile::Security,
    summary: "a map that decides who is let in has no default",
    why: "What no line of a map or geo names gets an empty value, which an \"if\" takes for no. Whether that lets \
          strangers in or keeps them out should be written, not concluded. It does not matter where the value only \
          goes into a header or a log.",
    mend: Mend::None,
    examples: examples!("map-without-default"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let deciding = deciding(site);
    for (block, map) in site.all(&["map", "geo"]) {
        let Some(variable) = map.args.last() else { continue };
        let name = variable.value.strip_prefix(b"$").unwrap_or(&variable.value).to_ascii_lowercase();
        let Some(place) = deciding.get(&name) else { continue };
        if !Context::IN_HTTP.meets(block.context()) || !block.is_known() || has_default(site, map) {
            continue;
        }
        let message = format!(
            "{} has no default: what it does not name gets an empty value, and access is decided by it",
            variable.value.to_str_lossy()
        );
        let mut finding = rule.finding(map.head(), message);
        if let Some(head) = place.head() {
            finding = finding.also(head, "decided here");
        }
        found.push(finding.help("say what holds for all others: \"default 0;\""));
    }
}

fn has_default(site: &Site<'_>, map: &Directive) -> bool {
    site.tree.items(Some(map.id)).any(|row| {
        let is_word =
            row.name.quote.is_none_or(|quote| quote == Quote::Double) && row.name.value == "default";
        is_word || matches!(&row.name.value[..], b"0.0.0.0/0" | b"::/0" | b"~.*" | b"~^" | b"~.")
    })
}

/// The variables by which requests are turned away, and where; with those that they are made of.
fn deciding<'a>(site: &'a Site<'_>) -> HashMap<Vec<u8>, Block<'a>> {
    let ifs = Context::IF_SERVER.or(Context::IF_LOCATION);
    let mut waiting: Vec<(Vec<u8>, Block<'_>)> = site
        .within(ifs)
        .filter(|block| access::refuses(*block))
        .filter_map(|block| Some((names(block.condition()?.subject), block)))
        .flat_map(|(names, block)| names.into_iter().map(move |name| (name, block)))
        .collect();
    let mut all = HashMap::new();
    while let Some((name, block)) = waiting.pop() {
        if all.insert(name.clone(), block).is_some() {
            continue;
        }
        for origin in site.origins(&name) {
            if let Origin::Map { input: text, .. } | Origin::Set { value: text, .. } = origin {
                waiting.extend(names(&text.value).into_iter().map(|name| (name, block)));
            }
        }
    }
    all
}

fn names(text: &[u8]) -> Vec<Vec<u8>> {
    let variables = pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    variables.collect()
}
