//! Where a proxy_pass leads, once its variables have values.

use std::net::{IpAddr, Ipv6Addr};

use bstr::{BString, ByteSlice};

use crate::lint::site::{ANYTHING, Block, Pass, Site};

/// What a proxy_pass may come to, cut into pieces. [`ANYTHING`] stands where nobody knows what stands there.
#[derive(Debug)]
pub struct Destination {
    pub scheme: BString,
    /// Without the port; `unix:` with its path.
    pub host: BString,
    pub port: Option<BString>,
    /// Empty where there is none and the client's goes on.
    pub uri: BString,
}

/// Who answers under a host's name.
#[derive(Clone, Copy)]
pub enum Peer<'a> {
    /// An `upstream` block.
    Group(Block<'a>),
    Socket,
    Address,
    Localhost,
    /// A name that has to be resolved, or one of which not all is known.
    Name,
}

impl Destination {
    /// Everything that a proxy_pass may come to.
    pub fn all(pass: &Pass<'_>) -> Vec<Destination> {
        let outlines = pass.block.site.outlines(pass.block, &pass.url.value);
        outlines.iter().filter(|text| !text.is_empty()).map(|text| Destination::of(text)).collect()
    }

    fn of(text: &[u8]) -> Destination {
        let Some(at) = text.find("://") else {
            let unknown = BString::from(vec![ANYTHING]);
            return Destination {
                scheme: unknown.clone(),
                host: unknown,
                port: None,
                uri: BString::default(),
            };
        };
        let (scheme, rest) = (&text[..at], &text[at + 3..]);
        let (host, port, uri) = match rest.strip_prefix(b"unix:") {
            Some(path) => {
                let end = 5 + path.find_byte(b':').unwrap_or(path.len());
                (&rest[..end], None, rest[end..].strip_prefix(b":").unwrap_or_default())
            }
            None => {
                let (authority, uri) = rest.split_at(rest.find_byteset(b"/?#").unwrap_or(rest.len()));
                let (host, port) = host_and_port(authority);
                (host, port, uri)
            }
        };
        Destination {
            scheme: scheme.into(),
            host: host.into(),
            port: port.map(BString::from),
            uri: uri.into(),
        }
    }

    /// Whether its host is known to the last letter.
    pub fn is_known(&self) -> bool {
        !self.host.contains(&ANYTHING)
    }

    /// Who answers there.
    pub fn peer<'a>(&self, site: &'a Site<'a>) -> Peer<'a> {
        let group = || site.upstream(&self.host).filter(|_| self.port.is_none());
        match () {
            () if self.host.starts_with(b"unix:") => Peer::Socket,
            () if is_address(&self.host) => Peer::Address,
            () => match group() {
                Some(group) => Peer::Group(group),
                None if self.host.eq_ignore_ascii_case(b"localhost") => Peer::Localhost,
                None => Peer::Name,
            },
        }
    }

    /// Host and port as messages show them: `…` is what nobody knows.
    pub fn shown(&self) -> String {
        let host = self.host.to_str_lossy();
        let shown = match &self.port {
            Some(port) => format!("{host}:{}", port.to_str_lossy()),
            None => host.into_owned(),
        };
        shown.replace(ANYTHING as char, "…")
    }

    /// What nginx sends as `Host` unless it is told otherwise: `$proxy_host`.
    pub fn proxy_host(&self) -> String {
        if self.host.starts_with(b"unix:") {
            return "localhost".to_owned();
        }
        let usual = if self.scheme == "https" { "443" } else { "80" };
        match &self.port {
            Some(port) if port != usual => self.shown(),
            _ => self.host.to_str_lossy().into_owned(),
        }
    }
}

/// Cuts `host:port`; a host in brackets keeps them.
pub fn host_and_port(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let from = if authority.starts_with(b"[") { authority.find_byte(b']').unwrap_or(0) } else { 0 };
    match authority[from..].find_byte(b':') {
        Some(at) => (&authority[..from + at], Some(&authority[from + at + 1..])),
        None => (authority, None),
    }
}

/// Whether a host is an IP address, as nginx writes one: IPv6 in brackets.
pub fn is_address(host: &[u8]) -> bool {
    let Ok(host) = host.to_str() else { return false };
    match host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_cut_into_pieces() {
        let cut = |text: &str| {
            let one = Destination::of(text.as_bytes());
            (one.scheme.to_string(), one.shown(), one.uri.to_string(), one.proxy_host())
        };
        let owned =
            |a: &str, b: &str, c: &str, d: &str| (a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned());
        assert_eq!(cut("http://app"), owned("http", "app", "", "app"));
        assert_eq!(cut("http://10.0.0.1:80/a"), owned("http", "10.0.0.1:80", "/a", "10.0.0.1"));
        assert_eq!(cut("https://[::1]:8443?q"), owned("https", "[::1]:8443", "?q", "[::1]:8443"));
        assert_eq!(cut("http://unix:/run/a.sock:/b"), owned("http", "unix:/run/a.sock", "/b", "localhost"));
        assert_eq!(cut("http://\0.example.com").1, "….example.com");
        assert_eq!(cut("\0").1, "…");
    }

    #[test]
    fn addresses_are_told_from_names() {
        assert!(is_address(b"127.0.0.1") && is_address(b"[::1]"));
        assert!(!is_address(b"127.1") && !is_address(b"::1") && !is_address(b"localhost"));
    }
}
