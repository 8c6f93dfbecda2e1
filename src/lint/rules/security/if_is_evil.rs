//! What an `if` in a location takes away from it.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Operator, PASSES, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::Directive;

use super::add_header_lost;

pub static RULE: Rule = Rule {
    id: "SEC312",
    name: "if-is-evil",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "an if in a location loses what the location says",
    why: "An if in a location is a location of its own: where its condition holds, the request goes on in it and not in \
          the one around it. Most is inherited, also proxy_pass and what belongs to it; but try_files is not, an \
          add_header there replaces those around it, and of several ifs that hold the last one alone counts. An if \
          that answers or goes elsewhere (return, rewrite … last) does no harm.",
    mend: Mend::None,
    examples: examples!("if-is-evil"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in site.locations() {
        let ifs: Vec<Block<'_>> = location
            .children()
            .filter(|child| child.context() == Context::IF_LOCATION && !leaves(*child))
            .collect();
        if ifs.is_empty() {
            continue;
        }
        skips_try_files(rule, location, &ifs, found);
        replaces_headers(rule, &ifs, found);
        undoes_another(rule, &ifs, found);
    }
}

/// Whether requests that an `if` holds for do not stay in it.
fn leaves(block: Block<'_>) -> bool {
    let goes_elsewhere = |line: &&Directive| match line.args.get(2) {
        Some(flag) => flag.value != "break",
        None => line.args.get(1).is_some_and(|to| {
            to.value.starts_with(b"http://")
                || to.value.starts_with(b"https://")
                || to.value.starts_with(b"$scheme")
        }),
    };
    let always = |line: &&Directive| {
        let pattern = line.args.first().map_or(&b""[..], |word| &word.value[..]);
        matches!(
            pattern,
            b"^" | b"^(.*)"
                | b"^(.*)$"
                | b"^.*$"
                | b".*"
                | b"(.*)"
                | b"^/(.*)$"
                | b"^/(.*)"
                | b"^/.*$"
                | b"^.*"
                | b"^.+$"
                | b"^(.+)$"
                | b"^/"
        )
    };
    block.has("return") || block.own("rewrite").iter().any(|line| goes_elsewhere(line) && always(line))
}

fn skips_try_files(rule: &Rule, location: Block<'_>, ifs: &[Block<'_>], found: &mut Vec<Diagnostic>) {
    let Some(try_files) = location.own_last("try_files") else { return };
    // One that has a handler of its own answers by that.
    let is_lost = |block: &&Block<'_>| !PASSES.iter().any(|name| block.has(name));
    let Some(first) = ifs.iter().find(is_lost) else { return };
    let Some(head) = first.head() else { return };
    let message = format!(
        "where this \"if\" holds, the try_files of {location} is not asked: what it names is not looked for"
    );
    let mut finding = rule.finding(head, message).also(try_files.head(), "it is not inherited by an \"if\"");
    for other in ifs.iter().filter(is_lost).skip(1).filter_map(|block| block.head()) {
        finding = finding.also(other, "nor where this one holds");
    }
    found.push(finding.help("take the \"if\" out of the location: a \"set\" may stand in the server, a choice between values in a \"map\""));
}

fn replaces_headers(rule: &Rule, ifs: &[Block<'_>], found: &mut Vec<Diagnostic>) {
    for block in ifs {
        let Some(first) = block.own("add_header").first() else { continue };
        let Some(outer) = block.parent().and_then(|parent| parent.level("add_header")) else { continue };
        // Those that protect somebody are told by the rule about them.
        if add_header_lost::merges(*block) || !add_header_lost::lost(*block, outer).is_empty() {
            continue;
        }
        let named = |line: &Directive| line.args.first().map(|name| name.value.to_ascii_lowercase());
        let own: Vec<_> = block.own("add_header").iter().filter_map(|line| named(line)).collect();
        let lost: Vec<&Directive> = outer
            .own("add_header")
            .iter()
            .copied()
            .filter(|line| named(line).is_some_and(|name| !own.contains(&name)))
            .collect();
        if lost.is_empty() {
            continue;
        }
        let names: Vec<_> =
            lost.iter().filter_map(|line| line.args.first()).map(|name| name.value.to_str_lossy()).collect();
        let message =
            format!("where this \"if\" holds, its add_header replaces {} of {outer}", names.join(", "));
        let mut finding = rule.finding(first.head(), message);
        for line in lost.iter().take(8) {
            finding = finding.also(line.head(), "lost there");
        }
        found.push(finding.help(
            "give the header a value by \"map\" and add it outside of the \"if\": one whose value is empty is not sent",
        ));
    }
}

/// Settings of two `if`s that may both hold do not add up.
fn undoes_another(rule: &Rule, ifs: &[Block<'_>], found: &mut Vec<Diagnostic>) {
    let pairs =
        ifs.iter().enumerate().flat_map(|(at, block)| ifs[at + 1..].iter().map(move |later| (block, later)));
    let undone = |(block, later): (&Block<'_>, &Block<'_>)| {
        let lost = settings(*block).find(|setting| !is_repeated(setting, *later))?;
        if exclude(*block, *later) {
            return None;
        }
        Some((lost.head(), lost.name.value.to_string(), later.head()?))
    };
    let Some((place, setting, later)) = pairs.filter_map(undone).next() else { return };
    let message = format!("where this \"if\" holds too, \"{setting}\" of the one before it is lost");
    found.push(
        rule.finding(later, message)
            .also(place, "of several that hold, the last one alone counts")
            .help("make one \"if\" of them, or decide by a \"map\" over both"),
    );
}

/// Whether a later `if` says the same thing anew.
fn is_repeated(setting: &Directive, later: Block<'_>) -> bool {
    let lists = setting.is("add_header");
    let same = |other: &Directive| {
        let field = |line: &Directive| line.args.first().map(|name| name.value.to_ascii_lowercase());
        other.name.value == setting.name.value && (!lists || field(other) == field(setting))
    };
    later.items().iter().any(|other| same(other))
}

/// The lines of an `if` that are more than steps of the rewrite module: those run one after another.
fn settings(block: Block<'_>) -> impl Iterator<Item = &Directive> {
    const STEPS: [&str; 6] = ["set", "rewrite", "break", "return", "rewrite_log", "include"];
    block.items().iter().copied().filter(|item| !STEPS.iter().any(|step| item.is(step)))
}

/// Whether two conditions cannot both hold, or it is not plain that they can.
fn exclude(one: Block<'_>, other: Block<'_>) -> bool {
    let (Some(one), Some(other)) = (one.condition(), other.condition()) else { return true };
    if one.subject != other.subject {
        return false;
    }
    // Of two looks at one variable it takes more to know.
    !(one.operator == Operator::Holds && other.operator == Operator::Holds)
}
