//! The peers of a group that are asked before others, or after them.

use super::method::Ring;
use super::names::Found;
use super::peer::{Card, Now, Peer};
use super::round::Round;
use super::sid::Sids;
use super::spec::{GroupSpec, Method};
use super::turns::{Among, Kept, Turns};

/// Peers side by side, in the order of their `server` lines.
#[derive(Debug, Default)]
pub struct Rank {
    pub peers: Vec<Peer>,
    /// By index, as the peers.
    pub cards: Vec<Card>,
    /// For each peer, the weight of all up to it, those that are `down` included.
    reach: Vec<u64>,
    /// For `hash … consistent`.
    pub ring: Ring,
    /// Where the peer of an id stands; nothing where requests name none.
    pub sids: Sids,
    /// Whose turn it is.
    turns: Turns,
    /// It is one peer, and no other rank has any.
    pub single: bool,
}

impl Rank {
    /// Prepares for choosing, after peers have come or gone.
    pub fn settle(&mut self, spec: &GroupSpec, single: bool, now: Now) {
        self.turns.leave(&mut self.peers);
        let kept = match spec.method {
            Method::LeastConn => Kept::ByLoad,
            Method::LeastTime { .. } => Kept::Nothing,
            _ => Kept::ByWeight,
        };
        self.turns.begin(&mut self.peers, kept, now);
        self.single = single;
        self.reach.clear();
        let mut total = 0;
        self.reach.extend(self.peers.iter().map(|peer| {
            total += peer.weight as u64;
            total
        }));
        self.sids = Sids::of(&self.cards);
        if spec.method == Method::ConsistentHash {
            let texts = self.cards.iter().map(|card| match &card.target {
                Some(target) => &target[..],
                None => &spec.servers[card.server].text[..],
            });
            self.ring = Ring::of(texts.zip(self.peers.iter().map(|peer| peer.weight)));
        }
    }

    /// The weight of all peers, those that are `down` included.
    pub fn total_weight(&self) -> i64 {
        self.reach.last().copied().unwrap_or_default() as i64
    }

    /// The peer that a number points at, each having as many as its weight. There has to be one.
    pub fn at_weight(&self, number: u64) -> usize {
        let total = self.reach.last().copied().unwrap_or_default().max(1);
        self.reach.partition_point(|reach| *reach <= number % total)
    }

    /// Changes a peer: nothing that choosing looks at may change in another way.
    pub fn change(&mut self, at: usize, now: Now, change: impl FnOnce(&mut Peer)) {
        change(&mut self.peers[at]);
        self.turns.place(&mut self.peers, at, now);
    }

    /// Gives a peer a weight; it has to be settled then.
    pub fn weigh(&mut self, at: usize, weight: i64) {
        self.turns.leave(&mut self.peers);
        self.peers[at].weigh(weight);
    }

    /// What smooth weighted round robin has given a peer and not taken back, in hundredths of a weight.
    pub fn current(&self, at: usize) -> i64 {
        self.turns.current(&self.peers, at)
    }

    /// One turn of smooth weighted round robin; whoever it chooses has to be [changed](Rank::change) then.
    pub fn turn(&mut self, among: Among, named: Option<usize>, round: &Round, now: Now) -> Option<usize> {
        self.turns.turn(&mut self.peers, among, named, round, now)
    }

    /// A turn among those that share a server of the ring.
    pub fn turn_on_ring(&mut self, server: usize, round: &Round, now: Now) -> Option<usize> {
        self.turns.turn_of(&mut self.peers, &self.ring.peers[server], round, now)
    }

    /// Puts a peer behind those of its `server` line; it has to be settled then.
    pub fn insert(&mut self, peer: Peer, card: Card) {
        self.turns.leave(&mut self.peers);
        let at = self.cards.partition_point(|other| other.server <= card.server);
        self.peers.insert(at, peer);
        self.cards.insert(at, card);
    }

    /// Takes those peers of a `server` line out that do not stay; it has to be settled then.
    pub fn take_others(&mut self, server: usize, mut stays: impl FnMut(&Card) -> bool) -> Vec<(Peer, Card)> {
        self.turns.leave(&mut self.peers);
        let mut taken = Vec::new();
        let mut at = 0;
        while at < self.cards.len() {
            let card = &self.cards[at];
            if card.server == server && !stays(card) {
                taken.push((self.peers.remove(at), self.cards.remove(at)));
            } else {
                at += 1;
            }
        }
        taken
    }

    /// Puts the peers of a `server` line in the order of what was found; it has to be settled then.
    pub fn arrange<'a>(&mut self, server: usize, found: impl Iterator<Item = &'a Found>) {
        self.turns.leave(&mut self.peers);
        let mut next = self.cards.partition_point(|card| card.server < server);
        let end = self.cards.partition_point(|card| card.server <= server);
        for found in found {
            if let Some(at) = (next..end).find(|at| found.is_of(&self.cards[*at])) {
                self.peers[next..=at].rotate_right(1);
                self.cards[next..=at].rotate_right(1);
                next += 1;
            }
        }
    }

    /// Where a `server` line has its peer for what was found, behind `count` others like it.
    pub fn position(&self, server: usize, found: &Found, count: usize) -> Option<usize> {
        let is_it = |card: &&Card| card.server == server && found.is_of(card);
        let mut all = self.cards.iter().enumerate().filter(|(_, card)| is_it(card));
        all.nth(count).map(|(at, _)| at)
    }
}
