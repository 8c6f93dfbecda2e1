//! What addresses are mapped to: networks of which the narrowest counts, or ranges, and what comes of both.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use crate::directive::values::Cidr;

/// The place of a value among all.
pub type ValueId = u32;

/// Values, each once: a few countries stand behind half a million networks.
#[derive(Debug, Default)]
pub struct Values {
    texts: Vec<Box<[u8]>>,
    ids: HashMap<Box<[u8]>, ValueId>,
}

impl Values {
    pub fn id(&mut self, text: &[u8]) -> ValueId {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = self.texts.len() as ValueId;
        self.texts.push(text.into());
        self.ids.insert(text.into(), id);
        id
    }

    pub fn text(&self, id: ValueId) -> &[u8] {
        &self.texts[id as usize]
    }
}

/// Where each value begins, in the order of addresses: the value of an address is the last that begins at or
/// below it.
#[derive(Debug)]
pub struct Segments {
    starts: Box<[u128]>,
    values: Box<[ValueId]>,
}

impl Segments {
    /// `spans` are in order, and each lies within or behind those before it; what lies in none is `outside`.
    fn new(outside: ValueId, spans: impl Iterator<Item = (u128, u128, ValueId)>) -> Segments {
        let (mut starts, mut values) = (vec![0], vec![outside]);
        let mut begin = |at: u128, value: ValueId| match starts.last() {
            Some(last) if *last == at => {
                if let Some(last) = values.last_mut() {
                    *last = value;
                }
            }
            _ => {
                starts.push(at);
                values.push(value);
            }
        };
        let mut around: Vec<(u128, ValueId)> = Vec::new();
        let leave = |around: &mut Vec<(u128, ValueId)>| {
            let (end, _) = around.pop()?;
            let value = around.last().map_or(outside, |(_, value)| *value);
            end.checked_add(1).map(|at| (at, value))
        };
        for (start, end, value) in spans {
            while around.last().is_some_and(|(end, _)| *end < start) {
                if let Some((at, value)) = leave(&mut around) {
                    begin(at, value);
                }
            }
            begin(start, value);
            around.push((end, value));
        }
        while !around.is_empty() {
            if let Some((at, value)) = leave(&mut around) {
                begin(at, value);
            }
        }
        Segments { starts: starts.into(), values: values.into() }
    }

    pub fn find(&self, at: u128) -> ValueId {
        let behind = self.starts.partition_point(|start| *start <= at);
        // The first begins at 0.
        self.values[behind.saturating_sub(1)]
    }
}

/// Networks of one family by their first address and the bits that count.
#[derive(Debug, Default)]
pub struct Networks {
    values: [BTreeMap<(u128, u8), ValueId>; 2],
}

impl Networks {
    /// Gives a network a value; the one that it had until now, if it had one.
    pub fn insert(&mut self, network: &Cidr, value: ValueId) -> Option<ValueId> {
        let (family, key) = key(network);
        self.values[family].insert(key, value)
    }

    pub fn remove(&mut self, network: &Cidr) -> Option<ValueId> {
        let (family, key) = key(network);
        self.values[family].remove(&key)
    }

    /// For IPv4 and for IPv6.
    pub fn segments(self, nothing: ValueId) -> [Segments; 2] {
        let widths = [32, 128];
        let mut at = 0;
        self.values.map(|networks| {
            let width = widths[at];
            at += 1;
            let span = |((start, prefix), value): ((u128, u8), ValueId)| {
                let wide = u128::MAX.checked_shr(128 - width + u32::from(prefix)).unwrap_or(0);
                (start, start | wide, value)
            };
            Segments::new(nothing, networks.into_iter().map(span))
        })
    }
}

fn key(network: &Cidr) -> (usize, (u128, u8)) {
    match network.address {
        IpAddr::V4(address) => (0, (address.to_bits().into(), network.prefix)),
        IpAddr::V6(address) => (1, (address.to_bits(), network.prefix)),
    }
}

/// What became of a new range.
#[derive(Debug, PartialEq, Eq)]
pub enum Added {
    Fine,
    /// It was there already; the value that it had.
    Again(ValueId),
    /// Part of it has a value already.
    Overlaps(Ipv4Addr, Ipv4Addr),
}

/// Ranges of IPv4, cut as nginx cuts them: at each 65536th address, so that what overlaps and what is deleted is
/// judged piece by piece.
#[derive(Debug, Default)]
pub struct Ranges {
    pieces: BTreeMap<u32, (u32, ValueId)>,
}

impl Ranges {
    pub fn add(&mut self, start: u32, end: u32, value: ValueId) -> Added {
        let mut added = Added::Fine;
        for (start, end) in pieces(start, end) {
            match self.add_piece(start, end, value) {
                Added::Fine => {}
                again @ Added::Again(_) => added = again,
                overlaps => return overlaps,
            }
        }
        added
    }

