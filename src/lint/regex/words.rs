//! Texts that a pattern matches.

use std::ops::RangeInclusive;

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use super::{Hole, holds, size};

/// How many texts are made of one pattern; those beyond it are left out.
const MOST: usize = 64;

/// A walk through a pattern that makes texts of it.
#[derive(Default)]
pub(super) struct Walk<'a> {
    /// How many holes were come by.
    pub seen: usize,
    /// The hole that is filled, and with what; nothing stands for any byte that goes in.
    pub wanted: Option<(Hole, &'a [u8])>,
    pub filled: bool,
}

impl Walk<'_> {
    /// Texts that a part matches: one for each of its alternatives, as short as it allows.
    pub fn words(&mut self, part: &Hir) -> Vec<Vec<u8>> {
        match part.kind() {
            HirKind::Empty | HirKind::Look(_) => vec![Vec::new()],
            HirKind::Literal(literal) => vec![literal.0.to_vec()],
            HirKind::Class(class) => {
                let usual = usual(class);
                vec![self.hole(class, 1..=1).unwrap_or(usual)]
            }
            HirKind::Capture(capture) => self.words(&capture.sub),
            HirKind::Repetition(repetition) => self.repeated(repetition),
            HirKind::Concat(parts) => parts.iter().fold(vec![Vec::new()], |starts, part| {
                let ends = self.words(part);
                product(&starts, &ends)
            }),
            HirKind::Alternation(parts) => {
                let mut words: Vec<Vec<u8>> = parts.iter().flat_map(|part| self.words(part)).collect();
                words.truncate(MOST);
                words
            }
        }
    }

    /// As often as it has to be, or once for the sake of a hole in it.
    fn repeated(&mut self, repetition: &Repetition) -> Vec<Vec<u8>> {
        let Repetition { min, max, sub, .. } = repetition;
        if let HirKind::Class(class) = sub.kind() {
            let (least, most) = (*min as usize, max.map_or(usize::MAX, |max| max as usize));
            if let Some(bytes) = self.hole(class, least..=most) {
                return vec![bytes];
            }
            let label = b"www.";
            return match least {
                1.. if label.len() >= least
                    && label.len() <= most
                    && label.iter().all(|byte| holds(class, *byte)) =>
                {
                    vec![label.to_vec()]
                }
                _ => vec![usual(class).repeat(least.min(MOST))],
            };
        }
        let was_filled = self.filled;
        let words = self.words(sub);
        match min {
            0 if self.filled == was_filled => vec![Vec::new()],
            0 | 1 => words,
            _ => words.into_iter().map(|word| word.repeat((*min as usize).min(MOST))).collect(),
        }
    }

    /// Comes by a hole, and gives what is to be in it.
    fn hole(&mut self, class: &Class, sizes: RangeInclusive<usize>) -> Option<Vec<u8>> {
        // A letter in either case is no choice.
        if size(class) <= 2 {
            return None;
        }
        let hole = Hole(self.seen);
        self.seen += 1;
        let (_, bytes) = self.wanted.filter(|(wanted, _)| *wanted == hole)?;
        let bytes = if bytes.is_empty() { usual(class) } else { bytes.to_vec() };
        self.filled = sizes.contains(&bytes.len()) && bytes.iter().all(|byte| holds(class, *byte));
        self.filled.then_some(bytes)
    }
}

/// What may stand before a part; `None` if it is not in here.
pub(super) fn before(part: &Hir, target: &Hir) -> Option<Vec<Vec<u8>>> {
    if std::ptr::eq(part, target) {
        return Some(vec![Vec::new()]);
    }
    match part.kind() {
        HirKind::Capture(capture) => before(&capture.sub, target),
        HirKind::Repetition(repetition) => before(&repetition.sub, target),
        HirKind::Alternation(parts) => parts.iter().find_map(|part| before(part, target)),
        HirKind::Concat(parts) => {
            let mut starts = vec![Vec::new()];
            for part in parts {
                if let Some(ends) = before(part, target) {
                    return Some(product(&starts, &ends));
                }
                starts = product(&starts, &Walk::default().words(part));
            }
            None
        }
        _ => None,
    }
}

fn product(starts: &[Vec<u8>], ends: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let pairs = starts.iter().flat_map(|start| ends.iter().map(move |end| [&start[..], end].concat()));
    pairs.take(MOST).collect()
}

/// The byte of a class that a person would write: a dot that nobody escaped stands for itself.
fn usual(class: &Class) -> Vec<u8> {
    let liked = b".xa1-/".iter().copied().chain(b'a'..=b'z').chain(b'!'..=b'~').chain(0..=255);
    liked.into_iter().find(|byte| holds(class, *byte)).into_iter().collect()
}
