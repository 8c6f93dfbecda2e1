//! Name servers, asked as nginx's `ngx_resolver.c` asks them: names are absolute, both families are asked for
//! at once, what fails in one fails, and a server that says nothing sensible is asked again until time is over.
//!
//! The door to hickory, which sends questions (over UDP, after truncation over TCP), tells answers from what
//! others send, and reads them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverOpts, ServerOrderingStrategy};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{DnsRequestOptions, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};
use tokio::time::{Instant, sleep_until};

use super::{Answer, LookupError, Place, Service, Wanted, within};

/// How long one name server has to answer before the next is asked: nginx's `resend_timeout`.
const RESEND: Duration = Duration::from_secs(5);

/// The least time between two questions for one name, however quickly the first went wrong.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How many names may stand for one another (CNAME): nginx's `NGX_RESOLVER_MAX_RECURSION`.
const MOST_ALIASES: usize = 50;

/// Targets of a service that are looked up; the others are left out.
const MOST_TARGETS: usize = 64;

/// The name servers of a `resolver`.
pub struct Servers {
    pool: NameServerPool<TokioRuntimeProvider>,
    wanted: Wanted,
}

impl Servers {
    pub fn new(servers: &[SocketAddr], wanted: Wanted) -> Servers {
        let mut options = ResolverOpts::default();
        options.timeout = RESEND;
        options.num_concurrent_reqs = 1;
        options.server_ordering_strategy = ServerOrderingStrategy::RoundRobin;
        // Nothing of TLS is compiled in, so that this cannot fail.
        let tls = TlsConfig::new().unwrap_or_else(|error| unreachable!("no TLS: {error}"));
        let context = Arc::new(PoolContext::new(options, tls));
        let servers = servers.iter().map(|server| {
            let on_port = |mut config: ConnectionConfig| {
                config.port = server.port();
                config
            };
            let connections = vec![on_port(ConnectionConfig::udp()), on_port(ConnectionConfig::tcp())];
            NameServerConfig::new(server.ip(), true, connections)
        });
        Servers { pool: NameServerPool::from_config(servers, context, TokioRuntimeProvider::new()), wanted }
    }

    /// Every address of a name.
    pub async fn addresses(&self, name: &str) -> Result<Answer<IpAddr>, LookupError> {
        let mut name = absolute(name).ok_or(LookupError::NotFound)?;
        let mut holds = u32::MAX;
        for _ in 0..=MOST_ALIASES {
            let (four, six) = tokio::join!(
                self.records(self.wanted.ipv4, &name, RecordType::A),
                self.records(self.wanted.ipv6, &name, RecordType::AAAA),
            );
            let records = [four?, six?].concat();
            holds = shortest(&records, holds);
            let mut answer = Answer { found: Vec::new(), holds: Some(self.holds(holds)) };
            records.iter().filter_map(|record| record.data.ip_addr()).for_each(|ip| answer.add(ip));
            if !answer.found.is_empty() {
                return Ok(answer);
            }
            name = alias(&records).ok_or(LookupError::NotFound)?;
        }
        Err(LookupError::NotFound)
    }

    /// Where a service is that has this name. Its records may take as long as `limit`, and so may the addresses
    /// of each target.
    pub async fn service(&self, name: &str, limit: Duration) -> Result<Service, LookupError> {
        let (targets, mut holds) = within(limit, self.targets(name)).await?;
        let looking = targets.iter().map(|target| within(limit, self.addresses(&target.name)));
        let answers = join_all(looking).await;
        let mut places = Answer { found: Vec::new(), holds: None };
        let mut failed = Vec::new();
        for (target, answer) in targets.into_iter().zip(answers) {
            match answer {
                Ok(answer) => {
                    holds = answer.holds.map_or(holds, |own| holds.min(own));
                    answer.found.into_iter().for_each(|ip| places.add(target.at(ip)));
                }
                Err(error) => failed.push((target.name, error)),
            }
        }
        places.holds = Some(holds);
        if !places.found.is_empty() {
            return Ok(Service { places, failed });
        }
        let gone = failed.iter().any(|(_, error)| *error == LookupError::NotFound);
        match failed.pop() {
            Some((_, error)) if !gone => Err(error),
            _ => Err(LookupError::NotFound),
        }
    }

