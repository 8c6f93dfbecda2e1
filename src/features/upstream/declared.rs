//! Groups by name: which are defined, which are referred to.

use std::collections::HashMap;

use crate::diagnostics::Diagnostic;
use crate::features::{Call, resolver};
use crate::source::Span;
use crate::upstream::{Endpoint, GroupSpec, Keepalive, MOST_RING_WEIGHT, Method, ServerSpec};

use super::server::{address, known};
use super::sticky::Kind;
use super::{Upstream, Written};

/// Groups by name: those that are defined and those that are referred to.
#[derive(Default)]
pub struct Declared {
    groups: Vec<Entry>,
    /// The first entry of each host, in lower case: the one that an `upstream` block defines.
    hosts: HashMap<String, usize>,
    /// The entry of each host and port that no block defines.
    targets: HashMap<(String, u16), usize>,
    /// The group of each zone of `sticky learn`.
    session_zones: HashMap<String, String>,
}

struct Entry {
    host: String,
    /// `None` where none is written.
    port: Option<u16>,
    default_port: u16,
    /// The `upstream` block's.
    defined: Option<(Upstream, Span)>,
    /// The first reference.
    referred: Option<Span>,
    /// The `resolver` of the `upstream` block.
    names: resolver::Written,
}

impl Declared {
    /// The entry of a host: the one a block defines, or that of this port.
    fn find(&self, host: &str, port: u16) -> Option<usize> {
        let host = host.to_ascii_lowercase();
        let defined = self.hosts.get(&host).copied().filter(|index| self.groups[*index].defined.is_some());
        defined.or_else(|| self.targets.get(&(host, port)).copied())
    }

    fn add(&mut self, entry: Entry) -> usize {
        let index = self.groups.len();
        let host = entry.host.to_ascii_lowercase();
        self.hosts.entry(host.clone()).or_insert(index);
        self.targets.insert((host, entry.port.unwrap_or(entry.default_port)), index);
        self.groups.push(entry);
        index
    }

    /// Notes whose sessions are in a zone.
    pub fn take_session_zone(&mut self, zone: &str, group: String) {
        self.session_zones.insert(zone.to_owned(), group);
    }

    /// The group whose sessions are in a zone.
    pub fn session_zone(&self, zone: &str) -> Option<&str> {
        self.session_zones.get(zone).map(|group| &group[..])
    }

    /// Every group, by index. What is said of a `resolver` in `http` holds where a block says nothing.
    pub fn groups(self, http: &resolver::Settings) -> Vec<Upstream> {
        self.groups.into_iter().map(|entry| entry.meaning(http)).collect()
    }

    /// The names of the blocks, for guesses.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().filter(|entry| entry.defined.is_some()).map(|entry| &entry.host[..])
    }
}

impl Entry {
    fn meaning(self, http: &resolver::Settings) -> Upstream {
        let resolver = self.names.over(http);
        if let Some((upstream, _)) = self.defined {
            return Upstream { resolver, ..upstream };
        }
        let port = self.port.unwrap_or(self.default_port);
        let endpoint = known(&self.host, port)
            .map_or_else(|| Endpoint::Name { host: self.host.clone(), port }, Endpoint::Known);
        Upstream { spec: implicit(self.host, self.port, endpoint), key: None, sticky: None, resolver }
    }
}

/// The group a `proxy_pass` names: an `upstream` block, before or after this line, or an address.
pub fn refer(call: &mut Call, authority: &[u8], default_port: u16) -> Option<usize> {
    let text = String::from_utf8_lossy(authority).into_owned();
    let span = call.span(0);
    let (host, port) = address(call, &text, "upstream")?;
    let found = call.build.upstreams.find(&host, port.unwrap_or(default_port));
    if let Some(index) = found {
        let entry = &mut call.build.upstreams.groups[index];
        if let (Some((_, defined)), Some(port)) = (&entry.defined, port) {
            let message = format!("upstream \"{host}\" may not have port {port}");
            let finding = Diagnostic::error("upstream-port", span, message)
                .also(*defined, "the group is defined here")
                .help(format!("write \"http://{host}\": the ports are those of its servers"));
            call.say(finding);
            return None;
        }
        entry.referred.get_or_insert(span);
        return Some(index);
    }
    Some(call.build.upstreams.add(Entry {
        host,
        port,
        default_port,
        defined: None,
        referred: Some(span),
        names: Default::default(),
    }))
}

/// Defines the group of an `upstream` block.
pub fn define(call: &mut Call, written: Written, names: resolver::Written) {
    let name = call.text(0);
    let span = call.span(0);
    if written.servers.is_empty() {
        let finding = Diagnostic::error("empty-upstream", span, "no servers are inside upstream");
        return call.say(finding.help("add a line such as \"server 127.0.0.1:8080;\""));
    }
    let Written { mut servers, keepalive, method, key, sticky, sticky_is_lost } = written;
    // Names that are resolved at run time have their peers behind all others (`ngx_http_upstream_zone_module`).
    servers.sort_by_key(|server| server.resolve);
    let sticky = sticky.filter(|_| !sticky_is_lost);
    let weight = servers.iter().fold(0_i64, |weight, server| weight.saturating_add(server.weight));
    if method == Method::ConsistentHash && weight > MOST_RING_WEIGHT {
        let message =
            format!("the servers weigh {weight}, and {MOST_RING_WEIGHT} is the most for a consistent hash");
        let finding = Diagnostic::error("ring-too-large", span, message);
        let help = "each unit of weight is 160 points in memory: divide all weights by the same number";
        return call.say(finding.help(help));
    }
    let sessions = sticky.as_ref().and_then(|sticky| match &sticky.kind {
        Kind::Learn(learn) => Some(learn.zone.clone()),
        Kind::Cookie(_) | Kind::Route => None,
    });
    let spec = GroupSpec {
        keepalive,
        method,
        sticky: sticky.is_some(),
        sessions,
        ..GroupSpec::new(name.clone(), name.clone(), servers)
    };
    let upstream = Upstream { spec, key, sticky, resolver: Default::default() };
    let first = call.build.upstreams.hosts.get(&name.to_ascii_lowercase()).copied();
    let same = first.map(|index| &mut call.build.upstreams.groups[index]);
    let finding = match same {
        None => {
            let entry = Entry {
                host: name,
                port: None,
                default_port: 80,
                defined: Some((upstream, span)),
                referred: None,
                names,
            };
            call.build.upstreams.add(entry);
            return;
        }
        Some(Entry { defined: Some((_, earlier)), .. }) => {
            Diagnostic::error("duplicate-directive", span, format!("duplicate upstream \"{name}\""))
                .also(*earlier, "the earlier one")
        }
        Some(Entry { port: Some(port), referred, .. }) => {
            let message = format!("upstream \"{name}\" may not have port {port}");
            let finding = Diagnostic::error("upstream-port", referred.unwrap_or(span), message);
            finding.also(span, "the group is defined here")
        }
        Some(entry) => {
            entry.defined = Some((upstream, span));
            entry.names = names;
            return;
        }
    };
    call.say(finding);
}

/// The group of an address that no `upstream` block names.
pub fn implicit(host: String, port: Option<u16>, endpoint: Endpoint) -> GroupSpec {
    let text = match port {
        Some(port) => format!("{host}:{port}"),
        None => host.clone(),
    };
    let servers = vec![ServerSpec::new(text.clone(), endpoint)];
    // nginx keeps connections for groups that have a block (`ngx_http_upstream_keepalive_init`).
    let keepalive = Keepalive { connections: 0, ..Keepalive::default() };
    GroupSpec { port, keepalive, ..GroupSpec::new(text, host, servers) }
}
