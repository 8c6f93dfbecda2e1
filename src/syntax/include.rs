//! Files to a [`Tree`]: reads them, follows `include`, and puts statements where they belong.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::blocks::{self, MAX_DEPTH};
use super::comments::{self, Note};
use super::doubts::Doubts;
use super::statements::{self, From, Known, Statement, Statements, What};
use super::words::{self, Kind, Token};
use super::{Body, Comment, Directive, Hints, NoHints, NodeId, Tree, Word};
use crate::diagnostics::Diagnostic;
use crate::source::{FileId, Files, Source, Span, Text};

/// How many files may include one another in a chain.
pub const MAX_INCLUDES: usize = 100;

/// How many bytes may be read in all, a file counting as often as it is included. What includes
/// itself twice by a detour would grow for ever.
pub const MAX_BYTES: u64 = 256 << 20;

/// Texts to be read into one tree, one behind the other.
///
/// `include` is resolved against `conf_prefix`, the directory of the main configuration file.
#[derive(Clone)]
pub struct Reader<'a> {
    files: &'a dyn Files,
    conf_prefix: &'a Path,
    hints: &'a dyn Hints,
    /// What to be suspicious of, by the name of the source.
    doubts: HashMap<Arc<str>, Doubts>,
    roots: Vec<Root>,
}

#[derive(Clone)]
enum Root {
    File(PathBuf),
    Text(Arc<str>, Vec<u8>),
    CommandLine(Vec<u8>),
}

/// Reads a configuration file and all that it includes.
pub fn load(path: &Path, conf_prefix: &Path, files: &dyn Files) -> (Tree, Vec<Diagnostic>) {
    Reader::new(conf_prefix, files).file(path).read()
}

/// Reads a text that is in no file, and all that it includes.
pub fn load_text(
    name: &str,
    bytes: Vec<u8>,
    conf_prefix: &Path,
    files: &dyn Files,
) -> (Tree, Vec<Diagnostic>) {
    Reader::new(conf_prefix, files).text(name, bytes).read()
}

impl<'a> Reader<'a> {
    pub fn new(conf_prefix: &'a Path, files: &'a dyn Files) -> Reader<'a> {
        Reader { files, conf_prefix, hints: &NoHints, doubts: HashMap::new(), roots: Vec::new() }
    }

    /// Lets somebody who knows directives help to find what was meant where a text is wrong.
    pub fn hints(self, hints: &'a dyn Hints) -> Reader<'a> {
        Reader { hints, ..self }
    }

    /// A file.
    pub fn file(mut self, path: &Path) -> Reader<'a> {
        self.roots.push(Root::File(path.into()));
        self
    }

    /// A text that is in no file: what came from standard input, or out of an editor.
    pub fn text(mut self, name: &str, bytes: Vec<u8>) -> Reader<'a> {
        self.roots.push(Root::Text(name.into(), bytes));
        self
    }

    /// The text of a `-g` option: words of any length, no blocks.
    pub fn command_line(mut self, bytes: Vec<u8>) -> Reader<'a> {
        self.roots.push(Root::CommandLine(bytes));
        self
    }

    /// Has these places looked at more closely.
    pub(super) fn doubting(&self, doubts: HashMap<Arc<str>, Doubts>) -> Reader<'a> {
        Reader { doubts, ..self.clone() }
    }

    pub fn read(&self) -> (Tree, Vec<Diagnostic>) {
        let mut reading = Reading {
            given: self,
            tree: Tree::default(),
            diagnostics: Vec::new(),
            known: HashMap::new(),
            bytes: 0,
            told_too_much: false,
        };
        for root in &self.roots {
            match root {
                Root::File(path) => reading.file(path),
                Root::Text(name, bytes) => reading.text(name, bytes, From::File),
                Root::CommandLine(bytes) => reading.text("command line", bytes, From::CommandLine),
            }
        }
        (reading.tree, reading.diagnostics)
    }
}

/// What was read so far.
struct Reading<'a> {
    given: &'a Reader<'a>,
    tree: Tree,
    diagnostics: Vec<Diagnostic>,
    /// Files that were read, so that one that is included often is cut once.
    known: HashMap<PathBuf, Rc<Cut>>,
    bytes: u64,
    told_too_much: bool,
}

