//! Sockets and a clock for tests: nothing happens but what the test says.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::source::Place;

use super::machine::NEVER;
use super::*;

/// The near end of a connection; the test holds the same and plays the far one.
#[derive(Clone, Default)]
pub struct Memory(Rc<RefCell<Wire>>);

#[derive(Default)]
pub struct Wire {
    /// What is to be read, in the pieces it came in.
    incoming: VecDeque<Vec<u8>>,
    /// What reading says when all of that is gone.
    end: Option<Option<io::ErrorKind>>,
    /// What was written.
    pub written: Vec<u8>,
    /// Bytes the socket takes before it blocks.
    pub room: usize,
    /// What writing says instead of blocking.
    pub write_error: Option<io::ErrorKind>,
    broken: bool,
    /// Nothing more will be written.
    pub shut: bool,
    pub reads: usize,
    news: News,
}

/// What has happened to a socket since it was last told: as from an epoll that tells each thing once.
#[derive(Clone, Copy, Default)]
struct News {
    readable: bool,
    writable: bool,
    hung_up: bool,
}

impl Memory {
    pub fn new(room: usize) -> Memory {
        let memory = Memory::default();
        memory.set(|wire| wire.room = room);
        memory
    }

    /// Changes what the socket does when it is written to.
    pub fn set(&self, change: impl FnOnce(&mut Wire)) {
        let wire = &mut *self.0.borrow_mut();
        change(wire);
        wire.news.writable = wire.room > 0 || wire.write_error.is_some();
    }

    /// The far end sends. What it sends next comes when this has been read.
    pub fn send(&self, bytes: &[u8]) {
        let wire = &mut *self.0.borrow_mut();
        wire.incoming.push_back(bytes.to_vec());
        wire.news.readable = true;
    }

    /// The far end sends its last byte.
    pub fn close(&self) {
        self.end(None);
    }

    /// The far end breaks the connection.
    pub fn fail(&self, kind: io::ErrorKind) {
        self.end(Some(kind));
    }

    fn end(&self, how: Option<io::ErrorKind>) {
        let wire = &mut *self.0.borrow_mut();
        wire.end = Some(how);
        wire.news.hung_up = true;
    }

    /// What the far end has received since it last asked.
    pub fn received(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().written)
    }

    pub fn reads(&self) -> usize {
        self.0.borrow().reads
    }

    pub fn is_shut(&self) -> bool {
        self.0.borrow().shut
    }

    /// Whether its tunnel has yet to be told of something.
    fn has_news(&self) -> bool {
        let News { readable, writable, hung_up } = self.0.borrow().news;
        readable || writable || hung_up
    }

    fn tell(&self, side: &mut Side<Memory>) {
        let news = std::mem::take(&mut self.0.borrow_mut().news);
        side.heard(news.readable, news.writable, news.hung_up);
    }
}

impl Socket for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wire = &mut *self.0.borrow_mut();
        wire.reads += 1;
        let Some(mut bytes) = wire.incoming.pop_front() else {
            return match wire.end {
                None => Err(io::ErrorKind::WouldBlock.into()),
                Some(None) => Ok(0),
                Some(Some(kind)) => Err(kind.into()),
            };
        };
        if bytes.len() > buffer.len() {
            wire.incoming.push_front(bytes.split_off(buffer.len()));
        } else {
            wire.news.readable = !wire.incoming.is_empty();
        }
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let wire = &mut *self.0.borrow_mut();
        // A socket that has failed once takes nothing any more, whatever room there is.
        let taken = if wire.broken { 0 } else { bytes.len().min(wire.room) };
        if let (0, Some(kind)) = (taken, wire.write_error) {
            wire.broken = true;
            return Err(kind.into());
        }
        if taken == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wire.room -= taken;
        wire.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().shut = true;
        Ok(())
    }
}

/// A tunnel, both far ends, and a clock that stands until it is moved.
pub struct Joined {
    pub client: Memory,
    pub upstream: Memory,
    pub tunnel: Tunnel<Memory>,
    pub now: u64,
    /// What the clock on the wall shows when the other shows 0.
    pub wall: u64,
    /// When it is given a turn although nothing happens: as in a reactor, never later than it last asked for.
    deadline: u64,
    buffer: Vec<u8>,
}

