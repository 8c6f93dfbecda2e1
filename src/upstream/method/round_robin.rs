//! Smooth weighted round robin (`ngx_http_upstream_get_peer`): every usable peer gets its weight, the richest is
//! chosen, the first of several, and pays for all.

use crate::upstream::peer::Now;
use crate::upstream::rank::Rank;
use crate::upstream::round::Round;

pub fn choose(rank: &mut Rank, round: &Round, now: Now) -> Option<usize> {
    if rank.single {
        // There is no other, so it is never given up.
        let peer = rank.peers.first()?;
        return (!peer.down && !peer.is_full()).then_some(0);
    }
    let mut best: Option<(usize, i64)> = None;
    let mut total = 0;
    for (at, peer) in rank.peers.iter_mut().enumerate() {
        if round.has_tried(peer) || !peer.is_usable(now) {
            continue;
        }
        peer.current += peer.effective;
        total += peer.effective;
        if peer.effective < peer.weight {
            peer.effective += 1;
        }
        if best.is_none_or(|(_, current)| peer.current > current) {
            best = Some((at, peer.current));
        }
    }
    let (best, _) = best?;
    rank.peers[best].current -= total;
    Some(best)
}
