//! What is configured of a group.

use std::sync::Arc;
use std::time::Duration;

use crate::net::Address;

use super::names::Found;
use super::sessions::SessionZone;
use super::sid::Sid;

/// A group as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSpec {
    /// As it is shown where no peer could be picked.
    pub name: Arc<str>,
    /// What a computed address is compared with.
    pub host: String,
    pub port: Option<u16>,
    pub servers: Vec<ServerSpec>,
    pub keepalive: Keepalive,
    pub method: Method,
    /// Requests name the peer they belong to (`sticky`).
    pub sticky: bool,
    /// Where the servers of sessions are kept (`sticky learn`).
    pub sessions: Option<SessionZone>,
}

impl GroupSpec {
    /// A group with nginx's defaults.
    pub fn new(name: String, host: String, servers: Vec<ServerSpec>) -> GroupSpec {
        GroupSpec {
            name: name.into(),
            host,
            port: None,
            servers,
            keepalive: Keepalive::default(),
            method: Method::default(),
            sticky: false,
            sessions: None,
        }
    }
}

/// The most that the servers of a group with a consistent hash may weigh together: each unit has 160 points, which
/// take 1,280 bytes.
pub const MOST_RING_WEIGHT: i64 = 100_000;

/// How the next peer is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Smooth weighted round robin.
    #[default]
    RoundRobin,
    IpHash,
    /// `hash key`: most keys move when a server comes or goes.
    Hash,
    /// `hash key consistent`: only its own do.
    ConsistentHash,
    LeastConn,
    Random,
    /// `random two least_conn`.
    RandomTwo,
    /// `least_time`.
    LeastTime {
        to: TimeTo,
        /// Tries that go on count for as long as they have.
        inflight: bool,
    },
    /// `random two least_time=…`.
    RandomTwoTime(TimeTo),
}

/// Of an answer, what the time it takes is measured to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeTo {
    Header,
    LastByte,
}

impl Method {
    /// How the first of the backups is chosen. Methods that compute their choice have left it to round robin by
    /// then; they know no backups, but nginx takes those that stand before the method's line.
    pub(super) fn turning_to_backups(self) -> Method {
        match self {
            Method::LeastConn | Method::LeastTime { .. } => self,
            _ => Method::RoundRobin,
        }
    }

    /// The choice depends on how long peers take.
    pub(super) fn is_timed(self) -> bool {
        matches!(self, Method::LeastTime { .. } | Method::RandomTwoTime(_))
    }

    /// It depends on tries that go on.
    pub(super) fn counts_flights(self) -> bool {
        matches!(self, Method::LeastTime { inflight: true, .. })
    }

    /// A try goes on until its header has come, whose time counts at once.
    pub(super) fn ends_flights_at_header(self) -> bool {
        self == Method::LeastTime { to: TimeTo::Header, inflight: true }
    }
}

/// One `server` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// As written.
    pub text: String,
    pub endpoint: Endpoint,
    pub weight: i64,
    /// 0 is no limit.
    pub max_conns: usize,
    /// 0 never counts.
    pub max_fails: u32,
    /// Counted in whole seconds.
    pub fail_timeout: Duration,
    /// How long a server that is well again takes to get its whole weight back; zero gives it back at once.
    pub slow_start: Duration,
    pub backup: bool,
    pub down: bool,
    /// Only requests that name it by its id go there.
    pub drain: bool,
    /// Its id; the MD5 of the address where there is none.
    pub route: Option<Sid>,
    /// Its name is asked of name servers (`resolve`), and not of the system.
    pub resolve: bool,
    /// Its places are those of this service (`service=`).
    pub service: Option<String>,
}

impl ServerSpec {
    /// A server with nginx's defaults.
    pub fn new(text: String, endpoint: Endpoint) -> ServerSpec {
        ServerSpec {
            text,
            endpoint,
            weight: 1,
            max_conns: 0,
            max_fails: 1,
            fail_timeout: Duration::from_secs(10),
            slow_start: Duration::ZERO,
            backup: false,
            down: false,
            drain: false,
            route: None,
            resolve: false,
            service: None,
        }
    }
}

impl ServerSpec {
    /// Addresses of this line that are treated as it says.
    pub(super) fn found(&self, addresses: &[Address]) -> Vec<Found> {
        let found = |address: &Address| Found {
            address: address.clone(),
            weight: None,
            backup: self.backup,
            target: None,
        };
        addresses.iter().map(found).collect()
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Known(Address),
    /// A name, with every address it has being a peer.
    Name {
        host: String,
        port: u16,
    },
}

/// How connections are kept for the next request; the defaults are nginx's since 1.29.7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Idle ones a worker keeps.
    pub connections: usize,
    /// Only the location gets a connection that had it before.
    pub local: bool,
    pub requests: u64,
    pub time: Duration,
    pub timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Keepalive {
        Keepalive {
            connections: 32,
            local: true,
            requests: 1000,
            time: Duration::from_secs(3600),
            timeout: Duration::from_secs(60),
        }
    }
}
