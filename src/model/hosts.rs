//! Which server of a listener a host leads to (`ngx_http_find_virtual_server`).

use std::collections::HashMap;

use crate::features::listen::ServerName;
use crate::request::{Pattern, Request};

use super::ServerId;

/// The servers of one listener, by name.
#[derive(Debug)]
pub struct Hosts {
    exact: HashMap<Box<[u8]>, ServerId>,
    /// By suffix with its dot.
    heads: HashMap<Box<[u8]>, ServerId>,
    /// By prefix with its dot.
    tails: HashMap<Box<[u8]>, ServerId>,
    patterns: Vec<(Pattern, ServerId)>,
    /// For a host that is none of these.
    pub default: ServerId,
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
    pub fn add(&mut self, name: &ServerName, server: ServerId) -> bool {
        let insert = |map: &mut HashMap<Box<[u8]>, ServerId>, name: &[u8]| {
            let kept = *map.entry(name.into()).or_insert(server);
            kept == server
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
                self.patterns.push((pattern.clone(), server));
                true
            }
        }
    }

    /// The server for a host: its exact name, the longest `*.suffix`, the longest `prefix.*`, the first
    /// pattern, the default. Patterns set captures.
    pub fn find(&self, request: &Request, host: &[u8]) -> ServerId {
        if self.is_single() || host.is_empty() && self.patterns.is_empty() {
            return self.exact.get(host).copied().unwrap_or(self.default);
        }
        let dots = || host.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let exact = self.exact.get(host);
        let head = || dots().filter(|at| *at > 0).find_map(|at| self.heads.get(&host[at..]));
        let tail =
            || dots().collect::<Vec<_>>().into_iter().rev().find_map(|at| self.tails.get(&host[..=at]));
        if let Some(server) =
            exact.or_else(head).or_else(|| if self.tails.is_empty() { None } else { tail() })
        {
            return *server;
        }
        let matching = self.patterns.iter().find(|(pattern, _)| pattern.matches(request, host));
        matching.map_or(self.default, |(_, server)| *server)
    }

    fn is_single(&self) -> bool {
        self.heads.is_empty() && self.tails.is_empty() && self.patterns.is_empty()
    }
}
