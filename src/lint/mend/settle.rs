//! Which changes do no harm: they are made, and where nginx would refuse what it took, fewer of them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::diagnostics::mend::Together;
use crate::diagnostics::{Diagnostic, Severity};
use crate::source::{Files, Overlay, Text};

use super::gather::Candidate;
use super::{LeftOut, Mending, Seen, Why};

/// How many looks there may be; of the changes that are left then it is not known that they do no harm.
const LOOKS: usize = 100;

/// Configurations, and the texts they have by now.
#[derive(Clone)]
pub struct State<'f> {
    pub texts: Overlay<'f>,
    pub seen: Vec<Rc<Seen>>,
}

/// Changes that are made to a state, as far as it is known.
pub struct Settling<'a, 'f> {
    mending: &'a Mending<'a>,
    before: &'a State<'f>,
    /// The texts that are changed.
    texts: &'a HashMap<PathBuf, Arc<Text>>,
    together: Together,
    looks: usize,
    pub now: State<'f>,
    pub made: Vec<&'a Candidate>,
    pub left_out: Vec<LeftOut>,
}

impl<'a, 'f> Settling<'a, 'f> {
    pub fn of(
        mending: &'a Mending<'a>,
        before: &'a State<'f>,
        texts: &'a HashMap<PathBuf, Arc<Text>>,
    ) -> Settling<'a, 'f> {
        Settling {
            mending,
            before,
            texts,
            together: Together::default(),
            looks: LOOKS,
            now: before.clone(),
            made: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Makes those of the changes that are in nobody's way and do no harm. Of what would do harm, halves are tried.
    pub fn settle(&mut self, candidates: &[&'a Candidate]) {
        let mut together = self.together.clone();
        let candidates: Vec<&Candidate> =
            candidates.iter().copied().filter(|candidate| together.add(&candidate.change)).collect();
        let (Some(first), Some(looks)) = (candidates.first(), self.looks.checked_sub(1)) else { return };
        self.looks = looks;
        let after = self.before.changed(self.mending, &together, self.texts);
        match after.refusal(self.before) {
            None => {
                self.made.extend(candidates);
                self.together = together;
                self.now = after;
            }
            Some(message) if candidates.len() == 1 => {
                self.left_out.push(LeftOut { about: first.about.clone(), why: Why::Refused(message) });
            }
            Some(_) => {
                let (one, other) = candidates.split_at(candidates.len() / 2);
                self.settle(one);
                self.settle(other);
            }
        }
    }
}

impl<'f> State<'f> {
    pub fn first(mending: &Mending<'_>, count: usize, files: &'f dyn Files) -> State<'f> {
        let texts = Overlay::new(files);
        let seen = (0..count).map(|at| Rc::new((mending.look)(at, &texts))).collect();
        State { texts, seen }
    }

    /// What there is once changes are made to these texts.
    fn changed(
        &self,
        mending: &Mending<'_>,
        changes: &Together,
        texts: &HashMap<PathBuf, Arc<Text>>,
    ) -> State<'f> {
        let mut after = self.clone();
        for file in changes.files() {
            after.texts.set(file, changes.made(file, &texts[file].bytes));
        }
        let changed: HashSet<&Path> = changes.files().collect();
        let read = |path: &Path| changed.contains(&*self.texts.identity(path));
        for (at, seen) in after.seen.iter_mut().enumerate() {
            if seen.sources.iter().any(|(_, source)| read(&source.path)) {
                *seen = Rc::new((mending.look)(at, &after.texts));
            }
        }
        after
    }

    /// Something that nginx would say of these configurations and would not have said before.
    fn refusal(&self, before: &State<'_>) -> Option<String> {
        let both = self.seen.iter().zip(&before.seen);
        let looked_at_again = both.filter(|(now, before)| !Rc::ptr_eq(now, before));
        looked_at_again.into_iter().find_map(|(now, before)| new_refusal(now, before))
    }
}

fn new_refusal(now: &Seen, before: &Seen) -> Option<String> {
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    refusals(before).for_each(|refusal| *known.entry(refusal).or_default() += 1);
    for refusal in refusals(now) {
        match known.get_mut(&refusal) {
            Some(left @ 1..) => *left -= 1,
            _ => return Some(refusal.0.to_owned()),
        }
    }
    None
}

/// What nginx would say, and of which file.
fn refusals(seen: &Seen) -> impl Iterator<Item = (&str, &str)> {
    let is_nginxs =
        |one: &&Diagnostic| one.severity == Severity::Error && crate::lint::find(one.code).is_none();
    let said = seen.found.iter().filter(is_nginxs);
    said.map(|one| (&*one.message, &*seen.sources.get(one.span().file).name))
}
