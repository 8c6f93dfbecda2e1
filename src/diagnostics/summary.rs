//! How many findings there were, by severity.

use std::fmt;

use crate::diagnostics::{Diagnostic, Severity};
use crate::source::Sources;

/// How many findings there were, and in how many files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub errors: usize,
    pub warnings: usize,
    pub infos: usize,
    /// Those with errors or warnings.
    pub files: usize,
    /// Findings that a baseline accepts: they are counted nowhere else.
    pub in_baseline: usize,
}

impl Summary {
    /// Counts the findings of one configuration.
    pub fn add(&mut self, diagnostics: &[Diagnostic], sources: &Sources) {
        let weighs = |severity| diagnostics.iter().filter(|one| one.severity == severity).count();
        self.errors += weighs(Severity::Error);
        self.warnings += weighs(Severity::Warning);
        self.infos += weighs(Severity::Info);
        let counted = diagnostics.iter().filter(|one| one.severity > Severity::Info);
        let mut names: Vec<_> = counted.map(|one| &sources.get(one.span().file).name).collect();
        names.sort_unstable();
        names.dedup();
        self.files += names.len();
    }
}

/// `2 errors, 1 warning in 3 files; 4 infos; 12 in the baseline`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |count: usize, noun: &str| match count {
            0 => None,
            1 => Some(format!("1 {noun}")),
            _ => Some(format!("{count} {noun}s")),
        };
        let weighty = [counted(self.errors, "error"), counted(self.warnings, "warning")];
        let weighty: Vec<String> = weighty.into_iter().flatten().collect();
        match counted(self.files, "file") {
            Some(files) => write!(f, "{} in {files}", weighty.join(", "))?,
            None => f.write_str("no errors, no warnings")?,
        }
        if let Some(infos) = counted(self.infos, "info") {
            write!(f, "; {infos}")?;
        }
        if self.in_baseline > 0 {
            write!(f, "; {} in the baseline", self.in_baseline)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts() {
        let summary = Summary { errors: 2, warnings: 1, files: 3, ..Summary::default() };
        assert_eq!(summary.to_string(), "2 errors, 1 warning in 3 files");
        assert_eq!(Summary::default().to_string(), "no errors, no warnings");
        let summary = Summary { warnings: 1, infos: 2, files: 1, in_baseline: 12, ..Summary::default() };
        assert_eq!(summary.to_string(), "1 warning in 1 file; 2 infos; 12 in the baseline");
        let summary = Summary { infos: 1, ..Summary::default() };
        assert_eq!(summary.to_string(), "no errors, no warnings; 1 info");
    }
}
