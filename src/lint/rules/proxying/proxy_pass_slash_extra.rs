//! A slash that comes twice.

use std::collections::HashSet;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::edit;
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::NodeId;

use super::replaced::{Replaced, replaced};

pub static RULE: Rule = Rule {
    id: "PX201",
    name: "proxy-pass-slash-extra",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "the URI of proxy_pass ends in a slash and the location does not: paths get two",
    why: "nginx cuts the location's name off the path, letter by letter, and puts the URI of proxy_pass there. What \
          follows the name begins with a slash already, so the upstream sees two, and most answer 404. It does not \
          matter where nobody asks for more than the name itself.",
    mend: Mend::Unsafe,
    examples: examples!("proxy-pass-slash-extra"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let below = Below::of(site);
    let extra = |one: &Replaced<'_>| {
        !one.name.name.ends_with(b"/") && one.uri.ends_with(b"/") && !one.ends_in_arguments()
    };
    for one in replaced(site).filter(extra).filter(|one| !below.is_taken(one)) {
        let name = one.name.name.to_str_lossy();
        let message = format!(
            "\"{name}\" has no \"/\" at its end, but the URI of proxy_pass has: {name}/x goes to the upstream as \
             {}, and {name}x as {}",
            one.becomes("/x"),
            one.becomes("x"),
        );
        let mut finding = rule
            .finding(one.pass.url.span, message)
            .here("ends in \"/\"")
            .also(one.name.span, "does not")
            .help(format!(
                "let the location end in \"/\" as well: \"{name}/\" (nginx redirects {name} there)"
            ));
        finding.fix = fix(&one);
        found.push(finding);
    }
}

/// Locations by the block they stand in, for what lies below a name.
struct Below<'a>(HashSet<(Option<NodeId>, &'a [u8])>);

impl<'a> Below<'a> {
    fn of(site: &'a Site<'a>) -> Below<'a> {
        let key = |location: Block<'a>| Some((id(location.parent()?), location.name()?.name));
        Below(site.locations().filter_map(key).collect())
    }

    /// Whether another location takes what lies below this one's name: only the name itself is left to it then.
    fn is_taken(&self, one: &Replaced<'_>) -> bool {
        let longer = [one.name.name, b"/"].concat();
        let location = one.pass.block;
        [Some(location), location.parent()].into_iter().flatten().any(|block| {
            let pattern = |inner: Block<'_>| {
                let name = inner.name().filter(|name| name.modifier.is_pattern());
                name.is_some_and(|name| name.name.replace(b"\\", b"").contains_str(&longer))
            };
            self.0.contains(&(id(block), &longer)) || block.children().any(pattern)
        })
    }
}

fn id(block: Block<'_>) -> Option<NodeId> {
    block.directive().map(|directive| directive.id)
}

/// A location in it might lie outside of the longer name: then there is none.
fn fix(one: &Replaced<'_>) -> Option<Fix> {
    let location = one.pass.block;
    let word = location.directive()?.args.last()?;
    let longer = format!("{}/", word.value.to_str().ok()?);
    let is_leaf = location.children().all(|inner| inner.name().is_none());
    is_leaf.then(|| Fix {
        title: "let the location end in \"/\"".to_owned(),
        safe: false,
        edits: vec![edit::replace(word, &longer)],
    })
}
