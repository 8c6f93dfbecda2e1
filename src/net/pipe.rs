//! Pipes of the system, through which bytes go from socket to socket without being copied here (`splice(2)`).

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// Bytes a pipe holds, if the system allows it: as much as a socket has at once, most often.
const CAPACITY: usize = 512 * 1024;

/// Pipes a worker keeps for whoever needs one next.
const SPARE: usize = 4;

/// Pipes of a worker altogether. Whoever needs one more copies: each is two descriptors, and may hold bytes
/// for as long as a socket does not take them.
const MOST: usize = 64;

#[derive(Default)]
struct Pipes {
    spare: Vec<(OwnedFd, OwnedFd)>,
    count: usize,
}

thread_local! {
    static PIPES: RefCell<Pipes> = RefCell::default();
}

/// A pipe, for as long as it is needed.
#[derive(Debug)]
pub struct Pipe {
    /// The end that is read from and the one that is written to; gone when it is given back.
    ends: Option<(OwnedFd, OwnedFd)>,
    /// Bytes in it.
    filled: usize,
}

impl Pipe {
    /// An empty pipe; none if this thread has many already, or the system has no more.
    pub fn borrow() -> Option<Pipe> {
        PIPES.with_borrow_mut(|pipes| {
            let ends = match pipes.spare.pop() {
                Some(ends) => ends,
                None if pipes.count >= MOST => return None,
                None => {
                    let ends = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
                    // A smaller one does as well, only not as fast.
                    let _ = fcntl_setpipe_size(&ends.1, CAPACITY);
                    pipes.count += 1;
                    ends
                }
            };
            Some(Pipe { ends: Some(ends), filled: 0 })
        })
    }

    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Moves up to `most` bytes in from a socket; 0 are its end.
    pub fn fill(&mut self, from: impl AsFd, most: u64) -> io::Result<usize> {
        let Some((_, write)) = &self.ends else { return Ok(0) };
        let most = usize::try_from(most).unwrap_or(CAPACITY).min(CAPACITY);
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let moved = splice(from, None, write, None, most, flags)?;
        self.filled += moved;
        Ok(moved)
    }

    /// Moves out to a socket what it takes.
    pub fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let Some((read, _)) = &self.ends else { return Ok(0) };
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let moved = splice(read, None, to, None, self.filled, flags)?;
        self.filled -= moved;
        Ok(moved)
    }
}

impl Drop for Pipe {
    /// An empty one is there for the next; what is left in another goes with it.
    fn drop(&mut self) {
        let Some(ends) = self.ends.take() else { return };
        let empty = self.filled == 0;
        // Where the thread is ending there is no next.
        let _ = PIPES.try_with(|pipes| {
            let pipes = &mut *pipes.borrow_mut();
            if empty && pipes.spare.len() < SPARE {
                pipes.spare.push(ends);
            } else {
                pipes.count -= 1;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn bytes_go_from_socket_to_socket() {
        let (mut sender, from) = UnixStream::pair().unwrap();
        let (to, mut receiver) = UnixStream::pair().unwrap();
        sender.write_all(b"hello, world").unwrap();
        let mut pipe = Pipe::borrow().unwrap();
        assert_eq!(pipe.fill(&from, 5).unwrap(), 5);
        assert_eq!(pipe.drain(&to).unwrap(), 5);
        assert!(pipe.is_empty());
        assert_eq!(pipe.fill(&from, u64::MAX).unwrap(), 7);
        assert_eq!(pipe.drain(&to).unwrap(), 7);
        drop(sender);
        assert_eq!(pipe.fill(&from, u64::MAX).unwrap(), 0);
        let mut received = [0; 12];
        receiver.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"hello, world");
    }

    #[test]
    fn there_is_an_end_of_pipes_and_those_given_back_are_used_again() {
        let pipes: Vec<Pipe> = std::iter::from_fn(Pipe::borrow).collect();
        assert_eq!(pipes.len(), MOST);
        drop(pipes);
        assert!(Pipe::borrow().is_some());
        PIPES.with_borrow(|pipes| assert_eq!((pipes.spare.len(), pipes.count), (SPARE, SPARE)));
    }

    #[test]
    fn what_is_left_in_a_pipe_reaches_nobody_else() {
        let (mut sender, from) = UnixStream::pair().unwrap();
        sender.write_all(b"secret").unwrap();
        let mut pipe = Pipe::borrow().unwrap();
        pipe.fill(&from, u64::MAX).unwrap();
        drop(pipe);
        PIPES.with_borrow(|pipes| assert_eq!((pipes.spare.len(), pipes.count), (0, 0)));
    }
}
