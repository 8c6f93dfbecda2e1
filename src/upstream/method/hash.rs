//! `hash key` (`ngx_http_upstream_get_hash_peer`, after Cache::Memcached): the key's checksum points at a peer,
//! and where that cannot be asked, so does that of the key with a number before it.

use std::io::Write;

use crate::upstream::peer::Now;
use crate::upstream::rank::Rank;
use crate::upstream::round::Round;
use crate::upstream::trace::{Number, Step};

use super::{MOST_TRIES, is_open};

pub fn choose(rank: &Rank, key: &[u8], round: &mut Round, now: Now) -> Option<usize> {
    if key.is_empty() {
        return None;
    }
    while round.misses <= MOST_TRIES {
        let (rehash, crc) = (round.rehashes, checksum(round.rehashes, key));
        round.hash = round.hash.wrapping_add((crc >> 16) & 0x7fff);
        round.rehashes += 1;
        let at = rank.at_weight(u64::from(round.hash));
        let (open, sum) = (is_open(&rank.peers[at], round, now), round.hash);
        round.step(|| {
            let number = Number::Sum { rehash, crc, sum, weight: rank.total_weight() as u64 };
            Step { number, server: rank.cards[at].server, open }
        });
        if open {
            return Some(at);
        }
        round.misses += 1;
    }
    None
}

/// The checksum of a key behind the number of the try, which the first does without. Fifteen bits of it count.
fn checksum(rehashes: u32, key: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    if rehashes > 0 {
        let mut prefix = [0; 10];
        let mut left = &mut prefix[..];
        let _ = write!(left, "{rehashes}");
        let length = 10 - left.len();
        crc.update(&prefix[..length]);
    }
    crc.update(key);
    crc.finalize()
}
