//! Paths that are dropped.

use std::collections::BTreeSet;

use bstr::{BString, ByteSlice};

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{ANYTHING, Modifier, Pass, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, examples};

use super::destination::Destination;
use super::subrequests::Subrequests;

pub static RULE: Rule = Rule {
    id: "PX205",
    name: "proxy-pass-variable-uri",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "a proxy_pass with variables has a URI: it is sent as it is, path and query are dropped",
    why: "With a variable in proxy_pass nginx no longer puts the URI in the place of the location's name: what is \
          written is the whole request line, whatever a rewrite has made of the path before. All pages and files of \
          the upstream become its one page. It is right where one path is all there is.",
    mend: Mend::None,
    examples: examples!("proxy-pass-variable-uri"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let subrequests = Subrequests::of(site);
    for pass in site.passes().filter(|pass| pass.has_variables() && pass.block.context() == Context::LOCATION)
    {
        if subrequests.has(pass.block) {
            continue;
        }
        let Some(uri) = fixed(&pass).filter(|uri| takes_many(&pass, uri)) else { continue };
        let sent = uri.to_str_lossy();
        let message = format!(
            "proxy_pass has variables and a URI: every request goes to the upstream as {sent}, its path and query are \
             dropped"
        );
        let mut finding = rule.finding(pass.url.span, message);
        if let Some(bare) = bare(&pass) {
            finding = finding.help(format!("\"proxy_pass {bare};\" passes path and query on as they came"));
            if let Some(name) = pass.block.name().filter(|name| name.modifier.is_prefix()) {
                let name = name.name.to_str_lossy();
                finding = finding.help(format!(
                    "to put {sent} in the place of {name}: \"rewrite ^{}(.*)$ {sent}$1 break;\" and \"proxy_pass \
                     {bare};\"",
                    escaped(&name)
                ));
            }
        }
        found.push(finding);
    }
}

/// The URI that every request is sent with, if there is one and it does not depend on the request.
fn fixed(pass: &Pass<'_>) -> Option<BString> {
    let uris: BTreeSet<BString> = Destination::all(pass).into_iter().map(|one| one.uri).collect();
    let depends = |uri: &BString| uri.is_empty() || uri.contains(&ANYTHING) || uri.contains(&b'?');
    let first = uris.first()?.clone();
    let host_is_open =
        Destination::all(pass).iter().all(|one| one.host == [ANYTHING] && one.scheme == one.host);
    (!host_is_open && !uris.iter().any(depends)).then_some(first)
}

/// Whether more than one path is asked for here, and the URI is no program that answers all of them.
fn takes_many(pass: &Pass<'_>, uri: &[u8]) -> bool {
    let Some(name) = pass.block.name() else { return false };
    match name.modifier {
        Modifier::Prefix | Modifier::Preferred => {
            let file = uri.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            uri.ends_with(b"/") || (name.name.ends_with(b"/") && !file.contains(&b'.'))
        }
        Modifier::Pattern { .. } => {
            uri.ends_with(b"/") && !name.name.ends_with(b"/?$") && !name.name.ends_with(b"/$")
        }
        Modifier::Exact | Modifier::Named => false,
    }
}

/// The URL without its URI, where it shows where that begins.
fn bare(pass: &Pass<'_>) -> Option<String> {
    let uri = pass.uri()?;
    let is_plain = !pieces(uri).iter().any(|piece| !matches!(piece, Piece::Text(_)));
    let end = pass.url.value.len() - uri.len();
    is_plain.then(|| pass.url.value[..end].to_str_lossy().into_owned())
}

/// A path as a pattern.
fn escaped(path: &str) -> String {
    path.chars().fold(String::new(), |mut pattern, letter| {
        if !letter.is_alphanumeric() && !matches!(letter, '/' | '-' | '_') {
            pattern.push('\\');
        }
        pattern.push(letter);
        pattern
    })
}
