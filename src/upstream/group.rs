//! The door: peers are picked here, given back, and given their addresses.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::net::Address;

use super::health::{Checkup, Health, Noted, Rules};
use super::lineage::Lineage;
use super::method;
use super::names::{Found, Names};
use super::peer::{Card, Now, Peer, PeerId};
use super::rank::Rank;
use super::round::{Round, Wish};
use super::sessions::{SessionZone, Sessions};
use super::sid::{self, Sid};
use super::spec::{Endpoint, GroupSpec, ServerSpec};
use super::times::{Told, Trip};

/// Peers and their state, shared by all workers.
#[derive(Debug)]
pub struct Group {
    pub spec: GroupSpec,
    state: Mutex<State>,
    lineage: Arc<Lineage>,
    /// What `sticky learn` has learnt.
    pub sessions: Option<Arc<Sessions>>,
    pub(super) names: Names,
    /// How many peers are not `down`: asked for each request, so it needs no lock.
    tries: AtomicUsize,
    /// Counts how often addresses have come.
    changes: AtomicU64,
    /// Wakes those who ask peers how they are: there are others.
    moved: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Those that are asked first, and the backups.
    ranks: [Rank; 2],
    /// Peers that are none any more, for as long as something is open to them: they may come back.
    gone: Vec<(Peer, Card)>,
    checkup: Checkup,
    /// Another configuration's group has taken over, and counts what is open through this one.
    replaced: bool,
}

/// A peer to try, until it is released.
#[derive(Clone, Debug)]
pub struct Picked {
    pub id: PeerId,
    pub address: Address,
    /// Its id, where requests name one.
    pub sid: Option<Sid>,
}

