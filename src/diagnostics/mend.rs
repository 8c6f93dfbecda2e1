//! Fixes made to texts: which of them go together, and what the texts are then.
//!
//! Texts in, texts out: nothing is read or written here, and what stands outside of edits stays byte for byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Edit, Fix};
use crate::source::Sources;

/// A fix as a change to files: all of it is made, or nothing. However often a file is included, it is one file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    pub edits: Vec<Replacement>,
}

/// Puts `text` in the place of the bytes of `file` from `start` to `end`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replacement {
    /// See [`Files::identity`](crate::source::Files::identity); empty for a text that is in no file.
    pub file: PathBuf,
    pub start: u32,
    pub end: u32,
    pub text: String,
}

impl Change {
    /// A fix without those of its edits that change nothing, in files as `identity` names them; `None` if no edit is
    /// left, or if they are at odds with each other.
    pub fn of(fix: &Fix, sources: &Sources, identity: &dyn Fn(&Path) -> PathBuf) -> Option<Change> {
        let mut edits = Vec::new();
        for Edit { span, text } in &fix.edits {
            let source = sources.get(span.file);
            let replaced = source.text.bytes.get(span.start as usize..span.end as usize)?;
            let file = identity(&source.path);
            if replaced == text.as_bytes() {
                continue;
            }
            let here = |edit: &&mut Replacement| {
                edit.file == file && (edit.start, edit.end) == (span.end, span.start)
            };
            // What one fix puts in one place stands there in its order.
            match edits.iter_mut().find(here) {
                Some(edit) => edit.text.push_str(text),
                None => {
                    edits.push(Replacement { file, start: span.start, end: span.end, text: text.clone() })
                }
            }
        }
        let change = Change { edits };
        let made = Together::default().add(&change) && !change.edits.is_empty();
        made.then_some(change)
    }

    /// The files it changes.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.edits.iter().map(|edit| &*edit.file)
    }
}

/// Changes that can be made at once: none touches what another one replaces, and an edit that several of them have is
/// made once.
#[derive(Clone, Debug, Default)]
pub struct Together {
    /// By file, and there by start and end.
    edits: BTreeMap<PathBuf, BTreeMap<(u32, u32), String>>,
}

impl Together {
    /// Adds a change, unless it is in the way of one that was added before: then nothing of it is.
    pub fn add(&mut self, change: &Change) -> bool {
        let mut added = Vec::new();
        for edit in &change.edits {
            let here = self.edits.entry(edit.file.clone()).or_default();
            match room(here, edit) {
                Room::Free => {
                    here.insert((edit.start, edit.end), edit.text.clone());
                    added.push(edit);
                }
                Room::Same => {}
                Room::Taken => {
                    for edit in added {
                        let here = self.edits.entry(edit.file.clone()).or_default();
                        here.remove(&(edit.start, edit.end));
                    }
                    return false;
                }
            }
        }
        true
    }

    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.edits.iter().filter(|(_, edits)| !edits.is_empty()).map(|(file, _)| &**file)
    }

    /// The text of a file with its edits made.
    pub fn made(&self, file: &Path, text: &[u8]) -> Vec<u8> {
        let mut made = Vec::with_capacity(text.len());
        let mut from = 0;
        for ((start, end), new) in self.edits.get(file).into_iter().flatten() {
            made.extend_from_slice(&text[from..*start as usize]);
            made.extend_from_slice(new.as_bytes());
            from = *end as usize;
        }
        made.extend_from_slice(&text[from..]);
        made
    }
}

/// What stands where an edit is to be made.
enum Room {
    Free,
    /// The very same edit.
    Same,
    Taken,
}

