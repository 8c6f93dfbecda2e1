//! The peers of a group that are asked before others, or after them.

use crate::net::Address;

use super::peer::{Card, Peer};

/// Peers side by side, in the order of their `server` lines.
#[derive(Debug, Default)]
pub struct Rank {
    pub peers: Vec<Peer>,
    /// By index, as the peers.
    pub cards: Vec<Card>,
    /// Of all peers, those that are `down` included.
    pub total_weight: i64,
    /// It is one peer, and no other rank has any.
    pub single: bool,
}

impl Rank {
    /// Puts a peer behind those of its `server` line.
    pub fn insert(&mut self, peer: Peer, card: Card) {
        let at = self.cards.partition_point(|other| other.server <= card.server);
        self.peers.insert(at, peer);
        self.cards.insert(at, card);
    }

    /// Takes those peers of a `server` line out whose addresses do not stay.
    pub fn take_others(&mut self, server: usize, stays: impl Fn(&Address) -> bool) -> Vec<(Peer, Card)> {
        let mut taken = Vec::new();
        let mut at = 0;
        while at < self.cards.len() {
            let card = &self.cards[at];
            if card.server == server && !stays(&card.address) {
                taken.push((self.peers.remove(at), self.cards.remove(at)));
            } else {
                at += 1;
            }
        }
        taken
    }

    /// Where the peer of a `server` line stands that has this address.
    pub fn position(&self, server: usize, address: &Address) -> Option<usize> {
        self.cards.iter().position(|card| card.server == server && card.address == *address)
    }
}
