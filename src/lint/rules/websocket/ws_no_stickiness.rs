//! Sessions that begin with polling, over servers that do not know each other's.

use std::collections::HashSet;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, edit, examples};

use super::{groups, paths};

pub static RULE: Rule = Rule {
    id: "WS114",
    name: "ws-no-stickiness",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "requests of one polling session are spread over several servers",
    why: "Socket.IO, SockJS and SignalR begin with several HTTP requests that belong together. Spread over \
          servers, the second one comes to a server that has never heard of the session: 400, again and \
          again.",
    mend: Mend::Unsafe,
    examples: examples!("ws-no-stickiness"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    for pass in site.passes() {
        let Some(location) = pass.block.location().filter(|location| paths::is_polling_first(*location))
        else {
            continue;
        };
        let Some(upstream) = pass.upstream().filter(|upstream| upstream.is_known()) else { continue };
        let (Some(head), Some(name), Some(group)) = (location.head(), location.name(), upstream.directive())
        else {
            continue;
        };
        let servers = groups::spread(upstream);
        if servers < 2 || groups::is_sticky(upstream) || !seen.insert(group.id) {
            continue;
        }
        let authority = pass.authority().as_bstr();
        let message = format!(
            "upstream \"{authority}\" has {servers} servers and no stickiness, but {} is a polling-first protocol: \
             requests of one session reach different servers",
            name.name.as_bstr()
        );
        let finding = rule
            .finding(head, message)
            .also(group.head(), "requests take turns here")
            .help(format!("add a line to upstream \"{authority}\": \"sticky cookie srv;\" or \"ip_hash;\""));
        found.push(
            match edit::first_in(site.tree, group, "ip_hash;").filter(|_| groups::takes_ip_hash(upstream)) {
                Some(edit) => {
                    let title = "keep a client on one server by its address".to_owned();
                    finding.fix(Fix { title, safe: false, edits: vec![edit] })
                }
                None => finding,
            },
        );
    }
}
