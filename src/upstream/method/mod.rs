//! How a peer is chosen within a rank: a file for each method.

mod consistent;
mod hash;
mod ip_hash;
mod least_conn;
mod least_time;
mod random;
mod round_robin;
mod sticky;

use super::peer::{Now, Peer};
use super::rank::Rank;
use super::round::{Round, Wish};
use super::spec::Method;
use super::trace::By;

use least_time::Estimate;

pub use consistent::Ring;

/// How often a method that computes its choice computes another, before it is left to round robin.
const MOST_TRIES: u32 = 20;

/// The index of the peer to ask next; `None` where the rank has none to ask.
pub fn choose(method: Method, rank: &mut Rank, wish: &Wish, round: &mut Round, now: Now) -> Option<usize> {
    let named = wish.sid.and_then(|sid| sticky::named(rank, sid, round, now));
    if named.is_some() && decides(method, rank, wish, round) {
        round.chosen_by(By::Id);
        return named;
    }
    let chosen = match method {
        // There is no choice.
        _ if rank.peers.len() < 2 => None,
        Method::RoundRobin => None,
        Method::Hash => hash::choose(rank, wish.key, round, now),
        Method::ConsistentHash => consistent::choose(rank, wish.key, round, now),
        Method::IpHash => ip_hash::choose(rank, wish.client, round, now),
        Method::Random => random::one(rank, round, now),
        Method::RandomTwo => random::two(rank, round, now, least_conn::load),
        Method::RandomTwoTime(to) => {
            let by = Estimate { to, inflight: false };
            random::two(rank, round, now, |one, other| by.compare(one, other, now))
        }
        Method::LeastConn => return least_conn::choose(rank, round, now),
        Method::LeastTime { to, inflight } => {
            return least_time::choose(rank, Estimate { to, inflight }, round, now);
        }
    };
    round.chosen_by(if chosen.is_some() { By::Method } else { By::Turn });
    chosen.or_else(|| {
        let turn = round_robin::choose(rank, named, round, now);
        if named.is_some() {
            round.chosen_by(By::Id);
        }
        turn
    })
}

/// Whether the method has not left this request to round robin, which alone takes account of whom requests name.
fn decides(method: Method, rank: &Rank, wish: &Wish, round: &Round) -> bool {
    let may_go_on = rank.peers.len() > 1 && round.misses <= MOST_TRIES;
    match method {
        Method::RoundRobin => false,
        Method::Hash | Method::ConsistentHash => may_go_on && !wish.key.is_empty(),
        Method::IpHash | Method::LeastConn | Method::LeastTime { .. } => may_go_on,
        Method::Random | Method::RandomTwo | Method::RandomTwoTime(_) => may_go_on,
    }
}

/// Whether this request may ask a peer.
fn is_open(peer: &Peer, round: &Round, now: Now) -> bool {
    !round.has_tried(peer) && peer.is_usable(now)
}
