//! `upstream` and its `server` lines: groups of peers, and what was asked of them.

use std::collections::HashMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::net::{Address, now};
use crate::request::{PrefixVariable, Request, Try, Variable};
use crate::source::Span;
use crate::upstream::{Endpoint, GroupSpec, Keepalive, ServerSpec};

use super::listen::split_port;
use super::variables::{cookie_in, is_header, seconds};
use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "upstream", contexts: Context::UPSTREAM, rows: ROWS, at: |w| &mut w.upstream };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "keepalive",
        doc: "How many idle connections to the group a worker keeps; 0 keeps none.",
        set: |w, call| w.keepalive.connections = call.number(0) as usize,
    },
    Row {
        name: "keepalive_requests",
        doc: "How many requests a connection to a peer carries.",
        set: |w, call| w.keepalive.requests = call.number(0),
    },
    Row {
        name: "keepalive_time",
        doc: "How long a connection to a peer is used.",
        set: |w, call| w.keepalive.time = call.time(0),
    },
    Row {
        name: "keepalive_timeout",
        doc: "How long a connection to a peer may idle.",
        set: |w, call| w.keepalive.timeout = call.time(0),
    },
    Row { name: "server", doc: "A peer: its address and how it is to be treated.", set: server },
    Row {
        name: "zone",
        doc: "Shares a group's state between workers, which ours do anyway.",
        set: |_, _| {},
    },
];

/// What an `upstream` block says.
#[derive(Default)]
pub struct Written {
    pub servers: Vec<ServerSpec>,
    pub keepalive: Keepalive,
}

/// Groups by name: those that are defined and those that are referred to.
#[derive(Default)]
pub struct Declared {
    groups: Vec<Entry>,
    /// The first entry of each host, in lower case: the one that an `upstream` block defines.
    hosts: HashMap<String, usize>,
    /// The entry of each host and port that no block defines.
    targets: HashMap<(String, u16), usize>,
}

struct Entry {
    host: String,
    /// `None` where none is written.
    port: Option<u16>,
    default_port: u16,
    /// The `upstream` block's.
    defined: Option<(GroupSpec, Span)>,
    /// The first reference.
    referred: Option<Span>,
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

    /// The index of a group by the host and port that a computed `proxy_pass` came to.
    pub fn groups(self) -> Vec<GroupSpec> {
        self.groups.into_iter().map(Entry::spec).collect()
    }

    /// The names of the blocks, for guesses.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().filter(|entry| entry.defined.is_some()).map(|entry| &entry.host[..])
    }
}

impl Entry {
    fn spec(self) -> GroupSpec {
        if let Some((spec, _)) = self.defined {
            return spec;
        }
        let port = self.port.unwrap_or(self.default_port);
        let endpoint = known(&self.host, port)
            .map_or_else(|| Endpoint::Name { host: self.host.clone(), port }, Endpoint::Known);
        implicit(self.host, self.port, endpoint)
    }
}

/// The group of an address that no `upstream` block names.
pub fn implicit(host: String, port: Option<u16>, endpoint: Endpoint) -> GroupSpec {
    let text = match port {
        Some(port) => format!("{host}:{port}"),
        None => host.clone(),
    };
    GroupSpec {
        name: text.clone().into(),
        host,
        port,
        servers: vec![ServerSpec::new(text, endpoint)],
        keepalive: Keepalive::default(),
    }
}

/// An address that needs no resolving.
pub fn known(host: &str, port: u16) -> Option<Address> {
    if let Some(path) = host.strip_prefix("unix:") {
        return Some(Address::unix(path));
    }
    if let Some(inside) = host.strip_prefix('[') {
        let ip = inside.strip_suffix(']')?.parse().ok()?;
        return Some(Address::Ip(SocketAddr::new(std::net::IpAddr::V6(ip), port)));
    }
    let ip: Ipv4Addr = host.parse().ok()?;
    Some(Address::Ip(SocketAddr::from((ip, port))))
}

