//! What reading a configuration looked at, so that it shows when that is no longer what was read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::source::{Disk, Files, Stamp};

/// How many links may lead to one another, as on Linux.
const MAX_LINKS: usize = 40;

/// The files of this machine, and a note of each that was asked for.
#[derive(Debug, Default)]
pub struct Noting(RefCell<Seen>);

impl Noting {
    pub fn seen(self) -> Seen {
        self.0.into_inner()
    }
}

impl Files for Noting {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // The note comes first: what is written meanwhile counts as a change.
        self.0.borrow_mut().files.entry(path.to_owned()).or_insert_with(|| stamp_of(path));
        Disk.read(path)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let found = Disk.glob(pattern)?;
        self.0.borrow_mut().patterns.entry(pattern.to_owned()).or_insert_with(|| found.clone());
        Ok(found)
    }

    fn mode(&self, path: &Path) -> Option<u32> {
        Disk.mode(path)
    }
}

/// The files that were read, as they were then, and what the patterns of `include` named.
#[derive(Debug, Default)]
pub struct Seen {
    /// `None` for one that was not there.
    files: BTreeMap<PathBuf, Option<Stamp>>,
    patterns: BTreeMap<PathBuf, Vec<PathBuf>>,
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|found| Stamp::of(&found))
}

impl Seen {
    /// Whether reading again would find something else.
    pub fn has_changed(&self) -> bool {
        self.files.iter().any(|(path, stamp)| stamp_of(path) != *stamp)
            || self.patterns.iter().any(|(pattern, found)| Disk.glob(pattern).ok().as_ref() != Some(found))
    }

    /// The folders in which it shows when something changes: a file that is replaced by another of its name,
    /// a link that leads elsewhere, a file that a pattern names from now on.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let mut folders = BTreeSet::new();
        for path in self.files.keys() {
            add_folders(path, &mut folders);
        }
        for pattern in self.patterns.keys() {
            add_folders_of_pattern(pattern, &mut folders);
        }
        folders
    }
}

/// The folder of a file, and those of all links on the way to it; where one is missing, the one it would be in.
fn add_folders(path: &Path, folders: &mut BTreeSet<PathBuf>) {
    let mut way = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for _ in 0..MAX_LINKS {
        match first_link(&way) {
            Some((link, rest)) => {
                let folder = link.parent().unwrap_or(Path::new("/"));
                folders.insert(folder.to_owned());
                let Ok(target) = fs::read_link(&link) else { return };
                way = folder.join(target).join(rest);
                // Nothing is behind a link to a file.
                if way.as_os_str().as_bytes().ends_with(b"/") {
                    way = way.components().collect();
                }
            }
            None => break,
        }
    }
    let there = way.ancestors().skip(1).find(|folder| folder.is_dir());
    folders.extend(there.map(Path::to_owned));
}

/// The first part of a path that is a symbolic link, and what comes behind it.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut way = PathBuf::new();
    let mut parts = path.components();
    while let Some(part) = parts.next() {
        match part {
            Component::ParentDir => {
                way.pop();
            }
            part => way.push(part),
        }
        if fs::symlink_metadata(&way).is_ok_and(|found| found.is_symlink()) {
            return Some((way, parts.as_path().to_owned()));
        }
    }
    None
}

/// Folders where names may appear that a pattern matches: those its folder part names, and each above that
/// is itself a pattern's.
fn add_folders_of_pattern(pattern: &Path, folders: &mut BTreeSet<PathBuf>) {
    for part in pattern.ancestors().skip(1) {
        if !is_pattern(part) {
            return add_folders(&part.join("x"), folders);
        }
        for folder in Disk.glob(part).unwrap_or_default() {
            add_folders(&folder.join("x"), folders);
        }
    }
}

fn is_pattern(path: &Path) -> bool {
    let special = |part: &OsStr| part.as_bytes().iter().any(|byte| b"*?[".contains(byte));
    path.iter().any(special)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_was_read_is_noticed_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("a.conf"), "a").unwrap();
        let note = || {
            let files = Noting::default();
            let _ = files.read(&at("a.conf"));
            let _ = files.read(&at("missing.conf"));
            let _ = files.glob(&at("*.inc"));
            files.seen()
        };
        let seen = note();
        assert!(!seen.has_changed());
        fs::write(at("other"), "").unwrap();
        assert!(!seen.has_changed());
        for (name, text) in [("a.conf", "ab"), ("missing.conf", ""), ("new.inc", "")] {
            let seen = note();
            fs::write(at(name), text).unwrap();
            assert!(seen.has_changed(), "{name}");
        }
        let seen = note();
        fs::write(at("a.tmp"), "xy").unwrap();
        fs::rename(at("a.tmp"), at("a.conf")).unwrap();
        assert!(seen.has_changed());
    }

    #[test]
    fn folders_of_links_and_patterns_count() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        // As Kubernetes shows the files of a ConfigMap.
        for folder in ["conf", "conf/..1", "sites/a", "sites/b"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("conf/..1/app.conf"), "").unwrap();
        symlink("..1", root.join("conf/..data")).unwrap();
        symlink("..data/app.conf", root.join("conf/app.conf")).unwrap();
        let files = Noting::default();
        files.read(&root.join("conf/app.conf")).unwrap();
        files.glob(&root.join("sites/*/*.conf")).unwrap();
        let _ = files.read(&root.join("none/such/x.conf"));
        let folders = files.seen().folders();
        let expected = ["", "conf", "conf/..1", "sites", "sites/a", "sites/b"];
        let expected: BTreeSet<PathBuf> = expected.iter().map(|name| root.join(name)).collect();
        let folders: BTreeSet<PathBuf> = folders.iter().map(|folder| folder.components().collect()).collect();
        let expected: BTreeSet<PathBuf> =
            expected.iter().map(|folder| folder.components().collect()).collect();
        assert_eq!(folders, expected);
    }
}
