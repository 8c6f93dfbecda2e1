//! What wsproxy has to say about a configuration, and how it is printed.
//!
//! Knows files and spans, not directives. A [`Diagnostic`] is made where the trouble is seen and
//! gathered in order; each [`Form`] prints a list of them, `mend` makes their fixes.

use bstr::ByteSlice;

use crate::source::{FileId, Sources, Span};

mod baseline;
pub mod checkstyle;
mod codes;
mod fingerprint;
mod form;
pub mod github;
pub mod gitlab;
pub mod json;
pub mod mend;
mod names;
pub mod sarif;
mod summary;
pub mod text;

pub use baseline::{Baseline, Gone};
pub use form::{Form, RuleFacts, Rules};
pub use names::Names;
pub use summary::Summary;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    Warning,
    Error,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// What besides the text a finding depends on, so that a command can decide how much it weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DependsOn {
    /// The text alone: the finding holds on every machine.
    #[default]
    Text,
    /// Files or users of the machine that reads: certificates, password files, `user`.
    Machine,
    /// Names that have to resolve.
    Resolver,
}

/// One finding. Its message begins as nginx's does where nginx has one; labels, notes and help say
/// what nginx does not.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    pub severity: Severity,
    pub depends_on: DependsOn,
    /// What kind of finding it is, in kebab-case: `unknown-directive`.
    pub code: &'static str,
    pub message: String,
    /// The first is the word that is wrong; the others show what it has to do with.
    pub labels: Vec<Label>,
    /// Facts worth knowing.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Vec<String>,
    pub fix: Option<Fix>,
}

/// A span and what there is to say about it; the text may be empty.
#[derive(Clone, Debug)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// A change to the text that would mend a finding.
#[derive(Clone, Debug)]
pub struct Fix {
    pub title: String,
    /// Whether the meaning is sure to be the one that was wanted.
    pub safe: bool,
    pub edits: Vec<Edit>,
}

/// Puts `text` in the place of `span`.
#[derive(Clone, Debug)]
pub struct Edit {
    pub span: Span,
    pub text: String,
}

/// A line and a column for people and for other programs, both counted from 1, the column in
/// characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

impl Position {
    /// Where the byte at `offset` stands. A byte that is no text counts as one character.
    pub fn of(sources: &Sources, file: FileId, offset: u32) -> Position {
        let text = &sources.get(file).text;
        let line = text.line(offset);
        let start = text.line_starts()[line as usize - 1] as usize;
        let end = (offset as usize).min(text.bytes.len());
        Position { line, column: text.bytes[start..end].chars().count() as u32 + 1 }
    }
}

impl Diagnostic {
    pub fn new(severity: Severity, code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity,
            depends_on: DependsOn::Text,
            code,
            message: message.into(),
            labels: vec![Label { span, text: String::new() }],
            notes: Vec::new(),
            help: Vec::new(),
            fix: None,
        }
    }

    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Error, code, span, message)
    }

    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Warning, code, span, message)
    }

    pub fn info(code: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(Severity::Info, code, span, message)
    }

    /// Says something at the place of the finding itself.
    pub fn here(mut self, text: impl Into<String>) -> Diagnostic {
        self.labels[0].text = text.into();
        self
    }

    /// Shows another place that has to do with it.
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }

    pub fn fix(mut self, fix: Fix) -> Diagnostic {
        self.fix = Some(fix);
        self
    }

    pub fn depends_on(mut self, what: DependsOn) -> Diagnostic {
        self.depends_on = what;
        self
    }

    /// Where the finding stands.
    pub fn span(&self) -> Span {
        self.labels[0].span
    }
}
