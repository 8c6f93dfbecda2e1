//! What a zone keeps: values by key, in the order in which they were last asked for.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::key::Key;
use super::room::Room;

const NONE: u32 = u32::MAX;

/// The fewest entries that room is made for at once.
const LEAST_GROWTH: usize = 16;

pub struct Table<T> {
    /// Keys are clients' words: the hash is one that they cannot foresee.
    hasher: RandomState,
    places: HashTable<u32>,
    entries: Vec<Entry<T>>,
    /// The entry that was asked for last, and the one that was not for longest.
    newest: u32,
    oldest: u32,
    /// The first of those that are not in use; `older` leads from each to the next.
    vacant: u32,
    room: Room,
    /// How many bytes nginx needs for an entry beside its key.
    overhead: usize,
}

struct Entry<T> {
    key: Key,
    value: T,
    newer: u32,
    older: u32,
}

impl<T> Table<T> {
    /// One with the room of a zone of `size` bytes, of which nginx takes pieces of the lengths in `own` for
    /// itself, and `overhead` for each entry beside its key.
    pub fn new(size: u64, own: &[usize], overhead: usize) -> Table<T> {
        let mut room = Room::of(size);
        for bytes in own {
            // The least zone that can be written has room for this.
            let _ = room.take(*bytes);
        }
        Table {
            hasher: RandomState::new(),
            places: HashTable::new(),
            entries: Vec::new(),
            newest: NONE,
            oldest: NONE,
            vacant: NONE,
            room,
            overhead,
        }
    }

    pub fn find(&self, key: &[u8]) -> Option<u32> {
        let is_it = |at: &u32| *self.entries[*at as usize].key == *key;
        self.places.find(self.hasher.hash_one(key), is_it).copied()
    }

    /// Adds what is not there yet, as the newest; `None` where there is no room for it.
    pub fn insert(&mut self, key: &[u8], value: T) -> Option<u32> {
        if !self.room.take(self.overhead + key.len()) {
            return None;
        }
        let entry = Entry { key: key.into(), value, newer: NONE, older: NONE };
        let at = self.vacant;
        let at = if at == NONE {
            self.grow();
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        } else {
            self.vacant = self.entries[at as usize].older;
            self.entries[at as usize] = entry;
            at
        };
        let (hasher, entries) = (&self.hasher, &self.entries);
        let hash = |at: &u32| hasher.hash_one(&*entries[*at as usize].key);
        self.places.insert_unique(hash(&at), at, hash);
        self.link(at);
        Some(at)
    }

    /// Makes room for a quarter more, not for twice as many: a zone is to take no more than its size.
    fn grow(&mut self) {
        let length = self.entries.len();
        if length == self.entries.capacity() {
            self.entries.reserve_exact((length / 4).max(LEAST_GROWTH));
        }
    }

    pub fn remove(&mut self, at: u32) {
        self.unlink(at);
        let hash = self.hasher.hash_one(&*self.entries[at as usize].key);
        if let Ok(place) = self.places.find_entry(hash, |other| *other == at) {
            place.remove();
        }
        let entry = &mut self.entries[at as usize];
        self.room.give_back(self.overhead + entry.key.len());
        entry.key = Key::from(&[][..]);
        entry.older = self.vacant;
        self.vacant = at;
    }

    /// An entry that was found or inserted, and not removed since.
    pub fn get(&mut self, at: u32) -> &mut T {
        &mut self.entries[at as usize].value
    }

    /// Makes an entry the newest.
    pub fn touch(&mut self, at: u32) {
        if at != self.newest {
            self.unlink(at);
            self.link(at);
        }
    }

    /// The entry that was not asked for for longest.
    pub fn oldest(&self) -> Option<u32> {
        Some(self.oldest).filter(|at| *at != NONE)
    }

    fn unlink(&mut self, at: u32) {
        let Entry { newer, older, .. } = self.entries[at as usize];
        match newer {
            NONE => self.newest = older,
            newer => self.entries[newer as usize].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.entries[older as usize].newer = newer,
        }
    }

    fn link(&mut self, at: u32) {
        let newest = self.newest;
        let entry = &mut self.entries[at as usize];
        (entry.newer, entry.older) = (NONE, newest);
        self.newest = at;
        match newest {
            NONE => self.oldest = at,
            older => self.entries[older as usize].newer = at,
        }
    }
}

#[cfg(test)]
impl<T> Table<T> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The bytes it takes, long keys aside.
    pub fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry<T>>() + self.places.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<u32> {
        Table::new(32 * 1024, &[], 120)
    }

    /// Keys from the oldest to the newest.
    fn order(table: &Table<u32>) -> Vec<u32> {
        let mut order = Vec::new();
        let mut at = table.oldest;
        while at != NONE {
            order.push(table.entries[at as usize].value);
            at = table.entries[at as usize].newer;
        }
        order
    }

    #[test]
    fn it_does_as_a_plain_list_does() {
        let mut table = table();
        let mut plain: Vec<u32> = Vec::new();
        let mut seed = 1u32;
        for step in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (number, what) = (seed >> 27, seed >> 9 & 7);
            let key = number.to_string().repeat(1 + number as usize);
            match (table.find(key.as_bytes()), what) {
                (Some(at), 0..3) => {
                    table.remove(at);
                    plain.retain(|other| *other != number);
                }
                (Some(at), _) => {
                    assert_eq!(*table.get(at), number);
                    table.touch(at);
                    plain.retain(|other| *other != number);
                    plain.push(number);
                }
                (None, _) => {
                    table.insert(key.as_bytes(), number).expect("room");
                    plain.push(number);
                }
            }
            assert_eq!(order(&table), plain, "after {step}");
            assert_eq!(table.len(), plain.len());
            assert!(table.entries.len() <= 32, "places are used again");
        }
    }

    #[test]
    fn a_full_one_takes_nothing_more_until_something_goes() {
        let mut table = table();
        let count = (0..).take_while(|n: &u32| table.insert(&n.to_be_bytes(), *n).is_some()).count();
        assert_eq!(count, 7 * 32);
        assert_eq!(table.insert(b"more", 0), None);
        let oldest = table.oldest().expect("a full table");
        assert_eq!(*table.get(oldest), 0);
        table.remove(oldest);
        assert!(table.insert(b"more", 0).is_some());
        assert_eq!(table.insert(b"many", 0), None);
    }
}
