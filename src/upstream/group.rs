//! The door: peers are picked here, given back, and given their addresses.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::net::{Address, now};

use super::lineage::Lineage;
use super::method;
use super::peer::{Card, Now, Peer, PeerId};
use super::rank::Rank;
use super::round::{Round, Wish};
use super::spec::{Endpoint, GroupSpec, ServerSpec};

/// Peers and their state, shared by all workers.
#[derive(Debug)]
pub struct Group {
    pub spec: GroupSpec,
    state: Mutex<State>,
    lineage: Arc<Lineage>,
    looking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Those that are asked first, and the backups.
    ranks: [Rank; 2],
    /// Peers that are none any more, for as long as something is open to them: they may come back.
    gone: Vec<(Peer, Card)>,
    /// Another configuration's group has taken over, and counts what is open through this one.
    replaced: bool,
    /// When names were last looked up because of a failure.
    refreshed: Option<Instant>,
}

/// A peer to try, until it is released.
#[derive(Clone, Debug)]
pub struct Picked {
    pub id: PeerId,
    pub address: Address,
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

impl Group {
    /// A group whose names are still to be resolved.
    pub fn new(spec: GroupSpec) -> Group {
        let group = Group::of(spec, Arc::default());
        let mut state = group.lock();
        for server in 0..group.spec.servers.len() {
            if let Endpoint::Known(address) = &group.spec.servers[server].endpoint {
                group.set(&mut state, server, std::slice::from_ref(address));
            }
        }
        drop(state);
        group
    }

    /// A group that takes the place of an earlier configuration's of the same name: peers with an address that
    /// had one before stand as they stood, and what is open to them counts.
    pub fn after(spec: GroupSpec, before: &Group) -> Arc<Group> {
        let group = Arc::new(Group::of(spec, before.lineage.clone()));
        let mut old = before.lock();
        let mut state = group.lock();
        state.gone = old.everybody().map(|(peer, card)| (peer.clone(), card.clone())).collect();
        for (server, line) in group.spec.servers.iter().enumerate() {
            let addresses = match &line.endpoint {
                Endpoint::Known(address) => vec![address.clone()],
                name => {
                    old.addresses_of(before.spec.servers.iter().position(|other| other.endpoint == *name))
                }
            };
            group.set(&mut state, server, &addresses);
        }
        state.forget_gone();
        drop(state);
        old.replaced = true;
        group.lineage.append(&group);
        group
    }

    fn of(spec: GroupSpec, lineage: Arc<Lineage>) -> Group {
        Group { spec, state: Mutex::default(), lineage, looking: tokio::sync::Mutex::default() }
    }

    /// Which `server` line a peer is of, or was before its name moved.
    pub fn server_of(&self, peer: PeerId) -> Option<usize> {
        let state = self.lock();
        let (_, card) = state.everybody().find(|(other, _)| other.number == peer.number)?;
        Some(card.server)
    }

    /// Gives one `server` line its addresses; those it had before keep their state. True if there are
    /// new ones.
    pub fn set_addresses(&self, server: usize, addresses: &[Address]) -> bool {
        let mut state = self.lock();
        let changed = self.set(&mut state, server, addresses);
        state.forget_gone();
        changed
    }

    fn set(&self, state: &mut State, server: usize, addresses: &[Address]) -> bool {
        let line = &self.spec.servers[server];
        let State { ranks, gone, .. } = state;
        let rank = &mut ranks[usize::from(line.backup)];
        gone.extend(rank.take_others(server, addresses));
        let mut changed = false;
        for address in addresses {
            if rank.has(server, address) {
                continue;
            }
            changed = true;
            let mut peer = Peer::new(0, line);
            match gone.iter().position(|(_, card)| card.address == *address) {
                Some(at) => peer.follow(&gone.remove(at).0),
                None => peer.number = self.lineage.number(),
            }
            rank.insert(peer, Card { server, address: address.clone() });
        }
        state.settle();
        changed
    }

    /// Whether it is time to look names up again because a peer could not be connected to: not more
    /// often than [`super::RESOLVE_RETRY`], however many requests fail.
    pub fn wants_refresh(&self) -> bool {
        let named = |server: &ServerSpec| matches!(server.endpoint, Endpoint::Name { .. });
        if !self.spec.servers.iter().any(named) {
            return false;
        }
        let mut state = self.lock();
        let now = now();
        let due = state.refreshed.is_none_or(|last| now.duration_since(last) >= super::RESOLVE_RETRY);
        if due {
            state.refreshed = Some(now);
        }
        due
    }

    /// Whether a `server` line has an address.
    pub fn is_resolved(&self, server: usize) -> bool {
        let state = self.lock();
        state.ranks.iter().flat_map(|rank| &rank.cards).any(|card| card.server == server)
    }

    /// Whether there is no peer at all so far.
    pub fn is_unresolved(&self) -> bool {
        self.lock().is_empty()
    }

    /// The turn of one who looks names up, for as long as what is given back is held.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.looking.lock().await
    }

    /// How many tries a request has: one for each peer that is not `down`.
    pub fn tries(&self) -> usize {
        let state = self.lock();
        state.ranks.iter().flat_map(|rank| &rank.peers).filter(|peer| !peer.down).count()
    }

