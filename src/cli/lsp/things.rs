//! What directives give names to, and which of them others name.

use bstr::{BString, ByteSlice};

use crate::lint::site::{Origin, PASSES, Site};
use crate::source::Span;
use crate::syntax::{Directive, NodeId, Tree, Word};

/// What kind of thing has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Variable,
    Upstream,
    /// `@name`
    Location,
    LogFormat,
    /// Shared memory: of limits, of a cache.
    Zone,
    /// The tests of a health check.
    Match,
}

/// Something that has a name, and the block in which the name means it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    pub kind: Kind,
    pub name: BString,
    scope: Option<NodeId>,
}

/// A name where it stands.
pub struct Named {
    pub thing: Thing,
    pub span: Span,
}

/// Directives whose first argument is the name of a cache.
const CACHES: [&str; 4] = ["proxy_cache", "fastcgi_cache", "uwsgi_cache", "scgi_cache"];
/// Directives that give a zone its name in an argument.
const ZONES: [(&str, &str); 6] = [
    ("limit_req_zone", "zone="),
    ("limit_conn_zone", "zone="),
    ("proxy_cache_path", "keys_zone="),
    ("fastcgi_cache_path", "keys_zone="),
    ("uwsgi_cache_path", "keys_zone="),
    ("scgi_cache_path", "keys_zone="),
];
/// Directives whose first argument names what they stand for.
const BLOCKS: [(&str, Kind); 3] =
    [("upstream", Kind::Upstream), ("log_format", Kind::LogFormat), ("match", Kind::Match)];

/// What a directive gives a name to, variables left out.
pub fn given(tree: &Tree, directive: &Directive) -> Option<Named> {
    let first = directive.args.first()?;
    let is = |name: &str| directive.is(name);
    if let Some((_, kind)) = BLOCKS.iter().find(|(name, _)| is(name)) {
        return Some(named(tree, directive, *kind, &first.value, first.span));
    }
    if is("location") {
        let word = directive.args.iter().find(|word| word.value.starts_with(b"@"))?;
        return Some(named(tree, directive, Kind::Location, &word.value, word.span));
    }
    let (_, key) = ZONES.iter().find(|(name, _)| is(name))?;
    let (word, value) = directive.args.iter().find_map(|word| Some((word, value_of(word, key)?)))?;
    let name = value.split(|byte| *byte == b':').next().unwrap_or(value);
    Some(named(tree, directive, Kind::Zone, name, word.span))
}

/// What the words of a directive name.
pub fn uses(tree: &Tree, directive: &Directive) -> Vec<Named> {
    let mut found = Vec::new();
    let mut name = |kind, name: &[u8], span| found.push(named(tree, directive, kind, name, span));
    for word in std::iter::once(&directive.name).chain(&directive.args) {
        for (variable, span) in variables(tree, word) {
            name(Kind::Variable, &variable.to_ascii_lowercase(), span);
        }
        if word.value.starts_with(b"@") && !directive.is("location") {
            name(Kind::Location, &word.value, word.span);
        }
    }
    let first = directive.args.first();
    if let Some(word) = first.filter(|_| PASSES.iter().any(|pass| directive.is(pass))) {
        name(Kind::Upstream, host(&word.value), word.span);
    }
    if let Some(word) = first.filter(|_| CACHES.iter().any(|cache| directive.is(cache))) {
        name(Kind::Zone, &word.value, word.span);
    }
    match &directive.args[..] {
        [_, format, ..] if directive.is("access_log") => name(Kind::LogFormat, &format.value, format.span),
        [zone, ..] if directive.is("limit_conn") => name(Kind::Zone, &zone.value, zone.span),
        words => {
            for word in words {
                if let Some(zone) = value_of(word, "zone=").filter(|_| directive.is("limit_req")) {
                    name(Kind::Zone, zone, word.span);
                }
                if let Some(tests) = value_of(word, "match=").filter(|_| directive.is("health_check")) {
                    name(Kind::Match, tests, word.span);
                }
            }
        }
    }
    found
}

/// Where a thing has its name from.
pub fn definitions(site: &Site, thing: &Thing) -> Vec<(NodeId, Span)> {
    if thing.kind == Kind::Variable {
        return site.origins(&thing.name).into_iter().filter_map(|origin| giver(site.tree, origin)).collect();
    }
    let given = site.tree.all().filter_map(|directive| Some((directive.id, given(site.tree, directive)?)));
    given.filter(|(_, given)| given.thing == *thing).map(|(id, given)| (id, given.span)).collect()
}

/// What gives a variable its value, and the word that says so.
fn giver(tree: &Tree, origin: Origin) -> Option<(NodeId, Span)> {
    let (directive, word) = match origin {
        Origin::Builtin(_) => return None,
        Origin::Map { directive, .. } => (directive, directive.args.last()?),
        Origin::Set { directive, .. } => (directive, directive.args.first()?),
        Origin::Capture { directive, pattern } => (directive, pattern),
        Origin::Other(directive) if tree.get(directive.id).items().is_empty() => {
            (directive, directive.args.first()?)
        }
        Origin::Other(directive) => (directive, directive.args.last()?),
    };
    Some((directive.id, word.span))
}

fn named(tree: &Tree, directive: &Directive, kind: Kind, name: &[u8], span: Span) -> Named {
    let around = std::iter::successors(tree.block_of(directive.id), |block| tree.block_of(*block));
    let scope = match kind {
        Kind::Location => around.filter(|block| tree.get(*block).is("server")).last(),
        Kind::Variable => None,
        _ => around.last(),
    };
    Named { thing: Thing { kind, name: name.into(), scope }, span }
}

/// The variables in a word as written, each with its `$`.
pub fn variables<'a>(tree: &'a Tree, word: &Word) -> impl Iterator<Item = (&'a [u8], Span)> {
    let written = tree.sources.bytes(word.span);
    let span = word.span;
    written.find_iter(b"$").filter_map(move |at| {
        let behind = &written[at + 1..];
        let (skipped, inner) = match behind.strip_prefix(b"{") {
            Some(inner) => (2, inner),
            None => (1, behind),
        };
        let named = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let length = inner.iter().position(|byte| !named(byte)).unwrap_or(inner.len());
        let closed = skipped == 1 || inner.get(length) == Some(&b'}');
        let start = span.start + at as u32;
        let end = start + (length + 2 * skipped - 1) as u32;
        let starts_as_one = inner.first().is_some_and(|first| !first.is_ascii_digit());
        (length > 0 && closed && starts_as_one).then_some((&inner[..length], Span { start, end, ..span }))
    })
}

/// The host of what is passed to: `chat` of `http://chat:80/x`.
fn host(target: &[u8]) -> &[u8] {
    let behind = target.find(b"://").map_or(target, |at| &target[at + 3..]);
    let end = behind.iter().position(|byte| matches!(byte, b'/' | b':' | b'?')).unwrap_or(behind.len());
    &behind[..end]
}

fn value_of<'a>(word: &'a Word, key: &str) -> Option<&'a [u8]> {
    word.value.strip_prefix(key.as_bytes())
}
