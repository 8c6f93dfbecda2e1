//! Findings that were there already and are accepted, so that only new ones count.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::diagnostics::fingerprint::Fingerprint;
use crate::diagnostics::{DependsOn, Diagnostic, Names};
use crate::source::Sources;

/// The version of the shape; it grows when a member changes its meaning or goes away.
const VERSION: u32 = 1;

/// What is accepted: so many findings of each fingerprint.
#[derive(Debug, Default)]
pub struct Baseline {
    /// The files that were asked about.
    asked: Vec<String>,
    accepted: BTreeMap<Fingerprint, Accepted>,
    /// Where findings stood that were compared: what two configurations include is looked at twice and counts once.
    seen: HashSet<(Fingerprint, u32)>,
}

/// The findings of one fingerprint.
#[derive(Debug)]
struct Accepted {
    count: usize,
    /// How many of them were not found yet.
    left: usize,
    /// Whether they are the same on every machine.
    depends_on_text: bool,
    /// For who reads the file.
    message: String,
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    files: Vec<String>,
    findings: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    file: String,
    code: String,
    hash: String,
    count: usize,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    depends_on_machine: bool,
    #[serde(default)]
    message: String,
}

/// Only the version, which is read first: everything else may be another way.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// An accepted finding that is not found any more.
#[derive(Debug, PartialEq, Eq)]
pub struct Gone<'a> {
    pub file: &'a str,
    pub code: &'a str,
    pub hash: &'a str,
}

impl Baseline {
    /// An empty one, for findings of these files.
    pub fn of(asked: Vec<String>) -> Baseline {
        Baseline { asked, ..Baseline::default() }
    }

    /// Reads what [`Baseline::render`] wrote.
    ///
    /// # Errors
    ///
    /// What is wrong with the text.
    pub fn read(text: &[u8]) -> Result<Baseline, String> {
        let wrong = |error: serde_json::Error| format!("it is no baseline: {error}");
        match serde_json::from_slice::<Versioned>(text).map_err(wrong)?.version {
            VERSION => {}
            other => return Err(format!("its version is {other}, and this wsproxy knows {VERSION}")),
        }
        let written: Written = serde_json::from_slice(text).map_err(wrong)?;
        let mut baseline = Baseline::of(written.files);
        for entry in written.findings {
            let fingerprint = Fingerprint { file: entry.file, code: entry.code, hash: entry.hash };
            let accepted = Accepted {
                count: entry.count,
                left: entry.count,
                depends_on_text: !entry.depends_on_machine,
                message: entry.message,
            };
            baseline.accepted.insert(fingerprint, accepted);
        }
        Ok(baseline)
    }

    /// Accepts a finding from now on.
    pub fn add(&mut self, finding: &Diagnostic, sources: &Sources, names: &Names) {
        let fingerprint = Fingerprint::of(finding, sources, names);
        if !self.seen.insert((fingerprint.clone(), finding.span().start)) {
            return;
        }
        let accepted = self.accepted.entry(fingerprint).or_insert_with(|| Accepted {
            count: 0,
            left: 0,
            depends_on_text: finding.depends_on == DependsOn::Text,
            message: names.shorten(&finding.message),
        });
        accepted.count += 1;
    }

    /// Whether a finding is accepted. Each is accepted once for each time that it was there.
    pub fn accepts(&mut self, finding: &Diagnostic, sources: &Sources, names: &Names) -> bool {
        let fingerprint = Fingerprint::of(finding, sources, names);
        let Some(accepted) = self.accepted.get_mut(&fingerprint) else { return false };
        let at = (fingerprint, finding.span().start);
        if self.seen.contains(&at) {
            return true;
        }
        if accepted.left == 0 {
            return false;
        }
        accepted.left -= 1;
        self.seen.insert(at);
        true
    }

    /// What was not found though the files were asked about for which the baseline was written; what depends on the
    /// machine may be found on another.
    pub fn gone(&self, asked: &[String]) -> Vec<Gone<'_>> {
        if !self.asked.iter().all(|file| asked.contains(file)) {
            return Vec::new();
        }
        let gone = self.accepted.iter().filter(|(_, accepted)| accepted.left > 0 && accepted.depends_on_text);
        gone.map(|(Fingerprint { file, code, hash }, _)| Gone { file, code, hash }).collect()
    }

    /// The text of the file: sorted, a line for each finding, so that changes are easy to read.
    pub fn render(&self) -> String {
        let findings = self.accepted.iter().map(|(fingerprint, accepted)| Entry {
            file: fingerprint.file.clone(),
            code: fingerprint.code.clone(),
            hash: fingerprint.hash.clone(),
            count: accepted.count,
            depends_on_machine: !accepted.depends_on_text,
            message: accepted.message.clone(),
        });
        let lines: Vec<String> = findings.map(|entry| format!("\n    {}", json_line(&entry))).collect();
        let end = if lines.is_empty() { "" } else { "\n  " };
        format!(
            "{{\n  \"version\": {VERSION},\n  \"files\": {},\n  \"findings\": [{}{end}]\n}}\n",
            json_line(&self.asked),
            lines.join(","),
        )
    }
}

fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers can be written")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::source::{Source, Span, Text};

    fn names() -> Names {
        Names::from("/home/me/site".into())
    }

    /// Findings about every `gzip` of a text.
    fn findings(text: &str) -> (Sources, Vec<Diagnostic>) {
        let mut sources = Sources::default();
        let file = sources.add(Source {
            name: "conf.d/site.conf".into(),
            path: PathBuf::from("/home/me/site/conf.d/site.conf"),
            text: Arc::new(Text::new(text.into())),
            included_from: None,
        });
        let spans = text.match_indices("gzip").map(|(at, _)| at as u32);
        let found =
            spans.map(|start| Diagnostic::error("code", Span { file, start, end: start + 4 }, "no gzip"));
        (sources, found.collect())
    }

    /// A baseline of this text, written and read.
    fn baseline(text: &str) -> Baseline {
        let (sources, found) = findings(text);
        let mut baseline = Baseline::of(vec!["nginx.conf".into()]);
        found.iter().for_each(|one| baseline.add(one, &sources, &names()));
        Baseline::read(baseline.render().as_bytes()).expect("a baseline")
    }

    /// How many findings of this text are new.
    fn new(baseline: &mut Baseline, text: &str) -> usize {
        let (sources, found) = findings(text);
        found.iter().filter(|one| !baseline.accepts(one, &sources, &names())).count()
    }

    #[test]
    fn what_moved_is_accepted_and_one_more_is_new() {
        assert_eq!(new(&mut baseline("gzip on;\ngzip on;\n"), "\n  gzip on;\nx;\ngzip  on;\n"), 0);
        assert_eq!(new(&mut baseline("gzip on;\n"), "gzip on;\ngzip on;\n"), 1);
        assert_eq!(new(&mut baseline("gzip on;\n"), "gzip off;\n"), 1);
    }

    #[test]
    fn what_is_looked_at_twice_counts_once() {
        let mut baseline = baseline("gzip on;\n");
        assert_eq!((new(&mut baseline, "gzip on;\n"), new(&mut baseline, "gzip on;\n")), (0, 0));
    }

    #[test]
    fn what_is_not_found_any_more_is_gone_when_the_same_was_asked() {
        let mut baseline = baseline("gzip on;\ngzip off;\n");
        assert_eq!(new(&mut baseline, "gzip off;\n"), 0);
        let gone = baseline.gone(&["nginx.conf".into(), "other.conf".into()]);
        assert_eq!(gone.len(), 1);
        assert_eq!((gone[0].file, gone[0].code), ("conf.d/site.conf", "code"));
        assert_eq!(baseline.gone(&["conf.d/site.conf".into()]), []);
    }

    #[test]
    fn a_baseline_has_a_line_for_each_finding() {
        let text = baseline("gzip on;\ngzip off;\ngzip on;\n").render();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            ["{", "  \"version\": 1,", "  \"files\": [\"nginx.conf\"],", "  \"findings\": ["]
        );
        assert!(
            lines[4].starts_with("    {\"file\":\"conf.d/site.conf\",\"code\":\"code\",\"hash\":\""),
            "{text}"
        );
        assert_eq!(lines[6..], ["  ]", "}"]);
        assert_eq!(
            Baseline::default().render(),
            "{\n  \"version\": 1,\n  \"files\": [],\n  \"findings\": []\n}\n"
        );
    }

    #[test]
    fn what_is_no_baseline_is_refused_with_a_reason() {
        let refused = |text: &str| Baseline::read(text.as_bytes()).expect_err("a reason");
        assert_eq!(refused("{\"version\": 2}"), "its version is 2, and this wsproxy knows 1");
        assert!(refused("gzip on;").starts_with("it is no baseline: expected value at line 1"));
        assert!(refused("{\"version\": 1}").contains("missing field `files`"));
        assert!(refused("[]").starts_with("it is no baseline: "));
    }
}