    /// Picks the next peer; backups only where none of the others can be.
    pub fn pick(&self, wish: &Wish, round: &mut Round) -> Result<Picked, NoPeer> {
        self.pick_at(wish, round, Now::read())
    }

    pub(super) fn pick_at(&self, wish: &Wish, round: &mut Round, now: Now) -> Result<Picked, NoPeer> {
        let mut state = self.lock();
        if state.is_empty() {
            return Err(NoPeer::Unresolved);
        }
        let mut rank = &mut state.ranks[usize::from(round.backups)];
        let mut chosen = method::choose(self.spec.method, rank, wish, round, now);
        if chosen.is_none() && !round.backups {
            rank = &mut state.ranks[1];
            if rank.peers.is_empty() {
                return Err(NoPeer::Unavailable);
            }
            round.begin_backups();
            chosen = method::choose(self.spec.method, rank, wish, round, now);
        }
        let at = chosen.ok_or(NoPeer::Unavailable)?;
        let peer = &mut rank.peers[at];
        peer.connections += 1;
        let id = PeerId { number: peer.number, hint: at as u32 };
        let address = rank.cards[at].address.clone();
        if !rank.single {
            rank.peers[at].chosen(now);
            round.tried.add(id.number);
        }
        if state.replaced {
            drop(state);
            self.in_latest(|latest| {
                latest.find(id, |peer, _| peer.connections += 1);
            });
        }
        Ok(Picked { id, address })
    }

    /// Tells how a try of the peer with this id ended.
    pub fn release(&self, id: PeerId, outcome: Outcome) {
        self.release_at(id, outcome, Now::read());
    }

    pub(super) fn release_at(&self, id: PeerId, outcome: Outcome, now: Now) {
        let mut state = self.lock();
        state.release(id, outcome, now);
        if state.replaced {
            drop(state);
            self.in_latest(|latest| latest.release(id, outcome, now));
        }
    }

    /// Tells that a peer which goes on being used has answered well: a tunnel is open.
    ///
    /// nginx learns of it when the tunnel closes, so that there a recovered peer gets one WebSocket
    /// per `fail_timeout`.
    pub fn succeeded(&self, id: PeerId) {
        let mut state = self.lock();
        state.find(id, |peer, _| peer.did_well());
        if state.replaced {
            drop(state);
            self.in_latest(|latest| {
                latest.find(id, |peer, _| peer.did_well());
            });
        }
    }

    /// Changes the group that has taken over from this one, if there still is one.
    fn in_latest(&self, change: impl FnOnce(&mut State)) {
        while let Some(latest) = self.lineage.latest() {
            let mut state = latest.lock();
            // Another may have taken over from that one meanwhile.
            if !state.replaced {
                return change(&mut state);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.ranks.iter().all(|rank| rank.peers.is_empty())
    }

    /// Every peer, those that are gone included.
    fn everybody(&self) -> impl Iterator<Item = (&Peer, &Card)> {
        let ranks = self.ranks.iter().flat_map(|rank| rank.peers.iter().zip(&rank.cards));
        ranks.chain(self.gone.iter().map(|(peer, card)| (peer, card)))
    }

    fn addresses_of(&self, server: Option<usize>) -> Vec<Address> {
        let cards = self.ranks.iter().flat_map(|rank| &rank.cards);
        cards.filter(|card| Some(card.server) == server).map(|card| card.address.clone()).collect()
    }

    /// After peers have come or gone.
    fn settle(&mut self) {
        let [first, backups] = &mut self.ranks;
        first.single = first.peers.len() == 1 && backups.peers.is_empty();
        for rank in &mut self.ranks {
            rank.total_weight = rank.peers.iter().map(|peer| peer.weight).sum();
        }
    }

    /// Changes a peer, wherever it is by now; the function is told whether it is the only one.
    fn find(&mut self, id: PeerId, change: impl FnOnce(&mut Peer, bool)) {
        for rank in &mut self.ranks {
            let is_it = |peer: &Peer| peer.number == id.number;
            let at = match rank.peers.get(id.hint as usize) {
                Some(peer) if is_it(peer) => Some(id.hint as usize),
                _ => rank.peers.iter().position(is_it),
            };
            if let Some(at) = at {
                return change(&mut rank.peers[at], rank.single);
            }
        }
        if let Some((peer, _)) = self.gone.iter_mut().find(|(peer, _)| peer.number == id.number) {
            change(peer, false);
        }
    }

    fn release(&mut self, id: PeerId, outcome: Outcome, now: Now) {
        self.find(id, |peer, single| {
            peer.connections = peer.connections.saturating_sub(1);
            match outcome {
                Outcome::Abandoned => {}
                // There is no other to ask instead.
                _ if single => peer.fails = 0,
                Outcome::Failure => peer.failed(now),
                Outcome::Success => peer.did_well(),
            }
        });
        self.forget_gone();
    }

    /// Forgets peers to which nothing is open any more.
    fn forget_gone(&mut self) {
        self.gone.retain(|(peer, _)| peer.connections > 0);
    }
}
