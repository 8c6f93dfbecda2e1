//! `ip_hash` (`ngx_http_upstream_get_ip_hash_peer`): the client's network points at a peer, and goes on pointing
//! where that cannot be asked.

use std::net::IpAddr;

use crate::upstream::peer::Now;
use crate::upstream::rank::Rank;
use crate::upstream::round::Round;
use crate::upstream::trace::{Number, Step};

use super::{MOST_TRIES, is_open};

/// Where the hash begins.
const START: u32 = 89;

pub fn choose(rank: &Rank, client: Option<IpAddr>, round: &mut Round, now: Now) -> Option<usize> {
    // Of an IPv4 address the last byte does not count; a Unix socket has none.
    let (bytes, length) = match client {
        Some(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            ([a, b, c, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 3)
        }
        Some(IpAddr::V6(address)) => (address.octets(), 16),
        None => ([0; 16], 3),
    };
    if round.rehashes == 0 {
        round.hash = START;
    }
    while round.misses <= MOST_TRIES {
        round.rehashes += 1;
        round.hash =
            bytes[..length].iter().fold(round.hash, |hash, byte| (hash * 113 + u32::from(*byte)) % 6271);
        let at = rank.at_weight(u64::from(round.hash));
        let (open, hash) = (is_open(&rank.peers[at], round, now), round.hash);
        round.step(|| {
            let number = Number::Network { hash, weight: rank.total_weight() as u64 };
            Step { number, server: rank.cards[at].server, open }
        });
        if open {
            return Some(at);
        }
        round.misses += 1;
    }
    None
}