/// Host and port as `$proxy_host` and `$proxy_port` show them: a default port is left out.
pub fn host_and_port(authority: &[u8], default_port: u16) -> (Box<[u8]>, Box<[u8]>) {
    if authority.len() >= 5 && authority[..5].eq_ignore_ascii_case(b"unix:") {
        return (b"localhost"[..].into(), Box::default());
    }
    let text = String::from_utf8_lossy(authority);
    let (host, port) = split_port(&text).unwrap_or((&text, None));
    match port {
        Some(port) if port != default_port.to_string() => (authority.into(), port.as_bytes().into()),
        _ => (host.as_bytes().into(), default_port.to_string().into_bytes().into()),
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
    Some(call.build.upstreams.add(Entry { host, port, default_port, defined: None, referred: Some(span) }))
}

/// Defines the group of an `upstream` block.
pub fn define(call: &mut Call, written: Written) {
    let name = call.text(0);
    let span = call.span(0);
    if written.servers.is_empty() {
        let finding = Diagnostic::error("empty-upstream", span, "no servers are inside upstream");
        return call.say(finding.help("add a line such as \"server 127.0.0.1:8080;\""));
    }
    let Written { servers, keepalive } = written;
    let spec = GroupSpec { name: name.clone().into(), host: name.clone(), port: None, servers, keepalive };
    let first = call.build.upstreams.hosts.get(&name.to_ascii_lowercase()).copied();
    let same = first.map(|index| &mut call.build.upstreams.groups[index]);
    let finding = match same {
        None => {
            let entry = Entry {
                host: name,
                port: None,
                default_port: 80,
                defined: Some((spec, span)),
                referred: None,
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
            entry.defined = Some((spec, span));
            return;
        }
    };
    call.say(finding);
}

/// Host and port of an address; what is wrong with it is said.
fn address(call: &mut Call, text: &str, of: &str) -> Option<(String, Option<u16>)> {
    let wrong = |call: &mut Call, why: &str| {
        let message = format!("{why} in {of} \"{text}\"");
        call.error(0, "invalid-address", message);
        None
    };
    if text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("unix:")) {
        let path = &text[5..];
        return match path {
            "" => wrong(call, "no path in the unix domain socket"),
            _ => Some((format!("unix:{path}"), None)),
        };
    }
    let Some((host, port)) = split_port(text) else { return wrong(call, "invalid host") };
    if host.contains(['/', '?']) {
        return wrong(call, "invalid host");
    }
    if host.is_empty() {
        return wrong(call, "no host");
    }
    if host.starts_with('[') && known(host, 1).is_none() {
        return wrong(call, "invalid IPv6 address");
    }
    match port {
        None => Some((host.to_owned(), None)),
        Some(port) => match port.parse::<u16>().ok().filter(|port| *port != 0) {
            Some(port) => Some((host.to_owned(), Some(port))),
            None => wrong(call, "invalid port"),
        },
    }
}

fn server(written: &mut Written, call: &mut Call) {
    let text = call.text(0);
    let Some((host, port)) = address(call, &text, "upstream") else { return };
    let port = port.unwrap_or(80);
    let endpoint = known(&host, port).map_or_else(|| Endpoint::Name { host, port }, Endpoint::Known);
    let mut spec = ServerSpec::new(text, endpoint);
    for at in 1..call.args().len() {
        if !parameter(&mut spec, call, at) {
            let message = format!("invalid parameter \"{}\"", call.text(at));
            call.error(at, "invalid-parameter", message);
        }
    }
    written.servers.push(spec);
}

fn parameter(spec: &mut ServerSpec, call: &mut Call, at: usize) -> bool {
    let word = call.arg(at);
    let equals = word.iter().position(|byte| *byte == b'=');
    let (name, value) = equals.map_or((word, &b""[..]), |equals| (&word[..equals], &word[equals + 1..]));
    let number = values::number(value);
    match (name, number) {
        (b"weight", Some(weight)) if weight > 0 => spec.weight = weight.min(i32::MAX as u64) as i64,
        (b"max_conns", Some(count)) => spec.max_conns = count as usize,
        (b"max_fails", Some(count)) => spec.max_fails = count as u32,
        (b"fail_timeout", _) => match values::seconds(value) {
            Some(time) => spec.fail_timeout = time,
            None => return false,
        },
        (b"backup", _) if equals.is_none() => spec.backup = true,
        (b"down", _) if equals.is_none() => spec.down = true,
        (b"resolve", _) if equals.is_none() => {}
        (b"slow_start" | b"route" | b"service", _) if equals.is_some() => {
            let shown = String::from_utf8_lossy(name).into_owned();
            call.not_served(at, &format!("\"{shown}\" of a server"));
        }
        (b"drain", _) if equals.is_none() => call.not_served(at, "\"drain\" of a server"),
        _ => return false,
    }
    true
}

/// Variables about what was asked of upstreams: a list with one entry a try.
pub const VARIABLES: &[Variable] = &[
    Variable { name: "upstream_addr", get: |r, out| list(r, out, addr) },
    Variable { name: "upstream_status", get: |r, out| list(r, out, status) },
    Variable {
        name: "upstream_connect_time",
        get: |r, out| list(r, out, |t, out| time(t.after(t.connected), out)),
    },
    Variable {
        name: "upstream_header_time",
        get: |r, out| list(r, out, |t, out| time(t.after(t.answered), out)),
    },
    Variable { name: "upstream_response_time", get: |r, out| list(r, out, response_time) },
    Variable { name: "upstream_response_length", get: |r, out| list(r, out, |t, out| number(t.length, out)) },
    Variable { name: "upstream_bytes_sent", get: |r, out| list(r, out, |t, out| number(t.sent, out)) },
    Variable {
        name: "upstream_bytes_received",
        get: |r, out| list(r, out, |t, out| number(t.received, out)),
    },
    Variable { name: "upstream_cache_status", get: |_, _| false },
];

/// Families about the answer of the upstream.
pub const PREFIXES: &[PrefixVariable] = &[
    PrefixVariable { prefix: "upstream_http_", get: upstream_http },
    PrefixVariable { prefix: "upstream_cookie_", get: upstream_cookie },
];

/// One entry a try, joined as nginx joins them.
fn list(request: &Request, out: &mut Vec<u8>, entry: fn(&Try, &mut Vec<u8>)) -> bool {
    for (at, tried) in request.upstream.tries.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b", ");
        }
        entry(tried, out);
    }
    !request.upstream.tries.is_empty()
}

