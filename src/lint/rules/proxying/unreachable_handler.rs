//! Answers that nobody gets because another one comes first.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Modifier, PASSES, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;
use crate::syntax::Directive;

use super::places::{listed, shown};

pub static RULE: Rule = Rule {
    id: "PX211",
    name: "unreachable-handler",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "a return answers every request before what else would have",
    why: "return belongs to the rewrite module, which comes first, wherever it is written: before access rules, files \
          and upstreams, and in a server before any location is looked for. A location for a certificate's challenge \
          beside \"return 301\" in the server is never asked. It does not matter if the rest is only kept for later.",
    mend: Mend::None,
    examples: examples!("unreachable-handler"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in site.locations() {
        let handlers = handlers(location);
        if handlers.is_empty() {
            continue;
        }
        let Some(line) = unconditional(location) else { continue };
        let names: Vec<String> = handlers.iter().map(|line| line.name.value.to_string()).collect();
        let is = if handlers.len() == 1 { "is" } else { "are" };
        let message =
            format!("return here answers every request: {} in {location} {is} never reached", listed(&names));
        let spans: Vec<Span> = handlers.iter().map(|line| line.span).collect();
        found.push(shown(rule.finding(line.span, message), &spans, "never reached").help(HELP));
    }
    for server in site.servers() {
        let Some(line) = unconditional(server) else { continue };
        let locations: Vec<Span> =
            server.children().filter(|block| is_closed(*block)).filter_map(Block::head).collect();
        if !locations.is_empty() {
            let message =
                format!("return here answers every request: no location of {server} is ever reached");
            let finding = shown(rule.finding(line.span, message), &locations, "never reached");
            found.push(finding.help("put it into a location of its own: \"location / { return … }\""));
        }
    }
}

const HELP: &str =
    "take out one of them, or say when to return: \"if ($request_method = OPTIONS) { return 204; }\"";

/// A location into which requests only come by their path: named ones are reached from error_page.
fn is_closed(block: Block<'_>) -> bool {
    block.name().is_some_and(|name| name.modifier != Modifier::Named)
}

/// What would have answered in a location. A root may be there for the locations inside, for error pages and for
/// variables.
fn handlers(location: Block<'_>) -> Vec<&Directive> {
    let answers = PASSES.iter().chain(&["try_files", "stub_status", "empty_gif"]);
    let mut all: Vec<&Directive> = answers.filter_map(|name| location.own_last(name)).collect();
    let is_bare = location.children().next().is_none() && !location.has("error_page");
    if is_bare
        && !location.items().iter().any(|line| line.args.iter().any(|word| word.value.contains_str("_root")))
    {
        all.extend(["root", "alias"].iter().filter_map(|name| location.own_last(name)));
    }
    all
}

/// The `return` of a block that every request comes to: nothing before it can end the rewriting and stay here.
fn unconditional(block: Block<'_>) -> Option<&Directive> {
    let is_server = block.context() == Context::SERVER;
    for line in block.items().iter().copied() {
        if line.is("return") {
            return Some(line);
        }
        let inner = block.site.block(line).filter(|_| line.is("if"));
        let stays = |line: &Directive| line.is("break") || (line.is("rewrite") && leaves(line, is_server));
        if stays(line) || inner.is_some_and(|inner| inner.items().iter().any(|line| stays(line))) {
            return None;
        }
        if line.name.value.find("_by_lua").is_some() {
            return None;
        }
    }
    None
}

/// Whether what a rewrite matches does not come to the lines behind it, and may come to a handler of this block: `last`
/// in a server goes on to its locations.
fn leaves(rewrite: &Directive, is_server: bool) -> bool {
    rewrite.args.get(2).is_some_and(|flag| flag.value == "break" || (is_server && flag.value == "last"))
}
