//! Findings as an editor shows them.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use lsp_types::{
    Diagnostic as Shown, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag, Location,
    NumberOrString, Position, PublishDiagnosticsParams, Range, Uri,
};
use serde_json::json;

use super::documents::Documents;
use super::positions::Lines;
use super::settings::Settings;
use super::workspace::Looked;
use crate::diagnostics::{Diagnostic, Severity};
use crate::features::NOT_SERVED;
use crate::lint;
use crate::source::{FileId, Sources, Span};

/// Who says so.
pub const SOURCE: &str = "wsproxy";

/// What is shown of files, by their URIs.
pub type Published = BTreeMap<String, PublishDiagnosticsParams>;

/// Turns spans of one configuration into places that the client knows.
pub struct Places<'a> {
    sources: &'a Sources,
    documents: &'a Documents,
    settings: &'a Settings,
    lines: HashMap<FileId, Lines<'a>>,
    uris: HashMap<FileId, Option<Uri>>,
}

impl<'a> Places<'a> {
    pub fn new(sources: &'a Sources, documents: &'a Documents, settings: &'a Settings) -> Places<'a> {
        Places { sources, documents, settings, lines: HashMap::new(), uris: HashMap::new() }
    }

    pub fn range(&mut self, span: Span) -> Range {
        let (sources, encoding) = (self.sources, self.settings.encoding);
        let lines = || Lines::new(&sources.get(span.file).text.bytes, encoding);
        self.lines.entry(span.file).or_insert_with(lines).range(span.start, span.end)
    }

    pub fn uri(&mut self, file: FileId) -> Option<Uri> {
        let (sources, documents) = (self.sources, self.documents);
        self.uris.entry(file).or_insert_with(|| documents.uri(&sources.get(file).path)).clone()
    }

    pub fn location(&mut self, span: Span) -> Option<Location> {
        Some(Location { uri: self.uri(span.file)?, range: self.range(span) })
    }
}

/// What there is to show of each file that there is anything to show of, and of each open text.
pub fn published(looked: &[Rc<Looked>], documents: &Documents, settings: &Settings) -> Published {
    let mut all = Published::new();
    for (_, document) in documents.iter() {
        let shown = if document.is_too_large() { vec![too_large()] } else { Vec::new() };
        let published = PublishDiagnosticsParams::new(document.uri.clone(), shown, Some(document.version));
        all.insert(document.uri.as_str().to_owned(), published);
    }
    for one in looked {
        let mut places = Places::new(&one.seen.tree.sources, documents, settings);
        for finding in one.seen.found.iter().filter(|finding| settings.is_told(finding)) {
            let Some(uri) = places.uri(finding.span().file) else { continue };
            let shown = show(finding, &mut places);
            let file = all
                .entry(uri.as_str().to_owned())
                .or_insert_with(|| PublishDiagnosticsParams::new(uri, Vec::new(), None));
            // A file that several configurations include has the findings of each, once.
            if !file.diagnostics.contains(&shown) {
                file.diagnostics.push(shown);
            }
        }
    }
    all
}

impl Settings {
    /// Whether somebody wants to hear of a finding.
    pub fn is_told(&self, finding: &Diagnostic) -> bool {
        self.not_served || finding.code != NOT_SERVED
    }
}

/// A finding as a client shows it.
pub fn show(finding: &Diagnostic, places: &mut Places) -> Shown {
    let related = if places.settings.related { related(finding, places) } else { Vec::new() };
    Shown {
        range: places.range(finding.span()),
        severity: Some(severity(finding)),
        code: Some(NumberOrString::String(finding.code.to_owned())),
        source: Some(SOURCE.to_owned()),
        message: message(finding),
        related_information: (!related.is_empty()).then_some(related),
        tags: tag(finding).filter(|_| places.settings.tags).map(|tag| vec![tag]),
        data: lint::find(finding.code).map(|rule| json!({ "rule": rule.id })),
        ..Shown::default()
    }
}

fn severity(finding: &Diagnostic) -> DiagnosticSeverity {
    match finding.severity {
        Severity::Error => DiagnosticSeverity::ERROR,
        Severity::Warning => DiagnosticSeverity::WARNING,
        Severity::Info if finding.code == NOT_SERVED => DiagnosticSeverity::HINT,
        Severity::Info => DiagnosticSeverity::INFORMATION,
    }
}

/// The message and what else there is to say.
fn message(finding: &Diagnostic) -> String {
    let mut text = finding.message.clone();
    let here = &finding.labels[0].text;
    if !here.is_empty() {
        text = format!("{text}: {here}");
    }
    for (word, lines) in [("note", &finding.notes), ("help", &finding.help)] {
        for line in lines {
            text.push_str(&format!("\n{word}: {line}"));
        }
    }
    text
}

fn related(finding: &Diagnostic, places: &mut Places) -> Vec<DiagnosticRelatedInformation> {
    let others = finding.labels[1..].iter().filter(|label| !label.text.is_empty());
    let related = others.filter_map(|label| {
        let location = places.location(label.span)?;
        Some(DiagnosticRelatedInformation { location, message: label.text.clone() })
    });
    related.collect()
}

/// How the words themselves are shown: faded where they do nothing, struck out where they are of the past.
fn tag(finding: &Diagnostic) -> Option<DiagnosticTag> {
    const WITHOUT_EFFECT: [&str; 3] = ["no-effect", "unused-allow", "ws-timeout-directive-without-effect"];
    match finding.code {
        "deprecated" | "listen-http2" => Some(DiagnosticTag::DEPRECATED),
        code if WITHOUT_EFFECT.contains(&code) => Some(DiagnosticTag::UNNECESSARY),
        _ => None,
    }
}

fn too_large() -> Shown {
    Shown {
        range: Range { start: Position::new(0, 0), end: Position::new(0, 0) },
        severity: Some(DiagnosticSeverity::INFORMATION),
        source: Some(SOURCE.to_owned()),
        message: "this text is too large to be looked at while it is open: wsproxy check does".to_owned(),
        ..Shown::default()
    }
}
