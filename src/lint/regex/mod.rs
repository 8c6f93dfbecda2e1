//! What a regular expression can match, seen without running it.
//!
//! PCRE knows more than the reader here: a pattern that looks around itself or never gives back is unknown to it, and
//! rules are silent about that. What is claimed of a pattern is made by construction and proven by matching.

mod words;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

use crate::request::{Pattern, Variables};

use words::{Walk, before};

/// A pattern in both views: its parts, and compiled.
pub struct Regex {
    parts: Hir,
    pub pattern: Pattern,
}

/// A part of a pattern that has a choice: one byte of many, or many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole(usize);

impl Regex {
    /// `None` where PCRE refuses the pattern, and where it has parts of which nothing is known.
    pub fn new(pattern: &[u8], caseless: bool) -> Option<Regex> {
        let text = str::from_utf8(pattern).ok()?;
        // What the reader takes for sets of sets, PCRE takes for characters.
        if ["&&", "--", "~~"].iter().any(|mark| text.contains(mark)) || text.replace("[[:", "").contains("[[")
        {
            return None;
        }
        let parts = ParserBuilder::new()
            .unicode(false)
            .utf8(false)
            .case_insensitive(caseless)
            .build()
            .parse(text)
            .ok()?;
        let pattern = compiled(pattern, caseless)?;
        Some(Regex { parts, pattern })
    }

    /// As `map` and its kin write it: behind `~` or `~*`.
    pub fn marked(text: &[u8]) -> Option<Regex> {
        let rest = text.strip_prefix(b"~")?;
        match rest.strip_prefix(b"*") {
            Some(pattern) => Regex::new(pattern, true),
            None => Regex::new(rest, false),
        }
    }

    /// The number of a named group.
    pub fn number(&self, name: &[u8]) -> Option<usize> {
        let named = |part: &Hir| match part.kind() {
            HirKind::Capture(capture) if capture.name.as_deref().map(str::as_bytes) == Some(name) => {
                Some(capture.index as usize)
            }
            _ => None,
        };
        all(&self.parts).into_iter().find_map(named)
    }

    /// Whether a group may take this byte.
    pub fn group_may_hold(&self, group: usize, byte: u8) -> bool {
        self.group(group).is_some_and(|part| may_hold(part, byte))
    }

    /// Whether a group that takes anything takes this byte first.
    pub fn group_begins_with(&self, group: usize, byte: u8) -> bool {
        self.group(group).is_some_and(|part| begins_with(part, byte))
    }

    /// Whether all of what is matched, not only a part of it, is free of this byte. A line break at the very end is
    /// overlooked: `$` lets it pass.
    pub fn excludes(&self, byte: u8) -> bool {
        let of_parts = self.parts.properties();
        let is_whole = of_parts.look_set_prefix().contains(Look::Start)
            && of_parts.look_set_suffix().contains(Look::End);
        is_whole && !may_hold(&self.parts, byte)
    }

    /// How many different texts a group takes, if they are no more than that.
    pub fn choices(&self, group: usize, most: usize) -> Option<usize> {
        choices(self.group(group)?, most)
    }

    /// Texts that it matches, one for each of its alternatives, and as short as it allows.
    pub fn words(&self) -> Vec<Vec<u8>> {
        Walk::default().words(&self.parts)
    }

    /// The same with other bytes in one hole; none where they do not go in.
    pub fn words_with(&self, hole: Hole, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut walk = Walk { wanted: Some((hole, bytes)), ..Walk::default() };
        let words = walk.words(&self.parts);
        if walk.filled { words } else { Vec::new() }
    }

    /// Every part that has a choice.
    pub fn holes(&self) -> impl Iterator<Item = Hole> + use<> {
        let mut walk = Walk::default();
        walk.words(&self.parts);
        (0..walk.seen).map(Hole)
    }

    /// What may stand before a group: a text for each way to come to it.
    pub fn before(&self, group: usize) -> Vec<Vec<u8>> {
        self.group(group).and_then(|part| before(&self.parts, part)).unwrap_or_default()
    }

