//! `listen` and `server_name`: which server answers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::net::{self, Address, KeepAlive};
use crate::request::Pattern;
use crate::source::{Place, Span};

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "listen", contexts: Context::SERVER, rows: ROWS, at: |w| &mut w.listen };

const ROWS: &[Row<Written>] = &[
    Row { name: "listen", doc: "An address, a port or a Unix socket to accept connections on.", set: listen },
    Row {
        name: "server_name",
        doc: "The hosts a server answers for: names, *.wildcards, wildcards.*, ~patterns.",
        set: server_name,
    },
];

#[derive(Default)]
pub struct Written {
    pub listens: Vec<Listen>,
    pub names: Vec<(ServerName, Span)>,
}

impl Written {
    /// Where a server without a `listen` is: port 80, or 8000 for who may not have that.
    pub fn default_listen(&self, span: Span, place: Place) -> Listen {
        let port = if rustix::process::geteuid().is_root() { 80 } else { 8000 };
        let address = Address::Ip(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)));
        Listen::new(ListenAddress::Known(address), span, place)
    }
}

/// One `listen`.
#[derive(Clone, Debug)]
pub struct Listen {
    pub address: ListenAddress,
    pub socket: net::ListenOptions,
    /// Some option of the socket was written: nginx allows that once an address.
    pub socket_written: bool,
    pub default_server: bool,
    /// Over UDP, which is not served: nginx's rules hold for it, and no socket is opened.
    pub quic: bool,
    pub protocols: Protocols,
    pub span: Span,
    pub place: Place,
}

/// What is spoken on a socket besides HTTP/1; of several `listen` at one address each adds to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protocols {
    pub proxy_protocol: bool,
    /// Not served: nginx's rules hold for them.
    pub ssl: bool,
    pub http2: bool,
}

impl Protocols {
    /// Those of both.
    pub fn with(self, other: Protocols) -> Protocols {
        Protocols {
            proxy_protocol: self.proxy_protocol || other.proxy_protocol,
            ssl: self.ssl || other.ssl,
            http2: self.http2 || other.http2,
        }
    }
}

impl Listen {
    /// One without parameters.
    fn new(address: ListenAddress, span: Span, place: Place) -> Listen {
        Listen {
            address,
            socket: net::ListenOptions::default(),
            socket_written: false,
            default_server: false,
            quic: false,
            protocols: Protocols::default(),
            span,
            place,
        }
    }
}

/// An address as written: a name is looked up when the listener is opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    Known(Address),
    Name { host: String, port: u16 },
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Known(address) => address.fmt(f),
            ListenAddress::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// One word of `server_name`.
#[derive(Clone, Debug)]
pub enum ServerName {
    /// Lower-cased; may be empty or `$hostname`'s value.
    Exact(Box<[u8]>),
    /// `*.example.com` without the `*`, or `.example.com` (which is also the exact name).
    Head {
        suffix: Box<[u8]>,
        bare: bool,
    },
    /// `www.example.*` without the `*`.
    Tail(Box<[u8]>),
    Pattern {
        pattern: Pattern,
        text: Box<[u8]>,
    },
    /// A `*` or two dots where none can be: nginx refuses it where an address has several servers, and
    /// does not look at it where there is but one.
    Unusable(Box<[u8]>),
}

impl ServerName {
    /// The name as it shows in `$server_name`.
    pub fn text(&self) -> Vec<u8> {
        match self {
            ServerName::Exact(name) => name.to_vec(),
            ServerName::Head { suffix, bare: false } => [b"*", &suffix[..]].concat(),
            ServerName::Head { suffix, bare: true } => suffix.to_vec(),
            ServerName::Tail(prefix) => [&prefix[..], b"*"].concat(),
            ServerName::Pattern { text, .. } | ServerName::Unusable(text) => text.to_vec(),
        }
    }
}

fn listen(written: &mut Written, call: &mut Call) {
    let Some(address) = address(call) else { return };
    let (span, place) = (call.span(0), call.place());
    let mut listen = Listen::new(address, span, place);
    for at in 1..call.args().len() {
        parameter(&mut listen, call, at);
        if listen.quic && listen.protocols.proxy_protocol {
            let message = "\"proxy_protocol\" parameter is incompatible with \"quic\"";
            return call.error(at, "invalid-parameter", message);
        }
    }
    written.listens.push(listen);
}

