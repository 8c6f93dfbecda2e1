//! What is found in files that are included more than once.

use std::collections::{HashMap, HashSet};

use crate::diagnostics::{Diagnostic, Fix};
use crate::source::{FileId, Sources};

/// How often each file is read.
pub struct Included<'a> {
    sources: &'a Sources,
    times: HashMap<&'a str, usize>,
}

/// What a fix does, wherever its files are included.
type Done = Vec<(String, u32, u32, String)>;

impl<'a> Included<'a> {
    pub fn of(sources: &'a Sources) -> Included<'a> {
        let mut times = HashMap::new();
        sources.iter().for_each(|(_, source)| *times.entry(&*source.name).or_default() += 1);
        Included { sources, times }
    }

    /// Leaves one of the findings that say the same of the same words.
    pub fn once(&self, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let mut seen = HashSet::new();
        let mut key = |finding: &Diagnostic| {
            seen.insert((self.name(finding.span().file), finding.span().start, finding.message.clone()))
        };
        found.into_iter().filter(|finding| key(finding)).collect()
    }

    /// What mends one place may do harm in another that includes the same file: such a fix is safe if it is the same in
    /// all of them.
    pub fn beware(&self, found: &mut [Diagnostic]) {
        let mut asked_for: HashMap<Done, HashSet<FileId>> = HashMap::new();
        for fix in self.in_many_places(found) {
            asked_for.entry(self.done(fix)).or_default().extend(fix.edits.iter().map(|edit| edit.span.file));
        }
        for fix in self.in_many_places(found) {
            let by = &asked_for[&self.done(fix)];
            let is_everywhere =
                |name: &str| by.iter().filter(|file| self.name(**file) == name).count() == self.times[name];
            fix.safe &= fix.edits.iter().all(|edit| is_everywhere(self.name(edit.span.file)));
        }
    }

    /// Fixes to files that are read more than once.
    fn in_many_places<'d>(&self, found: &'d mut [Diagnostic]) -> impl Iterator<Item = &'d mut Fix> {
        let is_one = |fix: &Fix| fix.edits.iter().any(|edit| self.times[self.name(edit.span.file)] > 1);
        found.iter_mut().filter_map(|one| one.fix.as_mut()).filter(move |fix| is_one(fix))
    }

    fn done(&self, fix: &Fix) -> Done {
        let edits = fix.edits.iter();
        edits
            .map(|edit| {
                (self.name(edit.span.file).to_owned(), edit.span.start, edit.span.end, edit.text.clone())
            })
            .collect()
    }

    fn name(&self, file: FileId) -> &'a str {
        &self.sources.get(file).name
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::diagnostics::Edit;
    use crate::source::{Memory, Span};
    use crate::syntax::load;

    use super::*;

    #[test]
    fn a_fix_is_safe_where_all_who_include_its_file_want_it() {
        let files = Memory::from([("main", "a { include part; } b { include part; }"), ("part", "c;")]);
        let (tree, _) = load(Path::new("main"), Path::new(""), &files);
        let parts: Vec<FileId> = tree.sources.iter().map(|(file, _)| file).skip(1).collect();
        let found = |file: FileId, text: &str| {
            let span = Span { file, start: 0, end: 1 };
            let edits = vec![Edit { span, text: text.into() }];
            Diagnostic::warning("deprecated", span, format!("{file:?}")).fix(Fix {
                title: "d".into(),
                safe: true,
                edits,
            })
        };
        let safe = |mut found: Vec<Diagnostic>| {
            Included::of(&tree.sources).beware(&mut found);
            found.iter().map(|one| one.fix.as_ref().unwrap().safe).collect::<Vec<_>>()
        };
        assert_eq!(safe(vec![found(parts[0], "d"), found(parts[1], "d")]), [true, true]);
        assert_eq!(safe(vec![found(parts[0], "d"), found(parts[1], "e")]), [false, false]);
        assert_eq!(safe(vec![found(parts[1], "d")]), [false]);
    }
}
