//! Prints findings as SARIF 2.1.0, which code scanning services read.
//!
//! Columns count Unicode code points (`columnKind`), file names are relative to the current
//! directory where they lie in it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::diagnostics::{Diagnostic, Edit, Position, Severity};
use crate::source::{FileId, Sources, Span};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// A log with one run; add the findings of each configuration, then render it.
pub struct Log {
    directory: PathBuf,
    results: Vec<Result>,
    /// Every code that was found, in the order of the first.
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Root<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    column_kind: &'static str,
    results: &'a [Result],
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
struct Driver<'a> {
    name: &'static str,
    version: &'static str,
    rules: &'a [Rule],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Text,
    default_configuration: Configuration,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Result {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: [Location; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<Fix>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    start_column: u32,
    end_line: u32,
    end_column: u32,
    byte_offset: u32,
    byte_length: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fix {
    description: Text,
    artifact_changes: Vec<ArtifactChange>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactChange {
    artifact_location: ArtifactLocation,
    replacements: Vec<Replacement>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replacement {
    deleted_region: Region,
    inserted_content: Text,
}

impl Log {
    /// A log whose file names are relative to `directory`, an absolute path.
    pub fn new(directory: PathBuf) -> Log {
        Log { directory, results: Vec::new(), rules: Vec::new() }
    }

    /// Adds the findings of one configuration.
    pub fn add(&mut self, diagnostics: &[Diagnostic], sources: &Sources) {
        for diagnostic in diagnostics {
            let rule_index = self.rule(diagnostic);
            let result = self.result(diagnostic, rule_index, sources);
            self.results.push(result);
        }
    }

    pub fn render(&self) -> String {
        let driver = Driver { name: "wsproxy", version: env!("CARGO_PKG_VERSION"), rules: &self.rules };
        let run = Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results: &self.results };
        let root = Root { schema: SCHEMA, version: "2.1.0", runs: [run] };
        serde_json::to_string_pretty(&root).expect("strings and numbers can be written") + "\n"
    }

    fn rule(&mut self, diagnostic: &Diagnostic) -> usize {
        if let Some(index) = self.rules.iter().position(|rule| rule.id == diagnostic.code) {
            return index;
        }
        self.rules.push(Rule {
            id: diagnostic.code,
            short_description: Text { text: diagnostic.code.replace('-', " ") },
            default_configuration: Configuration { level: level(diagnostic.severity) },
        });
        self.rules.len() - 1
    }

    fn result(&self, diagnostic: &Diagnostic, rule_index: usize, sources: &Sources) -> Result {
        let related = diagnostic.labels[1..].iter().enumerate().map(|(at, label)| Location {
            id: Some(at),
            physical_location: self.place(label.span, sources),
            message: Some(Text { text: label.text.clone() }).filter(|text| !text.text.is_empty()),
        });
        let place = self.place(diagnostic.span(), sources);
        Result {
            rule_id: diagnostic.code,
            rule_index,
            level: level(diagnostic.severity),
            message: Text { text: message(diagnostic) },
            locations: [Location { id: None, physical_location: place, message: None }],
            related_locations: related.collect(),
            fixes: diagnostic
                .fix
                .iter()
                .filter(|fix| !fix.edits.is_empty())
                .map(|fix| self.fix(&fix.title, &fix.edits, sources))
                .collect(),
        }
    }

    fn fix(&self, title: &str, edits: &[Edit], sources: &Sources) -> Fix {
        let changes = edits.chunk_by(|one, other| one.span.file == other.span.file).map(|edits| {
            let replacement = |edit: &Edit| Replacement {
                deleted_region: region(edit.span, sources),
                inserted_content: Text { text: edit.text.clone() },
            };
            ArtifactChange {
                artifact_location: self.artifact(edits[0].span.file, sources),
                replacements: edits.iter().map(replacement).collect(),
            }
        });
        Fix { description: Text { text: title.to_owned() }, artifact_changes: changes.collect() }
    }

    fn place(&self, span: Span, sources: &Sources) -> PhysicalLocation {
        PhysicalLocation {
            artifact_location: self.artifact(span.file, sources),
            region: region(span, sources),
        }
    }

    fn artifact(&self, file: FileId, sources: &Sources) -> ArtifactLocation {
        let source = sources.get(file);
        let path = if source.path.as_os_str().is_empty() { Path::new(&*source.name) } else { &source.path };
        ArtifactLocation { uri: uri(path, &self.directory) }
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// The message and what else there is to say: a service shows no more than this.
fn message(diagnostic: &Diagnostic) -> String {
    let mut text = diagnostic.message.clone();
    let here = &diagnostic.labels[0].text;
    if !here.is_empty() {
        text = format!("{text}: {here}");
    }
    for line in diagnostic.notes.iter().chain(&diagnostic.help) {
        text.push('\n');
        text.push_str(line);
    }
    text
}

fn region(span: Span, sources: &Sources) -> Region {
    let start = Position::of(sources, span.file, span.start);
    let end = Position::of(sources, span.file, span.end);
    Region {
        start_line: start.line,
        start_column: start.column,
        end_line: end.line,
        end_column: end.column,
        byte_offset: span.start,
        byte_length: span.end - span.start,
    }
}

/// A path as a URI reference: relative to `directory` if it lies there, else with `file://`.
fn uri(path: &Path, directory: &Path) -> String {
    let relative = path.strip_prefix(directory).unwrap_or(path);
    let scheme = if relative.is_absolute() { "file://" } else { "" };
    let bytes = relative.as_os_str().as_encoded_bytes();
    let escaped = bytes.iter().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
            char::from(*byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    scheme.to_owned() + &escaped.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        let directory = Path::new("/home/me/site");
        assert_eq!(uri(Path::new("/home/me/site/conf.d/a b.conf"), directory), "conf.d/a%20b.conf");
        assert_eq!(uri(Path::new("/etc/nginx/nginx.conf"), directory), "file:///etc/nginx/nginx.conf");
        assert_eq!(uri(Path::new("nginx.conf"), directory), "nginx.conf");
        assert_eq!(uri(Path::new("<stdin>"), directory), "%3Cstdin%3E");
    }
}
