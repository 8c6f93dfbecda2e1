//! Old workers that live as long as the last WebSocket.

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, examples};

use super::ways::open_locations;

pub static RULE: Rule = Rule {
    id: "WS116",
    name: "ws-reload-drain",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "after a reload old workers live as long as their last WebSocket",
    why: "A reload leaves the old workers to finish what they have begun, and a WebSocket may never finish. \
          Each reload adds such workers, with their memory and the old settings. A time limit cuts their \
          tunnels off, and clients come back to the new workers all at once: a choice to make knowingly.",
    mend: Mend::None,
    examples: examples!("ws-reload-drain"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let main = site.root();
    if !site.sees(Context::MAIN) || !main.is_known() || main.has("worker_shutdown_timeout") {
        return;
    }
    let Some(place) = open_locations(site).next().and_then(Block::head) else { return };
    let message =
        "no worker_shutdown_timeout: after each reload old workers live as long as their last WebSocket";
    found.push(
        rule.finding(place, message)
            .here("WebSockets pass here")
            .help("write \"worker_shutdown_timeout 10m;\" at the outermost level, beside events and http"),
    );
}
