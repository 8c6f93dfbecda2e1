//! `least_time` (`ngx_http_upstream_get_least_time_peer`): the peer that is likely to be done first with what it has
//! to do and this request on top, for its weight, and round robin among several.

use std::cmp::Ordering;

use crate::upstream::peer::{Now, Peer};
use crate::upstream::rank::Rank;
use crate::upstream::round::Round;
use crate::upstream::spec::TimeTo;

use super::is_open;

/// Peers that take longer are all the same, and who has fewest connections is asked, in milliseconds.
const SLOWEST: u64 = 5000;

/// Peers whose means are within so many milliseconds of one another take turns.
const STEP: u64 = 20;

/// What a peer's time is estimated by.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    pub to: TimeTo,
    /// Tries that go on count.
    pub inflight: bool,
}

pub fn choose(rank: &mut Rank, by: Estimate, round: &Round, now: Now) -> Option<usize> {
    let mut best: Option<(usize, u64)> = None;
    let mut many = false;
    for at in 0..rank.peers.len() {
        let peer = &mut rank.peers[at];
        if !is_open(peer, round, now) {
            continue;
        }
        if by.inflight {
            peer.times.watch_flights(now);
        }
        let eta = by.eta(peer, now);
        match best.map(|(best, least)| compare((eta, &rank.peers[at]), (least, &rank.peers[best]), now)) {
            None | Some(Ordering::Less) => (best, many) = (Some((at, eta)), false),
            Some(Ordering::Equal) => many = true,
            Some(Ordering::Greater) => {}
        }
    }
    let (best, least) = best?;
    if many { Some(turn(&mut rank.peers, (best, least), by, round, now)) } else { Some(best) }
}

/// A turn of round robin among those that are like the first of the best.
fn turn(peers: &mut [Peer], (first, least): (usize, u64), by: Estimate, round: &Round, now: Now) -> usize {
    let mut best = first;
    let mut total = 0;
    for at in first..peers.len() {
        let eta = by.eta(&peers[at], now);
        // In nginx the estimate goes on being that of the first while the weight becomes that of who leads: among
        // peers of different weights it takes others for alike than it found to be.
        let alike = compare((eta, &peers[at]), (least, &peers[best]), now) == Ordering::Equal;
        if !alike || !is_open(&peers[at], round, now) {
            continue;
        }
        total += peers[at].gain(now);
        if peers[at].current > peers[best].current {
            best = at;
        }
    }
    peers[best].current -= total;
    best
}

/// Estimates for the weights of their peers, as far as these hold (`slow_start`).
fn compare((one, its): (u64, &Peer), (other, others): (u64, &Peer), now: Now) -> Ordering {
    let weight = |peer: &Peer| (peer.weight * peer.throttle(now)) as u64;
    one.wrapping_mul(weight(others)).cmp(&other.wrapping_mul(weight(its)))
}

impl Estimate {
    /// How long one peer is likely to take, beside another.
    pub fn compare(self, one: &Peer, other: &Peer, now: Now) -> Ordering {
        compare((self.eta(one, now), one), (self.eta(other, now), other), now)
    }

    /// How long a peer is likely to take for all it has to do and one more, in milliseconds
    /// (`ngx_http_upstream_least_time_eta`).
    fn eta(self, peer: &Peer, now: Now) -> u64 {
        let mut time = peer.times.mean(self.to);
        let idle = now.seconds().saturating_sub(peer.checked);
        if idle > peer.fail_timeout {
            // Halved for each fail_timeout in which nobody asked: a slow peer gets another chance.
            let times = idle / peer.fail_timeout.saturating_add(1);
            time = u32::try_from(times).ok().and_then(|times| time.checked_shr(times)).unwrap_or(0);
        }
        if self.inflight {
            time = time.max(peer.times.of_flights());
        }
        let time = match u64::from(time) {
            time if time > SLOWEST => SLOWEST,
            time => time + STEP - time % STEP,
        };
        time.wrapping_mul(1 + peer.connections as u64)
    }
}
