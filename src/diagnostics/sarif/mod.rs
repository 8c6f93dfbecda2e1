//! Prints findings as SARIF 2.1.0, which code scanning services read.
//!
//! Columns count Unicode code points (`columnKind`), file names are relative to the current
//! directory (`%SRCROOT%`) where they lie in it.

mod line_hash;
mod rules;
mod shape;

use std::collections::HashMap;
use std::path::Path;

use crate::diagnostics::fingerprint::{Fingerprint, Marks};
use crate::diagnostics::form::{Form, words};
use crate::diagnostics::{self, Diagnostic, Edit, Names, Position, Rules, Severity, Summary};
use crate::source::{FileId, Sources, Span};

use line_hash::line_hashes;
use shape::*;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// What GitHub calls the root of the repository.
const ROOT: &str = "%SRCROOT%";

/// A log with one run.
pub struct Log {
    names: Names,
    rules_of: Rules,
    marks: Marks,
    results: Vec<Result>,
    /// Everything that was found, in the order of the first.
    rules: Vec<Rule>,
}

impl Log {
    pub fn new(names: Names, rules_of: Rules) -> Log {
        Log { names, rules_of, marks: Marks::default(), results: Vec::new(), rules: Vec::new() }
    }

    /// The place of a finding's rule in the list.
    fn rule(&mut self, finding: &Diagnostic) -> usize {
        let facts = (self.rules_of)(finding.code);
        let id = facts.map_or(finding.code, |facts| facts.id);
        self.rules.iter().position(|rule| rule.id == id).unwrap_or_else(|| {
            let rule = facts.map_or_else(|| rules::of_code(finding), |facts| rules::of_rule(&facts));
            self.rules.push(rule);
            self.rules.len() - 1
        })
    }

    fn result(
        &self,
        finding: &Diagnostic,
        rule: usize,
        sources: &Sources,
        known: PartialFingerprints,
    ) -> Result {
        let related = finding.labels.iter().enumerate().skip(1).map(|(at, label)| Location {
            id: Some(at),
            physical_location: self.place(label.span, sources),
            message: Some(Text { text: label.text.clone() }).filter(|text| !text.text.is_empty()),
        });
        let fixes = finding.fix.iter().filter(|fix| !fix.edits.is_empty());
        Result {
            rule_id: self.rules[rule].id,
            rule_index: rule,
            level: level(finding.severity),
            message: Text { text: message(finding) },
            locations: [Location {
                id: None,
                physical_location: self.place(finding.span(), sources),
                message: None,
            }],
            related_locations: related.collect(),
            partial_fingerprints: known,
            fixes: fixes.map(|fix| self.fix(fix, sources)).collect(),
        }
    }

    fn fix(&self, fix: &diagnostics::Fix, sources: &Sources) -> Fix {
        let changes = fix.edits.chunk_by(|one, other| one.span.file == other.span.file).map(|edits| {
            let replacement = |edit: &Edit| Replacement {
                deleted_region: region(edit.span, sources),
                inserted_content: Text { text: edit.text.clone() },
            };
            ArtifactChange {
                artifact_location: self.artifact(edits[0].span.file, sources),
                replacements: edits.iter().map(replacement).collect(),
            }
        });
        Fix {
            description: Text { text: fix.title.clone() },
            artifact_changes: changes.collect(),
            properties: FixProperties { safe: fix.safe },
        }
    }

    fn place(&self, span: Span, sources: &Sources) -> PhysicalLocation {
        PhysicalLocation {
            artifact_location: self.artifact(span.file, sources),
            region: region(span, sources),
        }
    }

    fn artifact(&self, file: FileId, sources: &Sources) -> ArtifactLocation {
        let source = sources.get(file);
        let path = self.names.path(source);
        let in_root = path.is_relative() && !source.path.as_os_str().is_empty();
        ArtifactLocation { uri: uri(&path), uri_base_id: in_root.then_some(ROOT) }
    }
}

impl Form for Log {
    fn add(&mut self, found: &[Diagnostic], sources: &Sources) {
        let mut hashes: HashMap<FileId, Vec<String>> = HashMap::new();
        for finding in found {
            let file = finding.span().file;
            let hashes = hashes.entry(file).or_insert_with(|| line_hashes(&sources.get(file).text.bytes));
            let line = sources.line(finding.span()) as usize;
            let known = PartialFingerprints {
                primary_location_line_hash: hashes.get(line - 1).cloned().unwrap_or_default(),
                finding: self.marks.unique(&Fingerprint::of(finding, sources, &self.names)),
            };
            let rule = self.rule(finding);
            let result = self.result(finding, rule, sources, known);
            self.results.push(result);
        }
    }

    fn render(self: Box<Self>, _: &Summary) -> String {
        let driver =
            Driver { name: "wsproxy", semantic_version: env!("CARGO_PKG_VERSION"), rules: &self.rules };
        let run = Run { tool: Tool { driver }, column_kind: "unicodeCodePoints", results: &self.results };
        let root = Root { schema: SCHEMA, version: "2.1.0", runs: [run] };
        serde_json::to_string_pretty(&root).expect("strings and numbers can be written") + "\n"
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// What there is to say, with a link to each other place that has to do with it.
fn message(finding: &Diagnostic) -> String {
    let mut text = words(finding);
    for (at, label) in finding.labels.iter().enumerate().skip(1).filter(|(_, label)| !label.text.is_empty()) {
        let escaped = label.text.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]");
        text.push_str(&format!("\n[{escaped}]({at})"));
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

/// A path as a URI reference, with `file://` if it is absolute.
fn uri(path: &Path) -> String {
    let scheme = if path.is_absolute() { "file://" } else { "" };
    let escaped = path.as_os_str().as_encoded_bytes().iter().map(|byte| match byte {
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
        assert_eq!(uri(Path::new("conf.d/a b.conf")), "conf.d/a%20b.conf");
        assert_eq!(uri(Path::new("/etc/nginx/nginx.conf")), "file:///etc/nginx/nginx.conf");
        assert_eq!(uri(Path::new("<stdin>")), "%3Cstdin%3E");
    }
}
