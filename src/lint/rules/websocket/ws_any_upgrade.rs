//! Upgrades to what no WebSocket is.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::lint::site::{Block, Site, Way};
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::syntax::Word;

use super::traces::{depends_on, ifs, refusal};
use super::ways::open;

pub static RULE: Rule = Rule {
    id: "WS120",
    name: "ws-any-upgrade",
    severity: Severity::Info,
    profile: Profile::Security,
    summary: "any Upgrade of a client is passed on, h2c too",
    why: "A client may ask for h2c instead of websocket. A backend that speaks it answers 101, and the \
          client has a connection to it that no location looks into any more: rules about paths, addresses \
          and headers are passed by. It does not matter where no backend speaks h2c.",
    mend: Mend::Unsafe,
    examples: examples!("ws-any-upgrade"),
    check,
};

const MAP: &str = "map $http_upgrade $websocket_upgrade {\n    default   \"\";\n    websocket websocket;\n}";

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for way in open(site).filter(|way| !is_told_apart(way)) {
        let Some(line) = way.pass.block.headers().get("Upgrade") else { continue };
        let is_any = |value: &&Word| value.value.eq_ignore_ascii_case(b"$http_upgrade");
        let Some(value) = line.args.get(1).filter(is_any) else { continue };
        let message =
            "any Upgrade value is passed on (h2c included); let only \"websocket\" through with a map";
        let finding = rule
            .finding(line.head(), message)
            .also(way.pass.directive.head(), "a 101 from here opens a tunnel, whatever it is for")
            .help("in http: \"map $http_upgrade $websocket_upgrade { default ''; websocket websocket; }\", and send that");
        found.push(match new_map(site) {
            Some(map) => finding.fix(Fix {
                title: "pass on websocket and nothing else".to_owned(),
                safe: false,
                edits: vec![map, edit::replace(value, "$websocket_upgrade")],
            }),
            None => finding,
        });
    }
}

/// Whether an `if` has refused other protocols before.
fn is_told_apart(way: &Way<'_>) -> bool {
    let block = way.pass.block;
    let looks = |block: Block<'_>| {
        let words = block.directive().map(|line| &line.args[..]).unwrap_or_default();
        let names_websocket =
            words.iter().any(|word| word.value.to_ascii_lowercase().contains_str("websocket"));
        names_websocket
            && words.iter().any(|word| depends_on(block, &word.value, |name| name == b"http_upgrade"))
    };
    looks(block)
        || block
            .location()
            .is_some_and(|location| ifs(location).any(|block| refusal(block).is_some() && looks(block)))
}

fn new_map(site: &Site<'_>) -> Option<Edit> {
    let is_free = site.origins(b"websocket_upgrade").is_empty();
    let http = site.http()?.directive().filter(|_| is_free)?;
    edit::first_in(site.tree, http, MAP)
}
