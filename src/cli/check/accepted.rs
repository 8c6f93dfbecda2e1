//! `--baseline` and `--write-baseline`: what was found before does not count.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostics::{Baseline, Diagnostic, Gone, Names};
use crate::features::NOT_SERVED;
use crate::lint::{self, Level, Selection};
use crate::source::{Disk, FileId, Files, Source, Sources, Span, Text};

use super::Check;

/// How many entries that match nothing are shown.
const SHOWN: usize = 5;

/// Which findings are accepted.
pub struct Accepted {
    names: Names,
    asked: Vec<String>,
    which: Which,
}

enum Which {
    None,
    /// Those of a baseline that was written before, with its file.
    Old(Baseline, PathBuf, Vec<u8>),
    /// All, which are written down.
    All(Baseline, PathBuf),
}

impl Accepted {
    /// What the command line says.
    ///
    /// # Errors
    ///
    /// A sentence: the baseline cannot be read, or is none.
    pub fn asked(check: &Check, names: &Names) -> Result<Accepted, String> {
        let file = |path: &PathBuf| names.relative(path).to_string_lossy().into_owned();
        let asked: Vec<String> = check.files.iter().map(file).collect();
        let which = match (&check.baseline, &check.write_baseline) {
            (Some(path), _) => old(path)?,
            (None, Some(path)) => Which::All(Baseline::of(asked.clone()), path.clone()),
            (None, None) => Which::None,
        };
        Ok(Accepted { names: names.clone(), asked, which })
    }

    /// The findings that count, and how many are accepted. What is not served is said in any case.
    pub fn part(&mut self, found: Vec<Diagnostic>, sources: &Sources) -> (Vec<Diagnostic>, usize) {
        let all = found.len();
        let new: Vec<Diagnostic> = match &mut self.which {
            Which::None => found,
            Which::Old(baseline, ..) => {
                let counts = |one: &Diagnostic| !baseline.accepts(one, sources, &self.names);
                found.into_iter().filter(counts).collect()
            }
            Which::All(baseline, _) => {
                let (said, accepted): (Vec<_>, Vec<_>) =
                    found.into_iter().partition(|one| one.code == NOT_SERVED);
                accepted.iter().for_each(|one| baseline.add(one, sources, &self.names));
                said
            }
        };
        let accepted = all - new.len();
        (new, accepted)
    }

    /// Writes the new baseline, or says which entries of the old one match nothing any more.
    ///
    /// # Errors
    ///
    /// A sentence: the new baseline cannot be written, or not everything was seen (`blind`).
    pub fn end(self, blind: bool, rules: &[Selection]) -> Result<Option<(Diagnostic, Sources)>, String> {
        match self.which {
            Which::None => Ok(None),
            Which::Old(baseline, path, text) => Ok(gone(&baseline, &self.asked, rules, &path, text)),
            Which::All(_, path) if blind => Err(format!(
                "the baseline \"{}\" is not written, since not every file was read",
                path.display()
            )),
            Which::All(baseline, path) => fs::write(&path, baseline.render())
                .map(|()| None)
                .map_err(|error| format!("cannot write the baseline \"{}\": {error}", path.display())),
        }
    }
}

fn old(path: &Path) -> Result<Which, String> {
    let named = path.display();
    let text = Disk.read(path).map_err(|error| {
        format!("cannot read the baseline \"{named}\": {error} (--write-baseline {named} makes one)")
    })?;
    let baseline = Baseline::read(&text).map_err(|why| {
        format!("cannot use the baseline \"{named}\": {why} (--write-baseline {named} makes one)")
    })?;
    Ok(Which::Old(baseline, path.to_owned(), text))
}

/// One finding that shows the entries which match nothing any more, except those of rules that were not asked.
fn gone(
    baseline: &Baseline,
    asked: &[String],
    rules: &[Selection],
    path: &Path,
    text: Vec<u8>,
) -> Option<(Diagnostic, Sources)> {
    let off = |rule| rules.iter().all(|selection| selection.level(rule) == Level::Off);
    let off = |code: &str| lint::find(code).is_some_and(off);
    let gone: Vec<_> = baseline.gone(asked).into_iter().filter(|one| !off(one.code)).collect();
    let mut sources = Sources::default();
    let name = path.to_string_lossy();
    let file = sources.add(Source {
        name: name.as_ref().into(),
        path: path.to_owned(),
        text: Arc::new(Text::new(text)),
        included_from: None,
    });
    let place = |hash: &str| span(&sources, file, hash);
    let message = match gone.len() {
        1 => "an entry of the baseline matches nothing any more".to_owned(),
        count => format!("{count} entries of the baseline match nothing any more"),
    };
    let label = |one: &Gone<'_>| format!("{} in {}", one.code, one.file);
    let (first, others) = gone.split_first()?;
    let mut finding = Diagnostic::info("stale-baseline", place(first.hash), message).here(label(first));
    for one in others.iter().take(SHOWN - 1) {
        finding = finding.also(place(one.hash), label(one));
    }
    let help = format!("--write-baseline {name} writes it anew, without what was mended");
    Some((finding.help(help), sources))
}

/// Where an entry's hash stands in the file.
fn span(sources: &Sources, file: FileId, hash: &str) -> Span {
    let bytes = &sources.get(file).text.bytes;
    let at = bytes.windows(hash.len().max(1)).position(|window| window == hash.as_bytes()).unwrap_or(0);
    Span { file, start: at as u32, end: (at + hash.len()).min(bytes.len()) as u32 }
}
