//! `resolver` and `resolver_timeout` (`ngx_http_core_module`, `ngx_resolver.c`): who is asked for the addresses
//! of names that become known while requests come, and how long that may take.
//!
//! They are for addresses made of variables and for servers with `resolve`. What is written out in a
//! `proxy_pass` or a `server` line is the system's to know, as in nginx.

use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::net::Wanted;
use crate::source::Place;

use super::checked::address::Target;
use super::checked::resolver::address;
use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> = Feature {
    name: "resolver",
    contexts: Context::HTTP.or(Context::SERVER).or(Context::LOCATION).or(Context::UPSTREAM),
    rows: ROWS,
    at: |w| &mut w.resolver,
};

const ROWS: &[Row<Written>] = &[
    Row {
        name: "resolver",
        doc: "The name servers that are asked for names made of variables and for servers with resolve.",
        set: |w, call| w.servers = read(call).map(Arc::new),
    },
    Row {
        name: "resolver_timeout",
        doc: "How long a name may be looked up; 0 is as long as it takes.",
        set: |w, call| w.timeout = Some(call.time(0)),
    },
];

/// Where nginx's name servers listen.
const PORT: u16 = 53;

/// How long a look-up goes on that has no limit: who asked has long gone.
const NO_TIMEOUT: Duration = Duration::from_secs(3600);

/// The name servers of one `resolver`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameServers {
    pub servers: Vec<NameServer>,
    pub wanted: Wanted,
}

impl NameServers {
    /// Whether a name server is named, so that it may have moved.
    pub fn has_names(&self) -> bool {
        self.servers.iter().any(|server| matches!(server, NameServer::Host { .. }))
    }
}

/// One name server: where it is, or a host that the system's resolver is asked for at the start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NameServer {
    At(SocketAddr),
    Host { host: String, port: u16, place: Place },
}

#[derive(Clone, Default)]
pub struct Written {
    servers: Option<Arc<NameServers>>,
    timeout: Option<Duration>,
}

/// Who is asked for names, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `None` where no `resolver` is in force.
    pub servers: Option<Arc<NameServers>>,
    /// Never zero.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { servers: None, timeout: Duration::from_secs(30) }
    }
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        let timeout = match self.timeout {
            Some(Duration::ZERO) => NO_TIMEOUT,
            Some(timeout) => timeout,
            None => outer.timeout,
        };
        Settings { servers: self.servers.as_ref().or(outer.servers.as_ref()).cloned(), timeout }
    }
}

/// Reads a `resolver` line, of http or of another protocol; what is wrong with it is said.
pub fn read(call: &mut Call) -> Option<NameServers> {
    let mut wanted = Wanted { ipv4: true, ipv6: true, valid: None };
    let (mut servers, mut written) = (Vec::new(), 0);
    for at in 0..call.args().len() {
        let word = call.arg(at);
        if let Some(equals) = word.iter().position(|byte| *byte == b'=') {
            parameter(&mut wanted, call, at, &word[..equals], &word[equals + 1..]);
            continue;
        }
        written += 1;
        servers.extend(name_server(call, at));
    }
    if !wanted.ipv4 && !wanted.ipv6 {
        call.error(0, "invalid-parameter", "\"ipv4\" and \"ipv6\" cannot both be \"off\"");
    }
    if written == 0 {
        call.error(0, "missing-parameter", "no name servers defined");
    }
    (!servers.is_empty()).then_some(NameServers { servers, wanted })
}

fn parameter(wanted: &mut Wanted, call: &mut Call, at: usize, name: &[u8], value: &[u8]) {
    let switch = |family: &mut bool| {
        *family = value != b"off";
        matches!(value, b"on" | b"off")
    };
    let fits = match name {
        b"valid" => {
            let time = values::seconds(value);
            wanted.valid = time.filter(|time| !time.is_zero());
            time.is_some()
        }
        b"ipv4" => switch(&mut wanted.ipv4),
        b"ipv6" => switch(&mut wanted.ipv6),
        b"status_zone" => true,
        _ => false,
    };
    if !fits {
        let message = format!("invalid parameter: {}", call.text(at));
        let finding = Diagnostic::error("invalid-parameter", call.span(at), message);
        call.say(finding.help("parameters are valid=TIME, ipv4=on|off and ipv6=on|off"));
    }
}

fn name_server(call: &mut Call, at: usize) -> Option<NameServer> {
    match address(call, at, call.arg(at), false, "resolver")? {
        Target::Unix(_) => {
            call.not_served(at, "a name server at a unix socket");
            None
        }
        Target::Host { host, port } => {
            let port = port.unwrap_or(PORT);
            let ip = match host {
                [b'[', inside @ .., b']'] => {
                    let inside = std::str::from_utf8(inside).ok();
                    inside.and_then(|inside| inside.parse::<Ipv6Addr>().ok()).map(Into::into)
                }
                _ => values::ipv4(host).map(Into::into),
            };
            Some(match ip {
                Some(ip) => NameServer::At(SocketAddr::new(ip, port)),
                None => {
                    let host = String::from_utf8_lossy(host).into_owned();
                    NameServer::Host { host, port, place: call.place() }
                }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_block_does_not_say_is_that_of_the_block_around_it() {
        let outer = Settings { servers: None, timeout: Duration::from_secs(7) };
        assert_eq!(Written::default().over(&outer), outer);
        let servers = vec![NameServer::At("127.0.0.1:53".parse().unwrap())];
        let wanted = Wanted { ipv4: true, ipv6: false, valid: None };
        let servers = Some(Arc::new(NameServers { servers, wanted }));
        let own = Written { servers: servers.clone(), timeout: Some(Duration::ZERO) };
        assert_eq!(own.over(&outer), Settings { servers, timeout: NO_TIMEOUT });
    }
}
