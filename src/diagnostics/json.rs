//! Prints findings as JSON for other programs; `docs/check.md` describes the shape.

use serde::Serialize;

use crate::diagnostics::{DependsOn, Diagnostic, Edit, Form, Position, RuleFacts, Rules, Summary};
use crate::source::{Sources, Span};

/// The version of the shape; it grows when a member changes its meaning or goes away.
const VERSION: u32 = 1;

/// What is printed: the findings of several configurations.
pub struct Report {
    rules: Rules,
    diagnostics: Vec<Finding>,
}

#[derive(Serialize)]
struct Root<'a> {
    version: u32,
    diagnostics: &'a [Finding],
    summary: Counts,
}

#[derive(Serialize)]
struct Counts {
    errors: usize,
    warnings: usize,
    infos: usize,
    files: usize,
    in_baseline: usize,
}

#[derive(Serialize)]
struct Finding {
    severity: &'static str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<Rule>,
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
struct Rule {
    id: &'static str,
    group: &'static str,
    profile: &'static str,
    docs: String,
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
    pub fn new(rules: Rules) -> Report {
        Report { rules, diagnostics: Vec::new() }
    }
}

impl Form for Report {
    fn add(&mut self, found: &[Diagnostic], sources: &Sources) {
        let rules = self.rules;
        self.diagnostics.extend(found.iter().map(|one| finding(one, sources, rules(one.code))));
    }

    fn render(self: Box<Self>, summary: &Summary) -> String {
        let Summary { errors, warnings, infos, files, in_baseline } = *summary;
        let summary = Counts { errors, warnings, infos, files, in_baseline };
        let root = Root { version: VERSION, diagnostics: &self.diagnostics, summary };
        serde_json::to_string_pretty(&root).expect("strings and numbers can be written") + "\n"
    }
}

fn finding(diagnostic: &Diagnostic, sources: &Sources, rule: Option<RuleFacts>) -> Finding {
    let labels = diagnostic.labels.iter();
    let included = sources.include_chain(diagnostic.span()).map(|span| sources.place(span));
    Finding {
        severity: diagnostic.severity.name(),
        code: diagnostic.code,
        rule: rule.map(|rule| Rule {
            id: rule.id,
            group: rule.group,
            profile: rule.profile,
            docs: rule.docs(),
        }),
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
