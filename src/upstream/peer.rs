//! One peer: an address of a `server` line, and how it has done lately.

use std::sync::Arc;

use crate::net::Address;

use super::sid::Sid;
use super::spec::ServerSpec;
use super::times::{Times, Trip};

/// A moment, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now(pub i64);

impl Now {
    pub fn read() -> Now {
        Now(crate::net::milliseconds())
    }

    /// nginx remembers failures by whole seconds (`ngx_time`).
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// A peer by the number it got when it came into a group. It keeps that for as long as a group of the name has
/// its address, reloads or not. It comes with the try it was picked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerId {
    pub(super) number: u32,
    /// Where it stood when this was made: where to look first.
    pub(super) hint: u32,
    pub(super) trip: Trip,
}

/// What choosing looks at, close together since there may be a thousand of them.
#[derive(Clone, Debug)]
pub struct Peer {
    pub number: u32,
    /// It is `down`, or drains: nobody is sent there who does not name it.
    pub down: bool,
    /// Those who name it are still sent there.
    pub draining: bool,
    pub connections: usize,
    /// 0 is no limit.
    pub max_conns: usize,
    pub weight: i64,
    /// The weight that holds now: failures lower it for a while.
    pub effective: i64,
    /// What smooth weighted round robin has given it and not taken back.
    pub current: i64,
    pub fails: u32,
    /// 0 never counts.
    pub max_fails: u32,
    pub fail_timeout: i64,
    /// The second of its last failure.
    pub accessed: i64,
    /// The second since which it is known to have failed, or is tried again.
    pub checked: i64,
    /// How long it takes to answer, where the group's method asks for that.
    pub times: Times,
}

/// What only who was chosen is asked for.
#[derive(Clone, Debug)]
pub struct Card {
    /// Index of its `server` line.
    pub server: usize,
    pub address: Address,
    /// Of a service: the target's name, which stands where others have the text of their line.
    pub target: Option<Arc<str>>,
    /// Its id, where requests name one.
    pub sid: Option<Sid>,
}

impl Peer {
    pub fn new(number: u32, spec: &ServerSpec) -> Peer {
        Peer {
            number,
            down: spec.down || spec.drain,
            draining: spec.drain && !spec.down,
            connections: 0,
            max_conns: spec.max_conns,
            weight: spec.weight,
            effective: spec.weight,
            current: 0,
            fails: 0,
            max_fails: spec.max_fails,
            fail_timeout: i64::try_from(spec.fail_timeout.as_secs()).unwrap_or(i64::MAX),
            accessed: 0,
            checked: 0,
            times: Times::default(),
        }
    }

    /// Its share of a turn of smooth weighted round robin; a weight that failures have lowered grows again.
    pub fn gain(&mut self) {
        self.current += self.effective;
        if self.effective < self.weight {
            self.effective += 1;
        }
    }

    /// Gives it a weight; nothing changes for one that has it.
    pub fn weigh(&mut self, weight: i64) {
        if self.weight != weight {
            (self.weight, self.effective) = (weight, weight);
        }
    }

    /// Goes on where one of an earlier configuration, or of a name's earlier look-up, stands.
    pub fn follow(&mut self, before: &Peer) {
        self.number = before.number;
        self.connections = before.connections;
        self.fails = before.fails;
        self.accessed = before.accessed;
        self.checked = before.checked;
        self.times = before.times.clone();
    }

    /// Whether it may be asked.
    pub fn is_usable(&self, now: Now) -> bool {
        !self.down && !self.is_failing(now) && !self.is_full()
    }

    /// Not even a request that names it is sent there.
    pub fn is_down_for_all(&self) -> bool {
        self.down && !self.draining
    }

    /// It has failed too often of late.
    pub fn is_failing(&self, now: Now) -> bool {
        self.max_fails > 0
            && self.fails >= self.max_fails
            && now.seconds() - self.checked <= self.fail_timeout
    }

    pub fn is_full(&self) -> bool {
        self.max_conns > 0 && self.connections >= self.max_conns
    }

    /// It was chosen among several.
    pub fn chosen(&mut self, now: Now) {
        if now.seconds() - self.checked > self.fail_timeout {
            self.checked = now.seconds();
        }
    }

    pub fn failed(&mut self, now: Now) {
        self.fails += 1;
        (self.accessed, self.checked) = (now.seconds(), now.seconds());
        if self.max_fails > 0 {
            self.effective = (self.effective - self.weight / i64::from(self.max_fails)).max(0);
        }
    }

    /// It did well, and counts as well if it was asked since its last failure.
    pub fn did_well(&mut self) {
        if self.accessed < self.checked {
            self.fails = 0;
        }
    }
}
