//! What a request brings to the choice of a peer, and what it remembers between its tries.

use std::net::IpAddr;

use super::peer::{Peer, PeerId};
use super::trace::{By, Step, Trace};

/// What a request brings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// The key of `hash`.
    pub key: &'a [u8],
    /// Who asks; `None` behind a Unix socket.
    pub client: Option<IpAddr>,
    /// The `sticky` id of the peer it belongs to.
    pub sid: Option<&'a [u8]>,
}

/// What a request remembers between its tries (`ngx_http_upstream_rr_peer_data_t` and its kin).
#[derive(Debug, Default)]
pub struct Round {
    pub(super) tried: Tried,
    /// No other than backups are asked any more.
    pub(super) backups: bool,
    /// Where a method that computes its choice has come to (`hp->hash`, `iphp->hash`).
    pub(super) hash: u32,
    /// How often it has computed.
    pub(super) rehashes: u32,
    /// How often it came to a peer that cannot be asked.
    pub(super) misses: u32,
    /// What was computed, where somebody wants to know: no request that is served has one.
    trace: Option<Box<Trace>>,
}

/// The peers a request has tried already. The first needs no memory: mostly there is no other.
#[derive(Debug, Default)]
pub(super) struct Tried {
    first: Option<PeerId>,
    others: Vec<PeerId>,
}

impl Tried {
    pub fn add(&mut self, id: PeerId) {
        match self.first {
            None => self.first = Some(id),
            Some(_) => self.others.push(id),
        }
    }

    pub fn has(&self, number: u32) -> bool {
        self.iter().any(|id| id.number == number)
    }

    pub fn iter(&self) -> impl Iterator<Item = PeerId> {
        self.first.into_iter().chain(self.others.iter().copied())
    }

    pub fn clear(&mut self) {
        self.first = None;
        self.others.clear();
    }
}

impl Round {
    /// One that writes down how peers are chosen.
    pub fn traced() -> Round {
        Round { trace: Some(Box::default()), ..Round::default() }
    }

    /// How the last peer was chosen.
    pub fn take_trace(&mut self) -> Trace {
        self.trace.as_deref_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn step(&mut self, step: impl FnOnce() -> Step) {
        if let Some(trace) = &mut self.trace {
            trace.steps.push(step());
        }
    }

    pub(super) fn chosen_by(&mut self, by: By) {
        if let Some(trace) = &mut self.trace {
            trace.by = by;
        }
    }

    pub(super) fn has_tried(&self, peer: &Peer) -> bool {
        self.tried.has(peer.number)
    }

    /// Turns to the backups, of which none has been tried.
    pub(super) fn begin_backups(&mut self) {
        self.backups = true;
        self.tried.clear();
    }

    /// Lets every peer be tried once more.
    pub fn again(&mut self) {
        *self = Round::default();
    }
}
