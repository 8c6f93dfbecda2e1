//! Clients who are sent elsewhere and do not go.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Block, Modifier, Patterns, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};

use super::paths;
use super::traces::{depends_on, ifs};
use super::ways::open;

pub static RULE: Rule = Rule {
    id: "WS124",
    name: "ws-slash-redirect",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "a handshake to a path without its last slash is answered with a redirect",
    why: "For a location that ends in a slash and has a proxy_pass nginx answers the path without the slash \
          itself: 301, to the path with it. Browsers follow that for pages and not for WebSockets; the page \
          sees an error without a reason. It does not matter where every client writes the slash.",
    mend: Mend::Unsafe,
    examples: examples!("ws-slash-redirect"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let mut patterns = Patterns::default();
    for way in open(site) {
        let location = way.pass.block;
        let Some(name) =
            location.name().filter(|name| name.modifier.is_prefix() || name.modifier == Modifier::Exact)
        else {
            continue;
        };
        let Some(bare) = name.name.strip_suffix(b"/").filter(|bare| is_an_endpoint(bare)) else { continue };
        if paths::is_polling_first(location) || is_answered(location, bare, &mut patterns) {
            continue;
        }
        let Some(head) = location.head() else { continue };
        let message = format!(
            "a handshake to {} is answered 301: WebSocket clients do not follow redirects",
            bare.as_bstr()
        );
        let finding = rule
            .finding(head, message)
            .also(way.pass.directive.head(), "a proxy_pass makes nginx add the slash");
        let word = location.directive().and_then(|directive| directive.args.last());
        let shorter =
            word.and_then(|word| Some(edit::replace(word, word.value.strip_suffix(b"/")?.to_str().ok()?)));
        // What stands behind host and port takes the place of the name, slash and all.
        let may_be_shorter = name.modifier.is_prefix() && way.pass.uri().is_none();
        found.push(match shorter.filter(|_| may_be_shorter) {
            Some(edit) => {
                let title = "take the path without the slash as well".to_owned();
                finding.help(format!("write \"location {}\", which takes both", bare.as_bstr())).fix(Fix {
                    title,
                    safe: false,
                    edits: vec![edit],
                })
            }
            None => {
                let bare = bare.as_bstr();
                finding.help(format!("add \"location = {bare}\" with a proxy_pass of its own"))
            }
        });
    }
}

/// Whether its last part is what people call the place of a WebSocket.
fn is_an_endpoint(bare: &[u8]) -> bool {
    let last = bare.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    !last.is_empty() && paths::is_word_for_websockets(last)
}

/// Whether the path without the slash comes to something else first.
fn is_answered(location: Block<'_>, bare: &[u8], patterns: &mut Patterns) -> bool {
    let beside = location.parent().into_iter().flat_map(Block::children);
    let mut others = beside.filter_map(Block::name);
    let rewrites = location.server().map_or(&[][..], |server| server.own("rewrite"));
    let mut tests = ifs(location);
    others.any(|other| other.name == bare && !other.modifier.is_pattern())
        || rewrites.iter().any(|line| {
            line.args.first().is_some_and(|word| patterns.matches(&word.value, false, bare) != Some(false))
        })
        || tests.any(|block| {
            let condition = block.directive().map(|line| &line.args[..]).unwrap_or_default();
            let is_path =
                |name: &[u8]| matches!(name, b"uri" | b"request_uri" | b"document_uri" | b"request");
            condition.iter().any(|word| depends_on(block, &word.value, is_path))
        })
}
