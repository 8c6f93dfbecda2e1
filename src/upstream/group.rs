//! Smooth weighted round robin with nginx's failure accounting
//! (`ngx_http_upstream_round_robin.c`).

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::net::{Address, now};

use super::{Endpoint, GroupSpec, ServerSpec};

/// Peers and their state, shared by all workers.
#[derive(Debug)]
pub struct Group {
    pub spec: GroupSpec,
    peers: Mutex<Peers>,
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Peers {
    list: Vec<Peer>,
    next_id: u64,
    /// When names were last looked up because of a failure.
    refreshed: Option<Instant>,
}

#[derive(Debug)]
struct Peer {
    id: u64,
    /// Index of its `server` line.
    server: usize,
    address: Address,
    current: i64,
    effective: i64,
    connections: usize,
    fails: u32,
    accessed: Option<Instant>,
    checked: Option<Instant>,
}

/// A peer to try, until it is released.
#[derive(Clone, Debug)]
pub struct Picked {
    pub id: u64,
    pub address: Address,
}

/// The peers a request has tried already. The first needs no memory: mostly there is no other.
#[derive(Debug, Default)]
pub struct Tried {
    first: Option<u64>,
    others: Vec<u64>,
}

/// There is none to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPeer {
    /// All are down, failing, full or tried.
    Unavailable,
    /// No name of the group has resolved so far.
    Unresolved,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Success,
    Failure,
    /// Ended by somebody else: says nothing about the peer.
    Abandoned,
}

impl Tried {
    fn add(&mut self, id: u64) {
        match self.first {
            None => self.first = Some(id),
            Some(_) => self.others.push(id),
        }
    }

    fn has(&self, id: u64) -> bool {
        self.first == Some(id) || self.others.contains(&id)
    }

    /// Lets every peer be tried once more.
    pub fn forget(&mut self) {
        self.first = None;
        self.others.clear();
    }
}

impl Group {
    /// A group whose names are still to be resolved.
    pub fn new(spec: GroupSpec) -> Group {
        let group = Group { spec, peers: Mutex::default(), looking: tokio::sync::Mutex::default() };
        for (server, line) in group.spec.servers.iter().enumerate() {
            if let Endpoint::Known(address) = &line.endpoint {
                group.set_addresses(server, std::slice::from_ref(address));
            }
        }
        group
    }

    /// Which `server` line a peer is of, as long as it is there.
    pub fn server_of(&self, peer: u64) -> Option<usize> {
        self.lock().list.iter().find(|other| other.id == peer).map(|peer| peer.server)
    }

    /// Gives one `server` line its addresses; those it had before keep their state. True if there are
    /// new ones.
    pub fn set_addresses(&self, server: usize, addresses: &[Address]) -> bool {
        let mut peers = self.lock();
        let mut changed = false;
        peers.list.retain(|peer| peer.server != server || addresses.contains(&peer.address));
        for address in addresses {
            if peers.list.iter().any(|peer| peer.server == server && peer.address == *address) {
                continue;
            }
            changed = true;
            let id = peers.next_id;
            peers.next_id += 1;
            peers.list.push(Peer {
                id,
                server,
                address: address.clone(),
                current: 0,
                effective: self.spec.servers[server].weight,
                connections: 0,
                fails: 0,
                accessed: None,
                checked: None,
            });
        }
        peers.list.sort_by_key(|peer| peer.server);
        changed
    }

    /// Whether it is time to look names up again because a peer could not be connected to: not more
    /// often than [`super::RESOLVE_RETRY`], however many requests fail.
    pub fn wants_refresh(&self) -> bool {
        let named = |server: &ServerSpec| matches!(server.endpoint, Endpoint::Name { .. });
        if !self.spec.servers.iter().any(named) {
            return false;
        }
        let mut peers = self.lock();
        let now = now();
        let due = peers.refreshed.is_none_or(|last| now.duration_since(last) >= super::RESOLVE_RETRY);
        if due {
            peers.refreshed = Some(now);
        }
        due
    }

    /// Whether a `server` line has an address.
    pub fn is_resolved(&self, server: usize) -> bool {
        self.lock().list.iter().any(|peer| peer.server == server)
    }