fn parameter(listen: &mut Listen, call: &mut Call, at: usize) {
    let word = call.arg(at);
    let equals = word.iter().position(|byte| *byte == b'=');
    let (name, value) = equals.map_or((word, None), |equals| (&word[..equals], Some(&word[equals + 1..])));
    let invalid = |call: &mut Call| {
        let message = format!("invalid {} \"{}\"", text(name), text(value.unwrap_or_default()));
        call.error(at, "invalid-value", message);
    };
    let socket = &mut listen.socket;
    match (name, value) {
        (b"default_server" | b"default", None) => {
            listen.default_server = true;
            return;
        }
        (b"proxy_protocol", None) => {
            listen.protocols.proxy_protocol = true;
            return;
        }
        (b"ssl" | b"http2" | b"quic", None) => {
            listen.quic |= name == b"quic";
            listen.protocols.ssl |= name == b"ssl";
            listen.protocols.http2 |= name == b"http2";
            return call.not_served(at, &format!("\"{}\" on a listener", text(name)));
        }
        (b"reuseport", None) => socket.reuseport = true,
        // These only tune the kernel.
        (b"bind" | b"deferred" | b"multipath", None) => {}
        (b"setfib" | b"accept_filter", Some(_)) => {}
        (b"fastopen", Some(value)) if values::number(value).is_some() => {}
        (b"backlog", Some(value)) => match values::number(value).filter(|number| *number != 0) {
            Some(number) => socket.backlog = i32::try_from(number).unwrap_or(i32::MAX),
            None => return invalid(call),
        },
        (b"rcvbuf", Some(value)) if values::size(value).is_some() => {
            socket.rcvbuf = values::size(value).map(|size| size as usize);
        }
        (b"sndbuf", Some(value)) if values::size(value).is_some() => {
            socket.sndbuf = values::size(value).map(|size| size as usize);
        }
        (b"ipv6only", Some(value @ (b"on" | b"off"))) => socket.ipv6only = value == b"on",
        (b"ipv6only", Some(value)) => {
            let message = format!("invalid ipv6only flags \"{}\"", text(value));
            return call.error(at, "invalid-value", message);
        }
        (b"so_keepalive", Some(value)) => match keepalive(value) {
            Some(keepalive) => socket.keepalive = keepalive,
            None => {
                let message = format!("invalid so_keepalive value: \"{}\"", text(value));
                return call.error(at, "invalid-value", message);
            }
        },
        (b"fastopen" | b"rcvbuf" | b"sndbuf", Some(_)) => return invalid(call),
        _ => {
            let message = format!("invalid parameter \"{}\"", text(word));
            return call.error(at, "invalid-parameter", message);
        }
    }
    listen.socket_written = true;
}

/// `on`, `off`, or `idle:interval:probes` with any of them left out.
fn keepalive(value: &[u8]) -> Option<Option<KeepAlive>> {
    match value {
        b"on" => return Some(Some(KeepAlive::default())),
        b"off" => return Some(None),
        _ => {}
    }
    let parts: Vec<&[u8]> = value.split(|byte| *byte == b':').collect();
    let seconds = |part: &[u8]| match part {
        b"" => Some(None),
        part => values::seconds(part).map(Some),
    };
    let [idle, interval, probes] = parts[..] else { return None };
    let probes = match probes {
        b"" => None,
        probes => Some(values::number(probes)? as u32),
    };
    let keepalive = KeepAlive { idle: seconds(idle)?, interval: seconds(interval)?, probes };
    (keepalive != KeepAlive::default()).then_some(Some(keepalive))
}

