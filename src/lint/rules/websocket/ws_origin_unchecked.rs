//! WebSockets that other sites' pages may open.

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;
use crate::syntax::Directive;

use super::traces::{depends_on, has_a_script, ifs};
use super::ways::{is_inner, open_locations};

pub static RULE: Rule = Rule {
    id: "WS118",
    name: "ws-origin-unchecked",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "nobody asks from which page a WebSocket is opened",
    why: "Browsers let every page open a WebSocket to every host, and send that host's cookies and passwords \
          with it. A page of somebody else's can so speak in the visitor's name, and read the answers. It \
          does not matter where the backend looks at Origin itself, or where nothing is let in by cookies.",
    mend: Mend::None,
    examples: examples!("ws-origin-unchecked"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in open_locations(site) {
        if !location.is_known() || is_inner(location) || is_checked(location) {
            continue;
        }
        let Some(head) = location.head() else { continue };
        let message = "no Origin check on this WebSocket location: other sites can open it with the visitor's cookies (CSWSH)";
        let mut finding = rule.finding(head, message);
        if let Some((place, what)) = credentials(location) {
            finding.severity = Severity::Warning;
            finding = finding.also(place, what);
        }
        found.push(finding.help(
            "have a map on $http_origin name your pages, and refuse others: \"if ($origin_ok = 0) { return 403; }\"",
        ));
    }
}

/// Whether somebody looks at Origin, or at what a foreign page cannot send.
fn is_checked(location: Block<'_>) -> bool {
    let is_on = |name: &&str| location.in_effect(name).is_some() && location.value(name, "off") != b"off";
    let names_origin = |name: &[u8]| name == b"http_origin" || name == b"invalid_referer";
    let looks =
        |line: &Directive| line.args.iter().any(|word| depends_on(location, &word.value, names_origin));
    ["auth_request", "auth_jwt", "websocket_origins"].iter().any(is_on)
        || has_a_script(location)
        || ifs(location).filter_map(Block::directive).any(looks)
        || location.headers().lines.iter().any(|line| looks(line))
        || location.items().iter().any(|line| looks(line))
}

/// What a browser sends by itself and is let in by.
fn credentials(location: Block<'_>) -> Option<(Span, &'static str)> {
    let basic = location.in_effect("auth_basic").filter(|_| location.value("auth_basic", "off") != b"off");
    if let Some(line) = basic {
        return Some((line.head(), "browsers send the password by themselves"));
    }
    let is_cookie = |name: &[u8]| name.starts_with(b"cookie_") || name == b"http_cookie";
    let has_cookie =
        |line: &Directive| line.args.iter().any(|word| depends_on(location, &word.value, is_cookie));
    let mut lines = location.items().iter().copied().filter(|line| line.is("set"));
    let tested = ifs(location).filter_map(Block::directive).find(|line| has_cookie(line));
    let line = tested.or_else(|| lines.find(|line| has_cookie(line)))?;
    Some((line.head(), "browsers send the cookie by themselves"))
}