    /// The records of a service, the best first, and how long they hold.
    async fn targets(&self, name: &str) -> Result<(Vec<Target>, Duration), LookupError> {
        let mut name = absolute(name).ok_or(LookupError::NotFound)?;
        let mut holds = u32::MAX;
        for _ in 0..=MOST_ALIASES {
            let records = self.records(true, &name, RecordType::SRV).await?;
            holds = shortest(&records, holds);
            let mut targets: Vec<Target> = records.iter().filter_map(Target::of).collect();
            if !targets.is_empty() {
                targets.sort_by_key(|target| target.priority);
                targets.truncate(MOST_TARGETS);
                return Ok((targets, self.holds(holds)));
            }
            name = alias(&records).ok_or(LookupError::NotFound)?;
        }
        Err(LookupError::NotFound)
    }

    fn holds(&self, seconds: u32) -> Duration {
        self.wanted.valid.unwrap_or(Duration::from_secs(seconds.into()))
    }

    /// The records that a name has of one type, and those that say which name it stands for; none where it is
    /// not `wanted`.
    async fn records(&self, wanted: bool, name: &Name, of: RecordType) -> Result<Vec<Record>, LookupError> {
        if !wanted {
            return Ok(Vec::new());
        }
        let mut options = DnsRequestOptions::default();
        // As nginx asks: there are name servers that take more for an error.
        options.use_edns = false;
        loop {
            let asked = Instant::now();
            let query = Query::query(name.clone(), of);
            match self.pool.lookup(query, options).first_answer().await {
                Ok(response) => return Ok(response.into_message().answers),
                Err(NetError::Dns(error)) => match meaning(&error) {
                    Some(error) => return Err(error),
                    None => return Ok(Vec::new()),
                },
                // Silence, nonsense or no way there: whoever waits for the answer knows how long to go on.
                Err(_) => sleep_until(asked + ASK_AGAIN).await,
            }
        }
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// One record of a service.
struct Target {
    priority: u16,
    weight: u16,
    port: u16,
    name: Box<str>,
}

impl Target {
    fn of(record: &Record) -> Option<Target> {
        let RData::SRV(srv) = &record.data else { return None };
        let name = srv.target.to_lowercase().to_ascii();
        let name = name.trim_end_matches('.').into();
        Some(Target { priority: srv.priority, weight: srv.weight.max(1), port: srv.port, name })
    }

    fn at(&self, ip: IpAddr) -> Place {
        let address = SocketAddr::new(ip, self.port);
        Place { address, priority: self.priority, weight: self.weight, target: self.name.clone() }
    }
}

/// What an answer without records means; `None` where the name has others.
fn meaning(error: &DnsError) -> Option<LookupError> {
    let code = match error {
        DnsError::ResponseCode(code) => *code,
        DnsError::NoRecordsFound(none) => none.response_code,
        _ => ResponseCode::ServFail,
    };
    match code {
        ResponseCode::NoError => None,
        ResponseCode::FormErr => Some(LookupError::Format),
        ResponseCode::NXDomain => Some(LookupError::NotFound),
        ResponseCode::NotImp => Some(LookupError::NotImplemented),
        ResponseCode::Refused => Some(LookupError::Refused),
        _ => Some(LookupError::Server),
    }
}

/// A name as it is, however few dots it has; `None` where it cannot be one.
fn absolute(name: &str) -> Option<Name> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || name.split('.').any(str::is_empty) {
        return None;
    }
    Name::from_labels(name.split('.').map(str::as_bytes)).ok()
}

/// The last name that others stand for in an answer.
fn alias(records: &[Record]) -> Option<Name> {
    let aliases = records.iter().rev();
    aliases.into_iter().find_map(|record| match &record.data {
        RData::CNAME(name) => Some(name.0.clone()),
        _ => None,
    })
}

/// The shortest time to live.
fn shortest(records: &[Record], so_far: u32) -> u32 {
    // RFC 2181, 8: what looks negative is zero.
    let ttl = |record: &Record| if record.ttl > i32::MAX as u32 { 0 } else { record.ttl };
    records.iter().map(ttl).fold(so_far, u32::min)
}
