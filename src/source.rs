//! Files, and places in them.
//!
//! A [`Sources`] holds every text that was read, in the order of reading; a [`Span`] is a range of
//! bytes in one of them. A file included twice is two sources that share one text, so that a span
//! knows by which `include` it was reached.

mod overlay;
mod stamp;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

pub use overlay::Overlay;
pub use stamp::Stamp;

/// Names one source of a [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A range of bytes of one source; `end` is the first byte behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// From the start of `self` to the end of `last`, which stands in the same file.
    pub fn to(self, last: Span) -> Span {
        debug_assert_eq!(self.file, last.file);
        Span { end: last.end, ..self }
    }

    /// The empty span where `self` ends.
    pub fn after(self) -> Span {
        Span { start: self.end, ..self }
    }
}

/// A file and a line, for a value that has to be answered for after its source is gone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The bytes of a file and where its lines start.
#[derive(Debug, Default)]
pub struct Text {
    pub bytes: Vec<u8>,
    lines: OnceLock<Vec<u32>>,
}

impl Text {
    pub fn new(bytes: Vec<u8>) -> Text {
        Text { bytes, lines: OnceLock::new() }
    }

    /// The offset at which each line starts; the first is 0.
    pub fn line_starts(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let after_newline = |(at, byte): (usize, &u8)| (*byte == b'\n').then_some(at as u32 + 1);
            std::iter::once(0).chain(self.bytes.iter().enumerate().filter_map(after_newline)).collect()
        })
    }

    /// The line, counted from 1, in which the byte at `offset` stands.
    pub fn line(&self, offset: u32) -> u32 {
        self.line_starts().partition_point(|start| *start <= offset) as u32
    }

    /// The bytes of `line` (counted from 1) without its line end.
    pub fn line_bytes(&self, line: u32) -> &[u8] {
        let starts = self.line_starts();
        let Some(start) = starts.get(line as usize - 1) else { return &[] };
        let end = starts.get(line as usize).map_or(self.bytes.len(), |next| *next as usize - 1);
        let text = &self.bytes[*start as usize..end];
        text.strip_suffix(b"\r").unwrap_or(text)
    }
}

/// One reading of one file.
#[derive(Debug)]
pub struct Source {
    /// How the file was named, for people: the path as nginx would print it, or `<stdin>`.
    pub name: Arc<str>,
    /// Where it lies; empty for what is not a file.
    pub path: PathBuf,
    pub text: Arc<Text>,
    /// The path word of the `include` that led here.
    pub included_from: Option<Span>,
}

/// Every text read for one configuration.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    pub fn add(&mut self, source: Source) -> FileId {
        self.files.push(source);
        FileId(self.files.len() as u32 - 1)
    }

    /// Gives a source the text that was read for it.
    pub fn set_text(&mut self, file: FileId, text: Arc<Text>) {
        self.files[file.0 as usize].text = text;
    }

    pub fn get(&self, file: FileId) -> &Source {
        &self.files[file.0 as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Source)> {
        self.files.iter().enumerate().map(|(at, source)| (FileId(at as u32), source))
    }

    /// The bytes a span covers, as written.
    pub fn bytes(&self, span: Span) -> &[u8] {
        &self.get(span.file).text.bytes[span.start as usize..span.end as usize]
    }

    /// The line, counted from 1, in which a span starts.
    pub fn line(&self, span: Span) -> u32 {
        self.get(span.file).text.line(span.start)
    }

    /// The column in bytes, counted from 1, at which a span starts.
    pub fn column(&self, span: Span) -> u32 {
        let text = &self.get(span.file).text;
        span.start - text.line_starts()[text.line(span.start) as usize - 1] + 1
    }

    pub fn place(&self, span: Span) -> Place {
        Place { file: self.get(span.file).name.clone(), line: self.line(span) }
    }

    /// The `include`s that led to a span's file, the nearest first.
    pub fn include_chain(&self, span: Span) -> impl Iterator<Item = Span> {
        std::iter::successors(self.get(span.file).included_from, |at| self.get(at.file).included_from)
    }
}

