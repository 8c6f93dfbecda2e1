//! Regular expressions, as nginx has them: PCRE2 over bytes, with `$1` and named captures.

use pcre2::bytes::{Regex, RegexBuilder};

use super::{Request, Variables};

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    /// Group and slot of each named capture.
    names: Box<[(usize, usize)]>,
    groups: usize,
}

/// Why a pattern does not compile: PCRE2's words and where in the pattern it gave up.
#[derive(Clone, Debug)]
pub struct PatternError {
    pub message: String,
    pub offset: Option<usize>,
}

impl Pattern {
    /// Compiles a pattern; its named captures become variables.
    pub fn new(pattern: &[u8], caseless: bool, variables: &mut Variables) -> Result<Pattern, PatternError> {
        let text = String::from_utf8_lossy(pattern);
        let regex = RegexBuilder::new()
            .caseless(caseless)
            .jit_if_available(true)
            .build(&text)
            .map_err(|error| PatternError { message: bare(&error), offset: error.offset() })?;
        let names = regex.capture_names().iter().enumerate();
        let names = names
            .filter_map(|(group, name)| Some((group, variables.slot(name.as_ref()?.as_bytes()))))
            .collect();
        let groups = regex.captures_len();
        Ok(Pattern { regex, names, groups })
    }

    /// Whether it has groups, named or not.
    pub fn captures(&self) -> bool {
        self.groups > 1
    }

    /// Whether `subject` matches; leaves `$1` and the rest as they were.
    pub fn is_match(&self, subject: &[u8]) -> bool {
        self.regex.is_match(subject).unwrap_or(false)
    }

    /// How many groups it has, named or not.
    pub fn groups(&self) -> usize {
        self.groups - 1
    }

    /// What a group takes of `subject`, where the pattern matches and the group takes part.
    pub fn group<'s>(&self, subject: &'s [u8], group: usize) -> Option<&'s [u8]> {
        let mut locations = self.regex.capture_locations();
        self.regex.captures_read(&mut locations, subject).ok()??;
        locations.get(group).map(|(start, end)| &subject[start..end])
    }

    /// Whether PCRE2 gives up on `subject`, which costs it more steps than it is allowed.
    pub fn gives_up(&self, subject: &[u8]) -> bool {
        self.regex.is_match(subject).is_err()
    }

    /// As [`Pattern::matches`], but where it does not match, the numbers of an earlier match are
    /// forgotten: so `if` and `rewrite` do in nginx (`ngx_http_script_regex_start_code`).
    pub fn matches_anew(&self, request: &Request, subject: &[u8]) -> bool {
        let matched = self.matches(request, subject);
        if !matched {
            request.captures.borrow_mut().clear();
        }
        matched
    }

    /// Matches and, where it does, sets `$1` to `$9` and the named captures.
    ///
    /// An error of the matcher (its limit of steps) counts as no match; nginx answers 500 there.
    pub fn matches(&self, request: &Request, subject: &[u8]) -> bool {
        if self.groups <= 1 {
            return self.is_match(subject) && {
                request.captures.borrow_mut().set(subject, std::iter::empty());
                true
            };
        }
        // One allocation for a location with groups: PCRE2's match block.
        let mut locations = self.regex.capture_locations();
        if !matches!(self.regex.captures_read(&mut locations, subject), Ok(Some(_))) {
            return false;
        }
        for (group, slot) in &self.names {
            request.store(*slot, locations.get(*group).map(|(start, end)| &subject[start..end]));
        }
        let groups = (0..self.groups).map(|group| locations.get(group));
        request.captures.borrow_mut().set(subject, groups);
        true
    }
}

fn bare(error: &pcre2::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(": ").map_or(text.clone(), |(_, message)| message.to_owned())
}

/// What the last match captured.
#[derive(Debug, Default)]
pub struct Captures {
    subject: Vec<u8>,
    groups: Vec<Option<(usize, usize)>>,
}

impl Captures {
    pub fn clear(&mut self) {
        self.subject.clear();
        self.groups.clear();
    }

    fn set(&mut self, subject: &[u8], groups: impl Iterator<Item = Option<(usize, usize)>>) {
        self.clear();
        self.groups.extend(groups);
        if !self.groups.is_empty() {
            self.subject.extend_from_slice(subject);
        }
    }

    /// `$1` and what follows.
    pub fn numbered(&self) -> impl Iterator<Item = &[u8]> {
        (1..self.groups.len()).map(|group| self.get(group))
    }

    /// A group's text; empty where it took no part.
    pub fn get(&self, group: usize) -> &[u8] {
        match self.groups.get(group) {
            Some(Some((start, end))) => &self.subject[*start..*end],
            _ => b"",
        }
    }
}
