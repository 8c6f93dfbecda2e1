//! Prints findings as a Code Quality report, which GitLab shows in merge requests.

use serde::Serialize;

use crate::diagnostics::fingerprint::{Fingerprint, Marks};
use crate::diagnostics::form::{Form, words};
use crate::diagnostics::{Diagnostic, Names, Position, Severity, Summary};
use crate::source::Sources;

/// A list of issues.
pub struct CodeQuality {
    names: Names,
    marks: Marks,
    issues: Vec<Issue>,
}

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: &'static str,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
    end: u32,
}

impl CodeQuality {
    pub fn new(names: Names) -> CodeQuality {
        CodeQuality { names, marks: Marks::default(), issues: Vec::new() }
    }

    fn issue(&mut self, finding: &Diagnostic, sources: &Sources) -> Issue {
        let span = finding.span();
        let fingerprint = Fingerprint::of(finding, sources, &self.names);
        Issue {
            description: words(finding),
            check_name: finding.code,
            fingerprint: self.marks.unique(&fingerprint),
            severity: match finding.severity {
                Severity::Error => "major",
                Severity::Warning => "minor",
                Severity::Info => "info",
            },
            location: Location {
                path: fingerprint.file,
                lines: Lines {
                    begin: Position::of(sources, span.file, span.start).line,
                    end: Position::of(sources, span.file, span.end).line,
                },
            },
        }
    }
}

impl Form for CodeQuality {
    fn add(&mut self, found: &[Diagnostic], sources: &Sources) {
        for finding in found {
            let issue = self.issue(finding, sources);
            self.issues.push(issue);
        }
    }

    fn render(self: Box<Self>, _: &Summary) -> String {
        serde_json::to_string_pretty(&self.issues).expect("strings and numbers can be written") + "\n"
    }
}
