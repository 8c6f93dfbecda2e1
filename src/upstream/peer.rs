//! One peer: an address of a `server` line, and how it has done lately.

use std::sync::Arc;

use crate::net::Address;

use super::health::Health;
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

/// A whole weight, in hundredths.
pub const FULL: i64 = 100;

/// What choosing looks at, close together since there may be a thousand of them.
#[derive(Clone, Debug)]
pub struct Peer {
    pub number: u32,
    /// It is `down`, or drains: nobody is sent there who does not name it.
    pub down: bool,
    /// Those who name it are still sent there.
    pub draining: bool,
    /// What checks say of it (`health_check`).
    pub health: Health,
    pub connections: usize,
    /// 0 is no limit.
    pub max_conns: usize,
    pub weight: i64,
    /// The weight that holds now: failures lower it for a while.
    pub effective: i64,
    /// What smooth weighted round robin has given it and not taken back, in hundredths of a weight.
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
    /// How many milliseconds it takes to get its weight back when it is well again; 0 takes none.
    pub slow_start: i64,
    /// Since when it has been getting its weight back, in milliseconds.
    pub slow_since: Option<i64>,
}

impl PeerId {
    /// Where its peer stands among these.
    pub fn place(self, peers: &[Peer]) -> Option<usize> {
        let is_it = |peer: &Peer| peer.number == self.number;
        let hint = self.hint as usize;
        if peers.get(hint).is_some_and(is_it) { Some(hint) } else { peers.iter().position(is_it) }
    }
}

/// What a peer is for whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may be asked with all of its weight, however time goes on.
    Steady,
    /// It may be asked, but its weight changes, or it is to show whether it is well.
    Odd,
    /// It has failed, and rests.
    Resting,
    /// It cannot be asked, however time goes on.
    Shut,
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
            health: Health::default(),
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
            slow_start: i64::try_from(spec.slow_start.as_millis()).unwrap_or(i64::MAX),
            slow_since: None,
        }
    }

    /// Takes its share of a turn of smooth weighted round robin, and tells how much that was; a weight that failures
    /// have lowered grows again.
    pub fn gain(&mut self, now: Now) -> i64 {
        let throttle = self.throttle(now);
        if throttle == FULL {
            self.slow_since = None;
        }
        let share = self.effective * throttle;
        self.current += share;
        if self.effective < self.weight {
            self.effective += 1;
        }
        share
    }

    /// How much of its weight holds, in hundredths: all but for a while after it has recovered (`slow_start`).
    ///
    /// It is rounded down as in Angie, but the least is one: with nothing at all `least_conn` could not compare it.
    pub fn throttle(&self, now: Now) -> i64 {
        match self.slow_since {
            Some(since) if self.slow_start > 0 => {
                let passed = now.0.saturating_sub(since).max(0);
                (passed.saturating_mul(FULL) / self.slow_start).clamp(1, FULL)
            }
            _ => FULL,
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
        self.health = before.health;
        self.connections = before.connections;
        self.fails = before.fails;
        self.accessed = before.accessed;
        self.checked = before.checked;
        self.times = before.times.clone();
        self.slow_since = before.slow_since.filter(|_| self.slow_start > 0);
    }

    /// Whether it may be asked.
    pub fn is_usable(&self, now: Now) -> bool {
        !self.is_shut() && !self.is_failing(now)
    }

    /// It cannot be asked, and time alone does not change that.
    pub fn is_shut(&self) -> bool {
        self.down || !self.is_healthy() || self.is_full()
    }

    pub fn standing(&self, now: Now) -> Standing {
        if self.is_shut() {
            Standing::Shut
        } else if self.is_failing(now) {
            Standing::Resting
        } else if self.has_failed() || self.effective != self.weight || self.slow_since.is_some() {
            Standing::Odd
        } else {
            Standing::Steady
        }
    }

    /// Not even a request that names it is sent there.
    pub fn is_down_for_all(&self) -> bool {
        self.down && !self.draining
    }

    /// It has failed too often of late.
    pub fn is_failing(&self, now: Now) -> bool {
        self.has_failed() && now.seconds() <= self.rests_until()
    }

    /// The last second of its rest after a failure.
    pub fn rests_until(&self) -> i64 {
        self.checked.saturating_add(self.fail_timeout)
    }

    /// It has failed too often, lately or not.
    fn has_failed(&self) -> bool {
        self.max_fails > 0 && self.fails >= self.max_fails
    }

    /// Checks have found nothing wrong with it, or there are none.
    pub fn is_healthy(&self) -> bool {
        self.health == Health::Healthy
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
        if self.max_fails == 0 {
            return;
        }
        if self.slow_start == 0 {
            self.effective = (self.effective - self.weight / i64::from(self.max_fails)).max(0);
        } else {
            self.slow_since = self.set_back(now);
        }
    }

    /// Where a failure puts a peer that starts slowly: back by its part of the way, until there are too many.
    fn set_back(&self, now: Now) -> Option<i64> {
        if self.has_failed() {
            return None;
        }
        let done = now.0.saturating_sub(self.slow_start);
        let since = self.slow_since.map_or(done, |since| since.max(done));
        Some(since.saturating_add(self.slow_start / i64::from(self.max_fails)).min(now.0))
    }

    /// It did well, and counts as well if it was asked since its last failure.
    pub fn did_well(&mut self, now: Now) {
        if self.accessed < self.checked {
            if self.has_failed() {
                self.recovered(now);
            }
            self.fails = 0;
        }
    }

    /// It is well again after it could not be asked: its weight grows from next to nothing where it starts slowly.
    pub fn recovered(&mut self, now: Now) {
        self.fails = 0;
        self.slow_since = (self.slow_start > 0).then_some(now.0);
    }
}
