//! A tree and the mistakes found in it, as text to compare.

use std::fmt::Write;
use std::path::Path;

use bstr::ByteSlice;
use wsproxy::cli::dump::dump;
use wsproxy::diagnostics::Severity;
use wsproxy::diagnostics::text::{render, render_all};
use wsproxy::directive::{Catalogue, Context};
use wsproxy::features::Options;
use wsproxy::layout::{Refused, layout};
use wsproxy::lint::{self, Selection};
use wsproxy::model;
use wsproxy::source::{Disk, Span};
use wsproxy::syntax::{Body, Directive, NodeId, Quote, Reader, Tree, Word, understand};

/// Reads a file as `check` does, but for what its directives mean.
pub fn tree_and_mistakes(path: &Path) -> String {
    let folder = path.parent().unwrap();
    let (tree, mistakes) = Reader::new(folder, &Disk).hints(&Catalogue).file(path).read();
    let mut text = String::new();
    for (name, span, comment) in comments(&tree) {
        writeln!(text, "{} comment {name}{comment}", place(&tree, span)).unwrap();
    }
    directives(&tree, tree.roots(), 0, &mut text);
    for mistake in &mistakes {
        writeln!(text, "\n{}", render(mistake, &tree.sources, false).trim_end()).unwrap();
    }
    text
}

/// What there is to say about a whole configuration, in the order of its files.
pub fn told(path: &Path) -> String {
    let folder = path.parent().unwrap();
    let options = Options {
        prefix: folder.into(),
        conf_prefix: folder.into(),
        context: Context::MAIN,
        fragment: false,
    };
    let reader = Reader::new(folder, &Disk).hints(&Catalogue).file(path);
    let (tree, model, mut found) = understand(&reader, |tree| model::read(tree, &Disk, &options));
    let rules = lint::findings(&tree, &model, &options, &found, &Selection::default());
    found.retain(|found| found.severity >= Severity::Warning);
    found.extend(rules);
    found.sort_by_key(|found| (found.span().file, found.span().start));
    found.iter().map(|found| format!("{}\n\n", render(found, &tree.sources, false).trim_end())).collect()
}

/// A file as `fmt` writes it, or why it does not.
pub fn laid_out(path: &Path) -> String {
    let text = std::fs::read(path).unwrap();
    match layout(&path.to_string_lossy(), text, &Catalogue) {
        Ok(text) => String::from_utf8(text).unwrap(),
        Err(Refused { sources, found }) => render_all(&found, &sources, false),
    }
}

/// What `dump` prints of a file, with line breaks.
pub fn dumped(path: &Path) -> String {
    let folder = path.parent().unwrap();
    let (tree, found) = Reader::new(folder, &Disk).hints(&Catalogue).file(path).read();
    let json: serde_json::Value = serde_json::from_str(&dump(&tree, &found)).unwrap();
    serde_json::to_string_pretty(&json).unwrap() + "\n"
}

/// Comments that are addressed to wsproxy.
fn comments(tree: &Tree) -> impl Iterator<Item = (&'static str, Span, String)> {
    use wsproxy::syntax::Note;
    tree.comments.iter().filter_map(|comment| match comment.note(&tree.sources)? {
        Note::Allow { rules, reason } => {
            let rules: Vec<_> = rules.iter().map(|rule| rule.to_str_lossy()).collect();
            Some(("allow ", comment.span, format!("{rules:?} because {:?}", reason.as_bstr())))
        }
        Note::Directives(_) => None,
    })
}

fn directives(tree: &Tree, items: &[NodeId], depth: usize, text: &mut String) {
    for id in items {
        let directive = tree.get(*id);
        writeln!(
            text,
            "{}{:indent$} {}",
            place(tree, directive.span),
            "",
            line(tree, directive),
            indent = depth * 2
        )
        .unwrap();
        directives(tree, directive.items(), depth + 1, text);
    }
}

fn line(tree: &Tree, directive: &Directive) -> String {
    let words = std::iter::once(&directive.name).chain(&directive.args);
    let mut line = words.map(word).collect::<Vec<_>>().join(" ");
    match &directive.body {
        Body::None => {}
        Body::Block { open, close, .. } => {
            write!(line, " {{ {} – {}", place(tree, *open), place(tree, *close)).unwrap()
        }
        Body::Included(_) => line.push_str(" includes"),
        Body::Lua(code) => write!(line, " Lua {:?}", tree.sources.bytes(*code).as_bstr()).unwrap(),
    }
    if directive.from_comment {
        line.push_str(" (in a comment)");
    }
    line
}

fn word(word: &Word) -> String {
    let shown: String = word.value.chars().take(60).collect();
    let shown = if word.value.chars().count() > 60 { format!("{shown}…") } else { shown };
    match word.quote {
        None => format!("‹{}›", shown.escape_debug()),
        Some(Quote::Single) => format!("'{}'", shown.escape_debug()),
        Some(Quote::Double) => format!("\"{}\"", shown.escape_debug()),
    }
}

/// `file:line:column`, without the file where it is the first one.
fn place(tree: &Tree, span: Span) -> String {
    let (line, column) = (tree.sources.line(span), tree.sources.column(span));
    let (first, _) = tree.sources.iter().next().unwrap();
    match span.file == first {
        true => format!("{line}:{column}"),
        false => format!("{}:{line}:{column}", tree.sources.get(span.file).name),
    }
}
