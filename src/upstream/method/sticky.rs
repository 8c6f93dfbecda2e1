//! The peer that a request names by its server id (`ngx_http_upstream_get_rr_peer_by_sid`), which goes in front
//! of every method.

use crate::upstream::peer::{FULL, Now};
use crate::upstream::rank::Rank;
use crate::upstream::round::Round;

/// The index of the peer with this id, if this request may ask it: one that drains is still asked by its id.
///
/// Of several with one id only the first is looked at, as in nginx.
pub fn named(rank: &Rank, sid: &[u8], round: &Round, now: Now) -> Option<usize> {
    let at = rank.sids.find(sid)?;
    let peer = &rank.peers[at];
    let is_open = !peer.is_down_for_all() && peer.is_healthy() && !peer.is_failing(now) && !peer.is_full();
    (is_open && !round.has_tried(peer)).then_some(at)
}

/// Whether round robin has paid enough for requests that named this peer: the next one is for nothing.
pub fn has_paid(rank: &Rank, at: usize) -> bool {
    rank.current(at) <= -(rank.total_weight() - rank.peers[at].weight) * FULL
}
