//! Plain requests that ask for an upgrade to nothing.

use bstr::BString;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Block, Patterns, Site, has_upgrade};
use crate::lint::{Mend, Profile, Rule, examples};

use super::ways::{is_for_handshakes_alone, open};
use super::{connection_map, paths};

pub static RULE: Rule = Rule {
    id: "WS105",
    name: "ws-connection-hardcoded",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "Connection is always upgrade where plain requests pass as well",
    why: "Requests for pages and files then go out with Connection: upgrade and no Upgrade. Most backends \
          shrug; some answer 400, and upstream connections are never kept. A location that only WebSockets \
          use may say it outright.",
    mend: Mend::Unsafe,
    examples: examples!("ws-connection-hardcoded"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let mut patterns = Patterns::default();
    for way in open(site) {
        let block = way.pass.block;
        let Some(line) = block.headers().get("Connection") else { continue };
        let Some(value) = line.args.get(1) else { continue };
        let Some(only) = only_value(block, &value.value) else { continue };
        let Some(location) = block.location() else { continue };
        if !paths::is_for_everything(location, &mut patterns) || is_for_handshakes_alone(&way) {
            continue;
        }
        let message = format!(
            "Connection is always \"{only}\" in a location that also serves plain requests; use a map on $http_upgrade"
        );
        let finding = rule.finding(line.head(), message).also(
            way.pass.directive.head(),
            "plain requests go out from here with Connection: upgrade and no Upgrade",
        );
        found.push(connection_map::instead(site, finding, value));
    }
}

/// What a text comes to, if it always has the word upgrade.
fn only_value(block: Block<'_>, text: &[u8]) -> Option<BString> {
    let all = block.site.possible(block, text)?;
    all.iter().all(|value| has_upgrade(value)).then(|| all.first().cloned())?
}
