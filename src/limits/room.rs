//! How many keys have room in a zone: the account that nginx's slab allocator would keep of it
//! (`ngx_slab.c`), so that a size means here what it means there.
//!
//! A page of 4096 bytes is cut into pieces of one size, a power of two; what is longer than half a page has
//! pages of its own. Of pages that are only partly in use nginx may hold more than this account does, since
//! its pieces stay where they are: a zone with keys of many lengths holds a little more here.

const PAGE: u64 = 4096;

/// What describes a page (`ngx_slab_page_t`).
const PAGE_HEADER: u64 = 24;

/// What a zone begins with: `ngx_slab_pool_t`, and for each size of pieces a list and its statistics.
const ZONE_HEADER: u64 = 200 + SIZES as u64 * (24 + 32);

/// Pieces are of 8 bytes at least.
const LEAST_SHIFT: u32 = 3;

/// Sizes of pieces: 8 to 2048 bytes.
const SIZES: usize = 9;

/// A page of smaller pieces keeps the account of them in its first ones.
const SMALL: u64 = 64;

pub struct Room {
    free_pages: u64,
    /// Pieces in use, by size.
    used: [u64; SIZES],
}

impl Room {
    /// That of a zone of so many bytes.
    pub fn of(size: u64) -> Room {
        let pages = size.saturating_sub(ZONE_HEADER) / (PAGE + PAGE_HEADER);
        let start = (ZONE_HEADER + pages * PAGE_HEADER).next_multiple_of(PAGE);
        Room { free_pages: pages.min(size.saturating_sub(start) / PAGE), used: [0; SIZES] }
    }

    /// Takes room for something of so many bytes; false where there is none left.
    #[must_use]
    pub fn take(&mut self, bytes: usize) -> bool {
        match piece(bytes) {
            Some(size) => {
                if self.used[size].is_multiple_of(in_a_page(size)) {
                    if self.free_pages == 0 {
                        return false;
                    }
                    self.free_pages -= 1;
                }
                self.used[size] += 1;
                true
            }
            None => {
                let left = self.free_pages.checked_sub(pages(bytes));
                self.free_pages = left.unwrap_or(self.free_pages);
                left.is_some()
            }
        }
    }

    /// Gives back what was taken for something of so many bytes.
    pub fn give_back(&mut self, bytes: usize) {
        match piece(bytes) {
            Some(size) => {
                self.used[size] -= 1;
                self.free_pages += u64::from(self.used[size].is_multiple_of(in_a_page(size)));
            }
            None => self.free_pages += pages(bytes),
        }
    }
}

/// The size of piece that so many bytes need, if a piece has room for them.
fn piece(bytes: usize) -> Option<usize> {
    let shift = bytes.max(1).next_power_of_two().trailing_zeros().max(LEAST_SHIFT);
    Some((shift - LEAST_SHIFT) as usize).filter(|size| *size < SIZES)
}

fn in_a_page(size: usize) -> u64 {
    let bytes = 1 << (size as u32 + LEAST_SHIFT);
    let pieces = PAGE / bytes;
    if bytes < SMALL { pieces - (pieces / (8 * bytes)).max(1) } else { pieces }
}

fn pages(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(room: &mut Room, bytes: usize) -> u64 {
        (0..).take_while(|_| room.take(bytes)).count() as u64
    }

    #[test]
    fn pieces_are_powers_of_two() {
        let pieces = [1, 8, 9, 64, 65, 2048, 2049].map(piece);
        assert_eq!(pieces, [Some(0), Some(0), Some(1), Some(3), Some(4), Some(8), None]);
        assert_eq!([0, 1, 2, 3, 4, 8].map(in_a_page), [504, 254, 127, 64, 32, 2]);
    }

    #[test]
    fn a_zone_has_the_pages_that_its_headers_leave() {
        assert_eq!(Room::of(32 * 1024).free_pages, 7);
        assert_eq!(Room::of(1024 * 1024).free_pages, 254);
        assert_eq!(Room::of(0).free_pages, 0);
        assert_eq!(count(&mut Room::of(32 * 1024), 128), 7 * 32);
        assert_eq!(count(&mut Room::of(32 * 1024), 4097), 3);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_in_another_size() {
        let mut room = Room::of(32 * 1024);
        for bytes in [100, 2000, 10, 4096, 60] {
            let taken = count(&mut room, bytes);
            assert!(taken > 0 && !room.take(4096));
            (0..taken).for_each(|_| room.give_back(bytes));
            assert_eq!((room.free_pages, room.used), (7, [0; SIZES]));
        }
    }
}