impl Joined {
    /// Both sides take all that comes.
    pub fn new(rules: Rules) -> Joined {
        Joined::early(rules, b"", b"")
    }

    pub fn early(rules: Rules, from_client: &[u8], from_upstream: &[u8]) -> Joined {
        Joined::made(rules, from_client, from_upstream, true)
    }

    /// `websocket` says whether there are frames to be followed.
    pub fn made(rules: Rules, from_client: &[u8], from_upstream: &[u8], websocket: bool) -> Joined {
        let (client, upstream) = (Memory::new(usize::MAX), Memory::new(usize::MAX));
        let opened = |memory: &Memory, early: &[u8]| Opened { socket: memory.clone(), early: early.to_vec() };
        // Not at the beginning of its clock, like most.
        let now = 1_000_000;
        let (near, far) = (opened(&client, from_client), opened(&upstream, from_upstream));
        let tunnel = Tunnel::new(near, far, Arc::new(rules), websocket, now);
        let deadline = tunnel.deadline();
        let (wall, buffer) = (1_700_000_000_000, vec![0; crate::net::BUFFER_SIZE]);
        Joined { client, upstream, tunnel, now, wall, deadline, buffer }
    }

    /// Has its token expire in that time by the clock on the wall.
    pub fn expire_in(&mut self, time: Duration) {
        self.tunnel.expire_at(self.wall + self.now + time.as_millis() as u64);
        self.deadline = self.tunnel.deadline();
    }

    /// The far end of a side.
    pub fn side(&self, who: Who) -> Memory {
        if who == Who::Client { self.client.clone() } else { self.upstream.clone() }
    }

    /// One turn, after whatever the sockets have to say.
    pub fn turn(&mut self) -> Next {
        self.client.tell(&mut self.tunnel.client);
        self.upstream.tell(&mut self.tunnel.upstream);
        self.tunnel.turn(self.now, &mut self.buffer)
    }

    /// Turns until there is nothing left to do at this moment: gives the next one, or the end.
    pub fn settle(&mut self) -> Result<u64, Box<Closing>> {
        for _ in 0..100_000 {
            if self.deadline <= self.now {
                self.deadline = NEVER;
                if self.tunnel.wants_clock(self.now) {
                    self.tunnel.tell_clock(self.now, self.wall + self.now);
                }
            }
            match self.turn() {
                Next::Again => continue,
                Next::Still if self.deadline != NEVER => {}
                Next::Still => self.deadline = self.now + 1,
                Next::Wait(deadline) => {
                    assert!(deadline > self.now, "it would spin");
                    self.deadline = self.deadline.min(deadline);
                }
                Next::Ended(closing) => return Err(Box::new(closing)),
            }
            if !self.client.has_news() && !self.upstream.has_news() {
                return Ok(self.deadline);
            }
        }
        panic!("it never settles")
    }

    /// Lets time pass as a worker does: from deadline to deadline.
    pub fn pass(&mut self, time: Duration) -> Result<(), Box<Closing>> {
        let until = self.now + time.as_millis() as u64;
        loop {
            let deadline = self.settle()?;
            if deadline > until {
                self.now = until;
                return Ok(());
            }
            self.now = deadline;
        }
    }

    /// How it ends if nothing more happens, and after how long.
    pub fn end(&mut self) -> (Box<Closing>, Duration) {
        let start = self.now;
        match self.pass(Duration::from_secs(1000 * 24 * 60 * 60)) {
            Err(closing) => (closing, Duration::from_millis(self.now - start)),
            Ok(()) => panic!("it never ends"),
        }
    }
}

/// Limits in seconds, of lines 1 to 4 of a file.
pub fn seconds(read: u64, send_upstream: u64, send_client: u64) -> Rules {
    let limit = |seconds: u64, line: u32| Limit {
        after: Duration::from_secs(seconds),
        place: Some(Place { file: "site.conf".into(), line }),
    };
    Rules {
        read: limit(read, 1),
        send_upstream: limit(send_upstream, 2),
        send_client: limit(send_client, 3),
        max_lifetime: None,
        token_expiry: Some(limit(0, 4)),
        frames: None,
    }
}
