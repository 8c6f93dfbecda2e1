//! `# wsproxy: allow(rule, …) reason`: findings that somebody has seen and wants so.
//!
//! At the end of a line it is about that line, and about the block that opens there. On a line of its own it is about
//! what comes next: at the head of a file about the file, at the head of a block about the block, else about the
//! directive that follows. What is included within is meant too.

use std::collections::BTreeMap;

use bstr::ByteSlice;

use crate::diagnostics::Diagnostic;
use crate::directive::catalogue::distance;
use crate::source::{FileId, Span};
use crate::syntax::{Body, Comment, Directive, Note, Tree};

use super::rule::{Level, Rule, Selection};
use super::{RULES, find};

/// Codes of findings about exemptions.
const UNUSED: &str = "unused-allow";
const UNKNOWN: &str = "unknown-rule";

/// Every exemption of a configuration.
pub struct Allows<'a> {
    tree: &'a Tree,
    all: Vec<Allow<'a>>,
}

/// One rule in one exemption.
struct Allow<'a> {
    /// As written.
    name: &'a [u8],
    rule: Option<&'static Rule>,
    /// Where the name stands.
    span: Span,
    /// What it is about; several where a line has the ends of several directives.
    about: Vec<Span>,
    used: bool,
}

impl<'a> Allows<'a> {
    pub fn of(tree: &'a Tree) -> Allows<'a> {
        let mut written = BTreeMap::<FileId, Vec<&Comment>>::new();
        for comment in &tree.comments {
            if matches!(comment.note(&tree.sources), Some(Note::Allow { .. })) {
                written.entry(comment.span.file).or_default().push(comment);
            }
        }
        let mut all = Vec::new();
        for (file, comments) in written {
            let directives = of_file(tree, file);
            for comment in comments {
                let Some(Note::Allow { rules, .. }) = comment.note(&tree.sources) else { continue };
                let about = about(tree, &directives, comment.span);
                let text = tree.sources.bytes(comment.span);
                let mut at = text.find_byte(b'(').unwrap_or(0);
                let allow = |name: &'a [u8]| {
                    at += text[at..].find(name).unwrap_or(0);
                    let from = comment.span.start + at as u32;
                    at += name.len();
                    Allow {
                        name,
                        rule: name.to_str().ok().and_then(find),
                        span: Span { start: from, end: from + name.len() as u32, ..comment.span },
                        about: about.clone(),
                        used: false,
                    }
                };
                all.extend(rules.into_iter().map(allow));
            }
        }
        Allows { tree, all }
    }

    /// Takes away what is allowed of a rule's findings.
    pub fn silence(&mut self, rule: &Rule, found: &mut Vec<Diagnostic>) {
        if self.all.is_empty() {
            return;
        }
        let sources = &self.tree.sources;
        found.retain(|finding| {
            let places: Vec<Span> =
                std::iter::once(finding.span()).chain(sources.include_chain(finding.span())).collect();
            let mut allowed = false;
            let of_it = |allow: &&mut Allow| allow.rule.is_some_and(|named| named.name == rule.name);
            for allow in self.all.iter_mut().filter(of_it) {
                if places.iter().any(|place| allow.about.iter().any(|about| covers(*about, *place))) {
                    allow.used = true;
                    allowed = true;
                }
            }
            !allowed
        });
    }

    /// Findings about exemptions that name no rule, or (where everything could be looked at) exempt nothing.
    pub fn told(self, selection: &Selection, complete: bool) -> Vec<Diagnostic> {
        let mut said = BTreeMap::<(std::sync::Arc<str>, u32), (bool, &Allow)>::new();
        for allow in &self.all {
            let name = self.tree.sources.get(allow.span.file).name.clone();
            // One of several readings of a file is enough.
            let told = said.entry((name, allow.span.start)).or_insert((false, allow));
            told.0 |= allow.used;
        }
        let told = said.into_values().filter_map(|(used, allow)| match allow.rule {
            None => Some(unknown(allow)),
            Some(_) if used || !complete => None,
            Some(rule) if selection.level(rule) == Level::Off => None,
            Some(rule) => Some(
                Diagnostic::warning(
                    UNUSED,
                    allow.span,
                    format!("nothing is found here that \"{}\" would allow", rule.name),
                )
                .help("take the exemption away, so that it does not hide what comes later"),
            ),
        });
        told.collect()
    }
}

