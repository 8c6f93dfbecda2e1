//! The request that is asked about: its head, where it comes from and by which listener.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::exchange::route::Asked;
use crate::features::listen::{ListenAddress, split_port};
use crate::model::Model;
use crate::net::Address;

use super::Route;

/// The example of RFC 6455: which key it is decides nothing.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

pub struct Request {
    head: Vec<u8>,
    /// `METHOD target`
    pub line: String,
    /// The index of its listener, and why it is that.
    pub listener: usize,
    pub why: String,
    peer: Address,
    local: Address,
    /// `wss` or `https`
    pub tls: bool,
}

impl Request {
    /// # Errors
    /// What is wrong with the arguments, and what was expected.
    pub fn new(route: &Route, model: &Model) -> Result<Request, String> {
        let expected = "expected a URL such as 'ws://example.com/chat?room=7'";
        let (scheme, rest) =
            route.url.split_once("://").ok_or_else(|| format!("\"{}\": {expected}", route.url))?;
        let (websocket, tls) = match &scheme.to_ascii_lowercase()[..] {
            "ws" => (true, false),
            "wss" => (true, true),
            "http" => (false, false),
            "https" => (false, true),
            other => return Err(format!("\"{other}://\": expected ws, wss, http or https")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err("a URL with a user: write -H 'Authorization: …' in its place".into());
        }
        let (host, port) = split_port(authority).ok_or_else(|| format!("\"{authority}\": {expected}"))?;
        if host.is_empty() {
            return Err(format!("\"{}\" has no host: {expected}", route.url));
        }
        let port = match port {
            None => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(port) => port
                .parse::<u16>()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| format!("\"{port}\": expected a port from 1 to 65535"))?,
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let target = route.target.clone().unwrap_or(path);
        if target.is_empty() || target.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(format!("\"{target}\": a request's target has no blanks, write %20 for one"));
        }
        if route.method.is_empty() || !route.method.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!("\"{}\": expected a method such as GET", route.method));
        }
        let line = format!("{} {target}", route.method);
        let head = head(route, &line, authority, websocket)?;
        let (listener, why) = listener(route, model, host, port)?;
        let address = &model.http.listeners[listener].address;
        let (peer, local) = (peer(&route.from, address)?, local(address, host));
        let head = match (&route.proxy_protocol, model.http.listeners[listener].proxy_protocol) {
            (Some(client), true) => [introduction(client, &local)?.into_bytes(), head].concat(),
            (None, true) => [&b"PROXY UNKNOWN\r\n"[..], &head].concat(),
            (None, false) => head,
            (Some(_), false) => {
                return Err(format!("--proxy-protocol: \"listen {address}\" does not speak it"));
            }
        };
        Ok(Request { head, line, listener, why, peer, local, tls })
    }

    pub fn asked(&self) -> Asked {
        Asked {
            head: self.head.clone(),
            listener: self.listener,
            peer: self.peer.clone(),
            local: self.local.clone(),
        }
    }

    pub fn from(&self) -> String {
        self.peer.to_string()
    }
}

fn head(route: &Route, line: &str, authority: &str, websocket: bool) -> Result<Vec<u8>, String> {
    let mut given = Vec::new();
    for header in &route.headers {
        let (name, value) = header
            .split_once(':')
            .filter(|(name, value)| !name.is_empty() && !(name.to_string() + value).contains(['\r', '\n']))
            .ok_or_else(|| format!("-H \"{header}\": expected 'Name: value' on one line"))?;
        given.push((name, value.trim()));
    }
    let mut own = vec![("Host", authority)];
    if websocket {
        own.extend([
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Version", "13"),
        ]);
    }
    let is_given = |name: &str| given.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    own.retain(|(name, _)| !is_given(name));
    let mut head = format!("{line} HTTP/1.1\r\n");
    for (name, value) in own.iter().chain(&given) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    Ok(head.into_bytes())
}

fn peer(from: &str, listener: &ListenAddress) -> Result<Address, String> {
    if matches!(listener, ListenAddress::Known(Address::Unix(_))) {
        return Ok(Address::unix(""));
    }
    socket_address("--from", from).map(Address::Ip)
}