/// Where text comes from: the disk, or what a test wrote down.
pub trait Files {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What a glob pattern names, sorted as glob(3) sorts.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;

    /// The permission bits of a file, where there are any.
    fn mode(&self, _path: &Path) -> Option<u32> {
        None
    }

    /// What is the same for two names of one file.
    fn identity(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    /// As nginx does, reads as many bytes as the file says it has: nothing of a device or a pipe,
    /// which therefore can neither block nor go on for ever.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let found = fs::metadata(path)?;
        if found.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if !found.is_file() {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::with_capacity(found.len() as usize);
        File::open(path)?.take(found.len()).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let pattern = posix_pattern(pattern)?;
        let found = glob::glob_with(&pattern, GLOB).map_err(not_a_pattern)?;
        // glob(3) passes over directories it may not read.
        let mut paths: Vec<PathBuf> = found.filter_map(Result::ok).collect();
        paths.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
        Ok(paths)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        fs::metadata(path).ok().map(|found| found.permissions().mode())
    }

    /// The path without symbolic links. Of a file that does not exist its directory counts.
    fn identity(&self, path: &Path) -> PathBuf {
        let of_directory = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
        path.canonicalize().ok().or_else(of_directory).unwrap_or_else(|| path.to_owned())
    }
}

/// Files that a test wrote down: path to content.
#[derive(Clone, Debug, Default)]
pub struct Memory(pub BTreeMap<PathBuf, Vec<u8>>);

impl<P: Into<PathBuf>, B: Into<Vec<u8>>, const N: usize> From<[(P, B); N]> for Memory {
    fn from(files: [(P, B); N]) -> Memory {
        Memory(files.into_iter().map(|(path, bytes)| (path.into(), bytes.into())).collect())
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let pattern = glob::Pattern::new(&posix_pattern(pattern)?).map_err(not_a_pattern)?;
        let paths = self.0.keys().filter(|path| pattern.matches_path_with(path, GLOB));
        Ok(paths.cloned().collect())
    }
}

/// A `*` matches neither a slash nor a dot at the start of a name, as in glob(3).
const GLOB: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A pattern of glob(3) in the words of the `glob` crate: `**` is no more than `*`, a backslash
/// quotes, a bracket that is never closed is a bracket, and `[^…]` is `[!…]`.
fn posix_pattern(pattern: &Path) -> io::Result<String> {
    let written = pattern.to_str().ok_or_else(|| not_a_pattern("it is not UTF-8"))?;
    let mut translated = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '*' => {
                translated.push('*');
                rest = rest.trim_start_matches('*');
            }
            '\\' => {
                if let Some(quoted) = rest.chars().next() {
                    translated.push_str(&glob::Pattern::escape(quoted.encode_utf8(&mut [0; 4])));
                    rest = &rest[quoted.len_utf8()..];
                }
            }
            '[' => match set_end(rest) {
                None => translated.push_str("[[]"),
                Some(end) => {
                    let set = &rest[..end];
                    translated.push('[');
                    translated.push_str(&set.strip_prefix('^').map_or(set.into(), |set| format!("!{set}")));
                    translated.push(']');
                    rest = &rest[end + 1..];
                }
            },
            _ => translated.push(c),
        }
    }
    Ok(translated)
}

/// Where the `]` that closes a set stands; one that comes first is a member of the set.
fn set_end(behind_bracket: &str) -> Option<usize> {
    let members = behind_bracket.trim_start_matches(['!', '^']);
    let skipped = behind_bracket.len() - members.len();
    let first = members.chars().next()?.len_utf8();
    members[first..].find(']').map(|at| skipped + first + at)
}

fn not_a_pattern(why: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("not a file name pattern: {why}"))
}
