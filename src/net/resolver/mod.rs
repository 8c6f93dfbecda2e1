//! Addresses of names: from the system, or from name servers asked as nginx's `resolver` asks them.
//!
//! Knows nothing of groups, and keeps nothing: an answer says how long it holds, and whoever asked remembers
//! it. Start at [`Resolver::addresses`].

mod servers;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::timeout;

use servers::Servers;

/// Addresses of one name, or of one service, that are used; the others are left out.
const MOST_ADDRESSES: usize = 1000;

/// Who is asked for addresses.
#[derive(Debug)]
pub enum Resolver {
    /// The system's resolver (`getaddrinfo`): with `/etc/hosts` and search domains, without times to live.
    System,
    /// The name servers of a `resolver` directive.
    Servers(Servers),
}

/// What name servers are asked for, and how long their answers hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    pub ipv4: bool,
    pub ipv6: bool,
    /// In place of the records' times to live: `valid=`.
    pub valid: Option<Duration>,
}

/// An answer, and how long it holds; `None` where nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    pub found: Vec<T>,
    pub holds: Option<Duration>,
}

/// Where a service is (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub address: SocketAddr,
    /// The lower the sooner.
    pub priority: u16,
    /// At least 1, as nginx has it.
    pub weight: u16,
    /// The target's name, in lower case and without a dot behind it.
    pub target: Box<str>,
}

/// Where a service is, and whose addresses could not be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub places: Answer<Place>,
    pub failed: Vec<(Box<str>, LookupError)>,
}

/// Why there is no answer: a code of RFC 1035, 4.1.1, or that time was over.
///
/// It is shown as nginx shows it, `3: Host not found`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupError {
    Format,
    Server,
    NotFound,
    NotImplemented,
    Refused,
    TimedOut,
    /// In the words of the system's resolver.
    System(Box<str>),
}

impl Resolver {
    /// Asks these name servers, one after another; there has to be one.
    pub fn of(servers: &[SocketAddr], wanted: Wanted) -> Resolver {
        Resolver::Servers(Servers::new(servers, wanted))
    }

    /// Every address of a name, each once: as the system orders them, or IPv4 first.
    ///
    /// # Errors
    /// Where there is none, or `limit` is over.
    pub async fn addresses(&self, name: &str, limit: Duration) -> Result<Answer<IpAddr>, LookupError> {
        let found = async {
            match self {
                Resolver::System => system(name).await,
                Resolver::Servers(servers) => servers.addresses(name).await,
            }
        };
        within(limit, found).await
    }

    /// Where a service of a name is (SRV), the best places first; a service without a dot runs over TCP.
    ///
    /// # Errors
    /// Where it is nowhere, or `limit` is over: once for its records, once for the addresses of their targets.
    pub async fn service(&self, service: &str, name: &str, limit: Duration) -> Result<Service, LookupError> {
        let Resolver::Servers(servers) = self else { return Err(LookupError::NotImplemented) };
        let service = service_name(service, name);
        servers.service(&service, limit).await
    }
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, LookupError>>,
) -> Result<T, LookupError> {
    timeout(limit, answer).await.unwrap_or(Err(LookupError::TimedOut))
}

/// `http` of `example.com` is `_http._tcp.example.com`; `_http._udp` and `a.b` are taken as they are.
fn service_name(service: &str, name: &str) -> String {
    match service.contains('.') {
        true => format!("{service}.{name}"),
        false => format!("_{service}._tcp.{name}"),
    }
}

async fn system(name: &str) -> Result<Answer<IpAddr>, LookupError> {
    let found = tokio::net::lookup_host((name, 0)).await?;
    let mut answer = Answer { found: Vec::new(), holds: None };
    found.for_each(|address| answer.add(address.ip()));
    if answer.found.is_empty() { Err(LookupError::NotFound) } else { Ok(answer) }
}

impl<T: PartialEq> Answer<T> {
    /// Adds what is new, while there is room.
    fn add(&mut self, found: T) {
        if self.found.len() < MOST_ADDRESSES && !self.found.contains(&found) {
            self.found.push(found);
        }
    }
}

impl From<io::Error> for LookupError {
    fn from(error: io::Error) -> LookupError {
        LookupError::System(error.to_string().into())
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LookupError::Format => "1: Format error",
            LookupError::Server => "2: Server failure",
            LookupError::NotFound => "3: Host not found",
            LookupError::NotImplemented => "4: Unimplemented",
            LookupError::Refused => "5: Operation refused",
            LookupError::TimedOut => "110: Operation timed out",
            LookupError::System(words) => words,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_named_as_nginx_names_them() {
        assert_eq!(service_name("http", "example.com"), "_http._tcp.example.com");
        assert_eq!(service_name("_http._tcp", "example.com"), "_http._tcp.example.com");
        assert_eq!(service_name("server1.backend", "example.com"), "server1.backend.example.com");
    }

    #[tokio::test]
    async fn the_system_knows_this_machine() {
        let answer = Resolver::System.addresses("localhost", Duration::from_secs(10)).await.unwrap();
        assert!(answer.found.iter().all(IpAddr::is_loopback), "{answer:?}");
        assert_eq!(answer.holds, None);
    }

    #[tokio::test]
    async fn a_literal_address_is_its_own() {
        let answer = Resolver::System.addresses("127.0.0.1", Duration::from_secs(10)).await.unwrap();
        assert_eq!(answer.found, [IpAddr::from([127, 0, 0, 1])]);
    }
}
