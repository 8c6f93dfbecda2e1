//! One end of a tunnel.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;

use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use crate::net::Pipe;

/// A socket that never blocks. A read or a write that comes short means that there is no more for now: the
/// next event of the socket tells when to try again.
pub trait Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Writes what is followed at once by [`Socket::shutdown_write`] or by the socket's end: it may wait for
    /// that, to go out in one packet with it.
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }
    /// Sends nothing more from here on.
    fn shutdown_write(&mut self) -> io::Result<()>;
    /// Whether its bytes can go through a [`Pipe`].
    const SPLICES: bool = false;
    /// Moves up to `most` bytes from here into a pipe.
    fn splice_into(&mut self, _pipe: &mut Pipe, _most: u64) -> io::Result<usize> {
        Err(ErrorKind::Unsupported.into())
    }
    /// Moves what is in a pipe here.
    fn splice_from(&mut self, _pipe: &mut Pipe) -> io::Result<usize> {
        Err(ErrorKind::Unsupported.into())
    }
}

/// A connected socket of the system.
impl Socket for OwnedFd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self, buffer, RecvFlags::empty())?.0)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A peer that has gone is an error, not a signal.
        Ok(send(self, bytes, SendFlags::NOSIGNAL)?)
    }

    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self, bytes, SendFlags::NOSIGNAL | SendFlags::MORE)?)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(shutdown(self, Shutdown::Write)?)
    }

    const SPLICES: bool = true;

    fn splice_into(&mut self, pipe: &mut Pipe, most: u64) -> io::Result<usize> {
        pipe.fill(&*self, most)
    }

    fn splice_from(&mut self, pipe: &mut Pipe) -> io::Result<usize> {
        pipe.drain(&*self)
    }
}

/// What a side of a tunnel begins with.
pub struct Opened<S> {
    pub socket: S,
    /// What was already read from it, behind its head: the other side gets it first.
    pub early: Vec<u8>,
}

/// A socket, and what was last heard of it.
pub struct Side<S> {
    pub socket: S,
    /// There may be something to read.
    readable: bool,
    /// It may take something.
    writable: bool,
    /// Its last byte has come, even if earlier ones are still to be read.
    hung_up: bool,
    /// More came at once than a buffer holds.
    pub(super) is_bulky: bool,
}

/// What reading came to.
pub(super) enum Came {
    Bytes(usize),
    Nothing,
    End(Option<io::Error>),
}

impl<S: Socket> Side<S> {
    /// Nothing is known of the socket until its first event.
    pub fn new(socket: S) -> Side<S> {
        Side { socket, readable: false, writable: false, hung_up: false, is_bulky: false }
    }

    /// Takes an event of the socket.
    pub fn heard(&mut self, readable: bool, writable: bool, hung_up: bool) {
        self.readable |= readable | hung_up;
        self.writable |= writable;
        self.hung_up |= hung_up;
    }

    /// There may be something to read.
    pub(super) fn is_readable(&self) -> bool {
        self.readable
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Came {
        if !self.readable {
            return Came::Nothing;
        }
        loop {
            return match self.socket.read(buffer) {
                Ok(0) => Came::End(None),
                Ok(count) => {
                    // What is behind a short read will be told of, unless it is the end.
                    self.readable = count == buffer.len() || self.hung_up;
                    Came::Bytes(count)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    Came::Nothing
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Came::End(Some(error)),
            };
        }
    }

    /// Moves bytes into an empty pipe. How many come at once says nothing about how many there are.
    pub(super) fn splice_into(&mut self, pipe: &mut Pipe, most: u64) -> Came {
        loop {
            return match self.socket.splice_into(pipe, most) {
                Ok(0) => Came::End(None),
                Ok(count) => Came::Bytes(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    Came::Nothing
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Came::End(Some(error)),
            };
        }
    }

    /// Moves out of a pipe what the socket takes now.
    pub(super) fn splice_from(&mut self, pipe: &mut Pipe) -> io::Result<usize> {
        let mut moved = 0;
        while self.writable && !pipe.is_empty() {
            match self.socket.splice_from(pipe) {
                Ok(count) => moved += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(moved)
    }

    /// How much the socket takes now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_by(bytes, S::write)
    }

    /// The same for what is followed at once by the end.
    pub(super) fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_by(bytes, S::write_last)
    }

    #[inline]
    fn write_by(
        &mut self,
        bytes: &[u8],
        write: impl Fn(&mut S, &[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if !self.writable {
            return Ok(0);
        }
        loop {
            return match write(&mut self.socket, bytes) {
                Ok(0) if !bytes.is_empty() => Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.writable = count == bytes.len();
                    Ok(count)
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.writable = false;
                    Ok(0)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }
}
