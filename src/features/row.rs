//! What a feature is made of: rows, and what their `set` functions are given.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::request::{Pattern, Template, VariableId, Variables};
use crate::source::{Files, Place, Span};
use crate::syntax::{Directive, Tree, Word};

use super::{Written, log::LogFormat};

/// The code of findings about what nginx does and wsproxy does not.
pub const NOT_SERVED: &str = "not-served";

/// A directive we serve, or check beyond what its catalogue row says. Contexts, arity and the form
/// of its arguments are the catalogue's (`grammar/directives.tsv`); by the time `set` is called
/// they hold.
pub struct Row<W: 'static> {
    pub name: &'static str,
    pub doc: &'static str,
    pub set: fn(&mut W, &mut Call),
}

/// An nginx module, or one of ours: its rows and where in a block's [`Written`] they write.
pub struct Feature<W: 'static> {
    pub name: &'static str,
    /// The contexts whose directives these are, where one name means several things.
    pub contexts: Context,
    pub rows: &'static [Row<W>],
    pub at: fn(&mut Written) -> &mut W,
}

/// A [`Feature`] whatever it writes.
pub trait Rows: Sync {
    fn name(&self) -> &'static str;
    fn contexts(&self) -> Context;
    /// The names and documentation of its directives, in the order of its file.
    fn directives(&self) -> Vec<(&'static str, &'static str)>;
    /// Sets the directive if it is one of this feature's; false if it is not.
    fn set(&self, written: &mut Written, call: &mut Call) -> bool;
}

impl<W> Rows for Feature<W> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn contexts(&self) -> Context {
        self.contexts
    }

    fn directives(&self) -> Vec<(&'static str, &'static str)> {
        self.rows.iter().map(|row| (row.name, row.doc)).collect()
    }

    fn set(&self, written: &mut Written, call: &mut Call) -> bool {
        let Some(row) = self.rows.iter().find(|row| call.directive.is(row.name)) else { return false };
        (row.set)((self.at)(written), call);
        true
    }
}

/// A setting that may have to be answered for: its value and the line that gave it, if one did.
#[derive(Clone, Debug, PartialEq)]
pub struct Set<T> {
    pub value: T,
    pub place: Option<Place>,
}

impl<T> Set<T> {
    /// nginx's default, written nowhere.
    pub fn default_of(value: T) -> Set<T> {
        Set { value, place: None }
    }
}

/// How a configuration is being read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where relative paths of logs, roots and the like begin: `-p`.
    pub prefix: PathBuf,
    /// Where relative includes and certificates begin: the configuration file's folder.
    pub conf_prefix: PathBuf,
    /// Where the text begins: `main` for a whole configuration.
    pub context: Context,
    /// The text is part of a configuration we do not see: what it refers to may stand elsewhere.
    pub fragment: bool,
}

/// One call of a row's `set`: the directive, and the configuration that is being built.
pub struct Call<'a, 'b> {
    pub tree: &'a Tree,
    pub directive: &'a Directive,
    pub context: Context,
    pub build: &'b mut Build<'a>,
}

/// What a configuration has said so far, and what there is to say about it.
pub struct Build<'a> {
    pub files: &'a dyn Files,
    pub options: &'a Options,
    pub diagnostics: Vec<Diagnostic>,
    pub variables: Variables,
    /// Where each variable was mentioned, for those that turn out to be unknown.
    pub mentions: Vec<(VariableId, Span)>,
    pub log_formats: HashMap<Vec<u8>, Arc<LogFormat>>,
    /// The blocks `upstream NAME`, by name, and the references to groups by name.
    pub upstreams: super::upstream::Declared,
    /// The blocks `match`, by name.
    pub matches: super::health::Matches,
    /// Shared memory zones: who declared them, how, and who refers to them.
    pub zones: super::zones::Zones,
    /// Those of them that limits count in.
    pub limit_conn: super::limit_conn::Zones,
    pub limit_req: super::limit_req::Zones,
}

