//! Texts that are not on the disk yet.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Files;

/// Files of which some have another text: what fixes would make of them.
///
/// A text stands for all names of its file (see [`Files::identity`]); the empty path is that of a text which is in no
/// file.
#[derive(Clone)]
pub struct Overlay<'a> {
    under: &'a dyn Files,
    texts: BTreeMap<PathBuf, Arc<[u8]>>,
}

impl<'a> Overlay<'a> {
    pub fn new(under: &'a dyn Files) -> Overlay<'a> {
        Overlay { under, texts: BTreeMap::new() }
    }

    /// Gives a file another text.
    pub fn set(&mut self, path: &Path, text: impl Into<Arc<[u8]>>) {
        self.texts.insert(self.under.identity(path), text.into());
    }

    /// The text that a file has here and not below.
    pub fn get(&self, path: &Path) -> Option<&[u8]> {
        if self.texts.is_empty() {
            return None;
        }
        self.texts.get(&self.under.identity(path)).map(|text| &text[..])
    }
}

impl Files for Overlay<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.get(path) {
            Some(text) => Ok(text.to_vec()),
            None => self.under.read(path),
        }
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        self.under.glob(pattern)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        self.under.mode(path)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        self.under.identity(path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use crate::source::Disk;

    use super::*;

    #[test]
    fn a_text_stands_for_every_name_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        symlink("file", &link).unwrap();
        let mut overlay = Overlay::new(&Disk);
        overlay.set(&link, *b"new");
        assert_eq!(overlay.read(&folder.path().join("./file")).unwrap(), b"new");
        assert_eq!(overlay.get(&link), Some(&b"new"[..]));
        assert!(overlay.read(&folder.path().join("other")).is_err());
        assert_eq!(fs::read(&file).unwrap(), b"old");
    }
}
