//! `limit_conn`: how many there are at once, by key (`ngx_http_limit_conn_module.c`).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::table::Table;

/// The length of a key up to which it is counted.
pub const LONGEST_CONNECTION_KEY: usize = 255;

/// The bytes that nginx keeps beside each key, and for a zone itself.
const OVERHEAD: usize = 36;
const OWN: usize = 64;

/// A zone, shared by all workers.
pub struct Connections {
    table: Mutex<Table<u16>>,
}

/// What came of asking to be counted.
pub enum Entry {
    Counted(Counted),
    /// There are as many as there may be.
    Full,
    /// The zone has no room for another key.
    NoRoom,
}

/// One that is counted, until it is dropped.
pub struct Counted {
    zone: Arc<Connections>,
    at: u32,
}

impl Connections {
    /// A zone of so many bytes; nginx keeps its name in it.
    pub fn new(name: &[u8], size: u64) -> Connections {
        let log_context = b" in limit_conn_zone \"\"\0".len() + name.len();
        Connections { table: Mutex::new(Table::new(size, &[OWN, log_context], OVERHEAD)) }
    }

    /// Counts one more for a key, if there are fewer than `most`. The first of a key is always let in.
    pub fn enter(self: &Arc<Self>, key: &[u8], most: u16) -> Entry {
        let mut table = self.lock();
        let at = match table.find(key) {
            Some(at) => {
                let count = table.get(at);
                if *count >= most {
                    return Entry::Full;
                }
                *count += 1;
                at
            }
            None => match table.insert(key, 1) {
                Some(at) => at,
                None => return Entry::NoRoom,
            },
        };
        drop(table);
        Entry::Counted(Counted { zone: self.clone(), at })
    }

    fn lock(&self) -> MutexGuard<'_, Table<u16>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut table = self.zone.lock();
        let count = table.get(self.at);
        *count -= 1;
        if *count == 0 {
            table.remove(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    fn zone() -> Arc<Connections> {
        Arc::new(Connections::new(b"one", 32 * 1024))
    }

    fn enter(zone: &Arc<Connections>, key: &[u8], most: u16) -> Option<Counted> {
        match zone.enter(key, most) {
            Entry::Counted(counted) => Some(counted),
            Entry::Full | Entry::NoRoom => None,
        }
    }

    #[test]
    fn each_key_has_a_count_of_its_own_that_ends_with_what_is_counted() {
        let zone = zone();
        let first = enter(&zone, b"a", 2);
        let second = enter(&zone, b"a", 2);
        assert!(first.is_some() && second.is_some() && enter(&zone, b"a", 2).is_none());
        assert!(enter(&zone, b"b", 2).is_some());
        drop(first);
        let third = enter(&zone, b"a", 2);
        assert!(third.is_some() && enter(&zone, b"a", 2).is_none());
        // Another limit of the same zone may be wider.
        assert!(enter(&zone, b"a", 3).is_some());
        drop((second, third));
        assert_eq!(zone.lock().len(), 0, "nobody is remembered who is not there");
    }

    #[test]
    fn a_zone_has_room_for_so_many_keys() {
        let zone = zone();
        // One page of seven is nginx's own, and one of another has room for 64 pieces less its first.
        let held: Vec<_> = (0u32..).map_while(|key| enter(&zone, &key.to_be_bytes(), 1)).collect();
        assert_eq!(held.len(), 6 * 64 - 1);
        assert!(zone.lock().memory() < 32 * 1024);
        assert!(matches!(zone.enter(b"one more", 1), Entry::NoRoom));
        assert!(matches!(zone.enter(&5u32.to_be_bytes(), 1), Entry::Full), "who is known is counted");
        drop(held);
        let held: Vec<_> = (0u8..).map_while(|key| enter(&zone, &[key; 255], 1)).collect();
        assert_eq!(held.len(), 5 * 8);
    }

    #[test]
    fn eight_threads_lose_no_count() {
        const MOST: u16 = 1000;
        let (zone, barrier) = (zone(), Barrier::new(8));
        let work = |number: usize| {
            let mut held: Vec<Counted> = Vec::new();
            barrier.wait();
            for round in 0..2000 {
                held.extend(enter(&zone, &[(round + number) as u8 % 5], MOST));
                if round % 3 == 2 && !held.is_empty() {
                    held.swap_remove(round % held.len());
                }
            }
            held
        };
        let held: Vec<Vec<Counted>> = thread::scope(|scope| {
            let work = &work;
            let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || work(number))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
        });
        let mut table = zone.lock();
        let counts: Vec<u16> = (0..5).map(|key| table.find(&[key]).map_or(0, |at| *table.get(at))).collect();
        drop(table);
        let sum: usize = counts.iter().copied().map(usize::from).sum();
        assert_eq!(sum, held.iter().map(Vec::len).sum::<usize>());
        assert!(counts.iter().all(|count| *count <= MOST), "{counts:?}");
        drop(held);
        assert_eq!(zone.lock().len(), 0);
    }
}
