//! `ngx_http_referer_module`: which pages may lead to a request.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::http1::Known;
use crate::request::{Compute, Pattern, Request, Variable};
use crate::source::Span;

use super::listen::ServerName;
use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "referer", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.referer };

const ROWS: &[Row<Written>] = &[Row {
    name: "valid_referers",
    doc: "The hosts whose pages may lead here; for others $invalid_referer is 1.",
    set,
}];

pub const VARIABLES: &[Variable] =
    &[Variable { name: "invalid_referer", get: |request, out| InvalidReferer.compute(request, out) }];

/// The longest host that is looked for.
const LONGEST_HOST: usize = 256;

#[derive(Default)]
pub struct Written {
    /// There was a line.
    any: bool,
    none: bool,
    blocked: bool,
    server_names: bool,
    hosts: Vec<(Vec<u8>, Path)>,
    patterns: Vec<Pattern>,
    /// The names of the server that this is said in.
    names: Option<Arc<[ServerName]>>,
}

/// What the path of a page has to begin with.
type Path = Option<Box<[u8]>>;

#[derive(Clone, Debug, Default)]
pub struct Settings {
    names: Arc<[ServerName]>,
    valid: Option<Arc<Referers>>,
}

/// The referers that are valid.
#[derive(Debug, Default)]
struct Referers {
    none: bool,
    blocked: bool,
    exact: HashMap<Box<[u8]>, Path>,
    /// `*.example.com`: by suffix with its dot.
    heads: HashMap<Box<[u8]>, Path>,
    /// `example.*`: by prefix with its dot.
    tails: HashMap<Box<[u8]>, Path>,
    /// For what stands behind the scheme.
    patterns: Arc<[Pattern]>,
    /// Of `server_names`: for the host.
    host_patterns: Arc<[Pattern]>,
}

impl Written {
    /// Which hosts the server answers for that this is written in.
    pub fn answers_for(&mut self, names: &[(ServerName, Span)]) {
        self.names = Some(names.iter().map(|(name, _)| name.clone()).collect());
    }

    /// A block with a line of its own forgets the outer ones, but for their patterns where it has none.
    pub fn over(&self, outer: &Settings) -> Settings {
        let names = self.names.as_ref().unwrap_or(&outer.names).clone();
        if !self.any {
            return Settings { names, valid: outer.valid.clone() };
        }
        let mut valid = Referers { none: self.none, blocked: self.blocked, ..Referers::default() };
        for (host, path) in &self.hosts {
            valid.add(host, path.clone());
        }
        let mut host_patterns = Vec::new();
        for name in names.iter().filter(|_| self.server_names) {
            match name {
                ServerName::Pattern { pattern, .. } => host_patterns.push(pattern.clone()),
                name => valid.add(&name.text(), None),
            }
        }
        let own = |own: &[Pattern], outer: Option<&Arc<[Pattern]>>| match (own, outer) {
            ([], Some(outer)) => outer.clone(),
            (own, _) => own.into(),
        };
        valid.patterns = own(&self.patterns, outer.valid.as_ref().map(|outer| &outer.patterns));
        valid.host_patterns = own(&host_patterns, outer.valid.as_ref().map(|outer| &outer.host_patterns));
        Settings { names, valid: Some(Arc::new(valid)) }
    }
}

impl Settings {
    /// Who says whether a request's referer is invalid, if anybody does.
    pub fn judge(&self) -> Option<Arc<dyn Compute>> {
        self.valid.as_ref().map(|valid| valid.clone() as Arc<dyn Compute>)
    }
}

/// `$invalid_referer`: asked once a request, where it first is.
struct InvalidReferer;

impl Compute for InvalidReferer {
    fn compute(&self, request: &Request, out: &mut Vec<u8>) -> bool {
        request.referers.as_ref().is_none_or(|referers| referers.compute(request, out))
    }
}

impl Compute for Referers {
    fn compute(&self, request: &Request, out: &mut Vec<u8>) -> bool {
        if !self.allow(request.head.headers.first(Known::Referer)) {
            out.push(b'1');
        }
        true
    }
}

impl Referers {
    fn add(&mut self, host: &[u8], path: Path) {
        match host {
            [b'*', suffix @ ..] => self.heads.insert(suffix.into(), path),
            [b'.', bare @ ..] if !bare.is_empty() => {
                self.exact.insert(bare.into(), path.clone());
                self.heads.insert(host.into(), path)
            }
            [prefix @ .., b'*'] => self.tails.insert(prefix.into(), path),
            _ => self.exact.insert(host.into(), path),
        };
    }

    /// `ngx_http_referer_variable`.
    fn allow(&self, referer: Option<&[u8]>) -> bool {
        let hosts = [&self.exact, &self.heads, &self.tails];
        if hosts.iter().all(|hosts| hosts.is_empty())
            && self.patterns.is_empty()
            && self.host_patterns.is_empty()
        {
            return true;
        }
        let Some(referer) = referer else { return self.none };
        let Some(rest) = behind_scheme(referer) else { return self.blocked };
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b':')).unwrap_or(rest.len());
        if end > LONGEST_HOST {
            return false;
        }
        let mut lower = [0; LONGEST_HOST];
        let host = &mut lower[..end];
        host.copy_from_slice(&rest[..end]);
        host.make_ascii_lowercase();
        if let Some(path) = self.path_of(host) {
            let slash = rest[end..].iter().position(|byte| *byte == b'/').map_or(rest.len(), |at| end + at);
            return path.as_ref().is_none_or(|path| rest[slash..].starts_with(path));
        }
        let host = &*host;
        self.host_patterns.iter().any(|pattern| pattern.is_match(host))
            || self.patterns.iter().any(|pattern| pattern.is_match(rest))
    }

    /// What is asked of the path of a page of this host: its own name goes before the longest `*.suffix`, and that
    /// before the longest `prefix.*`.
    fn path_of(&self, host: &[u8]) -> Option<&Path> {
        let mut dots = host.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let head = || dots.clone().find_map(|at| self.heads.get(&host[at..]));
        let found = self.exact.get(host).or_else(head);
        found.or_else(|| {
            dots.rfind(|at| self.tails.contains_key(&host[..=*at])).map(|at| &self.tails[&host[..=at]])
        })
    }
}

