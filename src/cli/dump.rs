//! `wsproxy dump --format json`: the tree in the shape of `crossplane parse`, so that tools built on
//! crossplane can read it.
//!
//! As there, arguments are shown as written but for their quotes, the parentheses of an `if` are left
//! out, comments are not shown (nor what wsproxy reads in them), Lua code is the last argument, and a
//! file that is included often is listed once, where it is included first. Other than there, an error
//! does not leave out the directive or the file in which it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bstr::ByteSlice;
use serde::Serialize;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Catalogue;
use crate::source::{Disk, FileId, Sources, Span};
use crate::syntax::{Body, Directive, NodeId, Quote, Reader, Tree, Word};

/// The arguments of `wsproxy dump`.
#[derive(clap::Args, Debug)]
pub struct Dump {
    /// The configuration file; relative includes begin in its folder
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How the tree is printed
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Json,
}

impl Dump {
    /// Prints the tree; exits with 1 where the text could not be read as one.
    pub fn run(&self) -> ExitCode {
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let reader = Reader::new(folder.unwrap_or(Path::new(".")), &Disk).hints(&Catalogue);
        let (tree, found) = reader.file(&self.file).read();
        let Format::Json = self.format;
        println!("{}", dump(&tree, &found));
        let failed = found.iter().any(|found| found.severity == Severity::Error);
        if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// The JSON text, without a line feed at its end.
pub fn dump(tree: &Tree, found: &[Diagnostic]) -> String {
    let errors: Vec<&Diagnostic> = found.iter().filter(|found| found.severity == Severity::Error).collect();
    let payload = Payload {
        status: status(errors.is_empty()),
        errors: errors.iter().map(|error| told(tree, error, true)).collect(),
        config: Files::new(tree).configs(&errors),
    };
    serde_json::to_string(&payload)
        .unwrap_or_else(|error| unreachable!("strings and numbers are JSON: {error}"))
}

#[derive(Serialize)]
struct Payload<'a> {
    status: &'static str,
    errors: Vec<Told<'a>>,
    config: Vec<Config<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    line: u32,
    error: String,
}

#[derive(Serialize)]
struct Config<'a> {
    file: &'a str,
    status: &'static str,
    errors: Vec<Told<'a>>,
    parsed: Vec<Statement>,
}

#[derive(Serialize)]
struct Statement {
    directive: String,
    line: u32,
    args: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    includes: Option<Vec<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<Vec<Statement>>,
}

fn status(sound: bool) -> &'static str {
    if sound { "ok" } else { "failed" }
}

fn told<'a>(tree: &'a Tree, error: &Diagnostic, with_file: bool) -> Told<'a> {
    let name = &tree.sources.get(error.span().file).name;
    let line = tree.sources.line(error.span());
    let error = format!("{} in {name}:{line}", error.message);
    Told { file: with_file.then_some(&**name), line, error }
}

/// The files of a tree, each once, in the order in which crossplane lists them: those that a file
/// includes behind all that were listed before.
struct Files<'a> {
    tree: &'a Tree,
    /// The outermost directives of each source.
    items: HashMap<FileId, Vec<NodeId>>,
    /// What each `include` reads, by the place of its argument.
    included: HashMap<Span, Vec<FileId>>,
    listed: Vec<FileId>,
    index: HashMap<&'a Path, usize>,
}

