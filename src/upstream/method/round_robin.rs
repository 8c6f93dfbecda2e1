//! Smooth weighted round robin: every usable peer gets its weight, the richest is chosen, the first of several,
//! and pays for all.

use crate::upstream::peer::Now;
use crate::upstream::rank::Rank;
use crate::upstream::round::Round;
use crate::upstream::turns::Among;

use super::sticky;

/// `named` is the peer that the request names, which pays as if it had won.
pub fn choose(rank: &mut Rank, named: Option<usize>, round: &Round, now: Now) -> Option<usize> {
    if rank.single {
        // There is no other, so it is never given up.
        if named.is_some() {
            return named;
        }
        let peer = rank.peers.first()?;
        return (!peer.is_shut()).then_some(0);
    }
    if let Some(at) = named.filter(|at| sticky::has_paid(rank, *at)) {
        return Some(at);
    }
    rank.turn(Among::All, named, round, now)
}
