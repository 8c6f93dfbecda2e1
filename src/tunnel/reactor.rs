//! All tunnels of a worker: what waits for their sockets and their deadlines.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::net::borrow_buffer;

use super::deadlines::Deadlines;
use super::machine::NEVER;
use super::{Closing, Drained, Next, Opened, Rules, Tunnel, Why};

/// Events taken from the system at once.
const EVENTS: usize = 128;

/// How often the system is asked for events before the worker's other tasks get their turn.
const ROUNDS: usize = 4;

/// A batch as small as this was all there is, most likely: the rest is waited for.
const FEW: usize = 1;

/// Does not wait.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// What the clock is set to when no tunnel wants anything.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// What is told to whom a tunnel belongs.
pub trait WhenEnded {
    /// The tunnel is over and its sockets are closed.
    fn ended(self, closing: Closing);
}

/// A worker's tunnels. Each is two sockets and a few hundred bytes; it has no task and no timer of its own.
///
/// Their sockets are in an epoll of their own, which is one descriptor to the worker's runtime. So what a
/// message costs beside its system calls is one look into a table.
pub struct Tunnels<E> {
    epoll: OwnedFd,
    began: Instant,
    table: RefCell<Table<E>>,
    /// A deadline was set that the clock does not know of.
    nudged: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

struct Table<E> {
    entries: Vec<Option<Box<Entry<E>>>>,
    free: Vec<u32>,
    deadlines: Deadlines,
    /// Tunnels that want another turn at once.
    unfinished: Vec<u32>,
}

struct Entry<E> {
    tunnel: Tunnel<OwnedFd>,
    /// Its place among the deadlines. It may want a later one by now: that is found out when this has come.
    deadline: u64,
    /// It is among the unfinished.
    again: bool,
    owner: E,
}

/// Which side of an entry an event is about: the lowest bit of its number.
const UPSTREAM: u64 = 1;

impl<E: WhenEnded> Tunnels<E> {
    pub fn new() -> io::Result<Tunnels<E>> {
        Ok(Tunnels {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            began: Instant::now(),
            table: RefCell::new(Table {
                entries: Vec::new(),
                free: Vec::new(),
                deadlines: Deadlines::default(),
                unfinished: Vec::new(),
            }),
            nudged: Cell::new(false),
            waker: Cell::default(),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let table = self.table.borrow();
        table.entries.len() - table.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Joins two sockets that do not block; `websocket` says whether frames go through them. `owner` is told
    /// of the end, also where there is no beginning: if the system does not let their events be waited for.
    pub fn join(
        &self,
        client: Opened<OwnedFd>,
        upstream: Opened<OwnedFd>,
        rules: Arc<Rules>,
        websocket: bool,
        owner: E,
    ) {
        let now = self.now();
        let tunnel = Tunnel::new(client, upstream, rules, websocket, now);
        let deadline = tunnel.deadline();
        let mut entry = Box::new(Entry { tunnel, deadline, again: false, owner });
        let mut table = self.table.borrow_mut();
        let at = table.place();
        let registered = self.register(at, &entry.tunnel);
        if let Err(error) = registered {
            table.free.push(at);
            drop(table);
            let closing = entry.tunnel.abandon(Why::Refused(error), now);
            return finish(Some((entry, closing)));
        }
        // The clock is set to it after the first event, which comes at once: the sockets can be written to.
        table.deadlines.add(deadline, at);
        table.entries[at as usize] = Some(entry);
    }

    /// Has tunnels end for the reason that `judge` gives, after so long; those it gives none for go on. Each
    /// may be told so more than once: the earliest counts.
    pub fn leave(&self, mut judge: impl FnMut(&E) -> Option<(Duration, Drained)>) {
        let now = self.now();
        let table = &mut *self.table.borrow_mut();
        for at in 0..table.entries.len() as u32 {
            let Some(entry) = &mut table.entries[at as usize] else { continue };
            let Some((after, why)) = judge(&entry.owner) else { continue };
            let moment = now.saturating_add(u64::try_from(after.as_millis()).unwrap_or(NEVER));
            entry.tunnel.leave_at(moment, why);
            table.wait(at, moment);
        }
        self.nudged.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Serves the tunnels, for ever.
    ///
    /// # Errors
    /// What the system says when it cannot wait for events.
    pub async fn run(self: Rc<Self>) -> io::Result<()> {
        #[expect(deprecated, reason = "an OwnedFd keeps what the unsafe successor wants promised")]
        let socket = AsyncFd::with_interest(self.epoll.try_clone()?, Interest::READABLE)?;
        let mut clock = pin!(sleep_until(Instant::now() + LONG));
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            if self.rounds(&mut events)? {
                yield_now().await;
            } else {
                self.wait(&socket, clock.as_mut()).await?;
            }
        }
    }

    /// Gives everyone a turn who wants one. False if the rest is to be waited for.
    fn rounds(&self, events: &mut Vec<Event>) -> io::Result<bool> {
        for _ in 0..ROUNDS {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(events), Some(&AT_ONCE)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let now = self.now();
            for event in events.iter() {
                self.heard(event, now);
            }
            let unfinished = self.unfinished(now);
            self.due(now);
            if events.len() <= FEW && !unfinished {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Until there may be something to do.
    async fn wait(&self, socket: &AsyncFd<OwnedFd>, mut clock: Pin<&mut Sleep>) -> io::Result<()> {
        let first = self.table.borrow().deadlines.first();
        let first = first.map(|moment| self.began + Duration::from_millis(moment));
        poll_fn(|cx| {
            if self.nudged.take() {
                return Poll::Ready(Ok(()));
            }
            self.waker.set(Some(cx.waker().clone()));
            if let Some(first) = first.filter(|first| *first < clock.deadline()) {
                clock.as_mut().reset(first);
            }
            if clock.as_mut().poll(cx).is_ready() {
                clock.as_mut().reset(first.unwrap_or(Instant::now() + LONG));
                return Poll::Ready(Ok(()));
            }
            socket.poll_read_ready(cx).map_ok(|mut ready| ready.clear_ready())
        })
        .await
    }

    /// Milliseconds since the clock began.
    fn now(&self) -> u64 {
        // Enough for all time.
        self.began.elapsed().as_millis() as u64
    }

    fn heard(&self, event: &Event, now: u64) {
        let (number, flags) = (event.data.u64(), event.flags);
        let mut table = self.table.borrow_mut();
        let at = (number >> 1) as u32;
        // Its end may have come earlier in this batch.
        let Some(Some(entry)) = table.entries.get_mut(at as usize) else { return };
        let tunnel = &mut entry.tunnel;
        let failed = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        let readable = failed || flags.contains(EventFlags::IN);
        let writable = failed || flags.contains(EventFlags::OUT);
        let hung_up = failed || flags.contains(EventFlags::RDHUP);
        if number & UPSTREAM == 0 {
            tunnel.client.heard(readable, writable, hung_up);
        } else {
            tunnel.upstream.heard(readable, writable, hung_up);
        }
        let ended = table.turn(at, now);
        drop(table);
        finish(ended);
    }

    /// Those that were not done when their turn was over; false if there were none.
    fn unfinished(&self, now: u64) -> bool {
        let count = self.table.borrow().unfinished.len();
        for number in 0..count {
            let mut table = self.table.borrow_mut();
            let at = table.unfinished[number];
            let Some(Some(entry)) = table.entries.get_mut(at as usize) else { continue };
            entry.again = false;
            let ended = table.turn(at, now);
            drop(table);
            finish(ended);
        }
        self.table.borrow_mut().unfinished.drain(..count);
        count > 0
    }

    /// Those whose moment has come.
    fn due(&self, now: u64) {
        loop {
            let mut table = self.table.borrow_mut();
            let Some(at) = table.deadlines.due(now) else { return };
            if let Some(entry) = &mut table.entries[at as usize] {
                entry.deadline = NEVER;
            }
            let ended = table.turn(at, now);
            drop(table);
            finish(ended);
        }
    }

    fn register(&self, at: u32, tunnel: &Tunnel<OwnedFd>) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let number = u64::from(at) << 1;
        epoll::add(&self.epoll, &tunnel.client.socket, EventData::new_u64(number), flags)?;
        epoll::add(&self.epoll, &tunnel.upstream.socket, EventData::new_u64(number | UPSTREAM), flags)?;
        Ok(())
    }
}

/// A tunnel that is over, and how it ended.
type Ended<E> = Option<(Box<Entry<E>>, Closing)>;

/// Closes the sockets, then tells the owner.
fn finish<E: WhenEnded>(ended: Ended<E>) {
    if let Some((entry, closing)) = ended {
        let Entry { tunnel, owner, .. } = *entry;
        drop(tunnel);
        owner.ended(closing);
    }
}

impl<E> Table<E> {
    /// A place for one more.
    fn place(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        })
    }

    /// Gives a tunnel its turn.
    fn turn(&mut self, at: u32, now: u64) -> Ended<E> {
        let entry = self.entries[at as usize].as_mut()?;
        // A bug that shows in one tunnel is that tunnel's end, and not that of all others.
        let next = catch_unwind(AssertUnwindSafe(|| borrow_buffer(|buffer| entry.tunnel.turn(now, buffer))));
        let closing = match next {
            Ok(Next::Ended(closing)) => closing,
            Ok(Next::Wait(deadline)) => {
                self.wait(at, deadline);
                return None;
            }
            Ok(Next::Again) => {
                if !entry.again {
                    entry.again = true;
                    self.unfinished.push(at);
                }
                // Its place among the deadlines is asked for again when it is done.
                if entry.deadline == NEVER {
                    self.wait(at, now + 1);
                }
                return None;
            }
            Err(_) => entry.tunnel.abandon(Why::Panicked, now),
        };
        self.take(at).map(|entry| (entry, closing))
    }

    /// Has the tunnel wait for a moment, at the latest.
    fn wait(&mut self, at: u32, deadline: u64) {
        let Some(entry) = &mut self.entries[at as usize] else { return };
        // Most often nothing has to be done: what it waits for has moved away.
        if deadline < entry.deadline {
            self.deadlines.remove(entry.deadline, at);
            self.deadlines.add(deadline, at);
            entry.deadline = deadline;
        }
    }

    fn take(&mut self, at: u32) -> Option<Box<Entry<E>>> {
        let entry = self.entries[at as usize].take()?;
        self.deadlines.remove(entry.deadline, at);
        self.free.push(at);
        Some(entry)
    }
}
