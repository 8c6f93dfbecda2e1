//! Prints findings as JSON for other programs; `docs/check.md` describes the shape.

use serde::Serialize;

use crate::diagnostics::text::Summary;
use crate::diagnostics::{DependsOn, Diagnostic, Edit, Position};
use crate::source::{Sources, Span};

/// The version of the shape; it grows when a member changes its meaning or goes away.
const VERSION: u32 = 1;

/// What is printed: the findings of several configurations.
#[derive(Default, Serialize)]
pub struct Report {
    version: u32,
    diagnostics: Vec<Finding>,
    summary: Counts,
}

#[derive(Default, Serialize)]
struct Counts {
    errors: usize,
    warnings: usize,
    files: usize,
}

#[derive(Serialize)]
struct Finding {
    severity: &'static str,
    code: &'static str,
    message: String,
    #[serde(flatten)]
    place: Place,
    depends_on: &'static str,
    labels: Vec<Label>,
    included_from: Vec<Include>,
    notes: Vec<String>,
    help: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<Fix>,
}

#[derive(Serialize)]
struct Place {
    file: String,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    /// Bytes from the start of the file.
    offset: u32,
    length: u32,
}

#[derive(Serialize)]
struct Label {
    #[serde(flatten)]
    place: Place,
    text: String,
}

#[derive(Serialize)]
struct Include {
    file: String,
    line: u32,
}

#[derive(Serialize)]
struct Fix {
    title: String,
    safe: bool,
    edits: Vec<Replacement>,
}

#[derive(Serialize)]
struct Replacement {
    #[serde(flatten)]
    place: Place,
    text: String,
}

impl Report {
    /// Adds the findings of one configuration.
    pub fn add(&mut self, diagnostics: &[Diagnostic], sources: &Sources) {
        self.diagnostics.extend(diagnostics.iter().map(|diagnostic| finding(diagnostic, sources)));
    }

    pub fn render(mut self, summary: Summary) -> String {
        self.version = VERSION;
        self.summary = Counts { errors: summary.errors, warnings: summary.warnings, files: summary.files };
        serde_json::to_string_pretty(&self).expect("strings and numbers can be written") + "\n"
    }
}

fn finding(diagnostic: &Diagnostic, sources: &Sources) -> Finding {
    let labels = diagnostic.labels.iter();
    let included = sources.include_chain(diagnostic.span()).map(|span| sources.place(span));
    Finding {
        severity: diagnostic.severity.name(),
        code: diagnostic.code,
        message: diagnostic.message.clone(),
        place: place(diagnostic.span(), sources),
        depends_on: match diagnostic.depends_on {
            DependsOn::Text => "text",
            DependsOn::Machine => "machine",
            DependsOn::Resolver => "resolver",
        },
        labels: labels
            .map(|label| Label { place: place(label.span, sources), text: label.text.clone() })
            .collect(),
        included_from: included.map(|at| Include { file: at.file.to_string(), line: at.line }).collect(),
        notes: diagnostic.notes.clone(),
        help: diagnostic.help.clone(),
        fix: diagnostic.fix.as_ref().map(|fix| Fix {
            title: fix.title.clone(),
            safe: fix.safe,
            edits: fix.edits.iter().map(|edit| replacement(edit, sources)).collect(),
        }),
    }
}

fn replacement(edit: &Edit, sources: &Sources) -> Replacement {
    Replacement { place: place(edit.span, sources), text: edit.text.clone() }
}

fn place(span: Span, sources: &Sources) -> Place {
    let start = Position::of(sources, span.file, span.start);
    let end = Position::of(sources, span.file, span.end);
    Place {
        file: sources.get(span.file).name.to_string(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        offset: span.start,
        length: span.end - span.start,
    }
}