    /// Whether there is no peer at all so far.
    pub fn is_unresolved(&self) -> bool {
        self.lock().list.is_empty()
    }

    /// The turn of one who looks names up, for as long as what is given back is held.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.looking.lock().await
    }

    /// How many tries a request has: one for each peer that is not `down`.
    pub fn tries(&self) -> usize {
        let peers = self.lock();
        peers.list.iter().filter(|peer| !self.spec.servers[peer.server].down).count()
    }

    /// Picks the next peer; backups only where none of the others can be.
    pub fn pick(&self, tried: &mut Tried) -> Result<Picked, NoPeer> {
        let now = now();
        let mut peers = self.lock();
        if peers.list.is_empty() {
            return Err(NoPeer::Unresolved);
        }
        let single = peers.list.len() == 1;
        let best = self
            .best(&mut peers, tried, now, single, false)
            .or_else(|| self.best(&mut peers, tried, now, single, true));
        let peer = &mut peers.list[best.ok_or(NoPeer::Unavailable)?];
        peer.connections += 1;
        let timeout = self.spec.servers[peer.server].fail_timeout;
        if peer.checked.is_none_or(|checked| now.duration_since(checked) > timeout) {
            peer.checked = Some(now);
        }
        tried.add(peer.id);
        Ok(Picked { id: peer.id, address: peer.address.clone() })
    }

    fn best(
        &self,
        peers: &mut Peers,
        tried: &Tried,
        now: Instant,
        single: bool,
        backup: bool,
    ) -> Option<usize> {
        let mut best: Option<usize> = None;
        let mut total = 0;
        for at in 0..peers.list.len() {
            let peer = &mut peers.list[at];
            let server = &self.spec.servers[peer.server];
            let eligible = server.backup == backup && !tried.has(peer.id);
            if !eligible || !peer.usable(server, now, single) {
                continue;
            }
            peer.current += peer.effective;
            total += peer.effective;
            if peer.effective < server.weight {
                peer.effective += 1;
            }
            let current = peer.current;
            if best.is_none_or(|best| current > peers.list[best].current) {
                best = Some(at);
            }
        }
        peers.list[best?].current -= total;
        best
    }

    /// Tells how a try of the peer with this id ended.
    pub fn release(&self, picked: u64, outcome: Outcome) {
        let now = now();
        let mut peers = self.lock();
        let single = peers.list.len() == 1;
        // It may be gone: its name has another address by now.
        let Some(peer) = peers.list.iter_mut().find(|peer| peer.id == picked) else { return };
        peer.connections = peer.connections.saturating_sub(1);
        let server = &self.spec.servers[peer.server];
        match outcome {
            Outcome::Abandoned => {}
            _ if single => {}
            Outcome::Failure => {
                peer.fails += 1;
                (peer.accessed, peer.checked) = (Some(now), Some(now));
                if server.max_fails > 0 {
                    peer.effective = (peer.effective - server.weight / i64::from(server.max_fails)).max(0);
                }
            }
            Outcome::Success => {
                if peer.accessed < peer.checked {
                    peer.fails = 0;
                }
            }
        }
    }

    /// Tells that a peer which goes on being used has answered well: a tunnel is open.
    ///
    /// nginx learns of it when the tunnel closes, so that there a recovered peer gets one WebSocket
    /// per `fail_timeout`.
    pub fn succeeded(&self, picked: &Picked) {
        let mut peers = self.lock();
        if let Some(peer) = peers.list.iter_mut().find(|peer| peer.id == picked.id)
            && peer.accessed < peer.checked
        {
            peer.fails = 0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer {
    /// A single peer is never given up: there is no other.
    fn usable(&self, server: &ServerSpec, now: Instant, single: bool) -> bool {
        if server.down {
            return false;
        }
        let recent = |at: Option<Instant>| {
            at.is_some_and(|at| now.duration_since(at).as_secs() <= server.fail_timeout.as_secs())
        };
        let failing = server.max_fails > 0 && self.fails >= server.max_fails && recent(self.checked);
        let full = server.max_conns > 0 && self.connections >= server.max_conns;
        !full && (single || !failing)
    }
}