/// Of two texts that are put in the same place nobody knows which comes first: the place is taken.
fn room(here: &BTreeMap<(u32, u32), String>, edit: &Replacement) -> Room {
    if let Some(text) = here.get(&(edit.start, edit.end)) {
        return if *text == edit.text { Room::Same } else { Room::Taken };
    }
    // Those that are there do not overlap: if one reaches into this edit, the last that begins before its end does.
    let last = here.range(..(edit.end, 0)).next_back();
    match last {
        Some(((_, end), _)) if *end > edit.start => Room::Taken,
        _ => Room::Free,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(edits: &[(u32, u32, &str)]) -> Change {
        let edit = |(start, end, text): &(u32, u32, &str)| Replacement {
            file: "x".into(),
            start: *start,
            end: *end,
            text: (*text).into(),
        };
        Change { edits: edits.iter().map(edit).collect() }
    }

    fn made(changes: &[&[(u32, u32, &str)]], text: &str) -> (Vec<bool>, String) {
        let mut together = Together::default();
        let added = changes.iter().map(|edits| together.add(&change(edits))).collect();
        (added, String::from_utf8(together.made(Path::new("x"), text.as_bytes())).unwrap())
    }

    #[test]
    fn a_change_is_made_whole_or_not_at_all() {
        let text = "abcdef";
        assert_eq!(
            made(&[&[(0, 1, "A"), (5, 6, "")], &[(3, 3, "-")]], text),
            (vec![true, true], "Abc-de".into())
        );
        // The second reaches into the first, and leaves nothing of itself behind.
        assert_eq!(
            made(&[&[(2, 4, "X")], &[(0, 0, "-"), (3, 5, "Y")]], text),
            (vec![true, false], "abXef".into())
        );
        assert_eq!(made(&[&[(2, 4, "X")], &[(3, 3, "-")]], text).0, [true, false]);
        assert_eq!(made(&[&[(3, 3, "-")], &[(2, 4, "X")]], text).0, [true, false]);
        assert_eq!(
            made(&[&[(2, 4, "X")], &[(2, 2, "<"), (4, 4, ">")]], text),
            (vec![true, true], "ab<X>ef".into())
        );
        assert_eq!(made(&[&[(2, 2, "<"), (2, 3, "C")]], text), (vec![true], "ab<Cdef".into()));
    }

    #[test]
    fn what_several_changes_have_in_common_is_made_once() {
        let text = "abcdef";
        let common: &[&[(u32, u32, &str)]] = &[&[(0, 0, "m "), (2, 3, "C")], &[(0, 0, "m "), (4, 5, "E")]];
        assert_eq!(made(common, text), (vec![true, true], "m abCdEf".into()));
        assert_eq!(made(&[&[(0, 0, "m ")], &[(0, 0, "n ")]], text), (vec![true, false], "m abcdef".into()));
    }

    proptest! {
        /// Whatever is asked for: the bytes between the edits that are made are those of the text, in order.
        #[test]
        fn what_stands_outside_of_edits_stays(
            text in prop::collection::vec(any::<u8>(), 0..60),
            changes in prop::collection::vec(
                prop::collection::vec((any::<prop::sample::Index>(), 0u32..6, "[<>]{0,3}"), 1..4), 0..12),
        ) {
            let mut together = Together::default();
            let mut kept: Vec<Replacement> = Vec::new();
            for edits in &changes {
                let edits = edits.iter().map(|(start, length, new)| {
                    let start = start.index(text.len() + 1) as u32;
                    let end = (start + length).min(text.len() as u32);
                    Replacement { file: "x".into(), start, end, text: new.clone() }
                });
                let change = Change { edits: edits.collect() };
                if together.add(&change) {
                    kept.extend(change.edits);
                }
            }
            kept.sort_by_key(|edit| (edit.start, edit.end));
            kept.dedup();
            let made = together.made(Path::new("x"), &text);
            let (mut at, mut rest) = (0, &made[..]);
            for edit in &kept {
                prop_assert!(at <= edit.start as usize, "{kept:?}");
                let before = &text[at..edit.start as usize];
                prop_assert!(rest.starts_with(before));
                prop_assert!(rest[before.len()..].starts_with(edit.text.as_bytes()));
                rest = &rest[before.len() + edit.text.len()..];
                at = edit.end as usize;
            }
            prop_assert_eq!(rest, &text[at..]);
        }
    }
}
