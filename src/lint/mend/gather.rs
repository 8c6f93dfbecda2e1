//! The fixes of a round: each change once, however many findings it mends.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostics::mend::Change;
use crate::diagnostics::{Diagnostic, Fix};
use crate::source::{FileId, Files, Overlay, Text};

use super::settle::State;
use super::{About, LeftOut, Mending, Seen, Why};

/// What could be made of texts.
#[derive(Default)]
pub struct Gathered {
    pub candidates: Vec<Candidate>,
    /// The texts that candidates change.
    pub texts: HashMap<PathBuf, Arc<Text>>,
    pub left_out: Vec<LeftOut>,
}

/// A change, and what it is made for.
pub struct Candidate {
    pub change: Change,
    /// The first finding that it mends, and how many it does.
    pub about: About,
    pub findings: usize,
}

/// What may be made between two looks, in the order of findings. `endless` are codes that are left out.
pub fn gather(mending: &Mending<'_>, state: &State<'_>, endless: &BTreeSet<&'static str>) -> Gathered {
    let names = Names { files: &state.texts, known: RefCell::default() };
    let identity = |path: &Path| names.identity(path);
    let mut gathered = Gathered::default();
    let mut known = HashMap::new();
    let mut wishes = Wishes::default();
    for (at, seen) in state.seen.iter().enumerate() {
        for found in &seen.found {
            let Some(fix) = found.fix.as_ref().filter(|fix| (mending.wants)(found, fix)) else { continue };
            let Some(change) = Change::of(fix, &seen.sources, &identity) else { continue };
            if !gathered.knows_texts(fix, seen, &identity) {
                continue;
            }
            let about = About::of(found, fix, seen);
            if let Some(file) = change.files().find(|file| !(mending.may_change)(at, file)) {
                gathered.left_out.push(LeftOut { about, why: Why::Outside(file.to_owned()) });
            } else if endless.contains(found.code) {
                gathered.left_out.push(LeftOut { about, why: Why::Endless });
            } else {
                wishes.add(at, found.code, fix, seen, &identity);
                gathered.add(change, about, &mut known);
            }
        }
    }
    let is_torn = |candidate: &mut Candidate| wishes.are_torn(candidate.about.code, &candidate.change);
    let torn =
        gathered.candidates.extract_if(.., is_torn).map(|torn| LeftOut { about: torn.about, why: Why::Torn });
    gathered.left_out.extend(torn);
    gathered
}

impl Gathered {
    /// Takes note of the texts that a fix changes; `false` if one of them is not what it was when it was read before.
    fn knows_texts(&mut self, fix: &Fix, seen: &Seen, identity: &dyn Fn(&Path) -> PathBuf) -> bool {
        fix.edits.iter().all(|edit| {
            let source = seen.sources.get(edit.span.file);
            let known = self.texts.entry(identity(&source.path)).or_insert_with(|| source.text.clone());
            Arc::ptr_eq(known, &source.text) || known.bytes == source.text.bytes
        })
    }

    fn add(&mut self, change: Change, about: About, known: &mut HashMap<Change, usize>) {
        let next = self.candidates.len();
        match *known.entry(change.clone()).or_insert(next) {
            same if same < next => self.candidates[same].findings += 1,
            _ => self.candidates.push(Candidate { change, about, findings: 1 }),
        }
    }
}

impl About {
    fn of(found: &Diagnostic, fix: &Fix, seen: &Seen) -> About {
        About { place: seen.sources.place(found.span()), code: found.code, title: fix.title.clone() }
    }
}

/// The names of files, each looked up once.
struct Names<'a> {
    files: &'a Overlay<'a>,
    known: RefCell<HashMap<PathBuf, PathBuf>>,
}

impl Names<'_> {
    fn identity(&self, path: &Path) -> PathBuf {
        if let Some(known) = self.known.borrow().get(path) {
            return known.clone();
        }
        let identity = self.files.identity(path);
        self.known.borrow_mut().insert(path.to_owned(), identity.clone());
        identity
    }
}

/// What findings of one code want to stand in one place of a file, by where the file is read.
#[derive(Default)]
struct Wishes {
    wishes: HashMap<(&'static str, PathBuf, u32, u32), Wish>,
}

#[derive(Default)]
struct Wish {
    readings: HashSet<(usize, FileId)>,
    /// Where each text is wished for.
    texts: HashMap<String, HashSet<(usize, FileId)>>,
}

impl Wishes {
    fn add(
        &mut self,
        at: usize,
        code: &'static str,
        fix: &Fix,
        seen: &Seen,
        identity: &dyn Fn(&Path) -> PathBuf,
    ) {
        for edit in &fix.edits {
            let file = identity(&seen.sources.get(edit.span.file).path);
            let reading = (at, edit.span.file);
            let wish = self.wishes.entry((code, file, edit.span.start, edit.span.end)).or_default();
            wish.readings.insert(reading);
            wish.texts.entry(edit.text.clone()).or_default().insert(reading);
        }
    }

    /// Whether there is no text that all want who read the file and want something in this place.
    fn are_torn(&self, code: &'static str, change: &Change) -> bool {
        change.edits.iter().any(|edit| {
            let wish = self.wishes.get(&(code, edit.file.clone(), edit.start, edit.end));
            wish.is_some_and(|wish| wish.texts.values().all(|texts| texts.len() < wish.readings.len()))
        })
    }
}
