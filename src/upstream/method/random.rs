//! `random` (`ngx_http_upstream_get_random_peer`, `…_random2_peer`): a peer by chance and its weight, or the better
//! of two.

use std::cmp::Ordering;

use crate::upstream::peer::{Now, Peer};
use crate::upstream::rank::Rank;
use crate::upstream::round::Round;

use super::{MOST_TRIES, is_open};

pub fn one(rank: &Rank, round: &mut Round, now: Now) -> Option<usize> {
    while round.misses <= MOST_TRIES {
        let at = any(rank);
        if is_open(&rank.peers[at], round, now) {
            return Some(at);
        }
        round.misses += 1;
    }
    None
}

/// The one of two that has less to do, the second where they are alike.
pub fn two(
    rank: &Rank,
    round: &mut Round,
    now: Now,
    compare: impl Fn(&Peer, &Peer) -> Ordering,
) -> Option<usize> {
    let mut first = None;
    while round.misses <= MOST_TRIES {
        let at = any(rank);
        if first != Some(at) && is_open(&rank.peers[at], round, now) {
            let Some(first) = first else {
                first = Some(at);
                round.misses += 1;
                continue;
            };
            return Some(match compare(&rank.peers[at], &rank.peers[first]) {
                Ordering::Greater => first,
                _ => at,
            });
        }
        round.misses += 1;
    }
    None
}

fn any(rank: &Rank) -> usize {
    rank.at_weight(chance())
}

/// A number nobody can foresee: a choice between peers is no secret, so one seed of the system's is enough for a
/// thread (splitmix64).
fn chance() -> u64 {
    use std::cell::Cell;
    thread_local! {
        static STATE: Cell<u64> = Cell::new(getrandom::u64().unwrap_or_default());
    }
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