/// What follows `http://` or `https://`, if that is what a referer begins with.
fn behind_scheme(referer: &[u8]) -> Option<&[u8]> {
    if referer.len() < b"http://i.ru".len() {
        return None;
    }
    [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
        let (start, rest) = referer.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

fn set(written: &mut Written, call: &mut Call) {
    written.any = true;
    call.build.variables.computed(b"invalid_referer", Arc::new(InvalidReferer));
    for at in 0..call.args().len() {
        match call.arg(at) {
            b"" => call.error(at, "invalid-value", "invalid referer \"\""),
            b"none" => written.none = true,
            b"blocked" => written.blocked = true,
            b"server_names" => written.server_names = true,
            b"~" => call.error(at, "invalid-regex", "empty regex in \"~\""),
            [b'~', pattern @ ..] => {
                let span = call.span(at);
                written.patterns.extend(call.pattern(pattern, true, span));
            }
            word => host(written, call, at, word),
        }
    }
}

fn host(written: &mut Written, call: &mut Call, at: usize, word: &[u8]) {
    let (host, path) = split(word);
    let shown = String::from_utf8_lossy(&host).into_owned();
    if !is_host(&host) {
        let message = format!("invalid hostname or wildcard \"{shown}\"");
        let finding = Diagnostic::error("invalid-value", call.span(at), message);
        return call.say(finding.help("a \"*\" may only be the first or the last part of a name"));
    }
    if written.hosts.iter().any(|(other, _)| is_taken_by(&host, other)) {
        return call.error(at, "duplicate-value", format!("conflicting parameter \"{shown}\""));
    }
    written.hosts.push((host, path));
}

/// A host in lower case, and the path that may follow it.
pub fn split(word: &[u8]) -> (Vec<u8>, Option<Box<[u8]>>) {
    let slash = word.iter().position(|byte| *byte == b'/').unwrap_or(word.len());
    let (host, path) = word.split_at(slash);
    (host.to_ascii_lowercase(), (!path.is_empty()).then(|| path.into()))
}

/// Whether two words stand for the same host: `.example.com` is both `example.com` and `*.example.com`.
pub fn is_taken_by(host: &[u8], other: &[u8]) -> bool {
    let parts = |word: &[u8]| match word {
        [b'.', bare @ ..] if !bare.is_empty() => [Some(bare.to_vec()), Some([b"*", word].concat())],
        word => [Some(word.to_vec()), None],
    };
    let others = parts(other);
    parts(host).iter().flatten().any(|part| others.iter().flatten().any(|other| other == part))
}

/// A name, or one that begins with `*.` or `.`, or ends with `.*` (`ngx_hash_add_key`).
pub fn is_host(name: &[u8]) -> bool {
    let stars = name.iter().filter(|byte| **byte == b'*').count();
    let dots = name.windows(2).any(|pair| pair == b"..");
    if stars > 1 || dots || name.contains(&0) {
        return false;
    }
    stars == 0 || name.len() > 2 && (name.starts_with(b"*.") || name.ends_with(b".*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_a_whole_part_at_an_end() {
        assert!(is_host(b"www.example.com") && is_host(b"*.example.com") && is_host(b"www.example.*"));
        assert!(is_host(b".example.com") && is_host(b""));
        assert!(
            !is_host(b"*") && !is_host(b"w*.example.com") && !is_host(b"*.example.*") && !is_host(b"a..b")
        );
    }

    #[test]
    fn a_dot_in_front_is_a_name_and_all_below_it() {
        assert!(is_taken_by(b".a", b"a") && is_taken_by(b".a", b"*.a") && is_taken_by(b".a", b".a"));
        assert!(!is_taken_by(b"*.a", b"a") && !is_taken_by(b"a.*", b"a") && !is_taken_by(b".a", b".b"));
    }

    fn allowed(words: &[&str], referer: &str) -> bool {
        let mut written = Written { any: true, ..Written::default() };
        written.hosts = words.iter().map(|word| split(word.as_bytes())).collect();
        let settings = written.over(&Settings::default());
        settings.valid.is_some_and(|valid| valid.allow(Some(referer.as_bytes())))
    }

    #[test]
    fn a_host_is_exact_or_the_longest_wildcard() {
        let words = ["a.example", "*.b.example/x", "*.c.b.example", "d.*", ".e.example"];
        for (referer, expected) in [
            ("http://a.example", true),
            ("HTTPS://A.Example:80/x", true),
            ("http://x.a.example", false),
            ("http://x.b.example/", false),
            ("http://x.b.example:1/xyz", true),
            ("http://b.example/x", false),
            ("http://x.c.b.example/", true),
            ("http://d.com/abcdef", true),
            ("http://d./abcdef", true),
            ("http://d/abcdefgh", false),
            ("http://e.example/", true),
            ("http://x.y.e.example/", true),
            ("http://.e.example/", true),
            ("http://a.example@evil/", false),
            ("ftp://a.example/", false),
            ("http://i.r", false),
        ] {
            assert_eq!(allowed(&words, referer), expected, "{referer}");
        }
        assert!(!allowed(&words, &format!("http://{}.e.example", "x".repeat(LONGEST_HOST))));
        assert!(allowed(&[], "whatever"));
    }
}
