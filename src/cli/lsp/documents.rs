//! The texts that are open in the editor, and the disk beneath them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lsp_types::{TextDocumentContentChangeEvent, Uri};

use super::positions::{Encoding, Lines};
use super::uri;
use crate::source::{Disk, Files, Memory};

/// How many bytes of an open text are looked at while somebody types in it.
const MAX_TEXT: usize = 4 << 20;

/// A text that is open.
#[derive(Clone, Debug)]
pub struct Document {
    /// As the client writes it.
    pub uri: Uri,
    /// What the text is called: its path, or its URI where it is no file.
    pub path: PathBuf,
    /// Whether the text is, or will be, that of a file.
    pub is_file: bool,
    pub version: i32,
    /// Another one after each change, whatever versions the client counts.
    pub stamp: u64,
    pub text: Arc<String>,
}

impl Document {
    /// A text too large is kept, and not looked at.
    pub fn is_too_large(&self) -> bool {
        self.text.len() > MAX_TEXT
    }
}

/// The texts that are open, by the files that they are, symbolic links resolved.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    open: BTreeMap<PathBuf, Document>,
    /// How many changes there were.
    changes: u64,
    /// Another one whenever files may have changed of which no text is open.
    pub disk: u64,
}

impl Documents {
    pub fn open(&mut self, uri: Uri, version: i32, text: String) {
        let path = uri::path(&uri);
        let is_file = path.is_some();
        let path = path.unwrap_or_else(|| PathBuf::from(uri.as_str()));
        let key = if is_file { Disk.identity(&path) } else { path.clone() };
        let stamp = self.stamp();
        self.disk += 1;
        self.open.insert(key, Document { uri, path, is_file, version, stamp, text: Arc::new(text) });
    }

    pub fn close(&mut self, uri: &Uri) {
        self.disk += 1;
        self.open.retain(|_, document| document.uri != *uri);
    }

    /// Makes these changes, one after the other.
    pub fn change(
        &mut self,
        uri: &Uri,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
        encoding: Encoding,
    ) {
        let stamp = self.stamp();
        let Some(document) = self.open.values_mut().find(|document| document.uri == *uri) else { return };
        document.version = version;
        document.stamp = stamp;
        for change in changes {
            apply(Arc::make_mut(&mut document.text), change, encoding);
        }
    }

    fn stamp(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Path, &Document)> {
        self.open.iter().map(|(key, document)| (&**key, document))
    }

    /// The file that an open text is, and the text.
    pub fn find(&self, uri: &Uri) -> Option<(&Path, &Document)> {
        self.iter().find(|(_, document)| document.uri == *uri)
    }

    /// The open text of the file that a path names.
    pub fn of(&self, path: &Path) -> Option<&Document> {
        self.open.get(path).or_else(|| self.open.get(&Disk.identity(path)))
    }

    /// The URI of what a path names: the client's own where the text is open.
    pub fn uri(&self, path: &Path) -> Option<Uri> {
        self.of(path).map(|document| document.uri.clone()).or_else(|| uri::of(path))
    }
}

/// The disk as it would be if everything were saved.
impl Files for Documents {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.of(path) {
            Some(document) if document.is_too_large() => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("more than {} MiB are not looked at while they are open", MAX_TEXT >> 20),
            )),
            Some(document) => Ok(document.text.as_bytes().to_vec()),
            None => Disk.read(path),
        }
    }

    /// A text that was never saved is a file already.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = Disk.glob(pattern)?;
        let files = self.open.values().filter(|document| document.is_file && !document.path.exists());
        let unsaved = Memory(files.map(|document| (document.path.clone(), Vec::new())).collect());
        found.extend(unsaved.glob(pattern)?);
        found.sort_by(|one, other| one.as_os_str().cmp(other.as_os_str()));
        found.dedup();
        Ok(found)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        Disk.mode(path)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        Disk.identity(path)
    }
}

fn apply(text: &mut String, change: TextDocumentContentChangeEvent, encoding: Encoding) {
    let Some(range) = change.range else {
        *text = change.text;
        return;
    };
    let lines = Lines::new(text.as_bytes(), encoding);
    let (start, end) = (lines.offset(range.start) as usize, lines.offset(range.end) as usize);
    text.replace_range(start..end.max(start), &change.text);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lsp_types::{Position, Range};

    use super::*;

    fn insertion(line: u32, start: u32, end: u32, text: &str) -> TextDocumentContentChangeEvent {
        let at = |character| Position { line, character };
        let range = Some(Range { start: at(start), end: at(end) });
        TextDocumentContentChangeEvent { range, range_length: None, text: text.to_owned() }
    }

    #[test]
    fn changes_are_made_one_after_the_other() {
        let uri: Uri = "file:///nowhere/x.conf".parse().unwrap();
        let mut documents = Documents::default();
        documents.open(uri.clone(), 1, "😀 a;\nb;".to_owned());
        let changes = vec![insertion(0, 3, 4, "x"), insertion(1, 0, 0, "ż"), insertion(9, 0, 0, "\nend")];
        documents.change(&uri, 2, changes, Encoding::Utf16);
        let (_, document) = documents.find(&uri).unwrap();
        assert_eq!((document.text.as_str(), document.version), ("😀 x;\nżb;\nend", 2));
        let backwards = vec![insertion(0, 5, 3, "!")];
        documents.change(&uri, 3, backwards, Encoding::Utf16);
        assert!(documents.find(&uri).unwrap().1.text.contains('!'));
    }

    #[test]
    fn an_open_text_hides_its_file_by_whatever_name() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.conf"), folder.path().join("b.conf"));
        fs::write(&file, "saved").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut documents = Documents::default();
        let uri = uri::of(&file).unwrap();
        documents.open(uri.clone(), 1, "open".to_owned());
        let unsaved = folder.path().join("c.conf");
        documents.open(uri::of(&unsaved).unwrap(), 1, "new".to_owned());
        assert_eq!(documents.read(&link).unwrap(), b"open");
        assert_eq!(documents.read(&unsaved).unwrap(), b"new");
        let pattern = folder.path().join("*.conf");
        assert_eq!(documents.glob(&pattern).unwrap(), [file.clone(), link.clone(), unsaved]);
        assert_eq!(documents.uri(&link), Some(uri.clone()));
        documents.close(&uri);
        assert_eq!(documents.read(&link).unwrap(), b"saved");
        documents.open(uri, 1, "x".repeat(MAX_TEXT + 1));
        assert!(documents.read(&file).is_err());
    }

    #[test]
    fn bytes_of_a_file_that_are_no_text_survive() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("latin1.conf");
        fs::write(&file, b"# caf\xe9\n").unwrap();
        assert_eq!(Documents::default().read(&file).unwrap(), b"# caf\xe9\n");
    }
}
