//! `ssl on`, which is gone.

use std::collections::HashSet;

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::directive::Context;
use crate::lint::site::{Addresses, Block, Listen, Site};
use crate::lint::{Mend, Profile, Rule, Version, edit, examples};
use crate::syntax::Directive;

pub static RULE: Rule = Rule {
    id: "CMP702",
    name: "ssl-on",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "\"ssl on\" asks for TLS in a way that nginx 1.25.1 took out",
    why: "nginx before 1.25.1 warns of the ssl directive, and later ones do not start with it: unknown directive \"ssl\". TLS \
          is asked for on each address, so that one server can speak it on 443 and plain HTTP on 80; \"listen 443 ssl\" is \
          understood by every nginx since 0.7.14.",
    mend: Mend::Safe,
    examples: examples!("ssl-on"),
    check,
};

/// The first version without the directive.
pub const GONE: Version = Version(1, 25, 1);

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    if site.target < GONE {
        return;
    }
    let addresses = Addresses::of(site);
    let all_tls = addresses
        .where_all(|listen| listen.has("ssl") || listen.has("quic") || listen.server.is_on("ssl", false));
    let places = Context::HTTP.or(Context::SERVER);
    for (block, line) in site.all(&["ssl"]).filter(|(block, _)| places.meets(block.context())) {
        if line.args.first().is_some_and(|word| word.value == "off") {
            let edits = vec![edit::remove(site.tree, line)];
            found.push(
                rule.finding(
                    line.head(),
                    "\"ssl off\" was removed in 1.25.1: without \"listen ... ssl\" there is no TLS",
                )
                .fix(Fix { title: "take the line out".to_owned(), safe: true, edits }),
            );
            continue;
        }
        let finding = rule.finding(line.head(), "\"ssl on\" was removed in 1.25.1: use \"listen ... ssl\"");
        let listens = match block.context() {
            Context::SERVER => block.listens(),
            _ => Vec::new(),
        };
        let plain: Vec<&Directive> = listens
            .iter()
            .filter(|listen| !listen.has("ssl"))
            .filter_map(|listen| listen.directive)
            .collect();
        let finding =
            plain.iter().fold(finding, |finding, listen| finding.also(listen.head(), "this is to say ssl"));
        found.push(match fix(site, &all_tls, block, line, &listens) {
            Some(fix) => finding.fix(fix),
            None => finding.help("\"listen 443 ssl;\" in each server that is to speak TLS"),
        });
    }
}

/// Says `ssl` where the server listens, and takes the line out.
fn fix(
    site: &Site<'_>,
    all_tls: &HashSet<&str>,
    server: Block<'_>,
    line: &Directive,
    listens: &[Listen<'_>],
) -> Option<Fix> {
    let lines: Option<Vec<&Directive>> = listens.iter().map(|listen| listen.directive).collect();
    let lines = lines.filter(|lines| !lines.is_empty())?;
    let mut edits: Vec<Edit> = listens
        .iter()
        .zip(&lines)
        .filter(|(listen, _)| !listen.has("ssl") && !listen.has("quic"))
        .map(|(_, line)| edit::append(line, "ssl"))
        .collect();
    edits.push(edit::remove(site.tree, line));
    // On port 80 the line did harm, and a neighbour that does not speak TLS would come to.
    let is_sure =
        |listen: &Listen<'_>| !listen.address.ends_with(":80") && all_tls.contains(&listen.address[..]);
    let safe = server.is_known() && listens.iter().filter(|listen| !listen.has("ssl")).all(is_sure);
    Some(Fix { title: "say it where the server listens".to_owned(), safe, edits })
}