fn addr(tried: &Try, out: &mut Vec<u8>) {
    match &tried.unpicked {
        Some(group) => out.extend_from_slice(group),
        None => {
            let _ = write!(out, "{}", tried.peer);
        }
    }
}

fn status(tried: &Try, out: &mut Vec<u8>) {
    match tried.status {
        0 => out.push(b'-'),
        status => {
            let _ = write!(out, "{status}");
        }
    }
}

fn time(value: Option<Duration>, out: &mut Vec<u8>) {
    match value {
        Some(value) => {
            seconds(value, out);
        }
        None => out.push(b'-'),
    }
}

/// While a try goes on, the time it has taken so far.
fn response_time(tried: &Try, out: &mut Vec<u8>) {
    time(tried.after(Some(tried.ended.unwrap_or_else(now))), out);
}

fn number(value: u64, out: &mut Vec<u8>) {
    let _ = write!(out, "{value}");
}

fn upstream_http(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let mut any = false;
    for (header, value, _) in request.upstream.head.headers.iter() {
        if is_header(header, name) {
            if any {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(value);
            any = true;
        }
    }
    any
}

fn upstream_cookie(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    let cookies = request.upstream.head.headers.all(crate::http1::Known::SetCookie);
    let mut values =
        cookies.filter_map(|line| cookie_in(line.split(|byte| *byte == b';').next()?, name, b';'));
    let value = values.next();
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}
