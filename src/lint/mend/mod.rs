//! Mends what has fixes: makes those that go together, looks again, and goes on until nothing is left to make.
//!
//! What comes of it is never worse than what there was: a fix after which nginx would refuse something is left out.
//! Nothing is written; [`Mended::texts`] is what the files would be. Start at [`Mending::run`]; `gather` finds the
//! fixes of a round, `settle` those of them that do no harm.

mod gather;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::diagnostics::{Diagnostic, Fix};
use crate::source::{Files, Overlay, Place, Sources, Text};

use gather::{Candidate, gather};
use settle::{Settling, State};

/// How many rounds there may be. Fixes that are made even then would be made for ever: these are left out.
const ROUNDS: u32 = 20;

/// How many times as many findings as there are at first may be mended, and how many besides: more than that, and
/// fixes make what they mend.
const GROWTH: usize = 4;
const SPARE: usize = 64;

/// A configuration as it was looked at.
pub struct Seen {
    pub sources: Sources,
    pub found: Vec<Diagnostic>,
}

/// How to mend configurations, which may have files in common.
pub struct Mending<'a> {
    /// Looks at a configuration, named by its number.
    pub look: &'a dyn Fn(usize, &Overlay<'_>) -> Seen,
    /// Whether a finding that has a fix is to be mended.
    pub wants: &'a dyn Fn(&Diagnostic, &Fix) -> bool,
    /// Whether a file (see [`Files::identity`]) may be changed for a configuration.
    pub may_change: &'a dyn Fn(usize, &Path) -> bool,
}

/// What came of it.
pub struct Mended<'f> {
    pub texts: Overlay<'f>,
    /// The texts that are not what they were, by file (see [`Files::identity`]).
    pub changes: Vec<Changed>,
    /// What is said of each configuration now.
    pub seen: Vec<Rc<Seen>>,
    /// How many findings were mended.
    pub findings: usize,
    /// Fixes that were wanted and not made, each once.
    pub left_out: Vec<LeftOut>,
}

/// A text that was mended.
#[derive(Debug)]
pub struct Changed {
    pub file: PathBuf,
    pub before: Arc<Text>,
    pub after: Vec<u8>,
}

/// A fix that was not made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeftOut {
    pub about: About,
    pub why: Why,
}

/// What a fix is about: where its finding stands, the code of that, and what the fix does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct About {
    pub place: Place,
    pub code: &'static str,
    pub title: String,
}

/// Why a fix was not made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// This file may not be changed.
    Outside(PathBuf),
    /// nginx would say this.
    Refused(String),
    /// Where a file is included it is to be changed in one way, and where it is included again in another.
    Torn,
    /// It would be made again and again.
    Endless,
}

impl Mending<'_> {
    /// Mends `count` configurations that lie in `files`.
    pub fn run<'f>(&self, count: usize, files: &'f dyn Files) -> Mended<'f> {
        let first = State::first(self, count, files);
        let mut endless = BTreeSet::new();
        loop {
            match self.rounds(first.clone(), &endless) {
                Ok(mended) => return mended,
                Err(codes) => endless.extend(codes),
            }
        }
    }

    /// Goes on until a round changes nothing.
    ///
    /// # Errors
    ///
    /// The codes of what the last round mended, if that does not end.
    fn rounds<'f>(
        &self,
        mut state: State<'f>,
        endless: &BTreeSet<&'static str>,
    ) -> Result<Mended<'f>, Vec<&'static str>> {
        let (mut findings, mut most) = (0, None);
        let mut before = BTreeMap::new();
        for round in 1.. {
            let mut gathered = gather(self, &state, endless);
            let mut settling = Settling::of(self, &state, &gathered.texts);
            settling.settle(&gathered.candidates.iter().collect::<Vec<_>>());
            let Settling { made, now, left_out, .. } = settling;
            if made.is_empty() {
                gathered.left_out.extend(left_out);
                let (changes, left_out) = (changes(before, &state.texts), once(gathered.left_out));
                let State { texts, seen } = state;
                return Ok(Mended { texts, changes, seen, findings, left_out });
            }
            findings += count(made.iter().copied());
            let most = *most.get_or_insert_with(|| SPARE + GROWTH * count(&gathered.candidates));
            if round == ROUNDS || findings > most {
                return Err(made.iter().map(|made| made.about.code).collect());
            }
            for file in made.iter().flat_map(|made| made.change.files()) {
                before.entry(file.to_owned()).or_insert_with(|| gathered.texts[file].clone());
            }
            state = now;
        }
        unreachable!("there are no more than {ROUNDS} rounds")
    }
}

/// What became of texts that fixes were made to.
fn changes(before: BTreeMap<PathBuf, Arc<Text>>, texts: &Overlay<'_>) -> Vec<Changed> {
    let after = |file: &Path| texts.get(file).map(<[u8]>::to_vec).unwrap_or_default();
    let changes = before.into_iter().map(|(file, before)| Changed { after: after(&file), file, before });
    changes.filter(|changed| changed.after != changed.before.bytes).collect()
}

/// How many findings these mend.
fn count<'a>(candidates: impl IntoIterator<Item = &'a Candidate>) -> usize {
    candidates.into_iter().map(|candidate| candidate.findings).sum()
}

fn once(mut left_out: Vec<LeftOut>) -> Vec<LeftOut> {
    let mut known = HashSet::new();
    left_out.retain(|one| known.insert(one.clone()));
    left_out
}
