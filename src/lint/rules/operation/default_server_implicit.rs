//! Addresses whose default server nobody chose.

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::directive::Context;
use crate::lint::site::{Address, Addresses, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};

pub static RULE: Rule = Rule {
    id: "OPS501",
    name: "default-server-implicit",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "several servers share an address and none of them is default_server",
    why: "For a host that no server names, nginx takes the default server of the address, and where none is marked, the \
          first. With a file for each site that is the first by its file's name: a new site may come to answer for \
          everybody, and the protocols and ciphers of TLS for the address are taken from it too.",
    mend: Mend::Safe,
    examples: examples!("default-server-implicit"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let addresses = Addresses::of(site);
    if !addresses.are_known {
        return;
    }
    let safe = !has_empty_include(site);
    let mut implicit: Vec<&Address<'_>> =
        addresses.all.iter().filter(|address| is_implicit(address)).collect();
    implicit.sort_by_key(|address| address.listens[0].server.head().map(|head| (head.file, head.start)));
    // The addresses of one server are one matter.
    for same in implicit.chunk_by(|one, other| one.listens[0].server == other.listens[0].server) {
        let first = &same[0].listens[0];
        let Some(head) = first.server.head() else { continue };
        let lines: Vec<_> = same.iter().filter_map(|address| address.listens[0].directive).collect();
        let names: Vec<&str> = same.iter().map(|address| &address.name[..]).collect();
        let message = format!(
            "{} servers share {} and none is default_server: {} answers for unknown hosts because it is the first",
            same[0].listens.len(),
            names.join(" and "),
            first.server
        );
        let place = lines.first().map_or(head, |line| line.head());
        let second = same[0].listens[1].directive.map(|line| line.head());
        let finding =
            rule.finding(place, message).help("mark the one that is to: \"listen … default_server;\"");
        let finding = match second {
            Some(second) if second != place => finding.also(second, "another one"),
            _ => finding,
        };
        let edits = lines.iter().map(|line| edit::append(line, "default_server")).collect();
        found.push(match lines.len() == same.len() {
            true => finding.fix(Fix { title: "mark it, so that it stays".to_owned(), safe, edits }),
            false => finding,
        });
    }
}

/// Whether an `include` brings nothing here: where nginx runs it may bring the server that was chosen.
fn has_empty_include(site: &Site<'_>) -> bool {
    site.within(Context::MAIN.or(Context::HTTP))
        .flat_map(|block| block.own("include"))
        .any(|include| include.items().is_empty())
}

/// Whether several servers listen there, and nobody chose among them.
fn is_implicit(address: &Address<'_>) -> bool {
    let first = address.listens[0].server;
    address.listens.iter().any(|listen| listen.server != first)
        && address.listens.iter().all(|listen| !listen.is_default())
}
