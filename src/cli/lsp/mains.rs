//! The main configurations that an open file may be part of.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use super::documents::Documents;
use crate::cli::look::alone;
use crate::directive::fragment::Whereabouts;
use crate::source::{Disk, Files};

/// What nginx calls its main configuration.
const NAME: &str = "nginx.conf";
/// How many folders of a workspace are looked into, and how many deep.
const MAX_FOLDERS: usize = 2000;
const MAX_DEPTH: usize = 6;
/// How many main configurations are looked at.
const MAX_MAINS: usize = 32;
/// Folders that hold what others wrote.
const PASSED_OVER: [&str; 3] = ["node_modules", "target", "vendor"];

/// What a file may be included from, the likeliest first: what the client names, the `nginx.conf` in folders around
/// each open file, open texts that are whole, and each `nginx.conf` of the workspace.
pub fn mains(named: &[PathBuf], folders: &[PathBuf], documents: &Documents) -> Vec<PathBuf> {
    let mut found = named.to_vec();
    for (_, document) in documents.iter().filter(|(_, document)| document.is_file) {
        let around = document.path.ancestors().skip(1).map(|folder| folder.join(NAME));
        found.extend(around.filter(|path| path.is_file()));
    }
    let small = documents.iter().filter(|(_, document)| !document.is_too_large());
    let whole = small.filter(|(_, document)| is_whole(&document.text));
    found.extend(whole.map(|(_, document)| document.path.clone()));
    folders.iter().for_each(|folder| search(folder, &mut found));
    let mut seen = HashSet::new();
    found.retain(|path| seen.insert(Disk.identity(path)));
    found.truncate(MAX_MAINS);
    found
}

/// Whether a text is a configuration by itself.
fn is_whole(text: &str) -> bool {
    alone(text.as_bytes()) == Whereabouts::WHOLE
}

/// Every main configuration in a folder and those in it, the nearest first.
fn search(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut waiting = VecDeque::from([(folder.to_owned(), 0)]);
    for _ in 0..MAX_FOLDERS {
        let Some((folder, depth)) = waiting.pop_front() else { return };
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(|entry| entry.file_name());
        for entry in entries {
            let name = entry.file_name();
            let is_hidden = name.as_encoded_bytes().starts_with(b".");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    let passed_over = is_hidden || PASSED_OVER.iter().any(|passed| name == *passed);
                    if depth < MAX_DEPTH && !passed_over {
                        waiting.push_back((entry.path(), depth + 1));
                    }
                }
                Ok(_) if name == NAME => found.push(entry.path()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::lsp::uri;

    #[test]
    fn the_nearest_are_asked_first() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in
            ["nginx.conf", "a/nginx.conf", "a/conf.d/x.conf", "node_modules/nginx.conf", ".git/nginx.conf"]
        {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            fs::write(at(path), "").unwrap();
        }
        let mut documents = Documents::default();
        documents.open(uri::of(&at("a/conf.d/x.conf")).unwrap(), 1, "server { }".to_owned());
        documents.open(uri::of(&at("b.conf")).unwrap(), 1, "events { }".to_owned());
        let named = [at("c.conf")];
        let found = mains(&named, &[folder.path().to_owned()], &documents);
        let expected = ["c.conf", "a/nginx.conf", "nginx.conf", "b.conf"];
        assert_eq!(found, expected.map(at));
    }
}
