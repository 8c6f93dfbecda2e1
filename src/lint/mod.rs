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

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

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
    let asked: Vec<(&Rule, Level)> = RULES.iter().map(|rule| (*rule, selection.level(rule))).collect();
    let asked: Vec<_> = asked.into_iter().filter(|(_, level)| *level != Level::Off).collect();
    let mut all = Vec::new();
    for ((rule, level), mut found) in asked.iter().copied().zip(ask(&site, &asked)) {
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

/// From how many blocks on rules are asked by several threads, and by how many at most.
const MANY_BLOCKS: usize = 2_000;
const MOST_THREADS: usize = 8;

/// What each rule finds. Rules only look, so those of a large configuration are asked beside each other.
fn ask(site: &Site<'_>, rules: &[(&Rule, Level)]) -> Vec<Vec<Diagnostic>> {
    let found_by = |rule: &Rule| {
        let mut found = Vec::new();
        (rule.check)(rule, site, &mut found);
        found
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    if processors == 1 || site.blocks().nth(MANY_BLOCKS).is_none() {
        return rules.iter().map(|(rule, _)| found_by(rule)).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let turns = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let turns = turns.map_while(|turn| Some((turn, rules.get(turn)?)));
        turns.map(|(turn, (rule, _))| (turn, found_by(rule))).collect::<Vec<_>>()
    };
    let mut found: Vec<(usize, Vec<Diagnostic>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        let joined =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.flatten().collect()
    });
    found.sort_by_key(|(turn, _)| *turn);
    found.into_iter().map(|(_, found)| found).collect()
}
