//! Groups that a pattern does not have.

use std::collections::HashSet;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::regex::compiled;
use crate::lint::site::{Block, Operator, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::source::Span;
use crate::syntax::{Directive, NodeId, Word};

use super::matched::matched;

pub static RULE: Rule = Rule {
    id: "SEC314",
    name: "capture-missing",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "$1 to $9 of a group that the pattern does not have",
    why: "A group that is not there is empty: requests go to a shorter path than was meant, often to that of the \
          directory above, and nobody is told.",
    mend: Mend::None,
    examples: examples!("capture-missing"),
    check,
};

/// Directives whose arguments may have groups in them; what they say is looked up in the block they stand in.
const USERS: [&str; 16] = [
    "rewrite",
    "return",
    "set",
    "proxy_pass",
    "fastcgi_pass",
    "uwsgi_pass",
    "scgi_pass",
    "grpc_pass",
    "alias",
    "root",
    "try_files",
    "add_header",
    "proxy_set_header",
    "fastcgi_param",
    "error_page",
    "access_log",
];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let places = Context::SERVER.or(Context::LOCATION).or(Context::IF_SERVER).or(Context::IF_LOCATION);
    let patterns = Compared::of(site);
    for (block, directive) in site.all(&USERS).filter(|(block, _)| places.meets(block.context())) {
        let texts = directive.args.iter().skip(usize::from(directive.is("rewrite")));
        let used: Vec<(&Word, usize)> = texts.filter_map(|word| Some((word, highest(word)?))).collect();
        let Some((word, number)) = used.into_iter().max_by_key(|(_, number)| *number) else { continue };
        let Some(matched) = matched(block, directive) else {
            if !patterns.may_match_before(block) {
                let message = format!("${number} is always empty: no pattern is compared before it");
                let help = "have the location or an \"if\" match a pattern with a group, or leave it out";
                found.push(rule.finding(word.span, message).help(help));
            }
            continue;
        };
        let Some(groups) = compiled(matched.pattern, matched.caseless).map(|pattern| pattern.groups()) else {
            continue;
        };
        if number > groups {
            found.push(finding(rule, word, number, groups, matched.pattern, matched.word.span));
        }
    }
    for map in site.all(&["map"]).map(|(_, map)| map) {
        rows(rule, site, map, found);
    }
}

/// Where patterns are compared, whose groups go on through the whole of a request.
struct Compared {
    servers: HashSet<NodeId>,
    /// A `map` may be asked from anywhere.
    everywhere: bool,
}

impl Compared {
    fn of(site: &Site<'_>) -> Compared {
        let is_pattern = |key: &Word| key.value.starts_with(b"~");
        let mut maps = site.all(&["map"]).map(|(_, map)| map);
        let everywhere = maps.any(|map| site.rows(map).any(|(key, _)| is_pattern(key)));
        let compares = |block: &Block<'_>| {
            let is_location = block.name().is_some_and(|name| name.modifier.is_pattern());
            let is_if = block.condition().is_some_and(|one| matches!(one.operator, Operator::Matches { .. }));
            let names = block.own("server_name").iter().flat_map(|line| &line.args);
            is_location || is_if || block.has("rewrite") || names.into_iter().any(is_pattern)
        };
        let servers = site.blocks().filter(compares).filter_map(Block::server);
        Compared { servers: servers.filter_map(|server| Some(server.directive()?.id)).collect(), everywhere }
    }

    /// Whether a pattern may have been compared when a request comes to a block; it may where not all is seen.
    fn may_match_before(&self, block: Block<'_>) -> bool {
        let server = block.server().and_then(|server| server.directive());
        self.everywhere
            || !block.is_known()
            || block.site.root().context() != Context::MAIN
            || server.is_none_or(|server| self.servers.contains(&server.id))
    }
}

fn rows(rule: &Rule, site: &Site<'_>, map: &Directive, found: &mut Vec<Diagnostic>) {
    for (key, value) in site.rows(map) {
        let (Some(pattern), Some(number)) = (key.value.strip_prefix(b"~"), highest(value)) else { continue };
        let caseless = pattern.strip_prefix(b"*");
        let pattern = compiled(caseless.unwrap_or(pattern), caseless.is_some());
        if let Some(groups) = pattern.map(|pattern| pattern.groups()).filter(|groups| number > *groups) {
            found.push(finding(rule, value, number, groups, &key.value, key.span));
        }
    }
}

fn finding(
    rule: &Rule,
    word: &Word,
    number: usize,
    groups: usize,
    pattern: &[u8],
    place: Span,
) -> Diagnostic {
    let has = match groups {
        0 => "has no groups".to_owned(),
        1 => "has only one group".to_owned(),
        _ => format!("has only {groups} groups"),
    };
    let message = format!("${number} is always empty: the pattern \"{}\" {has}", pattern.to_str_lossy());
    rule.finding(word.span, message)
        .also(place, "the pattern that was compared last")
        .help("put parentheses around what is to be taken over, or leave it out")
}

/// The highest number of a group in a text.
fn highest(word: &Word) -> Option<usize> {
    let numbers = pieces(&word.value).into_iter().filter_map(|piece| match piece {
        Piece::Capture(number) => Some(usize::from(number)),
        _ => None,
    });
    numbers.max()
}
