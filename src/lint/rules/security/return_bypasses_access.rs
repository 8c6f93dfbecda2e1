//! Answers that are given before anybody is asked who they are.

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Modifier, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::Directive;

use super::access;

pub static RULE: Rule = Rule {
    id: "SEC311",
    name: "return-bypasses-access",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "return answers before access rules are asked",
    why: "nginx runs return in its rewrite phase, which comes before the one in which allow, deny, auth_basic and \
          auth_request have their say. So everybody gets the answer. It does not matter where the answer is a refusal.",
    mend: Mend::None,
    examples: examples!("return-bypasses-access"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for block in site.within(Context::LOCATION.or(Context::SERVER)) {
        let Some(answer) = block.own("return").first() else { continue };
        let Some(restriction) = restriction(block) else { continue };
        let Some((status, _)) = access::answer(answer) else { continue };
        // Who only sends people elsewhere keeps nothing back, unless he was told to.
        let is_own = site.block_of(restriction) == Some(block);
        let is_signpost = (300..400).contains(&status) && (!is_own || block.context() == Context::SERVER);
        if status >= 400 || is_signpost || (!is_own && is_inside(block)) {
            continue;
        }
        let message = format!(
            "{block} is open to all: \"return\" answers before \"{}\" is asked",
            restriction.name.value
        );
        found.push(
            rule.finding(answer.head(), message)
                .also(restriction.head(), "this comes too late")
                .help("have a handler that comes after access rules answer: a file (\"root\", \"try_files\") or \"proxy_pass\""),
        );
    }
}

/// What keeps people out of a block, written there or further out.
fn restriction(block: Block<'_>) -> Option<&Directive> {
    let is_set = |line: &&Directive| line.args.first().is_some_and(|word| word.value != "off");
    let denied = access::rules(block).and_then(|level| level.own_last("deny"));
    let password =
        ["auth_basic", "auth_request"].into_iter().find_map(|name| block.own_last(name).filter(is_set));
    denied.or(password)
}

/// Whether clients do not come here by themselves: whoever sends them has asked.
fn is_inside(block: Block<'_>) -> bool {
    let is_named = block.name().is_some_and(|name| name.modifier == Modifier::Named);
    is_named || block.outwards().any(|level| level.has("internal"))
}
