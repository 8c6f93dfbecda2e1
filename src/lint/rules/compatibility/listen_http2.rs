//! HTTP/2 as a parameter of `listen`.

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::{Addresses, Listen, Site};
use crate::lint::{Mend, Profile, Rule, Version, edit, examples};

pub static RULE: Rule = Rule {
    id: "CMP701",
    name: "listen-http2",
    severity: Severity::Info,
    profile: Profile::Compat,
    summary: "HTTP/2 is asked for with a parameter of listen, which nginx deprecates since 1.25.1",
    why: "Since 1.25.1 nginx has \"http2 on;\" for a server, and warns of \"listen … http2\" with each start; a later version \
          may refuse it. The parameter holds for all servers of an address, the directive for its server alone.",
    mend: Mend::Safe,
    examples: examples!("listen-http2"),
    check,
};

/// The first version with the directive.
const SINCE: Version = Version(1, 25, 1);

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    if site.target < SINCE {
        return;
    }
    let addresses = Addresses::of(site);
    // A server that says off, or says nothing, has HTTP/2 by the parameter of another one.
    let all_ask = addresses.where_all(|listen| listen.has("http2") || listen.server.is_on("http2", false));
    for server in site.servers() {
        let listens: Vec<Listen<'_>> =
            server.listens().into_iter().filter(|listen| listen.has("http2")).collect();
        let lines: Vec<_> = listens.iter().filter_map(|listen| listen.directive).collect();
        let Some((first, more)) = lines.split_first() else { continue };
        let finding =
            rule.finding(first.head(), "\"listen ... http2\" is deprecated since 1.25.1: use \"http2 on\"");
        let finding = more.iter().fold(finding, |finding, line| finding.also(line.head(), "and here"));
        let safe = addresses.are_known && listens.iter().all(|listen| all_ask.contains(&listen.address[..]));
        let mut edits: Vec<_> = Vec::new();
        for line in &lines {
            let words = line.args.iter().enumerate().filter(|(at, word)| *at > 0 && word.value == "http2");
            edits.extend(words.map(|(at, _)| edit::remove_argument(site.tree, line, at)));
        }
        let is_written = server.in_effect("http2").is_some();
        if !is_written {
            let last = server.own("listen").last().expect("one of them has a parameter");
            edits.push(edit::after(site.tree, last, "http2 on;"));
        }
        let is_off = is_written && !server.is_on("http2", false);
        found.push(match is_off {
            true => finding.help("\"http2 off;\" holds for the server, and the parameter for the address"),
            false => finding.fix(Fix { title: "say it in the server".to_owned(), safe, edits }),
        });
    }
}
