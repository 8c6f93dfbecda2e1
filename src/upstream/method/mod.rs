//! How a peer is chosen within a rank: a file for each method.

mod round_robin;

use super::peer::Now;
use super::rank::Rank;
use super::round::{Round, Wish};
use super::spec::Method;

/// The index of the peer to ask next; `None` where the rank has none to ask.
pub fn choose(method: Method, rank: &mut Rank, _wish: &Wish, round: &mut Round, now: Now) -> Option<usize> {
    match method {
        Method::RoundRobin => round_robin::choose(rank, round, now),
    }
}
