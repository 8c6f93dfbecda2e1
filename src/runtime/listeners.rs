//! Sockets that listen: which ones a configuration needs, and by which `listen` a connection came.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use crate::features::listen::ListenAddress;
use crate::model::{Listener, Model};
use crate::net::{Address, ListenOptions, Listening};
use crate::source::Place;

use super::StartError;

/// One socket and the `listen`s behind it.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub address: Address,
    pub options: ListenOptions,
    pub route: Arc<Route>,
    pub place: Place,
}

/// By which `listen` a connection came.
///
/// Where one names all addresses of a port and others name single ones, there is one socket, as in
/// nginx, and the connection's own address tells.
#[derive(Debug)]
pub struct Route {
    default: Arc<ListenAddress>,
    single: HashMap<SocketAddr, Arc<ListenAddress>>,
}

impl Route {
    /// Whether the local address of a connection has to be asked for.
    pub fn needs_local(&self) -> bool {
        !self.single.is_empty()
    }

    pub fn find(&self, local: &Address) -> &Arc<ListenAddress> {
        local.ip().and_then(|local| self.single.get(&canonical(local))).unwrap_or(&self.default)
    }
}

/// An IPv4 address that came by an IPv6 socket is that address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The sockets of a configuration, in the order of its lines.
pub fn wanted(model: &Model) -> Result<Vec<Wanted>, StartError> {
    let mut all: Vec<(Address, &Listener, Arc<ListenAddress>)> = Vec::new();
    for listener in &model.http.listeners {
        let key = Arc::new(listener.address.clone());
        for address in addresses(listener)? {
            all.push((address, listener, key.clone()));
        }
    }
    let wildcards: Vec<SocketAddr> = all.iter().filter_map(|(address, ..)| wildcard(address)).collect();
    let mut wanted: Vec<Wanted> = Vec::new();
    for (address, listener, key) in &all {
        let covered = address.ip().filter(|ip| wildcard(address).is_none() && wildcards.contains(&any(*ip)));
        if covered.is_some() {
            continue;
        }
        if wanted.iter().any(|other| other.address == *address) {
            continue;
        }
        let single = match wildcard(address) {
            None => HashMap::new(),
            Some(own) => {
                let singles = all.iter().filter_map(|(other, _, key)| Some((other.ip()?, key.clone())));
                singles.filter(|(other, _)| *other != own && any(*other) == own).collect()
            }
        };
        wanted.push(Wanted {
            address: address.clone(),
            options: listener.socket.clone(),
            route: Arc::new(Route { default: key.clone(), single }),
            place: listener.place.clone(),
        });
    }
    Ok(wanted)
}

fn wildcard(address: &Address) -> Option<SocketAddr> {
    address.ip().filter(|ip| ip.ip().is_unspecified())
}

/// The address that stands for all of one's family and port.
fn any(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    };
    SocketAddr::new(ip, address.port())
}

fn addresses(listener: &Listener) -> Result<Vec<Address>, StartError> {
    let (host, port) = match &listener.address {
        ListenAddress::Known(address) => return Ok(vec![address.clone()]),
        ListenAddress::Name { host, port } => (host, *port),
    };
    let found = (&host[..], port).to_socket_addrs().map_err(|error| StartError::Host {
        host: host.clone(),
        error,
        place: listener.place.clone(),
    })?;
    let mut addresses: Vec<Address> = Vec::new();
    for address in found.map(Address::Ip) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// The sockets of an address, as nginx has them: one for all workers, or with `reuseport` one for each. What
/// was inherited is used first, however many there are.
pub fn open(
    wanted: &Wanted,
    workers: usize,
    inherited: Vec<Listening>,
) -> Result<Vec<Listening>, StartError> {
    let failed = |error| StartError::Listen { error, place: Some(wanted.place.clone()) };
    let mut sockets = inherited;
    for socket in &mut sockets {
        socket.reconfigure(&wanted.options).map_err(failed)?;
    }
    if sockets.is_empty() {
        // A worker alone has a socket that nobody can join.
        let options =
            ListenOptions { reuseport: wanted.options.reuseport && workers > 1, ..wanted.options.clone() };
        sockets.push(Listening::open(&wanted.address, &options).map_err(failed)?);
    }
    while wanted.options.reuseport && sockets[0].can_have_siblings() && sockets.len() < workers {
        let sibling = sockets[0].sibling().map_err(failed)?;
        sockets.push(sibling);
    }
    Ok(sockets)
}
