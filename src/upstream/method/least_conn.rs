//! `least_conn` (`ngx_http_upstream_get_least_conn_peer`): the peer with the fewest connections for its weight,
//! and round robin among several. A tunnel is a connection for as long as it is open.

use crate::upstream::peer::{Now, Peer};
use crate::upstream::rank::Rank;
use crate::upstream::round::Round;

use super::{is_open, round_robin, turn};

pub fn choose(rank: &mut Rank, round: &Round, now: Now) -> Option<usize> {
    if rank.single {
        return round_robin::choose(rank, None, round, now);
    }
    let mut best: Option<usize> = None;
    let mut many = false;
    for (at, peer) in rank.peers.iter().enumerate() {
        if !is_open(peer, round, now) {
            continue;
        }
        match best.map(|best| load(peer, &rank.peers[best], now)) {
            None | Some(std::cmp::Ordering::Less) => (best, many) = (Some(at), false),
            Some(std::cmp::Ordering::Equal) => many = true,
            Some(std::cmp::Ordering::Greater) => {}
        }
    }
    let best = best?;
    if !many {
        return Some(best);
    }
    let (connections, share) = (rank.peers[best].connections as i64, weight(&rank.peers[best], now));
    let all = best..rank.peers.len();
    turn(&mut rank.peers, all, None, now, |peer| {
        peer.connections as i64 * share == connections * weight(peer, now) && is_open(peer, round, now)
    })
}

/// How much a peer has to do beside another.
pub fn load(one: &Peer, other: &Peer, now: Now) -> std::cmp::Ordering {
    (one.connections as i64 * weight(other, now)).cmp(&(other.connections as i64 * weight(one, now)))
}

/// How much a peer takes of what there is to do: its nominal weight, or as much of it as holds (`slow_start`).
fn weight(peer: &Peer, now: Now) -> i64 {
    peer.weight * peer.throttle(now)
}
