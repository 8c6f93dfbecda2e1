//! How much of a head nginx would hold.
//!
//! nginx reads a head into one buffer of `client_header_buffer_size`, then into up to
//! `large_client_header_buffers` larger ones; a line that crosses the end of a buffer moves to the next
//! and has to fit there. A head passes here exactly when it would fit there, however it arrives.

/// No head needs more, in its first buffer and again in the large ones; places in it fit 32 bits.
pub(super) const MOST: usize = 1 << 30;

/// The buffers of one head, as `ngx_http_alloc_large_header_buffer` hands them out.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadBuffers {
    /// Size of the buffer in use.
    capacity: usize,
    /// Bytes of it that finished lines hold.
    used: usize,
    large_size: usize,
    large_left: usize,
}

/// No buffer holds the line. That many bytes of it are in the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full(pub usize);

impl HeadBuffers {
    /// `skipped` bytes in front of the request line are empty lines; a buffer full of them is emptied.
    pub fn new(first_size: usize, large_size: usize, large_count: usize, skipped: usize) -> HeadBuffers {
        let capacity = first_size.clamp(1, MOST);
        let large_size = large_size.clamp(1, MOST);
        HeadBuffers {
            capacity,
            used: skipped % capacity,
            large_size,
            large_left: large_count.min(MOST / large_size),
        }
    }

    /// Stores a finished line of `length` bytes, its line end included.
    pub fn store(&mut self, length: usize) -> Result<(), Full> {
        if self.used + length > self.capacity {
            self.next()?;
            if length > self.capacity {
                return Err(Full(self.capacity));
            }
        }
        self.used += length;
        Ok(())
    }

    /// The most bytes that the line which begins now can have.
    pub fn longest_line(&self) -> usize {
        let part = self.capacity - self.used;
        if self.large_left > 0 { part.max(self.large_size) } else { part }
    }

    /// Whether more can come behind `length` bytes of an unfinished line.
    pub fn has_room_behind(&self, length: usize) -> Result<(), Full> {
        if self.used + length < self.capacity {
            return Ok(());
        }
        let mut next = *self;
        next.next()?;
        if length < next.capacity { Ok(()) } else { Err(Full(next.capacity)) }
    }

    /// Goes on to the next buffer, to which the part of a line that stands in this one is copied.
    fn next(&mut self) -> Result<(), Full> {
        let part = self.capacity - self.used;
        if (part > 0 && part >= self.large_size) || self.large_left == 0 {
            return Err(Full(part));
        }
        *self = HeadBuffers {
            capacity: self.large_size,
            used: 0,
            large_left: self.large_left - 1,
            large_size: self.large_size,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_moves_to_a_large_buffer_and_has_to_fit_there() {
        let mut buffers = HeadBuffers::new(100, 200, 2, 0);
        assert_eq!(buffers.store(60), Ok(()));
        assert_eq!(buffers.has_room_behind(39), Ok(()));
        assert_eq!(buffers.has_room_behind(199), Ok(()));
        assert_eq!(buffers.has_room_behind(200), Err(Full(200)));
        assert_eq!(buffers.store(200), Ok(()));
        assert_eq!(buffers.store(201), Err(Full(200)));
    }

    #[test]
    fn the_buffers_are_counted() {
        let mut buffers = HeadBuffers::new(100, 100, 2, 0);
        for _ in 0..3 {
            assert_eq!(buffers.store(100), Ok(()));
        }
        assert_eq!(buffers.has_room_behind(0), Err(Full(0)));
        assert_eq!(buffers.store(2), Err(Full(0)));
        assert_eq!(HeadBuffers::new(100, 100, 0, 0).has_room_behind(100), Err(Full(100)));
    }

    #[test]
    fn a_first_buffer_larger_than_the_large_ones_does_not_grow() {
        let mut buffers = HeadBuffers::new(300, 100, 4, 0);
        assert_eq!(buffers.has_room_behind(299), Ok(()));
        assert_eq!(buffers.has_room_behind(300), Err(Full(300)));
        assert_eq!(buffers.store(250), Ok(()));
        assert_eq!(buffers.has_room_behind(60), Ok(()));
    }
}
