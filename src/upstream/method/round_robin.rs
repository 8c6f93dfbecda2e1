//! Smooth weighted round robin: every usable peer gets its weight, the richest is chosen, the first of several,
//! and pays for all.

use crate::upstream::peer::Now;
use crate::upstream::rank::Rank;
use crate::upstream::round::Round;

pub fn choose(rank: &mut Rank, round: &Round, now: Now) -> Option<usize> {
    if rank.single {
        // There is no other, so it is never given up.
        let peer = rank.peers.first()?;
        return (!peer.down && !peer.is_full()).then_some(0);
    }
    let all = 0..rank.peers.len();
    super::turn(&mut rank.peers, all, |peer| super::is_open(peer, round, now))
}