/// A text and its statements.
struct Cut {
    text: Arc<Text>,
    statements: Statements,
}

impl Reading<'_> {
    fn file(&mut self, path: &Path) {
        let id = self.tree.sources.add(Source {
            name: path.to_string_lossy().into(),
            path: path.into(),
            text: Arc::default(),
            included_from: None,
        });
        match self.given.files.read(path) {
            Ok(bytes) => self.root(id, bytes, From::File),
            Err(error) => {
                self.diagnostics.push(cannot_read(Span { file: id, start: 0, end: 0 }, path, &error))
            }
        }
    }

    fn text(&mut self, name: &str, bytes: &[u8], from: From) {
        let source =
            Source { name: name.into(), path: PathBuf::new(), text: Arc::default(), included_from: None };
        let id = self.tree.sources.add(source);
        self.root(id, bytes.to_vec(), from);
    }

    fn root(&mut self, id: FileId, bytes: Vec<u8>, from: From) {
        let Some(cut) = self.cut(id, bytes, from, None) else { return };
        let items = self.place(&cut, id, None, 0);
        self.tree.roots.extend(items);
    }

    /// Cuts a text into statements, says what is wrong with it, and makes it the text of a source.
    fn cut(&mut self, id: FileId, bytes: Vec<u8>, from: From, outer: Option<&[u8]>) -> Option<Rc<Cut>> {
        if bytes.len() as u64 > MAX_BYTES {
            self.too_much(Span { file: id, start: 0, end: 0 });
            return None;
        }
        let text = Arc::new(Text::new(bytes));
        self.tree.sources.set_text(id, text.clone());
        let told = self.diagnostics.len();
        let doubts = self.given.doubts.get(&self.tree.sources.get(id).name);
        let known = Known { outer, hints: self.given.hints, doubts };
        let mut statements = statements::cut(&text, id, from, known, &mut self.diagnostics);
        blocks::pair(&text, id, known, &mut statements, &mut self.diagnostics);
        self.diagnostics[told..].sort_by_key(|found| found.span().start);
        Some(Rc::new(Cut { text, statements }))
    }

    /// Adds the directives of a text behind one another, in `parent`, `depth` blocks deep.
    fn place(&mut self, cut: &Cut, file: FileId, parent: Option<NodeId>, depth: usize) -> Vec<NodeId> {
        self.bytes += cut.text.bytes.len() as u64;
        let mut placing = Placing { cut, file, open: vec![Open { id: parent, items: Vec::new() }] };
        for statement in &cut.statements.list {
            let here = depth + placing.open.len();
            match statement.what {
                What::Comment => self.comment(&mut placing, statement),
                What::Close => self.close(&mut placing, statement),
                What::Open if here > MAX_DEPTH => {
                    self.diagnostics.push(blocks::too_deep(placing.span(statement)));
                    break;
                }
                What::Simple | What::Open | What::Lua => self.directive(&mut placing, statement, here),
            }
        }
        while placing.open.len() > 1 {
            let end = cut.text.bytes.len() as u32;
            self.close(&mut placing, &Statement { what: What::Close, words: 0..0, end: end..end });
        }
        placing.open.pop().map(|outermost| outermost.items).unwrap_or_default()
    }

    fn directive(&mut self, placing: &mut Placing, statement: &Statement, depth: usize) {
        let Some((name, args)) = placing.cut.statements.words(statement).split_first() else {
            // A brace without a name: what stands behind it stays where it is.
            let id = placing.open.last().and_then(|open| open.id);
            return placing.open.push(Open { id, items: Vec::new() });
        };
        let end = placing.span_of(statement.end.start, statement.end.end);
        let body = match statement.what {
            What::Lua => {
                Body::Lua(placing.span_of(end.start + 1, end.end.saturating_sub(1).max(end.start + 1)))
            }
            What::Open => Body::Block { open: end, close: end.after(), items: Vec::new() },
            _ => Body::None,
        };
        let id = self.add(placing, *name, args, end, body, false);
        match statement.what {
            What::Open => placing.open.push(Open { id: Some(id), items: Vec::new() }),
            What::Simple if self.tree.get(id).is("include") && args.len() == 1 => self.include(id, depth),
            _ => {}
        }
    }

    fn add(
        &mut self,
        placing: &mut Placing,
        name: Token,
        args: &[Token],
        end: Span,
        body: Body,
        from_comment: bool,
    ) -> NodeId {
        let id = NodeId(self.tree.nodes.len() as u32);
        let name = placing.word(name);
        let Some(open) = placing.open.last_mut() else { unreachable!("the outermost level is never closed") };
        open.items.push(id);
        let parent = open.id;
        let args = args.iter().map(|arg| placing.word(*arg)).collect();
        let span = name.span.to(end);
        self.tree.nodes.push(Directive { id, parent, name, args, body, span, from_comment });
        id
    }

    fn close(&mut self, placing: &mut Placing, statement: &Statement) {
        if placing.open.len() == 1 {
            return;
        }
        let Some(Open { id, items: inside }) = placing.open.pop() else { return };
        let Some(outer) = placing.open.last_mut() else { return };
        if outer.id == id {
            return outer.items.extend(inside);
        }
        let Some(id) = id else { return };
        let directive = &mut self.tree.nodes[id.0 as usize];
        if let Body::Block { close, items, .. } = &mut directive.body {
            *items = inside;
            *close = placing.span(statement);
            directive.span.end = close.end;
        }
    }

    fn comment(&mut self, placing: &mut Placing, statement: &Statement) {
        let bytes = &placing.cut.text.bytes;
        let (start, end) = (statement.end.start, statement.end.end);
        let written = &bytes[start as usize..end as usize];
        let written = written.strip_suffix(b"\r").unwrap_or(written);
        let end = start + written.len() as u32;
        let span = placing.span_of(start, end);
        self.tree.comments.push(Comment { span });
        let Some(Note::Directives(from)) = comments::note(written) else { return };
        let Some(read) = comments::directives(bytes, start + from, end) else {
            return self.diagnostics.push(unread(span));
        };
        for (words, semicolon) in read {
            let end = placing.span_of(semicolon.start, semicolon.end);
            self.add(placing, words[0], &words[1..], end, Body::None, true);
        }
    }

    /// `include`, as `ngx_conf_include` has it: a pattern may name nothing, a plain name must name a file.
    fn include(&mut self, id: NodeId, depth: usize) {
        let directive = self.tree.get(id);
        let at = directive.args[0].span;
        let name = directive.args[0].value.clone();
        let path = self.given.conf_prefix.join(OsStr::from_bytes(&name));
        let block = self.tree.block_of(id).map(|block| self.tree.get(block).name.value.clone());
        // `geo` opens what is named, stars and all. (`ngx_http_geo_include`)
        let literal = block.as_ref().is_some_and(|block| block == "geo");
        let pattern =
            !literal && path.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
        let paths = match pattern {
            false => Ok(vec![path.clone()]),
            true => self.given.files.glob(&path),
        };
        let mut items = Vec::new();
        match paths {
            Ok(paths) => {
                for path in paths {
                    items.extend(self.include_one(
                        id,
                        at,
                        &path,
                        block.as_ref().map(|block| &block[..]),
                        depth,
                    ));
                }
            }
            Err(error) => {
                let message = format!("glob() \"{}\" failed ({error})", path.display());
                self.diagnostics.push(Diagnostic::error("cannot-include", at, message));
            }
        }
        self.tree.nodes[id.0 as usize].body = Body::Included(items);
    }

    fn include_one(
        &mut self,
        id: NodeId,
        at: Span,
        path: &Path,
        block: Option<&[u8]>,
        depth: usize,
    ) -> Vec<NodeId> {
        if let Some(refused) = self.refuse_include(at, path) {
            self.diagnostics.push(refused);
            return Vec::new();
        }
        if self.bytes > MAX_BYTES {
            self.too_much(at);
            return Vec::new();
        }
        let known = self.known.get(path).cloned();
        let bytes = match &known {
            Some(_) => Ok(Vec::new()),
            None => self.given.files.read(path),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                self.diagnostics.push(cannot_read(at, path, &error));
                return Vec::new();
            }
        };
        let file = self.tree.sources.add(Source {
            name: path.to_string_lossy().into(),
            path: path.into(),
            text: known.as_ref().map(|cut| cut.text.clone()).unwrap_or_default(),
            included_from: Some(at),
        });
        let Some(cut) = known.or_else(|| self.cut(file, bytes, From::Included, block)) else {
            return Vec::new();
        };
        self.known.entry(path.into()).or_insert_with(|| cut.clone());
        self.place(&cut, file, Some(id), depth)
    }

    /// Why a file cannot be included where it stands in its own chain of includes.
    fn refuse_include(&self, at: Span, path: &Path) -> Option<Diagnostic> {
        let sources = &self.tree.sources;
        let chain: Vec<Span> = std::iter::once(at).chain(sources.include_chain(at)).collect();
        if let Some(from) = chain.iter().copied().find(|from| sources.get(from.file).path == path) {
            let message = format!("\"{}\" includes itself", path.display());
            let found = Diagnostic::error("include-cycle", at, message)
                .here("reading this file again would never end")
                .note("nginx follows it until it runs out of open files, or trips over something else");
            return Some(if from == at { found } else { found.also(from, "which leads here") });
        }
        (chain.len() > MAX_INCLUDES).then(|| {
            let message = format!("more than {MAX_INCLUDES} files include one another in a chain");
            Diagnostic::error("include-too-deep", at, message).here("this file is not read")
        })
    }

    fn too_much(&mut self, at: Span) {
        if !std::mem::replace(&mut self.told_too_much, true) {
            let message = format!("the configuration has more than {} MiB", MAX_BYTES >> 20);
            let found = Diagnostic::error("too-much", at, message).here("nothing is read from here on");
            self.diagnostics.push(found.note("a file counts as often as it is included"));
        }
    }
}