    /// A text on which the matcher gives up, for repeated parts that repeat something themselves.
    pub fn exhausting(&self) -> Option<Vec<u8>> {
        let repeated = all(&self.parts).into_iter().filter_map(|part| match part.kind() {
            HirKind::Repetition(Repetition { max: None, sub, .. }) if all(sub).len() > 1 => {
                Some((part, &**sub))
            }
            _ => None,
        });
        repeated.flat_map(|(part, sub)| self.attacks(part, sub)).find(|text| self.pattern.gives_up(text))
    }

    /// Texts that repeat what a part repeats, and end in what does not match; the rest of the pattern stands behind
    /// that, for PCRE looks for bytes that cannot be missing before it begins.
    fn attacks(&self, part: &Hir, sub: &Hir) -> Vec<Vec<u8>> {
        const TIMES: usize = 40;
        let mut once = Walk::default();
        let mut pumps = once.words(sub);
        for hole in 0..once.seen {
            pumps.extend(Walk { wanted: Some((Hole(hole), b"")), ..Walk::default() }.words(sub));
        }
        pumps.retain(|word| !word.is_empty());
        pumps.sort();
        pumps.dedup();
        pumps.truncate(8);
        let starts = before(&self.parts, part).unwrap_or_default();
        let rest = self.words().into_iter().next().unwrap_or_default();
        let attack = |start: &Vec<u8>, pump: &Vec<u8>| {
            [&start[..], &pump.repeat(TIMES), b"\x01", &rest, b"\x01"].concat()
        };
        starts.iter().take(4).flat_map(|start| pumps.iter().map(move |pump| attack(start, pump))).collect()
    }

    fn group(&self, group: usize) -> Option<&Hir> {
        let is_it =
            |part: &&Hir| matches!(part.kind(), HirKind::Capture(capture) if capture.index as usize == group);
        all(&self.parts).into_iter().find(is_it)
    }
}

/// A pattern as PCRE2 has it, also where its parts are unknown.
pub fn compiled(pattern: &[u8], caseless: bool) -> Option<Pattern> {
    Pattern::new(pattern, caseless, &mut Variables::default()).ok()
}

/// A part and all that is in it.
fn all(part: &Hir) -> Vec<&Hir> {
    let (mut found, mut at) = (vec![part], 0);
    while at < found.len() {
        found.extend(found[at].kind().subs());
        at += 1;
    }
    found
}

fn may_hold(part: &Hir, byte: u8) -> bool {
    all(part).into_iter().any(|part| match part.kind() {
        HirKind::Literal(literal) => literal.0.contains(&byte),
        HirKind::Class(class) => holds(class, byte),
        _ => false,
    })
}

/// Whether nothing that a part matches begins with another byte; it may match nothing at all.
fn begins_with(part: &Hir, byte: u8) -> bool {
    match part.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => literal.0.first() == Some(&byte),
        HirKind::Class(_) => false,
        HirKind::Capture(capture) => begins_with(&capture.sub, byte),
        HirKind::Repetition(repetition) => begins_with(&repetition.sub, byte),
        HirKind::Alternation(parts) => parts.iter().all(|part| begins_with(part, byte)),
        HirKind::Concat(parts) => {
            let certain = parts.iter().position(|part| part.properties().minimum_len() > Some(0));
            let leading = certain.map_or(parts.len(), |at| at + 1);
            parts[..leading].iter().all(|part| begins_with(part, byte))
        }
    }
}

fn choices(part: &Hir, most: usize) -> Option<usize> {
    let count = match part.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Literal(_) => 1,
        HirKind::Class(class) => size(class),
        HirKind::Capture(capture) => choices(&capture.sub, most)?,
        HirKind::Repetition(Repetition { min, max, sub, .. }) => {
            let each = choices(sub, most)?;
            (*min..=(*max)?).try_fold(0, |sum: usize, times| sum.checked_add(each.checked_pow(times)?))?
        }
        HirKind::Concat(parts) => {
            parts.iter().try_fold(1, |all: usize, part| all.checked_mul(choices(part, most)?))?
        }
        HirKind::Alternation(parts) => {
            parts.iter().try_fold(0, |all: usize, part| all.checked_add(choices(part, most)?))?
        }
    };
    (count <= most).then_some(count)
}

