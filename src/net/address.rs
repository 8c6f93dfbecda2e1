//! Where a socket listens or connects to.

use std::fmt;
use std::io;
use std::net::SocketAddr;
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
            Address::Ip(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
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
