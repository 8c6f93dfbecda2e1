//! Prints findings as XML in the shape of Checkstyle, which many build servers read.

use std::fmt::Write;

use crate::diagnostics::form::{Form, visible, words};
use crate::diagnostics::{Diagnostic, Names, Position, Severity, Summary};
use crate::source::Sources;

/// The version of Checkstyle whose shape this is.
const VERSION: &str = "4.3";

/// A document with an element for each file.
pub struct Document {
    names: Names,
    /// Names of files and their findings as XML, in the order of the first finding.
    files: Vec<(String, String)>,
}

impl Document {
    pub fn new(names: Names) -> Document {
        Document { names, files: Vec::new() }
    }

    /// The findings of a file, to add to.
    fn file(&mut self, name: String) -> &mut String {
        let at = self.files.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.files.push((name, String::new()));
            self.files.len() - 1
        });
        &mut self.files[at].1
    }
}

impl Form for Document {
    fn add(&mut self, found: &[Diagnostic], sources: &Sources) {
        for finding in found {
            let span = finding.span();
            let at = Position::of(sources, span.file, span.start);
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "info",
            };
            let message = attribute(&words(finding));
            let name = self.names.text(sources.get(span.file));
            let _ = writeln!(
                self.file(name),
                "    <error line=\"{}\" column=\"{}\" severity=\"{severity}\" message=\"{message}\" source=\"wsproxy.{}\"/>",
                at.line,
                at.column,
                finding.code,
            );
        }
    }

    fn render(self: Box<Self>, _: &Summary) -> String {
        let mut text =
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<checkstyle version=\"{VERSION}\">\n");
        for (name, findings) in &self.files {
            let _ = write!(text, "  <file name=\"{}\">\n{findings}  </file>\n", attribute(name));
        }
        text + "</checkstyle>\n"
    }
}

/// The value of an attribute. XML has no way to write most control characters: pictures stand for them.
fn attribute(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Written as they are, readers would take them for spaces.
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_holds_any_text() {
        assert_eq!(attribute("a<b> & \"c\"\n'd'\0"), "a&lt;b&gt; &amp; &quot;c&quot;&#10;'d'␀");
    }
}
