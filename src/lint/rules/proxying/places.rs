//! Findings that are about several places, and where lines are put.

use std::collections::BTreeMap;

use crate::diagnostics::{Diagnostic, Edit};
use crate::lint::site::{Block, Pass, Site};
use crate::lint::{Rule, edit};
use crate::source::Span;
use crate::syntax::{Directive, NodeId};

/// How many places a message shows.
const SHOWN: usize = 5;

/// One finding about places that have one cause: it stands at the first.
pub fn at_all(rule: &Rule, spans: &[Span], message: String, there: &str) -> Option<Diagnostic> {
    let (first, others) = spans.split_first()?;
    let finding = shown(rule.finding(*first, message), others, there);
    Some(finding)
}

/// Shows places, or the first of them and how many more there are.
pub fn shown(mut finding: Diagnostic, spans: &[Span], text: &str) -> Diagnostic {
    for span in spans.iter().take(SHOWN) {
        finding = finding.also(*span, text);
    }
    match spans.len() {
        0..=SHOWN => finding,
        all => finding.note(format!("and {} more places", all - SHOWN)),
    }
}

/// Words as a sentence lists them: `a, b and c`.
pub fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [start @ .., last] => format!("{} and {last}", start.join(", ")),
    }
}

/// Puts a line in a block: behind its last line of the same directive, or behind its proxy_pass, or before all others.
/// What comes from an included file is left alone.
pub fn line_in(block: Block<'_>, name: &str, line: &str) -> Option<Edit> {
    let tree = block.site.tree;
    let written = |directive: &&&Directive| is_written_in(block, directive);
    let kin = block.own(name).iter().rfind(written).or_else(|| block.own("proxy_pass").iter().rfind(written));
    match kin {
        Some(kin) => Some(edit::after(tree, kin, line)),
        None => edit::first_in(tree, block.directive()?, line),
    }
}

/// Puts a line of proxy_set_header beside those that are in effect for a proxy_pass, or where it stands itself: none
/// of them is lost by it.
pub fn header_line(pass: &Pass<'_>, line: &str) -> Option<Edit> {
    let level = pass.block.headers().level.or_else(|| pass.block.location())?;
    line_in(level, "proxy_set_header", line)
}

/// Whether a directive stands in the block's own text, and in no file that is included there.
pub fn is_written_in(block: Block<'_>, directive: &Directive) -> bool {
    directive.parent == block.directive().map(|directive| directive.id)
}

/// Passes that lack a header line for one cause: the level whose lines are in effect for them has none, or no level
/// of their server has any. `websocket_proxy` sets what is asked for by itself.
pub fn without_header<'a>(site: &'a Site<'a>, field: &str) -> Vec<Vec<Pass<'a>>> {
    let mut all: BTreeMap<Option<NodeId>, Vec<Pass<'a>>> = BTreeMap::new();
    let id = |block: Block<'_>| block.directive().map(|directive| directive.id);
    for pass in site.passes().filter(|pass| pass.block.is_known()) {
        let headers = pass.block.headers();
        let is_asked = pass.block.is_on("proxy_pass_request_headers", true)
            && !pass.block.is_on("websocket_proxy", false);
        if headers.get(field).is_none() && is_asked {
            let cause = headers.level.and_then(id).or_else(|| pass.block.server().and_then(id));
            all.entry(cause).or_default().push(pass);
        }
    }
    all.into_values().collect()
}

/// Puts a header line beside those in effect for several passes: once per level.
pub fn header_lines(passes: &[Pass<'_>], line: &str) -> Option<Vec<Edit>> {
    let mut edits: Vec<Edit> = Vec::new();
    for pass in passes {
        let edit = header_line(pass, line)?;
        if !edits.iter().any(|made| made.span == edit.span) {
            edits.push(edit);
        }
    }
    Some(edits)
}
