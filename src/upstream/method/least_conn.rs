//! `least_conn` (`ngx_http_upstream_get_least_conn_peer`): the peer with the fewest connections for its weight,
//! and round robin among several. A tunnel is a connection for as long as it is open.

use crate::upstream::peer::{Now, Peer};
use crate::upstream::rank::Rank;
use crate::upstream::round::Round;
use crate::upstream::turns::Among;

use super::round_robin;

pub fn choose(rank: &mut Rank, round: &Round, now: Now) -> Option<usize> {
    if rank.single {
        return round_robin::choose(rank, None, round, now);
    }
    rank.turn(Among::LeastLoaded, None, round, now)
}

/// How much a peer has to do beside another.
pub fn load(one: &Peer, other: &Peer) -> std::cmp::Ordering {
    (one.connections as i64 * other.weight).cmp(&(other.connections as i64 * one.weight))
}
