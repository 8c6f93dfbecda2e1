//! `hash key consistent` (`ngx_http_upstream_get_chash_peer`, after Cache::Memcached::Fast): each server has many
//! points on a ring, and a key goes to the next point from its own. When a server leaves only its keys move.

use std::collections::HashMap;

use crate::upstream::peer::Now;
use crate::upstream::rank::Rank;
use crate::upstream::round::Round;
use crate::upstream::trace::{Number, Step};

use super::MOST_TRIES;

/// How many points a server has for each unit of its weight.
const POINTS: i64 = 160;

/// The points of the servers of a rank.
#[derive(Debug, Default)]
pub struct Ring {
    /// By hash: each with the index of its server in `peers`.
    points: Vec<(u32, u32)>,
    /// For each server text, the indexes of its peers.
    pub peers: Vec<Vec<usize>>,
}

impl Ring {
    /// The ring of peers with these texts and weights, in their order. Peers of one text are one server.
    pub fn of<'t>(servers: impl Iterator<Item = (&'t str, i64)>) -> Ring {
        let mut ring = Ring::default();
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut texts: Vec<(&str, i64)> = Vec::new();
        for (at, (text, weight)) in servers.enumerate() {
            let server = *known.entry(text).or_insert(texts.len());
            if server == texts.len() {
                texts.push((text, 0));
                ring.peers.push(Vec::new());
            }
            // The points of a lighter one are among those of a heavier.
            texts[server].1 = texts[server].1.max(weight);
            ring.peers[server].push(at);
        }
        for (server, (text, weight)) in (0_u32..).zip(texts) {
            ring.points.extend(points(text, weight).map(|hash| (hash, server)));
        }
        ring.points.sort_by_key(|(hash, _)| *hash);
        ring.points.dedup_by_key(|(hash, _)| *hash);
        ring
    }

    /// The index of the first point at or behind this hash.
    fn find(&self, hash: u32) -> usize {
        self.points.partition_point(|(point, _)| *point < hash)
    }
}

/// The points of a server as its line names it: a port that is not written is not there.
fn points(text: &str, weight: i64) -> impl Iterator<Item = u32> {
    let is_unix = text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("unix:"));
    let (host, port) = match text.rsplit_once(':') {
        _ if is_unix => (&text[5..], ""),
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (text, ""),
    };
    let mut base = crc32fast::Hasher::new();
    base.update(host.as_bytes());
    base.update(b"\0");
    base.update(port.as_bytes());
    let mut previous = 0_u32;
    (0..weight * POINTS).map(move |_| {
        let mut crc = base.clone();
        crc.update(&previous.to_le_bytes());
        previous = crc.finalize();
        previous
    })
}

pub fn choose(rank: &mut Rank, key: &[u8], round: &mut Round, now: Now) -> Option<usize> {
    if key.is_empty() || rank.ring.points.is_empty() {
        return None;
    }
    if round.rehashes == 0 {
        round.rehashes = 1;
        round.hash = rank.ring.find(crc32fast::hash(key)) as u32;
    }
    while round.misses <= MOST_TRIES {
        let points = rank.ring.points.len();
        let point = round.hash as usize % points;
        let (place, server) = rank.ring.points[point];
        let chosen = rank.turn_on_ring(server as usize, round, now);
        let first = rank.ring.peers[server as usize][0];
        round.step(|| {
            let number = Number::Point { crc: crc32fast::hash(key), point, points, place };
            Step { number, server: rank.cards[first].server, open: chosen.is_some() }
        });
        if let Some(at) = chosen {
            return Some(at);
        }
        round.hash = round.hash.wrapping_add(1);
        round.misses += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, proptest};
    use proptest::sample::Index;

    use super::*;

    fn first(text: &str) -> Vec<u32> {
        points(text, 1).take(3).collect()
    }

    #[test]
    fn points_are_those_of_nginx() {
        assert_eq!(first("127.0.0.1:9101"), [0xd62435b0, 0x77aeca16, 0xc18b5b9d]);
        assert_eq!(first("backend1.example.com"), [0x77ced7d8, 0x87f07b44, 0x5c7c683d]);
        assert_eq!(first("backend1.example.com:80"), [0x59875017, 0x9e80f65d, 0xfd9dae02]);
        assert_eq!(first("unix:/tmp/backend3"), [0x65d2c8ae, 0xd90c532a, 0x971d3261]);
        assert_eq!(first("[::1]:8080"), [0x68fd9523, 0xc3d99972, 0x099e9317]);
    }

    proptest! {
        /// A server that leaves takes only its own keys along, whatever its weight.
        #[test]
        fn only_the_keys_of_who_leaves_move(weights in vec(1_i64..4, 2..12), leaves in any::<Index>()) {
            let texts: Vec<String> = (0..weights.len()).map(|at| format!("10.0.0.{at}:80")).collect();
            let servers = || texts.iter().map(String::as_str).zip(weights.iter().copied());
            let leaves = leaves.index(weights.len());
            let before = Ring::of(servers());
            let after = Ring::of(servers().enumerate().filter(|(at, _)| *at != leaves).map(|(_, server)| server));
            let owner = |ring: &Ring, key: u32| {
                let hash = crc32fast::hash(&key.to_le_bytes());
                ring.points[ring.find(hash) % ring.points.len()].1 as usize
            };
            let mut moved = 0;
            for key in 0..1000 {
                let was = owner(&before, key);
                let is = owner(&after, key);
                let is = is + usize::from(is >= leaves);
                prop_assert!(was == is || was == leaves, "key {key} moved from {was} to {is}");
                moved += usize::from(was == leaves);
            }
            let share = 1000 * weights[leaves] / weights.iter().sum::<i64>();
            prop_assert!((moved as i64) < 2 * share + 50, "{moved} of 1000 moved, {share} would be its share");
        }
    }

    #[test]
    fn a_ring_is_that_of_nginx() {
        let servers = [("127.0.0.1:9101", 1), ("127.0.0.1:9102", 2), ("127.0.0.1:9103", 1)];
        let ring = Ring::of(servers.into_iter());
        assert_eq!(ring.points.len(), 640);
        assert_eq!(ring.points[..3], [(0x01cd55e8, 1), (0x022b474e, 1), (0x022e365c, 2)]);
    }
}