/// What a load balancer at `from` writes about a client that it passes on.
fn introduction(client: &str, local: &Address) -> Result<String, String> {
    let client = socket_address("--proxy-protocol", client)?;
    let (kind, nobody) = match client.ip() {
        IpAddr::V4(_) => ("TCP4", IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        IpAddr::V6(_) => ("TCP6", IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    let local = local.ip().filter(|local| local.is_ipv4() == client.is_ipv4());
    let local = local.unwrap_or(SocketAddr::new(nobody, 0));
    Ok(format!("PROXY {kind} {} {} {} {}\r\n", client.ip(), local.ip(), client.port(), local.port()))
}

fn socket_address(option: &str, text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = text.parse::<SocketAddr>().or_else(|_| bare.parse().map(|ip: IpAddr| (ip, 50000).into()));
    address.map_err(|_| {
        format!("{option} \"{text}\": expected an address such as 192.0.2.7 or [2001:db8::7]:4711")
    })
}

/// The address that a client connected to, as far as it can be told without asking for the name's.
fn local(listener: &ListenAddress, host: &str) -> Address {
    let named = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    match listener {
        ListenAddress::Known(Address::Ip(ip)) if ip.ip().is_unspecified() => {
            let loopback = named.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
            Address::Ip((loopback, ip.port()).into())
        }
        ListenAddress::Known(address) => address.clone(),
        ListenAddress::Name { port, .. } => Address::Ip((Ipv4Addr::LOCALHOST, *port).into()),
    }
}

fn port_of(address: &ListenAddress) -> Option<u16> {
    match address {
        ListenAddress::Known(address) => address.ip().map(|ip| ip.port()),
        ListenAddress::Name { port, .. } => Some(*port),
    }
}

/// The listener, and why it is that one: the one with the URL's very address, else the one for all addresses.
fn listener(route: &Route, model: &Model, host: &str, port: u16) -> Result<(usize, String), String> {
    let all = &model.http.listeners;
    let named = all.iter().map(|listener| format!("{} ({})", listener.address, listener.place));
    let named = named.collect::<Vec<_>>().join(", ");
    if all.is_empty() {
        return Err("nothing listens: the configuration has no server".into());
    }
    if let Some(wanted) = &route.listen {
        let text = wanted.replacen("*:", "0.0.0.0:", 1);
        let text =
            if text.bytes().all(|byte| byte.is_ascii_digit()) { format!("0.0.0.0:{text}") } else { text };
        let found = all.iter().position(|listener| listener.address.to_string() == text);
        let found =
            found.ok_or_else(|| format!("--listen \"{wanted}\" is no listener; there are {named}"))?;
        return Ok((found, "--listen names it".into()));
    }
    let with_port: Vec<usize> =
        (0..all.len()).filter(|at| port_of(&all[*at].address) == Some(port)).collect();
    let Some(first) = with_port.first() else {
        return Err(format!("nothing listens on port {port}; --listen takes one of {named}"));
    };
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let ip = ip.or_else(|| host.eq_ignore_ascii_case("localhost").then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let address = |at: &usize| match &all[*at].address {
        ListenAddress::Known(address) => address.ip().map(|address| address.ip()),
        ListenAddress::Name { .. } => None,
    };
    let exact = with_port.iter().find(|at| ip.is_some() && address(at) == ip);
    let any = |at: &&usize| {
        address(at)
            .is_some_and(|own| own.is_unspecified() && ip.is_none_or(|ip| ip.is_ipv4() == own.is_ipv4()))
    };
    let found = exact.or_else(|| with_port.iter().find(any)).unwrap_or(first);
    let why = match (exact, with_port.len()) {
        (Some(_), _) => format!("it has the URL's address and port {port}"),
        (None, 1) => format!("the only one on port {port}"),
        (None, count) => format!("the first of {count} on port {port} that fits; --listen takes another"),
    };
    Ok((*found, why))
}
