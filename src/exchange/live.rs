//! A model and what moves beside it: peers, log files.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::features::error_log::Level;
use crate::features::listen::ListenAddress;
use crate::features::realip::Resolved;
use crate::features::resolver::{NameServer, NameServers};
use crate::model::{Location, LocationId, Mark, Model};
use crate::net::Resolver;
use crate::source::Place;
use crate::upstream::{Group, GroupSpec};

use super::keys::Keys;
use super::limit_zones::{self, LimitZones};
use super::log::{LogFile, LogFiles};
use super::report::{Shown, tell};
use super::settle::Home;

/// What is being served.
pub struct Live {
    pub model: Model,
    /// By index, as the model's.
    pub groups: Vec<Arc<Group>>,
    /// The addresses of the proxies that are trusted by name.
    pub(super) proxies: Resolved,
    pub(super) limits: LimitZones,
    pub(super) resolvers: HashMap<Arc<NameServers>, Arc<Resolver>>,
    listeners: HashMap<ListenAddress, usize>,
    /// By index, as the model's locations.
    pub homes: Vec<Arc<Home>>,
    /// Locations by the name of their mark.
    places: HashMap<u64, LocationId>,
    pub logs: Arc<LogFiles>,
    /// Keys that tokens are verified with.
    pub keys: Keys,
    /// Keeps the logs open that this configuration names.
    _open: Vec<Arc<LogFile>>,
    /// Another configuration has taken its place.
    replaced: AtomicBool,
    /// Counts configurations since the start.
    pub generation: u64,
}

/// Why a model cannot be served.
#[derive(Debug)]
pub enum LiveError {
    Open {
        path: std::path::PathBuf,
        error: io::Error,
    },
    /// A name server has no address.
    NameServer {
        host: String,
        place: Place,
        error: io::Error,
    },
    /// A zone that goes on counts by another key: the new one, and the one before.
    ZoneKey {
        directive: &'static str,
        zone: Box<[u8]>,
        keys: [Box<[u8]>; 2],
    },
    /// A proxy that is to be trusted has no address.
    Proxy {
        name: String,
        place: Place,
        error: io::Error,
    },
}

impl Live {
    /// Makes a model ready to be served. Groups that did not change keep their peers' state, and log
    /// files stay open.
    pub fn new(model: Model, before: Option<&Live>) -> Result<Live, LiveError> {
        let logs = match before {
            Some(before) => before.logs.clone(),
            None => Arc::default(),
        };
        let open = logs.open(&model.http)?;
        let resolvers = resolvers(&model, before)?;
        if let Some(before) = before {
            limit_zones::same_keys(&model.http, &before.model.http)?;
        }
        let proxies = proxies(&model)?;
        let mut live = Live::of(model, before, logs, open, resolvers);
        live.proxies = proxies;
        Ok(live)
    }

    /// For a look at what would be done: no log is opened, and no name server is looked for.
    pub fn unlogged(model: Model) -> Live {
        Live::of(model, None, Arc::default(), Vec::new(), HashMap::new())
    }

    fn of(
        model: Model,
        before: Option<&Live>,
        logs: Arc<LogFiles>,
        open: Vec<Arc<LogFile>>,
        resolvers: HashMap<Arc<NameServers>, Arc<Resolver>>,
    ) -> Live {
        let groups = model.http.groups.iter().map(|upstream| group(&upstream.spec, before)).collect();
        let listeners = model.http.listeners.iter().enumerate();
        let listeners = listeners.map(|(at, listener)| (listener.address.clone(), at)).collect();
        let generation = before.map_or(1, |before| before.generation + 1);
        let locations = &model.http.locations;
        let home = |location| Arc::new(Home::new(&model, location, generation));
        let homes = locations.iter().map(home).collect();
        let mut places = HashMap::with_capacity(locations.len());
        for (id, location) in locations.iter().enumerate() {
            // Of two that are the same the first is the one that serves.
            places.entry(location.mark.name).or_insert(id);
        }
        let keys = Keys::new(&model.http, before.map(|before| &before.keys));
        Live {
            limits: LimitZones::of(&model.http, before),
            model,
            groups,
            proxies: Resolved::new(),
            resolvers,
            listeners,
            homes,
            places,
            logs,
            keys,
            _open: open,
            replaced: AtomicBool::default(),
            generation,
        }
    }

    /// Another configuration takes its place: when the last exchange that began with this one has ended, the
    /// log says so.
    pub fn retire(&self) {
        self.replaced.store(true, Ordering::Relaxed);
    }

