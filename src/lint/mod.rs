//! Rules: what nginx takes without a word and people come to regret.
//!
//! A rule looks at what a configuration means, so that it is silent where a line two levels up has seen to it, and
//! loud where a deeper line threw that away. It is a file in `rules`, and a line in [`RULES`]. What it looks at is a
//! [`Site`]: every block with what is in effect in it, whether wsproxy serves it or not. What nginx refuses is no
//! rule's matter.

mod aged;
mod allow;
pub mod choice;
pub mod edit;
mod included;
pub mod mend;
pub mod pages;
pub mod regex;
mod rule;
mod rules;
pub mod site;

use crate::diagnostics::{Diagnostic, RuleFacts, Severity};
use crate::features::Options;
use crate::model::Model;
use crate::syntax::Tree;

pub use aged::aged;
use allow::Allows;
pub use allow::nearest;
use included::Included;
pub use rule::{Examples, Group, Level, Mend, Profile, Rule, Selection, Version};
pub use rules::RULES;
use site::Site;

/// The examples of a rule, from its folder of fixtures.
macro_rules! examples {
    ($name:literal) => {
        $crate::lint::Examples {
            bad: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/rules/", $name, "/bad.conf")),
            good: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/rules/", $name, "/good.conf")),
        }
    };
}
use examples;

/// The rule of this name or id.
pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.name == name || rule.id.eq_ignore_ascii_case(name))
}

/// What reports tell of the rule whose findings have this code.
pub fn facts(code: &str) -> Option<RuleFacts> {
    let rule = RULES.iter().copied().find(|rule| rule.name == code)?;
    Some(RuleFacts {
        id: rule.id,
        name: rule.name,
        group: rule.group().title(),
        severity: rule.severity,
        profile: rule.profile.name(),
        unasked: rule.profile == Profile::Default,
        security: matches!(rule.group(), Group::Security | Group::Tls | Group::Vulnerabilities),
        summary: rule.summary,
        why: rule.why,
        bad: rule.examples.bad,
        good: rule.examples.good,
    })
}

/// Asks every rule that is selected, for what nobody has allowed; the first finding of each says why it matters. In
/// file order.
///
/// `mistakes` are those that were found already: where somebody wrote what nginx does not know, it is not known
/// what the lines around it were to mean, and rules are silent about that block and what is in it.
pub fn findings(
    tree: &Tree,
    model: &Model,
    options: &Options,
    mistakes: &[Diagnostic],
    selection: &Selection,
) -> Vec<Diagnostic> {
    let site = Site::new(tree, model, options, mistakes, selection.target);
    let muddled = site.muddled(mistakes);
    let included = Included::of(&tree.sources);
    let mut allows = Allows::of(tree);
    let mut all = Vec::new();
    for rule in RULES.iter().copied() {
        let level = selection.level(rule);
        if level == Level::Off {
            continue;
        }
        let mut found = Vec::new();
        (rule.check)(rule, &site, &mut found);
        found.retain(|finding| !muddled.has(finding.span()));
        allows.silence(rule, &mut found);
        included.beware(&mut found);
        let mut found = included.once(found);
        if let Some(first) = found.first_mut() {
            first.notes.push(rule.why.to_owned());
        }
        if let Level::As(severity) = level {
            found.iter_mut().for_each(|finding| finding.severity = severity);
        }
        all.extend(found);
    }
    // What a part of a configuration leaves unsaid is found where the rest is seen.
    let complete = !options.fragment && mistakes.iter().all(|mistake| mistake.severity < Severity::Error);
    all.extend(allows.told(selection, complete));
    all.sort_by_key(|finding| (finding.span().file, finding.span().start));
    all
}