fn holds(class: &Class, byte: u8) -> bool {
    match class {
        Class::Bytes(class) => {
            class.ranges().iter().any(|range| range.start() <= byte && byte <= range.end())
        }
        Class::Unicode(class) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&char::from(byte)))
        }
    }
}

fn size(class: &Class) -> usize {
    (0..=255).filter(|byte| holds(class, *byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str) -> Regex {
        Regex::new(pattern.as_bytes(), false).unwrap()
    }

    fn texts(words: Vec<Vec<u8>>) -> Vec<String> {
        words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
    }

    #[test]
    fn what_pcre_refuses_or_only_pcre_knows_is_unknown() {
        assert!(Regex::new(b"(", false).is_none());
        assert!(Regex::new(b"^/(?!static)(.*)$", false).is_none());
        assert!(Regex::new(b"^[a&&b]+$", false).is_none() && Regex::new(b"^[[]x$", false).is_none());
        assert!(compiled(b"^/(?!static)(.*)$", false).is_some());
    }

    #[test]
    fn a_dot_matches_no_line_break_but_other_classes_do() {
        let holds = |pattern: &str| regex(pattern).group_may_hold(1, b'\n');
        assert!(holds("^/([^/]*)") && holds(r"(\s)") && holds(r"(a|\W*)") && holds(r"((?s).)"));
        assert!(!holds("^/(.*)$") && !holds("([a-z]+)") && !holds(r"(\w|-)\n"));
        assert_eq!(regex(r"^/(?<lang>en|de)/(?P<id>\d+)$").number(b"id"), Some(2));
    }

    #[test]
    fn only_a_pattern_of_the_whole_text_excludes_a_byte() {
        assert!(regex("^/[a-z]+$").excludes(b'\n') && regex("^/a$|^/b$").excludes(b'\n'));
        assert!(!regex("^/[a-z]+").excludes(b'\n') && !regex("^/[^/]+$").excludes(b'\n'));
        assert!(!regex("^/a$|/b$").excludes(b'\n'));
    }

    #[test]
    fn few_texts_are_counted() {
        assert_eq!(regex("(https?)").choices(1, 100), Some(2));
        assert_eq!(regex("(eu|us-(east|west)|v[0-9])").choices(1, 100), Some(13));
        assert_eq!(regex("([a-z]{2})").choices(1, 100), None);
        assert_eq!(regex("(a*)").choices(1, 100), None);
    }

    #[test]
    fn texts_are_made_of_alternatives_and_holes() {
        let origin = regex(r"^https?://(.+\.)?(a|b).test$");
        assert_eq!(texts(origin.words()), ["http://a.test"].map(str::to_owned));
        let words: Vec<String> =
            origin.holes().flat_map(|hole| texts(origin.words_with(hole, b"x"))).collect();
        assert!(
            words.contains(&"http://x.a.test".to_owned()) && words.contains(&"http://axtest".to_owned()),
            "{words:?}"
        );
        assert_eq!(texts(regex("^/(?:img|css)/?(.*)").before(1)), ["/img", "/css"].map(str::to_owned));
    }

    #[test]
    fn only_what_can_be_cut_in_many_ways_exhausts() {
        for pattern in ["^(a+)+$", r"^(\w+\s?)*$", "^(a|aa)+$"] {
            assert!(regex(pattern).exhausting().is_some(), "{pattern}");
        }
        for pattern in ["^(a+)+", "^(?:[^/]+/)*x$", "^(.*)-(.*)-(.*)$", "^(ab)+$", "(a+,)+b"] {
            assert!(regex(pattern).exhausting().is_none(), "{pattern}");
        }
    }
}
