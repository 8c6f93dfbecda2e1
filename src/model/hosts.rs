//! Which server of a listener a host leads to (`ngx_http_find_virtual_server`).

use std::collections::HashMap;

use crate::features::listen::ServerName;
use crate::request::{Pattern, Request};
use crate::source::Span;

use super::ServerId;

/// The servers of one listener, by name.
#[derive(Debug)]
pub struct Hosts {
    exact: HashMap<Box<[u8]>, Named>,
    /// By suffix with its dot.
    heads: HashMap<Box<[u8]>, Named>,
    /// By prefix with its dot.
    tails: HashMap<Box<[u8]>, Named>,
    patterns: Vec<(Pattern, Named)>,
    /// For a host that is none of these.
    pub default: ServerId,
}

/// A server and the word of its `server_name` that leads to it.
#[derive(Clone, Copy, Debug)]
struct Named {
    server: ServerId,
    name: Span,
}

/// Why a host leads to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// By the word of a `server_name` that it is.
    Exact(Span),
    /// `*.example.com`, `.example.com`
    Head(Span),
    /// `www.example.*`
    Tail(Span),
    /// The so manieth pattern, counted from 0.
    Pattern(Span, usize),
    /// It is no name of any server.
    Default,
}

impl Hosts {
    pub fn new(default: ServerId) -> Hosts {
        Hosts {
            exact: HashMap::new(),
            heads: HashMap::new(),
            tails: HashMap::new(),
            patterns: Vec::new(),
            default,
        }
    }

    /// Adds a name; false where another server has it already, which keeps it.
    pub fn add(&mut self, name: &ServerName, span: Span, server: ServerId) -> bool {
        let named = Named { server, name: span };
        let insert = |map: &mut HashMap<Box<[u8]>, Named>, name: &[u8]| {
            let kept = *map.entry(name.into()).or_insert(named);
            kept.server == server
        };
        match name {
            ServerName::Exact(name) => insert(&mut self.exact, name),
            ServerName::Head { suffix, bare } => {
                let exact = !bare || insert(&mut self.exact, &suffix[1..]);
                insert(&mut self.heads, suffix) && exact
            }
            ServerName::Tail(prefix) => insert(&mut self.tails, prefix),
            ServerName::Unusable(_) => true,
            ServerName::Pattern { pattern, .. } => {
                self.patterns.push((pattern.clone(), named));
                true
            }
        }
    }

    /// The server for a host: its exact name, the longest `*.suffix`, the longest `prefix.*`, the first
    /// pattern, the default. Patterns set captures.
    pub fn find(&self, request: &Request, host: &[u8]) -> (ServerId, Matched) {
        if let Some(named) = self.exact.get(host) {
            return (named.server, Matched::Exact(named.name));
        }
        if self.is_single() || host.is_empty() && self.patterns.is_empty() {
            return (self.default, Matched::Default);
        }
        let dots = || host.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let head = || dots().filter(|at| *at > 0).find_map(|at| self.heads.get(&host[at..]));
        let tail =
            || dots().collect::<Vec<_>>().into_iter().rev().find_map(|at| self.tails.get(&host[..=at]));
        if let Some(named) = head() {
            return (named.server, Matched::Head(named.name));
        }
        if let Some(named) = if self.tails.is_empty() { None } else { tail() } {
            return (named.server, Matched::Tail(named.name));
        }
        let mut patterns = self.patterns.iter().enumerate();
        match patterns.find(|(_, (pattern, _))| pattern.matches(request, host)) {
            Some((at, (_, named))) => (named.server, Matched::Pattern(named.name, at)),
            None => (self.default, Matched::Default),
        }
    }

    fn is_single(&self) -> bool {
        self.heads.is_empty() && self.tails.is_empty() && self.patterns.is_empty()
    }
}