/// `address`, `address:port`, `port`, `*:port`, `[v6]:port`, `unix:path`: `ngx_parse_url`.
fn address(call: &mut Call) -> Option<ListenAddress> {
    let word = call.text(0);
    let complain = |call: &mut Call, why: &str, help: Option<&str>| {
        let message = format!("{why} in \"{word}\" of the \"listen\" directive");
        let mut diagnostic = Diagnostic::error("invalid-listen", call.span(0), message);
        diagnostic.help.extend(help.map(str::to_owned));
        call.say(diagnostic);
        None
    };
    if let Some(path) = word.strip_prefix("unix:") {
        if path.is_empty() {
            return complain(call, "no path in the unix domain socket", None);
        }
        return Some(ListenAddress::Known(Address::unix(path)));
    }
    if word.contains(['/', '?']) {
        return complain(call, "invalid host", None);
    }
    let (host, port) = match split_port(&word) {
        Some(split) => split,
        None => return complain(call, "invalid host", Some("an IPv6 address is written in brackets")),
    };
    let ports = "a port is a number from 1 to 65535";
    let port_of = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
    let (host, port) = match (host, port) {
        (host, Some(text)) => match port_of(text) {
            Some(port) => (host, port),
            None => return complain(call, "invalid port", Some(ports)),
        },
        // Nothing but digits is a port.
        (digits, None) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            match port_of(digits) {
                Some(port) => ("*", port),
                None => return complain(call, "invalid port", Some(ports)),
            }
        }
        (host, None) => (host, 80),
    };
    let ip = if host == "*" {
        Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    } else if let Some(inside) = host.strip_prefix('[') {
        match inside.trim_end_matches(']').parse::<Ipv6Addr>() {
            Ok(ip) => Some(IpAddr::V6(ip)),
            Err(_) => return complain(call, "invalid IPv6 address", None),
        }
    } else {
        host.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    };
    match ip {
        Some(ip) => Some(ListenAddress::Known(Address::Ip(SocketAddr::new(ip, port)))),
        None if host.is_empty() => complain(call, "no host", None),
        None => Some(ListenAddress::Name { host: host.to_owned(), port }),
    }
}

/// Host and port of `host[:port]` or `[v6][:port]`; `None` where brackets or colons are out of place.
pub fn split_port(word: &str) -> Option<(&str, Option<&str>)> {
    if word.starts_with('[') {
        let close = word.find(']')?;
        return match &word[close + 1..] {
            "" => Some((&word[..=close], None)),
            rest => Some((&word[..=close], Some(rest.strip_prefix(':')?))),
        };
    }
    match word.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some((host, port)) => Some((host, Some(port))),
        None => Some((word, None)),
    }
}

fn server_name(written: &mut Written, call: &mut Call) {
    for at in 0..call.args().len() {
        let word = call.arg(at);
        let wrong = |call: &mut Call| {
            let message = format!("server name \"{}\" is invalid", text(word));
            call.error(at, "invalid-server-name", message);
        };
        if word.contains(&b'/') {
            let message = format!("server name \"{}\" has suspicious symbols", text(word));
            call.warning(at, "suspicious-server-name", message);
        }
        let name = match word {
            [b'~', pattern @ ..] => {
                if pattern.is_empty() {
                    call.error(
                        at,
                        "invalid-server-name",
                        format!("empty regex in server name \"{}\"", text(word)),
                    );
                    continue;
                }
                // A pattern with capitals would never match a host, which is lower-cased.
                let caseless = pattern.iter().any(u8::is_ascii_uppercase);
                let span = call.span(at);
                let Some(pattern) = call.pattern(pattern, caseless, span) else { continue };
                ServerName::Pattern { pattern, text: word.into() }
            }
            b"$hostname" => ServerName::Exact(hostname().into()),
            [b'*', b'.', rest @ ..] if !rest.is_empty() && !rest.contains(&b'*') => {
                ServerName::Head { suffix: word[1..].to_ascii_lowercase().into(), bare: false }
            }
            [b'.', _, ..] if !word.contains(&b'*') => {
                ServerName::Head { suffix: word.to_ascii_lowercase().into(), bare: true }
            }
            [prefix @ .., b'.', b'*'] if !prefix.is_empty() && !prefix.contains(&b'*') => {
                ServerName::Tail(word[..word.len() - 1].to_ascii_lowercase().into())
            }
            [b'*'] | [b'*', _] | b"." => {
                wrong(call);
                continue;
            }
            [b'*', second, ..] if *second != b'.' => {
                wrong(call);
                continue;
            }
            _ if word.contains(&b'*') || word.windows(2).any(|pair| pair == b"..") => {
                ServerName::Unusable(word.into())
            }
            _ => {
                // nginx takes no variables here but `$hostname`; a `$` is part of the name.
                ServerName::Exact(word.to_ascii_lowercase().into())
            }
        };
        written.names.push((name, call.span(at)));
    }
}

/// The machine's name, lower-cased as nginx keeps it.
pub fn hostname() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_ascii_lowercase()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