/// A peer that checks may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkable {
    /// What it is known by for as long as the group has its address.
    pub number: u32,
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
        let group = Group::of(spec, Arc::default(), None);
        let mut state = group.lock();
        for server in 0..group.spec.servers.len() {
            if let Endpoint::Known(address) = &group.spec.servers[server].endpoint {
                let found = group.spec.servers[server].found(std::slice::from_ref(address));
                group.set(&mut state, server, &found);
            }
        }
        group.settle(&mut state);
        drop(state);
        group
    }

    /// A group that takes the place of an earlier configuration's of the same name: peers with an address that
    /// had one before stand as they stood, and what is open to them counts.
    pub fn after(spec: GroupSpec, before: &Group) -> Arc<Group> {
        let group = Arc::new(Group::of(spec, before.lineage.clone(), before.sessions.as_ref()));
        let mut old = before.lock();
        let mut state = group.lock();
        state.gone = old.everybody().map(|(peer, card)| (peer.clone(), card.clone())).collect();
        for (server, line) in group.spec.servers.iter().enumerate() {
            let found = match &line.endpoint {
                Endpoint::Known(address) => line.found(std::slice::from_ref(address)),
                name => {
                    let is_it = |other: &ServerSpec| other.endpoint == *name && other.service == line.service;
                    old.found_of(before.spec.servers.iter().position(is_it), line)
                }
            };
            group.set(&mut state, server, &found);
        }
        state.forget_gone();
        group.settle(&mut state);
        drop(state);
        old.replaced = true;
        group.lineage.append(&group);
        group
    }

    fn of(spec: GroupSpec, lineage: Arc<Lineage>, before: Option<&Arc<Sessions>>) -> Group {
        let names = Names::of(&spec);
        let goes_on = |zone: &SessionZone| before.filter(|before| before.zone == *zone).cloned();
        let sessions = spec
            .sessions
            .as_ref()
            .map(|zone| goes_on(zone).unwrap_or_else(|| Arc::new(Sessions::new(zone.clone()))));
        Group {
            spec,
            state: Mutex::default(),
            lineage,
            sessions,
            names,
            tries: AtomicUsize::new(0),
            changes: AtomicU64::new(0),
            moved: Notify::new(),
        }
    }

    /// Which `server` line a peer is of, or was before its name moved.
    pub fn server_of(&self, peer: PeerId) -> Option<usize> {
        let state = self.lock();
        let (_, card) = state.everybody().find(|(other, _)| other.number == peer.number)?;
        Some(card.server)
    }

    /// Which `server` line has this id, and whether who names it is sent there at all (it is not `down`).
    pub fn named(&self, sid: &[u8]) -> Option<(usize, bool)> {
        let state = self.lock();
        state.ranks.iter().find_map(|rank| {
            let at = rank.sids.find(sid)?;
            Some((rank.cards[at].server, !rank.peers[at].is_down_for_all()))
        })
    }

    /// Gives one `server` line its addresses; those it had before keep their state. True if there are
    /// new ones.
    pub fn set_addresses(&self, server: usize, addresses: &[Address]) -> bool {
        let before = self.changes();
        self.set_found(server, &self.spec.servers[server].found(addresses));
        self.changes() > before
    }

    /// The same for addresses that bring along how they are to be treated. Gives back those before and now,
    /// where they differ.
    pub fn set_found(&self, server: usize, found: &[Found]) -> Option<(Vec<Address>, Vec<Address>)> {
        let mut state = self.lock();
        let before = state.addresses_of(Some(server));
        self.set(&mut state, server, found);
        self.settle(&mut state);
        state.forget_gone();
        let now = state.addresses_of(Some(server));
        drop(state);
        self.moved.notify_waiters();
        (before.len() != now.len() || before.iter().any(|address| !now.contains(address)))
            .then_some((before, now))
    }

    fn set(&self, state: &mut State, server: usize, found: &[Found]) {
        let line = &self.spec.servers[server];
        let State { ranks, gone, checkup, .. } = state;
        for (rank, backup) in ranks.iter_mut().zip([false, true]) {
            let mut left: Vec<&Found> = found.iter().filter(|found| found.backup == backup).collect();
            let stays = |card: &Card| {
                let at = left.iter().position(|found| found.is_of(card));
                at.map(|at| left.swap_remove(at)).is_some()
            };
            let taken = rank.take_others(server, stays);
            taken.iter().for_each(|(peer, _)| checkup.forget(peer.number));
            gone.extend(taken);
        }
        for (at, one) in found.iter().enumerate() {
            let Found { address, weight, backup, target } = one;
            let weight = weight.unwrap_or(line.weight);
            let rank = &mut ranks[usize::from(*backup)];
            if let Some(at) = rank.position(server, one, Found::like_before(found, at)) {
                rank.weigh(at, weight);
                continue;
            }
            self.changes.fetch_add(1, Ordering::Relaxed);
            let mut peer = Peer::new(0, line);
            peer.weigh(weight);
            match gone.iter().position(|(_, card)| card.address == *address) {
                Some(at) => {
                    peer.follow(&gone.remove(at).0);
                    peer.health = checkup.begin(peer.number, Some(peer.health));
                }
                None => {
                    peer.number = self.lineage.number();
                    peer.health = checkup.begin(peer.number, None);
                }
            }
            let sid = self.spec.sticky.then(|| sid::sid(line.route.as_ref(), address));
            let (address, target) = (address.clone(), target.clone());
            rank.insert(peer, Card { server, address, target, sid });
        }
        if line.resolve {
            for (rank, backup) in ranks.iter_mut().zip([false, true]) {
                rank.arrange(server, found.iter().filter(|found| found.backup == backup));
            }
        }
    }

    /// After peers have come or gone.
    fn settle(&self, state: &mut State) {
        state.settle(&self.spec, Now::read());
        let peers = state.ranks.iter().flat_map(|rank| &rank.peers);
        self.tries.store(peers.filter(|peer| !peer.down).count(), Ordering::Relaxed);
    }

    /// Has peers checked by these rules from now on, in the place of earlier ones; with none, all are well.
    pub fn begin_checks(&self, rules: &[Rules]) {
        let mut state = self.lock();
        let now = Now::read();
        let State { ranks, checkup, .. } = &mut *state;
        *checkup = Checkup::new(rules);
        for rank in ranks {
            for at in 0..rank.peers.len() {
                rank.change(at, now, |peer| {
                    let before = Some(peer.health).filter(|_| !rules.is_empty());
                    peer.health = checkup.begin(peer.number, before);
                });
            }
        }
    }

    /// Ready when peers have come or gone since it was called.
    pub fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }

    /// The peers that checks may ask: whoever is `down` is not.
    pub fn checkable(&self) -> Vec<Checkable> {
        let state = self.lock();
        let peers = state.ranks.iter().flat_map(|rank| rank.peers.iter().zip(&rank.cards));
        let asked = peers.filter(|(peer, _)| !peer.is_down_for_all());
        asked.map(|(peer, card)| Checkable { number: peer.number, address: card.address.clone() }).collect()
    }

    /// Notes how a peer's answer to a check went, by the check's place among the rules. Nothing for a peer that
    /// has left.
    pub fn note_check(&self, check: usize, peer: u32, passed: bool) -> Option<Noted> {
        let mut state = self.lock();
        let State { ranks, checkup, .. } = &mut *state;
        let at = |rank: &&mut Rank| rank.peers.iter().position(|other| other.number == peer);
        let (rank, at) = ranks.iter_mut().find_map(|rank| at(&rank).map(|at| (rank, at)))?;
        let noted = checkup.note(check, peer, passed)?;
        let now = Now::read();
        rank.change(at, now, |peer| {
            let was = std::mem::replace(&mut peer.health, noted.of_all);
            if (was, noted.of_all) == (Health::Unhealthy, Health::Healthy) {
                peer.recovered(now);
            }
        });
        Some(noted)
    }

    /// Counts the addresses that have come so far.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Whether a `server` line has an address.
    pub fn is_resolved(&self, server: usize) -> bool {
        let state = self.lock();
        state.ranks.iter().flat_map(|rank| &rank.cards).any(|card| card.server == server)
    }

    /// How many tries a request has: one for each peer that is not `down`.
    pub fn tries(&self) -> usize {
        self.tries.load(Ordering::Relaxed)
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
            chosen = method::choose(self.spec.method.turning_to_backups(), rank, wish, round, now);
        }
        let at = chosen.ok_or(NoPeer::Unavailable)?;
        let flies = !rank.single && self.spec.method.counts_flights();
        let trip = Trip::begin(now, flies);
        let id = PeerId { number: rank.peers[at].number, hint: at as u32, trip };
        let Card { address, sid, .. } = rank.cards[at].clone();
        let single = rank.single;
        rank.change(at, now, |peer| {
            peer.connections += 1;
            if flies {
                peer.times.take_off(now);
            }
            if !single {
                peer.chosen(now);
            }
        });
        if !single {
            round.tried.add(id);
        }
        if state.replaced {
            drop(state);
            self.in_latest(|latest| {
                latest.find(id, now, |peer, _| {
                    peer.connections += 1;
                    if flies {
                        peer.times.take_off(now);
                    }
                });
            });
        }
        Ok(Picked { id, address, sid })
    }

    /// Tells how a try of the peer with this id ended.
    pub fn release(&self, id: PeerId, outcome: Outcome) {
        self.release_at(id, outcome, Now::read());
    }

    pub(super) fn release_at(&self, id: PeerId, outcome: Outcome, now: Now) {
        // Those who fail are often quick about it, which is nothing to prefer them for.
        let header = id.trip.header.filter(|_| outcome != Outcome::Failure);
        let told = self.told(id.trip, header, now);
        let mut state = self.lock();
        state.release(id, outcome, &told, now);
        if state.replaced {
            drop(state);
            self.in_latest(|latest| latest.release(id, outcome, &told, now));
        }
    }

    /// Tells that the header of an answer has come, which is `passed_on` if the client gets this answer: as in nginx
    /// the time of another counts only when its try is over.
    pub fn answered(&self, id: &mut PeerId, passed_on: bool) {
        if self.spec.method.is_timed() {
            self.answered_at(id, passed_on, Now::read());
        }
    }

    pub(super) fn answered_at(&self, id: &mut PeerId, passed_on: bool, now: Now) {
        let took = id.trip.took(now);
        id.trip.header = Some(took);
        if passed_on && self.spec.method.ends_flights_at_header() {
            let told = Told { header: Some(took), last_byte: None, landed: id.trip.flies.then_some(took) };
            id.trip.flies = false;
            self.everywhere(*id, now, |peer| peer.times.learn(&told, now));
        }
    }

    /// Tells that a peer which goes on being used has answered well: a tunnel is open.
    ///
    /// nginx learns of it when the tunnel closes, so that there a recovered peer gets one WebSocket
    /// per `fail_timeout`, and the life of a tunnel is the time that its answer took.
    pub fn succeeded(&self, id: &mut PeerId) {
        self.succeeded_at(id, Now::read());
    }

    pub(super) fn succeeded_at(&self, id: &mut PeerId, now: Now) {
        let told = self.told(id.trip, id.trip.header, now);
        (id.trip.header, id.trip.flies) = (None, false);
        self.everywhere(*id, now, |peer| {
            peer.did_well(now);
            peer.times.learn(&told, now);
        });
    }

    /// What is learnt of a try that is over.
    fn told(&self, trip: Trip, header: Option<u32>, now: Now) -> Told {
        if !self.spec.method.is_timed() {
            return Told::default();
        }
        let took = trip.took(now);
        Told {
            header: header.filter(|_| !self.spec.method.ends_flights_at_header()),
            last_byte: header.map(|_| took),
            landed: trip.flies.then_some(took),
        }
    }

    /// Changes a peer here and in the group that has taken over.
    fn everywhere(&self, id: PeerId, now: Now, change: impl Fn(&mut Peer)) {
        let mut state = self.lock();
        state.find(id, now, |peer, _| change(peer));
        if state.replaced {
            drop(state);
            self.in_latest(|latest| {
                latest.find(id, now, |peer, _| change(peer));
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

    /// What an earlier `server` line has, for one that takes its place.
    fn found_of(&self, server: Option<usize>, line: &ServerSpec) -> Vec<Found> {
        if line.service.is_none() {
            return line.found(&self.addresses_of(server));
        }
        let ranks = self.ranks.iter().zip([false, true]);
        let peers = ranks.flat_map(|(rank, backup)| {
            rank.peers.iter().zip(&rank.cards).map(move |(peer, card)| (peer.weight, card, backup))
        });
        let own = peers.filter(|(_, card, _)| Some(card.server) == server);
        let found = own.map(|(weight, card, backup)| {
            let weight = (line.weight == 1).then_some(weight);
            let (address, target) = (card.address.clone(), card.target.clone());
            Found { address, weight, backup: backup || line.backup, target }
        });
        found.collect()
    }

    /// After peers have come or gone.
    fn settle(&mut self, spec: &GroupSpec, now: Now) {
        let single = self.ranks[0].peers.len() == 1 && self.ranks[1].peers.is_empty();
        let [first, backups] = &mut self.ranks;
        first.settle(spec, single, now);
        backups.settle(spec, false, now);
    }

    /// Changes a peer, wherever it is by now; the function is told whether it is the only one.
    fn find(&mut self, id: PeerId, now: Now, change: impl FnOnce(&mut Peer, bool)) {
        for rank in &mut self.ranks {
            if let Some(at) = id.place(&rank.peers) {
                let single = rank.single;
                return rank.change(at, now, |peer| change(peer, single));
            }
        }
        if let Some((peer, _)) = self.gone.iter_mut().find(|(peer, _)| peer.number == id.number) {
            change(peer, false);
        }
    }

    fn release(&mut self, id: PeerId, outcome: Outcome, told: &Told, now: Now) {
        self.find(id, now, |peer, single| {
            peer.times.learn(told, now);
            peer.connections = peer.connections.saturating_sub(1);
            match outcome {
                Outcome::Abandoned => {}
                // There is no other to ask instead.
                _ if single => peer.fails = 0,
                Outcome::Failure => peer.failed(now),
                Outcome::Success => peer.did_well(now),
            }
        });
        self.forget_gone();
    }

    /// Forgets peers to which nothing is open any more.
    fn forget_gone(&mut self) {
        self.gone.retain(|(peer, _)| peer.connections > 0);
    }
}