impl<'a> Call<'a, '_> {
    pub fn args(&self) -> &'a [Word] {
        &self.directive.args
    }

    /// The bytes of an argument; empty where it is missing.
    pub fn arg(&self, at: usize) -> &'a [u8] {
        self.directive.args.get(at).map_or(b"", |word| &word.value[..])
    }

    pub fn text(&self, at: usize) -> String {
        String::from_utf8_lossy(self.arg(at)).into_owned()
    }

    /// The span of an argument, or of the name where it is missing.
    pub fn span(&self, at: usize) -> Span {
        self.directive.args.get(at).unwrap_or(&self.directive.name).span
    }

    pub fn place(&self) -> Place {
        self.tree.sources.place(self.directive.span)
    }

    pub fn name(&self) -> String {
        self.directive.name.value.to_string()
    }

    pub fn say(&mut self, diagnostic: Diagnostic) {
        self.build.diagnostics.push(diagnostic);
    }

    /// Says that an argument is wrong.
    pub fn error(&mut self, at: usize, code: &'static str, message: impl Into<String>) {
        let span = self.span(at);
        self.say(Diagnostic::error(code, span, message));
    }

    pub fn warning(&mut self, at: usize, code: &'static str, message: impl Into<String>) {
        let span = self.span(at);
        self.say(Diagnostic::warning(code, span, message));
    }

    /// Says that nginx would do something here that wsproxy does not do yet.
    pub fn not_served(&mut self, at: usize, what: &str) {
        let span = self.span(at);
        self.say(Diagnostic::info(NOT_SERVED, span, format!("{what} is not served by wsproxy")));
    }

    /// An argument that the catalogue says is a time; zero where it is not, which was said.
    pub fn time(&self, at: usize) -> Duration {
        values::time(self.arg(at)).unwrap_or_default()
    }

    /// A time and the place it was set at.
    pub fn set_time(&self, at: usize) -> Set<Duration> {
        Set { value: self.time(at), place: Some(self.place()) }
    }

    pub fn size(&self, at: usize) -> u64 {
        values::offset(self.arg(at)).unwrap_or_default()
    }

    pub fn number(&self, at: usize) -> u64 {
        values::number(self.arg(at)).unwrap_or_default()
    }

    pub fn flag(&self, at: usize) -> bool {
        self.arg(at).eq_ignore_ascii_case(b"on")
    }

    /// A flag and the place it was set at.
    pub fn set_flag(&self, at: usize) -> Set<bool> {
        Set { value: self.flag(at), place: Some(self.place()) }
    }

    /// An argument with variables in it; what is wrong with it is said, and it is empty then.
    pub fn template(&mut self, at: usize) -> Template {
        let Some(word) = self.directive.args.get(at) else { return Template::default() };
        self.template_of(&word.value, word.span, 0)
    }

    /// The same for `text`, which stands `skip` bytes into the word at `span`.
    pub fn template_of(&mut self, text: &[u8], span: Span, skip: usize) -> Template {
        let sources = &self.tree.sources;
        let raw = sources.bytes(span);
        let mentions = &mut self.build.mentions;
        let read = Template::read(text, &mut self.build.variables, |id, range| {
            let written = &text[range.clone()];
            // Quotes and escapes move what follows them: look for the name where it is written.
            let from = (range.start + skip).min(raw.len());
            let found = raw[from..].windows(written.len()).position(|window| window == written);
            let span = found.map_or(span, |at| {
                let start = span.start + (from + at) as u32;
                Span { file: span.file, start, end: start + written.len() as u32 }
            });
            mentions.push((id, span));
        });
        read.unwrap_or_else(|error| {
            self.say(Diagnostic::error("invalid-variable", span, error.to_string()));
            Template::default()
        })
    }

    /// A regular expression; what is wrong with it is said as nginx says it.
    pub fn pattern(&mut self, text: &[u8], caseless: bool, span: Span) -> Option<Pattern> {
        match Pattern::new(text, caseless, &mut self.build.variables) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let shown = String::from_utf8_lossy(text);
                let message = format!("pcre2_compile() failed: {} in \"{shown}\"", error.message);
                let message = match error.offset {
                    Some(offset) if offset < text.len() => {
                        format!("{message} at \"{}\"", String::from_utf8_lossy(&text[offset..]))
                    }
                    _ => message,
                };
                self.say(Diagnostic::error("invalid-regex", span, message));
                None
            }
        }
    }

    /// A path under the prefix, as nginx resolves the paths of logs, roots and the like.
    pub fn prefixed(&self, path: &[u8]) -> PathBuf {
        self.build.options.prefix.join(Path::new(OsStr::from_bytes(path)))
    }

    /// A path with variables: what does not begin with `/` or a variable is under the prefix.
    pub fn prefixed_template(&mut self, at: usize) -> Template {
        self.template_under(&self.build.options.prefix, at)
    }

    /// The same under the configuration file's folder, as nginx resolves the paths of keys and of passwords.
    pub fn conf_prefixed_template(&mut self, at: usize) -> Template {
        self.template_under(&self.build.options.conf_prefix, at)
    }

    fn template_under(&mut self, prefix: &Path, at: usize) -> Template {
        let path = self.arg(at);
        let span = self.span(at);
        if path.starts_with(b"$") {
            return self.template(at);
        }
        let path = prefix.join(Path::new(OsStr::from_bytes(path))).into_os_string().into_vec();
        self.template_of(&path, span, 0)
    }
}