    /// `ngx_http_geo_add_range`: a piece may lie within another and is cut out of it.
    fn add_piece(&mut self, start: u32, end: u32, value: ValueId) -> Added {
        let Some((&from, &(to, old))) =
            self.pieces.range(..=end).next_back().filter(|(_, (to, _))| *to >= start)
        else {
            self.pieces.insert(start, (end, value));
            return Added::Fine;
        };
        if (from, to) == (start, end) {
            self.pieces.insert(start, (end, value));
            return Added::Again(old);
        }
        if from > start || to < end {
            return Added::Overlaps(from.into(), to.into());
        }
        self.pieces.remove(&from);
        if from < start {
            self.pieces.insert(from, (start - 1, old));
        }
        self.pieces.insert(start, (end, value));
        if end < to {
            self.pieces.insert(end + 1, (to, old));
        }
        Added::Fine
    }

    /// False where a part of it was not there as it is.
    pub fn delete(&mut self, start: u32, end: u32) -> bool {
        let mut all = true;
        for (start, end) in pieces(start, end) {
            match self.pieces.get(&start) {
                Some((to, _)) if *to == end => {
                    self.pieces.remove(&start);
                }
                _ => all = false,
            }
        }
        all
    }

    pub fn segments(self, outside: ValueId) -> Segments {
        let span = |(start, (end, value)): (u32, (u32, ValueId))| (start.into(), end.into(), value);
        Segments::new(outside, self.pieces.into_iter().map(span))
    }
}

fn pieces(start: u32, end: u32) -> impl Iterator<Item = (u32, u32)> {
    (start >> 16..=end >> 16).map(move |high| (start.max(high << 16), end.min(high << 16 | 0xffff)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directive::values::cidr;

    #[test]
    fn the_narrowest_network_counts() {
        let mut networks = Networks::default();
        for (at, word) in
            ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "10.1.0.0/24", "255.0.0.0/8", "2001:db8::/32"]
                .iter()
                .enumerate()
        {
            assert_eq!(networks.insert(&cidr(word.as_bytes()).unwrap(), at as u32), None);
        }
        assert_eq!(networks.insert(&cidr(b"10.1.2.3/32").unwrap(), 7), Some(2));
        assert_eq!(networks.remove(&cidr(b"10.1.0.0/25").unwrap()), None);
        let [old, new] = networks.segments(9);
        let at = |word: &str| old.find(word.parse::<Ipv4Addr>().unwrap().to_bits().into());
        for (word, value) in [
            ("9.255.255.255", 9),
            ("10.0.0.0", 0),
            ("10.0.255.255", 0),
            ("10.1.0.255", 3),
            ("10.1.1.0", 1),
            ("10.1.2.2", 1),
            ("10.1.2.3", 7),
            ("10.1.2.4", 1),
            ("10.2.0.0", 0),
            ("11.0.0.0", 9),
            ("255.255.255.255", 4),
        ] {
            assert_eq!(at(word), value, "{word}");
        }
        assert_eq!(new.find(0x2001_0db8 << 96 | 1), 5);
        assert_eq!(new.find(u128::MAX), 9);
    }

    #[test]
    fn a_range_may_be_cut_out_of_another_and_not_across_its_end() {
        let mut ranges = Ranges::default();
        assert_eq!(ranges.add(10, 20, 1), Added::Fine);
        assert_eq!(ranges.add(12, 14, 2), Added::Fine);
        assert_eq!(ranges.add(12, 14, 3), Added::Again(2));
        assert_eq!(ranges.add(13, 15, 4), Added::Overlaps(15.into(), 20.into()));
        assert_eq!(ranges.add(0, 30, 4), Added::Overlaps(15.into(), 20.into()));
        assert_eq!(ranges.add(0x2_0005, 0x5_0005, 5), Added::Fine);
        assert!(ranges.delete(0x3_0000, 0x3_ffff) && !ranges.delete(0x3_0000, 0x3_ffff));
        assert!(!ranges.delete(0x4_0000, 0x4_fff0));
        let segments = ranges.segments(0);
        let found = [9, 10, 12, 14, 15, 20, 21, 0x2_0005, 0x3_0000, 0x4_0000, 0x5_0005, 0x5_0006];
        assert_eq!(found.map(|at| segments.find(at)), [0, 1, 3, 3, 1, 1, 0, 5, 0, 5, 5, 0]);
    }

    proptest! {
        #[test]
        fn segments_say_what_a_search_through_all_networks_says(
            networks in proptest::collection::vec((any::<u32>(), 0u8..=32), 0..40),
            probes in proptest::collection::vec(any::<u32>(), 20),
        ) {
            let all = networks.iter().map(|(address, prefix)| {
                cidr(format!("{}/{prefix}", Ipv4Addr::from(*address)).as_bytes()).unwrap()
            });
            let all: Vec<Cidr> = all.collect();
            let mut table = Networks::default();
            all.iter().enumerate().for_each(|(at, network)| { table.insert(network, at as u32); });
            let [segments, _] = table.segments(u32::MAX);
            let edges = networks.iter().flat_map(|(address, _)| [*address, address.wrapping_add(1)]);
            for probe in probes.into_iter().chain(edges) {
                let ip = IpAddr::V4(probe.into());
                let narrowest = all.iter().enumerate().filter(|(_, one)| one.contains(ip));
                let expected = narrowest.max_by_key(|(at, one)| (one.prefix, *at)).map_or(u32::MAX, |(at, _)| at as u32);
                prop_assert_eq!(segments.find(probe.into()), expected);
            }
        }
    }
}