fn unknown(allow: &Allow) -> Diagnostic {
    let name = allow.name.to_str_lossy();
    let finding = Diagnostic::warning(UNKNOWN, allow.span, format!("there is no rule \"{name}\""));
    match nearest(&name) {
        Some(known) => finding.help(format!("did you mean \"{known}\"?")),
        None => finding.help("\"wsproxy rules\" lists the rules; what nginx refuses cannot be allowed"),
    }
}

/// The rule whose name was most likely meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let apart = (name.len() / 3).min(4);
    let known = RULES.iter().filter_map(|rule| Some((distance(name, rule.name, apart)?, rule.name)));
    known.min().map(|(_, known)| known)
}

/// What stands in a file, at any depth, in the order in which it is written.
fn of_file(tree: &Tree, file: FileId) -> Vec<&Directive> {
    let mut waiting: Vec<_> = tree.roots().to_vec();
    let mut found = Vec::new();
    while let Some(id) = waiting.pop() {
        let directive = tree.get(id);
        if directive.span.file == file {
            found.push(directive);
        }
        waiting.extend(directive.items());
    }
    found.sort_by_key(|directive| directive.span.start);
    found
}

/// What an exemption is about: places in its file, whose `directives` are in order.
fn about(tree: &Tree, directives: &[&Directive], comment: Span) -> Vec<Span> {
    let behind = directives.partition_point(|directive| directive.span.start < comment.start);
    let (earlier, later) = directives.split_at(behind);
    if let Some(broken) = earlier.last().filter(|last| covers(words(last), comment)) {
        return vec![broken.span];
    }
    let text = &tree.sources.get(comment.file).text;
    let from = text.line_starts()[text.line(comment.start) as usize - 1];
    let line = Span { start: from, end: comment.start, ..comment };
    if !text.bytes[from as usize..comment.start as usize].trim_ascii().is_empty() {
        return on_line(earlier, line);
    }
    let inner = |directive: &Directive| match &directive.body {
        Body::Block { open, .. } => covers(Span { start: open.end, ..directive.span }, comment),
        _ => false,
    };
    let outwards = |directive: &&'_ Directive| own_block(tree, directive, comment.file);
    let around = std::iter::successors(earlier.last().copied(), outwards).find(|block| inner(block));
    let is_first = match around {
        Some(block) => block.items().first().is_none_or(|first| comment.start < tree.get(*first).span.start),
        None => earlier.is_empty(),
    };
    let next = later.first().filter(|next| around.is_none_or(|block| covers(block.span, next.span)));
    match (is_first, around) {
        (true, Some(block)) => vec![block.span],
        (true, None) => vec![Span { start: 0, end: text.bytes.len() as u32, ..comment }],
        (false, _) => next.map(|directive| directive.span).into_iter().collect(),
    }
}

/// What an exemption at the end of a line is about: the line, what ends there and the blocks that open there.
fn on_line(earlier: &[&Directive], line: Span) -> Vec<Span> {
    let is_about = |directive: &&&Directive| match &directive.body {
        Body::Block { open, .. } => covers(line, *open),
        _ => covers(line, Span { start: directive.span.end - 1, ..directive.span }),
    };
    // One may have begun on a line before.
    let from = earlier.partition_point(|directive| directive.span.start < line.start).saturating_sub(1);
    let about = earlier[from..].iter().filter(is_about).map(|directive| directive.span);
    std::iter::once(line).chain(about).collect()
}

/// A directive from its name to its `;` or `{`.
fn words(directive: &Directive) -> Span {
    match &directive.body {
        Body::Block { open, .. } => Span { end: open.end, ..directive.span },
        Body::Lua(text) => Span { end: text.start, ..directive.span },
        Body::None | Body::Included(_) => directive.span,
    }
}

/// The block that a directive stands in, if it is in this file.
fn own_block<'a>(tree: &'a Tree, directive: &Directive, file: FileId) -> Option<&'a Directive> {
    let parent = tree.get(directive.parent?);
    (parent.span.file == file && matches!(parent.body, Body::Block { .. })).then_some(parent)
}

fn covers(around: Span, place: Span) -> bool {
    around.file == place.file && around.start <= place.start && place.start < around.end.max(around.start + 1)
}
