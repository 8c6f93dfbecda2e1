//! Prints findings as commands of GitHub Actions, which show them beside the lines of a change.

use std::fmt::Write;

use crate::diagnostics::form::{Form, visible, words};
use crate::diagnostics::{Diagnostic, Names, Position, Rules, Severity, Summary};
use crate::source::Sources;

/// One line for each finding.
pub struct Commands {
    names: Names,
    rules: Rules,
    text: String,
}

impl Commands {
    pub fn new(names: Names, rules: Rules) -> Commands {
        Commands { names, rules, text: String::new() }
    }
}

impl Form for Commands {
    fn add(&mut self, found: &[Diagnostic], sources: &Sources) {
        for finding in found {
            let line = command(finding, sources, &self.names, self.rules);
            self.text.push_str(&line);
        }
    }

    fn render(self: Box<Self>, summary: &Summary) -> String {
        format!("{}{summary}\n", self.text)
    }
}

fn command(finding: &Diagnostic, sources: &Sources, names: &Names, rules: Rules) -> String {
    let span = finding.span();
    let file = visible(&names.text(sources.get(span.file)));
    let start = Position::of(sources, span.file, span.start);
    let end = Position::of(sources, span.file, span.end);
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    };
    let title = match rules(finding.code) {
        Some(rule) => format!("{} ({})", rule.name, rule.id),
        None => finding.code.to_owned(),
    };
    let mut line = format!("::{level} file={},line={},endLine={}", property(&file), start.line, end.line);
    // GitHub knows columns only of places within one line.
    if start.line == end.line {
        let _ = write!(line, ",col={},endColumn={}", start.column, end.column);
    }
    // In the log the message is all that is seen, so that it says the place again.
    let message = format!("{file}:{}:{}: {}", start.line, start.column, visible(&words(finding)));
    let _ = writeln!(line, ",title={}::{}", property(&title), data(&message));
    line
}

/// As `escapeData` of GitHub's toolkit.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As `escapeProperty` of GitHub's toolkit.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_command_early() {
        assert_eq!(data("100%\r\n::error::x, y"), "100%25%0D%0A::error::x, y");
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
    }
}
