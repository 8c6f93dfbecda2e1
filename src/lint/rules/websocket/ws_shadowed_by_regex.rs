//! A pattern that takes what was meant for the place of a WebSocket.

use bstr::{BString, ByteSlice};

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::lint::site::{Block, Modifier, Patterns, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;

use super::paths;
use super::ways::open_locations;

pub static RULE: Rule = Rule {
    id: "WS125",
    name: "ws-shadowed-by-regex",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "a regex location takes requests away from a WebSocket location",
    why: "nginx looks at patterns after it has found the longest prefix, and the first that matches wins, \
          unless the prefix is written with ^~. So a location for static files takes \
          /socket.io/socket.io.js, the script that Socket.IO serves itself, and looks for it on the disk.",
    mend: Mend::Safe,
    examples: examples!("ws-shadowed-by-regex"),
    check,
};

/// What Socket.IO and its kin serve below their path besides the WebSocket.
const SCRIPTS: [&str; 3] = ["socket.io.js", "socket.io.min.js", "iframe.html"];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let mut patterns = Patterns::default();
    for location in open_locations(site) {
        let (Some(name), Some(head)) = (location.name(), location.head()) else { continue };
        if name.modifier != Modifier::Prefix
            || name.name == b"/"
            || !location.parent().is_some_and(Block::is_known)
        {
            continue;
        }
        let Some((path, taker)) = paths(location, name.name).find_map(|path| {
            let taker = taker(location, &path, &mut patterns)?;
            Some((path, taker))
        }) else {
            continue;
        };
        let (Some(span), Some(pattern)) = (taker.head(), taker.name()) else { continue };
        let message = format!(
            "regex location {} takes {path} away from the WebSocket location; use ^~",
            pattern.name.as_bstr()
        );
        let line = format!("location ^~ {} {{", name.name.as_bstr());
        let before = Span { end: name.span.start, ..name.span };
        found.push(
            rule.finding(head, message)
                .also(span, "this is looked at first")
                .help(format!("write \"{line}\""))
                .fix(Fix {
                    title: "look at no pattern for what begins like this".to_owned(),
                    safe: true,
                    edits: vec![Edit { span: before, text: "^~ ".to_owned() }],
                }),
        );
    }
}

/// What is asked for here: the handshake, where the name says that it is one, and scripts of polling protocols.
fn paths(location: Block<'_>, name: &[u8]) -> impl Iterator<Item = BString> {
    let bare = name.strip_suffix(b"/").unwrap_or(name).to_vec();
    let scripts = if paths::is_polling_first(location) { &SCRIPTS[..] } else { &[] };
    let is_endpoint = paths::is_named_for_websockets(location) || paths::is_polling_first(location);
    let own = is_endpoint.then(|| BString::from(name));
    own.into_iter()
        .chain(scripts.iter().map(move |script| [&bare[..], b"/", script.as_bytes()].concat().into()))
}

/// The regex location beside this one that answers a path in its place, unless WebSockets pass there as well.
fn taker<'s>(location: Block<'s>, path: &[u8], patterns: &mut Patterns) -> Option<Block<'s>> {
    let answer = location.server()?.answers(path, patterns)?;
    let is_pattern = answer.name()?.modifier.is_pattern();
    let is_beside = answer.parent() == location.parent();
    let passes = answer.pass().is_some_and(|pass| pass.way().is_open());
    (is_pattern && is_beside && !passes).then_some(answer)
}
