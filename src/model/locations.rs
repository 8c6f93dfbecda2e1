//! The search for a location (`ngx_http_core_find_location`).

use std::collections::HashMap;

use crate::request::{Pattern, Request};

use super::{Http, LocationId};

/// How a location is written.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `location /name`
    Prefix,
    /// `location ^~ /name`: no patterns are tried after it.
    PrefixOnly,
    /// `location = /name`
    Exact,
    /// `location ~ pattern`
    Pattern(Pattern),
    /// `location @name`
    Named,
    /// An `if`, or a server outside of its locations.
    Unnamed,
}

/// The locations of one level.
#[derive(Debug, Default)]
pub struct Locations {
    exact: HashMap<Box<[u8]>, LocationId>,
    /// Prefixes in ascending order, so that the longest of a URI's comes last.
    prefixes: Vec<Prefix>,
    /// In the order they are written.
    patterns: Vec<LocationId>,
    /// Names that end in a slash and are passed on: the name without it is redirected.
    redirects: HashMap<Box<[u8]>, LocationId>,
}

#[derive(Debug)]
struct Prefix {
    name: Box<[u8]>,
    location: LocationId,
    /// The longest other prefix that this one begins with.
    shorter: Option<usize>,
}

/// What a URI leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Location(LocationId),
    /// The location's name is the URI and a slash: 301 to there.
    AddSlash(LocationId),
}

/// What a search comes by, in order, for whoever asks why it found what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Its name is the URI, and it is written with `=`.
    Exact(LocationId),
    /// The longest prefix of its level.
    Longest(LocationId),
    /// The longest prefix is a `^~`: patterns of its level are not asked.
    Silenced(LocationId),
    /// A pattern that does not match.
    Missed(LocationId),
    /// The first pattern that does.
    First(LocationId),
}

impl Locations {
    /// The locations in the order written. Duplicates have been refused before.
    pub fn new(locations: impl Iterator<Item = LocationId>, all: &[super::Location]) -> Locations {
        let mut found = Locations::default();
        for id in locations {
            let location = &all[id];
            let name: Box<[u8]> = location.name[..].into();
            let proxied = matches!(location.content, super::Content::Pass(_));
            if proxied
                && let (Kind::Prefix | Kind::PrefixOnly | Kind::Exact, [bare @ .., b'/']) =
                    (&location.kind, &name[..])
            {
                found.redirects.insert(bare.into(), id);
            }
            match location.kind {
                Kind::Exact => {
                    found.exact.insert(name, id);
                }
                Kind::Prefix | Kind::PrefixOnly => {
                    found.prefixes.push(Prefix { name, location: id, shorter: None });
                }
                Kind::Pattern(_) => found.patterns.push(id),
                Kind::Named | Kind::Unnamed => {}
            }
        }
        found.prefixes.sort_by(|left, right| left.name.cmp(&right.name));
        let mut open: Vec<usize> = Vec::new();
        for at in 0..found.prefixes.len() {
            let name = &found.prefixes[at].name;
            while open.last().is_some_and(|last| !name.starts_with(&found.prefixes[*last].name)) {
                open.pop();
            }
            found.prefixes[at].shorter = open.last().copied();
            open.push(at);
        }
        found
    }

    /// The longest prefix of `uri`.
    fn longest(&self, uri: &[u8]) -> Option<LocationId> {
        let behind = self.prefixes.partition_point(|prefix| *prefix.name <= *uri);
        let mut at = behind.checked_sub(1);
        while let Some(prefix) = at.map(|at| &self.prefixes[at]) {
            if uri.starts_with(&prefix.name) {
                return Some(prefix.location);
            }
            at = prefix.shorter;
        }
        None
    }

    /// Looks a URI up. Sets captures where a pattern matches. `see` is told what the search comes by.
    pub fn find(
        &self,
        http: &Http,
        request: &Request,
        uri: &[u8],
        see: &mut impl FnMut(Seen),
    ) -> Option<Found> {
        self.search(http, request, uri, see).map(|(found, _)| found)
    }

    /// The prefixes that a prefix begins with, the longest first: those it is longer than.
    pub fn shorter_than(&self, id: LocationId) -> impl Iterator<Item = LocationId> {
        let own = self.prefixes.iter().find(|prefix| prefix.location == id);
        let shorter = |prefix: &&Prefix| prefix.shorter.map(|at| &self.prefixes[at]);
        std::iter::successors(own, shorter).skip(1).map(|prefix| prefix.location)
    }

    /// What is found, and whether the outer level's patterns have no say any more.
    fn search(
        &self,
        http: &Http,
        request: &Request,
        uri: &[u8],
        see: &mut impl FnMut(Seen),
    ) -> Option<(Found, bool)> {
        if let Some(id) = self.exact.get(uri) {
            see(Seen::Exact(*id));
            return Some((Found::Location(*id), true));
        }
        let longest = self.longest(uri);
        let same_length = longest.is_some_and(|id| http.location(id).name.len() == uri.len());
        if !same_length && let Some(id) = self.redirects.get(uri) {
            return Some((Found::AddSlash(*id), true));
        }
        let mut found = longest.map(Found::Location);
        if let Some(id) = longest {
            see(Seen::Longest(id));
            let inner = http.location(id).locations.search(http, request, uri, see);
            match inner {
                Some((inner, true)) => return Some((inner, true)),
                Some((inner, false)) => found = Some(inner),
                None => {}
            }
        }
        if let Some(id) = longest.filter(|id| matches!(http.location(*id).kind, Kind::PrefixOnly)) {
            if !self.patterns.is_empty() {
                see(Seen::Silenced(id));
            }
            return Some((found?, false));
        }
        for id in &self.patterns {
            let location = http.location(*id);
            let Kind::Pattern(pattern) = &location.kind else { continue };
            if pattern.matches(request, uri) {
                see(Seen::First(*id));
                let inner = location.locations.search(http, request, uri, see);
                return Some((inner.map_or(Found::Location(*id), |(inner, _)| inner), true));
            }
            see(Seen::Missed(*id));
        }
        Some((found?, false))
    }
}
