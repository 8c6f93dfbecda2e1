//! `ngx_http_realip_module`: who the client is where proxies stand in front.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::http1::Known;
use crate::net::{Address, forwarded};
use crate::request::{Request, Variable};
use crate::source::Place;

use super::variables::{ip, port};
use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> =
    Feature { name: "realip", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.realip };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "set_real_ip_from",
        doc: "A proxy that is believed when it says who the client is: an address, a network, a name, unix:.",
        set: |w, call| w.proxies.extend(proxy(call)),
    },
    Row {
        name: "real_ip_header",
        doc: "Where such a proxy says so: X-Real-IP, X-Forwarded-For, another header, or the PROXY protocol.",
        set: |w, call| {
            w.source = Some(match call.arg(0) {
                b"X-Real-IP" => Source::RealIp,
                b"X-Forwarded-For" => Source::ForwardedFor,
                b"proxy_protocol" => Source::ProxyProtocol,
                name => Source::Header(name.to_ascii_lowercase().into()),
            });
        },
    },
    Row {
        name: "real_ip_recursive",
        doc: "Whether an address in the header that is a proxy's is passed over for the one in front of it.",
        set: |w, call| w.recursive = Some(call.flag(0)),
    },
];

pub const VARIABLES: &[Variable] = &[
    Variable { name: "realip_remote_addr", get: |r, out| ip(r.connection.connected(), out) },
    Variable { name: "realip_remote_port", get: |r, out| port(r.connection.connected(), out) },
];

/// `set_real_ip_from`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Proxy {
    Unix,
    Network(values::Cidr),
    /// Every address that the system knows it by when the configuration is taken up.
    Name {
        name: String,
        place: Place,
    },
}

/// `real_ip_header`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Source {
    #[default]
    RealIp,
    ForwardedFor,
    ProxyProtocol,
    /// In lower case.
    Header(Arc<[u8]>),
}

/// The addresses of the names that `set_real_ip_from` gives.
pub type Resolved = HashMap<String, Vec<IpAddr>>;

#[derive(Default)]
pub struct Written {
    proxies: Vec<Proxy>,
    source: Option<Source>,
    recursive: Option<bool>,
}

#[derive(Clone, Debug, Default)]
pub struct Settings {
    proxies: Arc<[Proxy]>,
    source: Source,
    recursive: bool,
}

impl Written {
    /// A block that trusts somebody itself trusts nobody whom the outer ones do.
    pub fn over(&self, outer: &Settings) -> Settings {
        let own = !self.proxies.is_empty();
        Settings {
            proxies: if own { self.proxies[..].into() } else { outer.proxies.clone() },
            source: self.source.as_ref().unwrap_or(&outer.source).clone(),
            recursive: self.recursive.unwrap_or(outer.recursive),
        }
    }
}

impl Settings {
    /// Whether everybody is who they connect as.
    pub fn is_off(&self) -> bool {
        self.proxies.is_empty()
    }

    /// The names to be looked up, and where they stand.
    pub fn names(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.proxies.iter().filter_map(|proxy| match proxy {
            Proxy::Name { name, place } => Some((&name[..], place)),
            _ => None,
        })
    }

    /// Whom a request is from, if that is somebody else than who has connected.
    pub fn client(&self, request: &Request, resolved: &Resolved) -> Option<Address> {
        let connection = &request.connection;
        let headers = &request.head.headers;
        let trusts = |address: &Address| self.trusts(address, resolved);
        let one = |value| forwarded(&connection.peer, std::iter::once(value), self.recursive, trusts);
        match &self.source {
            Source::RealIp => one(headers.first(Known::XRealIp)?),
            Source::Header(name) => one(headers.named(name).next()?),
            Source::ProxyProtocol => {
                let header = connection.proxy_header.as_ref()?;
                let client = one(&header.source)?.ip()?;
                Some(Address::Ip(SocketAddr::new(client.ip(), header.source_port)))
            }
            Source::ForwardedFor => {
                // Proxies add what they know behind all that is there.
                let lists = headers.all(Known::XForwardedFor).collect::<Vec<_>>().into_iter().rev();
                forwarded(&connection.peer, lists, self.recursive, trusts)
            }
        }
    }

    fn trusts(&self, address: &Address, resolved: &Resolved) -> bool {
        // An IPv4 client of a socket for IPv6 is one of IPv4.
        let ip = address.ip().map(|address| address.ip().to_canonical());
        self.proxies.iter().any(|proxy| match (proxy, ip) {
            (Proxy::Unix, ip) => ip.is_none(),
            (Proxy::Network(network), Some(ip)) => network.contains(ip),
            (Proxy::Name { name, .. }, Some(ip)) => {
                resolved.get(name).is_some_and(|addresses| addresses.contains(&ip))
            }
            (_, None) => false,
        })
    }
}

fn proxy(call: &mut Call) -> Option<Proxy> {
    let word = call.arg(0);
    if word == b"unix:" {
        return Some(Proxy::Unix);
    }
    if let Some(network) = values::cidr(word) {
        if network.meaningless_bits {
            let message = format!("low address bits of {} are meaningless", call.text(0));
            call.warning(0, "meaningless-bits", message);
        }
        return Some(Proxy::Network(network));
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let name = String::from_utf8(word.to_vec()).ok().filter(|name| name.bytes().all(|byte| is_name(&byte)));
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        return Some(Proxy::Name { name, place: call.place() });
    }
    let message = format!("host not found in set_real_ip_from \"{}\"", call.text(0));
    let finding = Diagnostic::error("invalid-value", call.span(0), message);
    call.say(finding.help("an address, a network such as \"10.0.0.0/8\", a host's name, or \"unix:\""));
    None
}