/// The blocks that are open while statements are placed.
struct Placing<'a> {
    cut: &'a Cut,
    file: FileId,
    open: Vec<Open>,
}

struct Open {
    id: Option<NodeId>,
    items: Vec<NodeId>,
}

impl Placing<'_> {
    fn word(&self, token: Token) -> Word {
        let quote = match token.kind {
            Kind::Word(quote) => quote,
            Kind::OpenQuote(quote) => Some(quote),
            _ => None,
        };
        let written = &self.cut.text.bytes[token.start as usize..token.end as usize];
        Word { value: words::meaning(written, quote), span: self.span_of(token.start, token.end), quote }
    }

    fn span(&self, statement: &Statement) -> Span {
        self.span_of(statement.end.start, statement.end.end)
    }

    fn span_of(&self, start: u32, end: u32) -> Span {
        Span { file: self.file, start, end }
    }
}

fn cannot_read(at: Span, path: &Path, error: &io::Error) -> Diagnostic {
    let path = path.display();
    let because = match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::NotFound, _) => "2: No such file or directory".into(),
        (io::ErrorKind::IsADirectory, _) => "21: Is a directory".into(),
        (io::ErrorKind::PermissionDenied, _) => "13: Permission denied".into(),
        (_, Some(number)) => format!("{number}: {error}"),
        (_, None) => error.to_string(),
    };
    let call = if error.kind() == io::ErrorKind::IsADirectory { "pread" } else { "open" };
    let found = Diagnostic::error("cannot-read", at, format!("{call}() \"{path}\" failed ({because})"));
    match error.kind() {
        io::ErrorKind::IsADirectory => {
            found.help(format!("to include the files in it, write \"{path}/*.conf\""))
        }
        io::ErrorKind::NotFound if at.start != at.end => {
            found.note("a relative name is looked for beside the main configuration file")
        }
        _ => found,
    }
}

fn unread(comment: Span) -> Diagnostic {
    Diagnostic::warning(
        "unread-comment",
        comment,
        "this comment is addressed to wsproxy, but says nothing it can read",
    )
    .help("write simple directives, each with its \";\": # wsproxy: websocket_ping_interval 20s;")
}
