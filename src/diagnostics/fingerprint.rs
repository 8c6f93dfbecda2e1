//! Knows a finding again after lines have moved.
//!
//! A finding is its code, its file, the text of its line and its message. White space and numbers do not count, save
//! those of the line.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::diagnostics::{Diagnostic, Names};
use crate::source::Sources;

/// What is the same for findings that say the same of lines that read the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    /// From the directory that names begin in.
    pub file: String,
    pub code: String,
    /// 16 hexadecimal digits, made of the file and the code too: no other fingerprint of a report has the same.
    pub hash: String,
}

impl Fingerprint {
    pub fn of(finding: &Diagnostic, sources: &Sources, names: &Names) -> Fingerprint {
        let span = finding.span();
        let source = sources.get(span.file);
        let file = names.text(source);
        let line = String::from_utf8_lossy(source.text.line_bytes(sources.line(span)));
        let line: Vec<&str> = line.split_whitespace().collect();
        let message = without_numbers(&names.shorten(&finding.message));
        let hash = hash(&[&file, finding.code, &line.join(" "), &message]);
        Fingerprint { file, code: finding.code.to_owned(), hash }
    }
}

/// Tells findings apart that have the same fingerprint: the first of a report, the second …
#[derive(Debug, Default)]
pub struct Marks {
    seen: HashMap<String, usize>,
}

impl Marks {
    /// A mark that no other finding of the report has.
    pub fn unique(&mut self, fingerprint: &Fingerprint) -> String {
        let seen = self.seen.entry(fingerprint.hash.clone()).or_default();
        *seen += 1;
        match *seen {
            1 => fingerprint.hash.clone(),
            nth => hash(&[&fingerprint.hash, &nth.to_string()]),
        }
    }
}

/// 16 hexadecimal digits made of these texts.
fn hash(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// `0` in the place of every number: line numbers, counts and times change without the finding being another.
fn without_numbers(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for c in message.chars() {
        match c {
            '0'..='9' if text.ends_with('0') => {}
            '0'..='9' => text.push('0'),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::source::{Source, Span, Text};

    /// The fingerprint of a finding about the word `gzip` in this text.
    fn fingerprint(text: &str, message: &str) -> Fingerprint {
        let mut sources = Sources::default();
        let file = sources.add(Source {
            name: "site.conf".into(),
            path: PathBuf::new(),
            text: Arc::new(Text::new(text.into())),
            included_from: None,
        });
        let start = text.find("gzip").expect("the word") as u32;
        let finding = Diagnostic::error("code", Span { file, start, end: start + 4 }, message);
        Fingerprint::of(&finding, &sources, &Names::from("/home/me/site".into()))
    }

    #[test]
    fn a_finding_is_the_same_where_its_line_moved() {
        let first = fingerprint("gzip on;\n", "duplicate, see line 3");
        assert_eq!(first, fingerprint("\n\n\t  gzip  on;\r\n", "duplicate, see line 17"));
        assert_eq!(first.hash.len(), 16);
        assert_ne!(first, fingerprint("gzip off;\n", "duplicate, see line 3"));
        assert_ne!(first, fingerprint("gzip on;\n", "another, see line 3"));
        let at_home = fingerprint("gzip on;", "cannot open /home/me/site/a");
        assert_eq!(at_home, fingerprint("gzip on;", "cannot open a"));
    }

    #[test]
    fn the_second_of_the_same_has_a_mark_of_its_own() {
        let one = fingerprint("gzip on;\n", "message");
        let mut marks = Marks::default();
        let first = marks.unique(&one);
        let second = marks.unique(&one);
        assert!(first == one.hash && second != first && second.len() == 16);
        assert_eq!(Marks::default().unique(&one), first);
    }
}
