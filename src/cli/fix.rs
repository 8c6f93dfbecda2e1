//! `wsproxy check --fix`: mends what can be mended, and writes the files or shows what would change.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ArgGroup;

use crate::lint::mend::{About, Changed, LeftOut, Mended, Mending, Seen, Why};
use crate::source::{Disk, Files, Overlay};

use super::diff::unified;
use super::look::{Input, Look, STDIN_NAME};
use super::replace::Replacement;

/// The flags that mend.
#[derive(clap::Args, Debug)]
#[command(group(ArgGroup::new("mending").args(["fix", "diff"]).multiple(true)))]
pub struct Fixing {
    /// Mend in place what is sure to be meant otherwise, and say what remains; a text from standard input is
    /// mended on standard output
    #[arg(long)]
    fix: bool,
    /// Mend also what is likely, but not sure, to be meant otherwise
    #[arg(long, requires = "mending")]
    unsafe_fixes: bool,
    /// Write nothing, print what --fix would change, and fail if anything would
    #[arg(long)]
    diff: bool,
}

/// A text to look at, and how to do it.
pub struct Subject {
    pub input: Input,
    pub look: Look,
}

/// The exit codes where no findings are told.
const SAME: u8 = 0;
const WOULD_CHANGE: u8 = 1;
const COULD_NOT_WRITE: u8 = 2;

impl Fixing {
    pub fn is_asked_for(&self) -> bool {
        self.fix || self.diff
    }

    /// What fixes make of these texts and of what they include. Nothing is written.
    pub fn mend<'f>(&self, subjects: &[Subject], files: &'f dyn Files) -> Mended<'f> {
        let own: Vec<Own> = subjects.iter().map(Own::of).collect();
        let mending = Mending {
            look: &|at, texts| subjects[at].seen(texts),
            wants: &|_, fix| fix.safe || self.unsafe_fixes,
            may_change: &|at, file| own[at].has(file),
        };
        mending.run(subjects.len(), files)
    }

    /// Writes or shows what is mended, and tells of it. Returns the exit code if there is no more to say.
    pub fn finish(&self, subjects: &[Subject], mended: &Mended<'_>) -> Option<u8> {
        if self.diff {
            let code = show(mended);
            self.tell(mended);
            return Some(code);
        }
        match write(subjects, mended) {
            Ok(()) => {
                self.tell(mended);
                None
            }
            Err(errors) => {
                errors.iter().for_each(|error| eprintln!("wsproxy: {error}"));
                Some(COULD_NOT_WRITE)
            }
        }
    }

    /// Tells on standard error what was mended, or would be, and what is left.
    fn tell(&self, mended: &Mended<'_>) {
        let mut told = left_out(mended);
        let files = match mended.changes.len() {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let verb = if self.diff { "would mend" } else { "mended" };
        told += &match mended.changes.is_empty() {
            true => format!("{verb} nothing"),
            false => format!("{verb} {} in {files}", mended.findings),
        };
        let fixes = mended.seen.iter().flat_map(|seen| &seen.found).filter_map(|found| found.fix.as_ref());
        let more = fixes.filter(|fix| !fix.safe && !self.unsafe_fixes).count();
        if more > 0 {
            told += &format!("; {more} more with --unsafe-fixes");
        }
        eprintln!("{told}");
    }
}

impl Subject {
    fn seen(&self, texts: &Overlay<'_>) -> Seen {
        let look = Look { resolve: false, ..self.look.clone() };
        let (tree, found) = look.at(&self.input.within(texts), texts);
        Seen { sources: tree.sources, found }
    }
}

/// What may be changed for the sake of a text: the text itself, and if that is a file, what lies in its directory or
/// where its relative names begin.
struct Own {
    file: PathBuf,
    folders: Vec<PathBuf>,
}

impl Own {
    fn of(Subject { input, look }: &Subject) -> Own {
        let Some(path) = &input.path else { return Own { file: PathBuf::new(), folders: Vec::new() } };
        let (_, home) = look.place(input);
        let folders = [&input.directory, &home].map(|folder| Disk.identity(&folder.join(".")));
        Own { file: Disk.identity(path), folders: folders.into() }
    }

    fn has(&self, file: &Path) -> bool {
        file == self.file || self.folders.iter().any(|folder| file.starts_with(folder))
    }
}

/// Shows what would change, and says it again with the exit code.
fn show(mended: &Mended<'_>) -> u8 {
    let diffs = mended
        .changes
        .iter()
        .map(|Changed { file, before, after }| unified(&name(file), &before.bytes, after));
    print(&diffs.collect::<Vec<_>>().concat());
    if mended.changes.is_empty() { SAME } else { WOULD_CHANGE }
}

/// Writes every file that was mended, or none, and the text of standard input to standard output.
///
/// # Errors
///
/// Which file cannot be written, and why.
fn write(subjects: &[Subject], mended: &Mended<'_>) -> Result<(), Vec<String>> {
    let files = mended.changes.iter().filter(|changed| !changed.file.as_os_str().is_empty());
    let mut ready = Vec::new();
    let mut errors = Vec::new();
    for Changed { file, before, after } in files {
        let prepared = match fs::read(file) {
            Ok(bytes) if bytes != before.bytes => Err(io::Error::other("it has changed since it was read")),
            Ok(_) => Replacement::prepare(file, after),
            Err(error) => Err(error),
        };
        match prepared {
            Ok(replacement) => ready.push((file, replacement)),
            Err(error) => errors.push(cannot_write(file, &error)),
        }
    }
    if !errors.is_empty() {
        errors.push("no file was changed".to_owned());
        return Err(errors);
    }
    for (file, replacement) in ready {
        errors.extend(replacement.put().err().map(|error| cannot_write(file, &error)));
    }
    let piped = subjects.iter().filter(|subject| subject.input.path.is_none());
    piped.for_each(|subject| print(&subject.input.within(&mended.texts).bytes));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn cannot_write(file: &Path, error: &io::Error) -> String {
    format!("cannot write \"{}\": {error}", name(file))
}

/// Who reads the output may have seen enough of it: that is no error of ours.
fn print(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Fixes that were not made, a line each; those in files that may not be changed are counted.
fn left_out(mended: &Mended<'_>) -> String {
    let mut told = String::new();
    let mut outside: BTreeMap<&Path, usize> = BTreeMap::new();
    for LeftOut { about: About { place, code, title }, why } in &mended.left_out {
        let why = match why {
            Why::Outside(file) => {
                *outside.entry(file).or_default() += 1;
                continue;
            }
            Why::Refused(message) => format!("nginx would say: {message}"),
            Why::Torn => "the places that include the file want different changes".to_owned(),
            Why::Endless => "it does not mend what it is to mend".to_owned(),
        };
        told += &format!("left out: {place}: {code}: {title} ({why})\n");
    }
    for (file, count) in outside {
        let fixes = if count == 1 { "1 fix".to_owned() } else { format!("{count} fixes") };
        let file = name(file);
        told += &format!("left out: {file}: {fixes} (it lies in none of the directories that are checked)\n");
    }
    told
}

/// What a file is called: from the working directory, if it lies there.
fn name(file: &Path) -> String {
    if file.as_os_str().is_empty() {
        return STDIN_NAME.to_owned();
    }
    let here = std::env::current_dir().map(|here| Disk.identity(&here));
    let short = here.ok().and_then(|here| file.strip_prefix(here).ok().map(Path::to_owned));
    short.as_deref().unwrap_or(file).display().to_string()
}