impl<'a> Files<'a> {
    fn new(tree: &'a Tree) -> Files<'a> {
        let mut files = Files {
            tree,
            items: HashMap::new(),
            included: HashMap::new(),
            listed: Vec::new(),
            index: HashMap::new(),
        };
        for (id, source) in tree.sources.iter() {
            match source.included_from {
                Some(at) => files.included.entry(at).or_default().push(id),
                None => drop(files.list(id)),
            }
        }
        files.outermost(tree.roots());
        files
    }

    /// Sorts directives that stand in no block of their file by file, and those below them.
    fn outermost(&mut self, roots: &[NodeId]) {
        let mut walk: Vec<(NodeId, bool)> = roots.iter().rev().map(|id| (*id, true)).collect();
        while let Some((id, outermost)) = walk.pop() {
            let directive = self.tree.get(id);
            if outermost {
                self.items.entry(directive.name.span.file).or_default().push(id);
            }
            let includes = matches!(directive.body, Body::Included(_));
            walk.extend(directive.items().iter().rev().map(|id| (*id, includes)));
        }
    }

    /// The place of a source in the list, which it gets if its file has none.
    fn list(&mut self, id: FileId) -> usize {
        let path = &*self.tree.sources.get(id).path;
        let next = self.listed.len();
        let known = match path.as_os_str().is_empty() {
            // Texts that are in no file are all different.
            true => next,
            false => *self.index.entry(path).or_insert(next),
        };
        if known == next {
            self.listed.push(id);
        }
        known
    }

    fn configs(&mut self, errors: &[&Diagnostic]) -> Vec<Config<'a>> {
        let mut configs = Vec::new();
        while let Some(file) = self.listed.get(configs.len()).copied() {
            let source = self.tree.sources.get(file);
            let items = self.items.get(&file).cloned().unwrap_or_default();
            let same = |error: &&&Diagnostic| self.tree.sources.get(error.span().file).name == source.name;
            let errors: Vec<Told> =
                errors.iter().filter(same).map(|error| told(self.tree, error, false)).collect();
            let status = status(errors.is_empty());
            configs.push(Config { file: &source.name, status, errors, parsed: self.statements(&items) });
        }
        configs
    }

    fn statements(&mut self, items: &[NodeId]) -> Vec<Statement> {
        let tree = self.tree;
        let written = items.iter().map(|id| tree.get(*id)).filter(|directive| !directive.from_comment);
        written.map(|directive| self.statement(directive)).collect()
    }

    fn statement(&mut self, directive: &Directive) -> Statement {
        let sources = &self.tree.sources;
        let mut args: Vec<String> = directive.args.iter().map(|word| written(sources, word)).collect();
        if directive.is("if") {
            without_parentheses(&mut args);
        }
        let (mut includes, mut block) = (None, None);
        match &directive.body {
            Body::None => {}
            Body::Block { items, .. } => block = Some(self.statements(items)),
            Body::Included(_) => {
                let read = self.included.get(&directive.args[0].span).cloned().unwrap_or_default();
                includes = Some(read.into_iter().map(|file| self.list(file)).collect());
            }
            Body::Lua(code) => args.push(sources.bytes(*code).to_str_lossy().into_owned()),
        }
        let line = sources.line(directive.name.span);
        Statement { directive: written(sources, &directive.name), line, args, includes, block }
    }
}

/// A word as crossplane shows it: no quotes around it, no backslashes before quotes of their kind;
/// all other escapes as written.
fn written(sources: &Sources, word: &Word) -> String {
    let written = sources.bytes(word.span);
    let Some(quote) = word.quote else { return written.to_str_lossy().into_owned() };
    let mark = Quote::byte(quote);
    let inside = written[1..].strip_suffix(&[mark]).unwrap_or(&written[1..]);
    let mut shown = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter().copied();
    while let Some(byte) = bytes.next() {
        let escaped = if byte == b'\\' { bytes.next() } else { None };
        match escaped {
            Some(escaped) if escaped == mark => shown.push(mark),
            Some(escaped) => shown.extend([byte, escaped]),
            None => shown.push(byte),
        }
    }
    shown.to_str_lossy().into_owned()
}

/// `($a`, `=`, `b)` to `$a`, `=`, `b`.
fn without_parentheses(args: &mut Vec<String>) {
    let Some(last) = args.len().checked_sub(1) else { return };
    if !args[0].starts_with('(') || !args[last].ends_with(')') {
        return;
    }
    args[last].pop();
    if last > 0 || !args[0].is_empty() {
        args[0].remove(0);
    }
    args[0] = args[0].trim_start().into();
    args[last] = args[last].trim_end().into();
    if args[last].is_empty() {
        args.pop();
    }
    if args.first().is_some_and(String::is_empty) {
        args.remove(0);
    }
}
