//! What is known of the open texts: each is looked at through the main configurations that include it, or alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::documents::Documents;
use super::mains::mains;
use super::settings::Settings;
use crate::cli::look::{Input, Look, Seen};
use crate::directive::Catalogue;
use crate::lint::Selection;
use crate::lint::mend::{self, Mending};
use crate::source::{Disk, FileId, Files, Overlay};
use crate::syntax::{Reader, Tree};

/// A configuration as it was when it was looked at.
pub struct Looked {
    /// The file that it begins with.
    path: PathBuf,
    pub seen: Seen,
    /// The first reading of each file.
    files: HashMap<PathBuf, FileId>,
    /// The state of the disk, and of the open texts among the files.
    disk: u64,
    stamps: BTreeMap<PathBuf, u64>,
}

/// The configurations that open texts are part of.
#[derive(Default)]
pub struct Workspace {
    /// The state of the disk for which `mains` were looked for.
    disk: Option<u64>,
    mains: Vec<Main>,
    /// By the path of the file that each begins with.
    looked: Vec<(PathBuf, Rc<Looked>)>,
    /// What is wrong with how rules were chosen, if anything was when one was looked at last.
    pub complaint: Option<String>,
}

/// A main configuration, and the files that it had when it was read last.
struct Main {
    path: PathBuf,
    files: HashSet<PathBuf>,
}

impl Workspace {
    /// Looks at whatever has changed. Every open text is in one of these.
    pub fn look(&mut self, documents: &Documents, settings: &Settings) -> Vec<Rc<Looked>> {
        if self.disk != Some(documents.disk) {
            self.search(documents, settings);
        }
        let mut paths: Vec<PathBuf> = Vec::new();
        let mut looked: Vec<(PathBuf, Rc<Looked>)> = Vec::new();
        for main in &self.mains {
            if documents.iter().any(|(key, _)| main.files.contains(key)) {
                paths.push(main.path.clone());
            }
        }
        for path in paths {
            let one = self.look_at(&path, documents, settings);
            if let Some(main) = self.mains.iter_mut().find(|main| main.path == path) {
                main.files = one.files.keys().cloned().collect();
            }
            looked.push((path, one));
        }
        for (key, document) in documents.iter().filter(|(_, document)| !document.is_too_large()) {
            if !looked.iter().any(|(_, one)| one.files.contains_key(key)) {
                looked.push((document.path.clone(), self.look_at(&document.path, documents, settings)));
            }
        }
        self.looked = looked;
        self.looked.iter().map(|(_, one)| one.clone()).collect()
    }

    /// What was known when it was looked at last, of the first configuration that has this file.
    pub fn known(&self, key: &Path) -> Option<Rc<Looked>> {
        self.looked.iter().map(|(_, one)| one).find(|one| one.files.contains_key(key)).cloned()
    }

    /// Finds main configurations, and what they include.
    fn search(&mut self, documents: &Documents, settings: &Settings) {
        self.disk = Some(documents.disk);
        let read = |path: PathBuf| {
            let directory = path.parent().unwrap_or(Path::new("")).to_owned();
            let (tree, _) = Reader::new(&directory, documents).hints(&Catalogue).file(&path).read();
            Main { path, files: files(&tree).into_keys().collect() }
        };
        let found = mains(&settings.mains, &settings.folders, documents);
        let read: Vec<Main> = found.into_iter().map(read).collect();
        let included = |main: &Main| {
            let key = Disk.identity(&main.path);
            let around = |other: &Main| {
                other.files.contains(&key) && !main.files.contains(&Disk.identity(&other.path))
            };
            read.iter().any(around)
        };
        // What looks whole may be what a main configuration keeps in a file of its own.
        let parts: Vec<bool> = read.iter().map(included).collect();
        self.mains = read.into_iter().zip(parts).filter(|(_, part)| !part).map(|(main, _)| main).collect();
    }

    fn look_at(&mut self, path: &Path, documents: &Documents, settings: &Settings) -> Rc<Looked> {
        let before = self.looked.iter().find(|(known, _)| known == path).map(|(_, one)| one);
        if let Some(before) = before.filter(|before| before.is_fresh(documents)) {
            return before.clone();
        }
        let directory = directory(path, documents, settings);
        let rules = settings.rules.selection(&directory).unwrap_or_else(|wrong| {
            self.complaint = Some(wrong);
            Selection::default()
        });
        Rc::new(Looked::new(path, see(path, &directory, documents, rules), documents))
    }

    /// The text of a file in which all is mended that can be mended safely, within a configuration that has it.
    pub fn mended(
        &self,
        looked: &Looked,
        key: &Path,
        documents: &Documents,
        settings: &Settings,
    ) -> Option<Vec<u8>> {
        let directory = directory(&looked.path, documents, settings);
        let rules = settings.rules.selection(&directory).unwrap_or_default();
        let look = |_, files: &Overlay<'_>| {
            let seen = see(&looked.path, &directory, files, rules.clone());
            mend::Seen { sources: seen.tree.sources, found: seen.found }
        };
        let mending = Mending {
            look: &look,
            wants: &|finding, fix| fix.safe && settings.is_told(finding),
            may_change: &|_, file| file == key,
        };
        mending.run(1, documents).texts.get(key).map(<[u8]>::to_vec)
    }
}

/// Looks at the configuration that begins with a file.
fn see(path: &Path, directory: &Path, files: &dyn Files, rules: Selection) -> Seen {
    let input = Input {
        name: path.to_string_lossy().into(),
        path: Some(path.to_owned()),
        bytes: files.read(path).unwrap_or_default(),
        directory: directory.to_owned(),
    };
    Look { prefix: None, context: None, strict: false, resolve: false, rules }.see(&input, files)
}

/// Where a configuration lies: a text that is no file lies where somebody works.
fn directory(path: &Path, documents: &Documents, settings: &Settings) -> PathBuf {
    let directory = match documents.of(path) {
        Some(document) if !document.is_file => settings.folders.first().cloned(),
        _ => path.parent().map(Path::to_owned),
    };
    directory.unwrap_or_default()
}

impl Looked {
    fn new(path: &Path, seen: Seen, documents: &Documents) -> Looked {
        let files = files(&seen.tree);
        let stamps = stamps(&files, documents);
        Looked { path: path.to_owned(), seen, files, disk: documents.disk, stamps }
    }

    /// Whether it is still as it was.
    fn is_fresh(&self, documents: &Documents) -> bool {
        self.disk == documents.disk && self.stamps == stamps(&self.files, documents)
    }

    /// The first reading of a file.
    pub fn file(&self, key: &Path) -> Option<FileId> {
        self.files.get(key).copied()
    }
}

/// The first reading of each file of a tree.
fn files(tree: &Tree) -> HashMap<PathBuf, FileId> {
    let mut files = HashMap::new();
    let mut identities = HashMap::new();
    for (id, source) in tree.sources.iter() {
        let key = identities.entry(&source.path).or_insert_with(|| Disk.identity(&source.path));
        files.entry(key.clone()).or_insert(id);
    }
    files
}

fn stamps(files: &HashMap<PathBuf, FileId>, documents: &Documents) -> BTreeMap<PathBuf, u64> {
    let among = documents.iter().filter(|(key, _)| files.contains_key(*key));
    among.map(|(key, document)| (key.to_owned(), document.stamp)).collect()
}
