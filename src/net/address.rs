//! Where a socket listens or connects to.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use socket2::{Domain, SockAddr};

/// An address and a port, or the path of a Unix socket. Cloning does not copy the path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    Ip(SocketAddr),
    /// Empty for the far end of a Unix socket that has no name.
    Unix(Arc<Path>),
}

impl Address {
    pub fn unix(path: impl AsRef<Path>) -> Address {
        Address::Unix(Arc::from(path.as_ref()))
    }

    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Address::Ip(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// The path of a Unix socket that has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Address::Unix(path) if !path.as_os_str().is_empty() => Some(path),
            _ => None,
        }
    }

    pub fn is_unix(&self) -> bool {
        matches!(self, Address::Unix(_))
    }

    pub(super) fn domain(&self) -> Domain {
        match self {
            Address::Ip(address) => Domain::for_address(*address),
            Address::Unix(_) => Domain::UNIX,
        }
    }

    pub(super) fn to_socket2(&self) -> io::Result<SockAddr> {
        match self {
            Address::Ip(address) => Ok(SockAddr::from(*address)),
            Address::Unix(path) => SockAddr::unix(path),
        }
    }

    pub(super) fn from_socket2(address: &SockAddr) -> Address {
        match address.as_socket() {
            Some(address) => Address::Ip(address),
            None => Address::unix(address.as_pathname().unwrap_or(Path::new(""))),
        }
    }

    pub(super) fn from_unix(address: &tokio::net::unix::SocketAddr) -> Address {
        Address::unix(address.as_pathname().unwrap_or(Path::new("")))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Ip(address)
    }
}

/// As nginx prints addresses: `127.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(SocketAddr::V4(address)) => V4::new(*address.ip(), Some(address.port())).fmt(f),
            Address::Ip(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The address alone, without its port: `127.0.0.1`, `::1`, `unix:/run/app.sock`.
pub struct Host<'a>(pub &'a Address);

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Address::Ip(SocketAddr::V4(address)) => V4::new(*address.ip(), None).fmt(f),
            Address::Ip(SocketAddr::V6(address)) => match compatible(*address.ip()) {
                Some(old) => write!(f, "::{old}"),
                None => address.ip().fmt(f),
            },
            unix => unix.fmt(f),
        }
    }
}

/// The IPv4 address that nginx shows in one of IPv6 that begins with twelve zeros. `::1` is none, and it takes a
/// few others for none, too (`ngx_inet6_ntop`).
fn compatible(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let old = u32::try_from(address.to_bits()).ok()?;
    let [first, second, third, last] = old.to_be_bytes();
    let is_one = match (first, second) {
        (0, 0) => third != 0 && last != 1,
        _ => true,
    };
    is_one.then(|| Ipv4Addr::from_bits(old))
}

/// `255.255.255.255:65535`, in a tenth of the time that the standard library takes for it: headers and logs
/// hold addresses for every request.
struct V4 {
    text: [u8; 21],
    length: usize,
}

impl V4 {
    fn new(address: Ipv4Addr, port: Option<u16>) -> V4 {
        let mut v4 = V4 { text: [0; 21], length: 0 };
        for (at, octet) in address.octets().into_iter().enumerate() {
            if at > 0 {
                v4.push(b'.');
            }
            v4.number(octet.into());
        }
        if let Some(port) = port {
            v4.push(b':');
            v4.number(port);
        }
        v4
    }

    fn push(&mut self, byte: u8) {
        self.text[self.length] = byte;
        self.length += 1;
    }

    fn number(&mut self, number: u16) {
        for power in [10_000, 1000, 100, 10] {
            if number >= power {
                self.push(b'0' + (number / power % 10) as u8);
            }
        }
        self.push(b'0' + (number % 10) as u8);
    }
}

impl fmt::Display for V4 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text[..self.length]).unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_nginx_prints_them() {
        let print = |text: &str| Address::Ip(text.parse().unwrap()).to_string();
        assert_eq!(print("127.0.0.1:80"), "127.0.0.1:80");
        assert_eq!(print("[::1]:8080"), "[::1]:8080");
        for text in ["0.0.0.0:0", "1.20.255.100:9", "192.168.10.1:10", "10.9.99.101:65535", "8.8.8.8:1000"] {
            assert_eq!(print(text), text);
            let host = Host(&Address::Ip(text.parse().unwrap())).to_string();
            assert_eq!(host, text.split_once(':').unwrap().0);
        }
        assert_eq!(Host(&Address::Ip("[::1]:80".parse().unwrap())).to_string(), "::1");
        assert_eq!(Host(&Address::Ip("[::c000:207]:80".parse().unwrap())).to_string(), "::192.0.2.7");
        assert_eq!(Host(&Address::Ip("[::202]:80".parse().unwrap())).to_string(), "::0.0.2.2");
        assert_eq!(Host(&Address::Ip("[::201]:80".parse().unwrap())).to_string(), "::201");
        assert_eq!(Address::unix("/run/app.sock").to_string(), "unix:/run/app.sock");
        assert_eq!(Address::unix("").to_string(), "unix:");
    }

    #[test]
    fn addresses_survive_the_way_through_the_system() {
        for address in [Address::Ip("[::1]:1".parse().unwrap()), Address::unix("/tmp/x"), Address::unix("")] {
            let there = address.to_socket2().unwrap();
            assert_eq!(Address::from_socket2(&there), address);
        }
    }
}