    /// What an earlier configuration's location is in this one.
    pub fn location_of(&self, mark: Mark) -> Option<&Location> {
        self.places.get(&mark.name).map(|id| self.model.http.location(*id))
    }

    /// The index of an address's listener, if this configuration still has it.
    pub fn listener(&self, address: &ListenAddress) -> Option<usize> {
        self.listeners.get(address).copied()
    }

    /// The index of the group that a computed `proxy_pass` names.
    pub fn group(&self, host: &str, port: Option<u16>) -> Option<usize> {
        let is_it =
            |group: &Arc<Group>| group.spec.host.eq_ignore_ascii_case(host) && group.spec.port == port;
        self.groups.iter().position(is_it)
    }
}

/// A group that goes on from the one of its name before. One that is configured alike is the same.
fn group(spec: &GroupSpec, before: Option<&Live>) -> Arc<Group> {
    let is_of_name = |group: &&Arc<Group>| group.spec.name == spec.name;
    match before.and_then(|before| before.groups.iter().find(is_of_name)) {
        Some(group) if group.spec == *spec => {
            group.look_again();
            group.clone()
        }
        Some(group) => Group::after(spec.clone(), group),
        None => Arc::new(Group::new(spec.clone())),
    }
}

/// Who asks the name servers of each `resolver`; those that were asked before go on.
fn resolvers(
    model: &Model,
    before: Option<&Live>,
) -> Result<HashMap<Arc<NameServers>, Arc<Resolver>>, LiveError> {
    let http = &model.http;
    let locations = http.locations.iter().map(|location| &location.settings.resolver);
    let groups = http.groups.iter().map(|upstream| &upstream.resolver);
    let mut resolvers = HashMap::new();
    for servers in locations.chain(groups).filter_map(|settings| settings.servers.as_ref()) {
        if resolvers.contains_key(servers) {
            continue;
        }
        let known = before.and_then(|before| before.resolvers.get(servers)).map(Arc::clone);
        let resolver = match known {
            Some(resolver) if !servers.has_names() => resolver,
            _ => Arc::new(Resolver::of(&addresses(servers)?, servers.wanted)),
        };
        resolvers.insert(servers.clone(), resolver);
    }
    Ok(resolvers)
}

/// Every address of every name server. Names are asked of the system, which is waited for, as in nginx.
fn addresses(servers: &NameServers) -> Result<Vec<SocketAddr>, LiveError> {
    let mut addresses = Vec::new();
    for server in &servers.servers {
        match server {
            NameServer::At(address) => addresses.push(*address),
            NameServer::Host { host, port, place } => {
                let found = (&host[..], *port).to_socket_addrs().map_err(|error| LiveError::NameServer {
                    host: host.clone(),
                    place: place.clone(),
                    error,
                })?;
                addresses.extend(found);
            }
        }
    }
    Ok(addresses)
}

/// Every address of the proxies that `set_real_ip_from` names. The system is asked and waited for, as in nginx.
fn proxies(model: &Model) -> Result<Resolved, LiveError> {
    let mut resolved = Resolved::new();
    let settings = model.http.locations.iter().map(|location| &location.settings.realip);
    for (name, place) in settings.flat_map(|settings| settings.names()) {
        if resolved.contains_key(name) {
            continue;
        }
        let found = (name, 0).to_socket_addrs().map_err(|error| LiveError::Proxy {
            name: name.to_owned(),
            place: place.clone(),
            error,
        })?;
        resolved.insert(name.to_owned(), found.map(|address| address.ip().to_canonical()).collect());
    }
    Ok(resolved)
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.replaced.load(Ordering::Relaxed) {
            let message =
                format_args!("configuration {} is no longer used: exited with code 0", self.generation);
            tell(&self.model.error_log, Level::Notice, 0, message);
        }
    }
}

impl std::fmt::Display for LiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LiveError::Open { path, error } => {
                write!(f, "open() \"{}\" failed ({})", path.display(), crate::net::numbered(error))
            }
            LiveError::NameServer { host, place, error } => {
                write!(f, "host not found in resolver \"{host}\" in {place} ({error})")
            }
            LiveError::ZoneKey { directive, zone, keys } => {
                let [zone, now, before] = [zone, &keys[0], &keys[1]].map(|text| Shown(text));
                write!(
                    f,
                    "{directive} \"{zone}\" uses the \"{now}\" key while previously it used the \"{before}\" key"
                )
            }
            LiveError::Proxy { name, place, error } => {
                write!(f, "host not found in set_real_ip_from \"{name}\" in {place} ({error})")
            }
        }
    }
}
