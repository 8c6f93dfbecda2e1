//! All tunnels of a worker: what waits for their sockets and their deadlines.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::yield_now;
use tokio::time::sleep_until;

use crate::net::{BUFFER_SIZE, wall_clock};

use super::deadlines::Deadlines;
use super::machine::NEVER;
use super::{Closing, Drained, Next, Opened, Rules, Tunnel, Why};

/// Events taken from the system at once.
const EVENTS: usize = 256;

/// The longest wait that is asked of the system, in milliseconds: a day.
const LONGEST_WAIT: u64 = 24 * 60 * 60 * 1000;

/// How often the system is asked for events before the worker's other tasks get their turn.
const ROUNDS: usize = 4;

/// A batch as small as this was all there is, most likely: the rest is waited for.
const FEW: usize = 1;

/// Does not wait.
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// How many turns a tunnel has where it began before it is taken for one that talks.
const TALKING: u8 = 64;

/// The number of the bell's events: that of no socket.
const BELL: u64 = u64::MAX;

/// Which side of a tunnel an event is about: the lowest bit of its number.
const UPSTREAM: u64 = 1;

/// To whom a tunnel belongs.
pub trait Owner: Send + 'static {
    /// The tunnel is over and its sockets are closed.
    fn ended(self, closing: Closing);
}

/// A worker's tunnels. Each is two sockets and a few hundred bytes; it has no task and no timer of its own.
///
/// The busy ones live on a thread that does nothing else. Between two messages it waits in one system call,
/// and what it adds to those that move a message is one look into a table; requests do not wait for them.
/// A tunnel begins where its request was served, though, to whose runtime all tunnels are one descriptor, and
/// moves when it has shown that it talks: going from thread to thread costs more than many a socket lives for.
pub struct Tunnels<E: Owner> {
    /// Where tunnels begin.
    door: Arc<Door<E>>,
    /// Ends when this is dropped.
    _thread: Busy<E>,
}

/// The thread of the busy ones.
struct Busy<E: Owner> {
    door: Arc<Door<E>>,
    thread: Option<JoinHandle<()>>,
}

/// Where others leave word for the thread.
struct Door<E> {
    messages: Mutex<Vec<Message<E>>>,
    /// Wakes a thread; a task has a waker.
    bell: Option<OwnedFd>,
    task: AtomicWaker,
}

enum Message<E> {
    Join(Box<Joining<E>>),
    Move(Box<Entry<E>>),
    Leave(Box<Judge<E>>),
    Stop,
}

struct Joining<E> {
    client: Opened<OwnedFd>,
    upstream: Opened<OwnedFd>,
    rules: Arc<Rules>,
    websocket: bool,
    expires: Option<Duration>,
    owner: E,
}

/// Says of a tunnel whether it is to end, after how long and why.
type Judge<E> = dyn FnMut(&E) -> Option<(Duration, Drained)> + Send;

impl<E: Owner> Tunnels<E> {
    /// Starts the thread, on which tunnels are from the beginning then: for a process without a runtime.
    ///
    /// # Errors
    /// What the system says when it has no descriptor or no thread left.
    pub fn start(name: String) -> io::Result<Tunnels<E>> {
        let thread = Busy::start(name, Instant::now())?;
        Ok(Tunnels { door: thread.door.clone(), _thread: thread })
    }

    /// Starts the thread, and gives what serves the tunnels that have just begun: a task for this thread, to
    /// be polled within a runtime. It ends with an error of the system's alone.
    ///
    /// # Errors
    /// What the system says when it has no descriptor or no thread left.
    pub fn here(name: String) -> io::Result<(Tunnels<E>, impl Future<Output = io::Result<()>>)> {
        let began = Instant::now();
        let thread = Busy::start(name, began)?;
        let reactor = Reactor::new(began, Some(thread.door.clone()))?;
        Ok((Tunnels { door: reactor.door.clone(), _thread: thread }, reactor.serve()))
    }

    /// Joins two sockets that do not block; `websocket` says whether frames go through them, `expires` when their
    /// token does, since 1970. `owner` is told of the end, also where there is no beginning: if the system does
    /// not let their events be waited for.
    pub fn join(
        &self,
        client: Opened<OwnedFd>,
        upstream: Opened<OwnedFd>,
        rules: Arc<Rules>,
        websocket: bool,
        expires: Option<Duration>,
        owner: E,
    ) {
        let joining = Joining { client, upstream, rules, websocket, expires, owner };
        self.door.leave(Message::Join(Box::new(joining)));
    }

    /// Has tunnels end for the reason that `judge` gives, after so long; those it gives none for go on. Each
    /// may be told so more than once: the earliest counts. It is about the tunnels that are there now.
    pub fn leave(&self, judge: impl FnMut(&E) -> Option<(Duration, Drained)> + Send + 'static) {
        self.door.leave(Message::Leave(Box::new(judge)));
    }
}

impl<E: Owner> Busy<E> {
    fn start(name: String, began: Instant) -> io::Result<Busy<E>> {
        let reactor = Reactor::new(began, None)?;
        let door = reactor.door.clone();
        let thread = thread::Builder::new().name(name).spawn(move || reactor.run())?;
        Ok(Busy { door, thread: Some(thread) })
    }
}

impl<E: Owner> Drop for Busy<E> {
    /// Cuts whatever tunnels there are.
    fn drop(&mut self) {
        self.door.leave(Message::Stop);
        if let Some(thread) = self.thread.take() {
            // What it panicked with has been said.
            let _ = thread.join();
        }
    }
}

impl<E> Door<E> {
    fn messages(&self) -> MutexGuard<'_, Vec<Message<E>>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves word, and rings if nobody has since the thread last looked.
    fn leave(&self, message: Message<E>) {
        let mut messages = self.messages();
        messages.push(message);
        if messages.len() > 1 {
            return;
        }
        match &self.bell {
            // It is full after as many rings as there are numbers, and rings even then.
            Some(bell) => drop(rustix::io::write(bell, &1u64.to_ne_bytes())),
            None => self.task.wake(),
        }
    }
}

struct Reactor<E> {
    epoll: OwnedFd,
    began: Instant,
    door: Arc<Door<E>>,
    entries: Vec<Option<Box<Entry<E>>>>,
    free: Vec<u32>,
    deadlines: Deadlines,
    /// Tunnels that want another turn at once.
    unfinished: Vec<u32>,
    /// Every tunnel reads into it, so that none that idles owns one.
    buffer: Vec<u8>,
    /// Where those go that talk.
    busy: Option<Arc<Door<E>>>,
}

struct Entry<E> {
    tunnel: Tunnel<OwnedFd>,
    /// Its place among the deadlines. It may want a later one by now: that is found out when this has come.
    deadline: u64,
    /// It is among the unfinished.
    again: bool,
    /// How often something has passed through it here.
    passed: u8,
    owner: E,
}

impl<E: Owner> Entry<E> {
    /// Closes the sockets, then tells the owner.
    fn finish(self, closing: Closing) {
        let Entry { tunnel, owner, .. } = self;
        drop(tunnel);
        owner.ended(closing);
    }
}

impl<E: Owner> Reactor<E> {
    fn new(began: Instant, busy: Option<Arc<Door<E>>>) -> io::Result<Reactor<E>> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut bell = None;
        if busy.is_none() {
            let new = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            epoll::add(&epoll, &new, EventData::new_u64(BELL), EventFlags::IN | EventFlags::ET)?;
            bell = Some(new);
        }
        let door = Arc::new(Door { messages: Mutex::default(), bell, task: AtomicWaker::new() });
        Ok(Reactor {
            epoll,
            began,
            door,
            entries: Vec::new(),
            free: Vec::new(),
            deadlines: Deadlines::default(),
            unfinished: Vec::new(),
            buffer: vec![0; BUFFER_SIZE],
            busy,
        })
    }

    /// Serves the tunnels until it is told to stop.
    fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            match self.round(&mut events, self.patience()) {
                Ok(true) => return,
                Ok(false) => {}
                // Not with an epoll and a buffer of our own. If it happens all the same, it shall not spin.
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// The same as a task of a runtime, to which all sockets are one descriptor.
    async fn serve(mut self) -> io::Result<()> {
        #[expect(deprecated, reason = "an OwnedFd keeps what the unsafe successor wants promised")]
        let socket = AsyncFd::with_interest(self.epoll.try_clone()?, Interest::READABLE)?;
        let mut clock = pin!(sleep_until(self.next_moment()));
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let mut rounds = 0;
            // What comes while something is done need not be waited for.
            while rounds == 0 || events.len() > FEW || !self.unfinished.is_empty() {
                if self.round(&mut events, AT_ONCE)? {
                    return Ok(());
                }
                rounds += 1;
                if rounds % ROUNDS == 0 {
                    yield_now().await;
                }
            }
            let next = self.next_moment();
            if next < clock.deadline() || clock.is_elapsed() {
                clock.as_mut().reset(next);
            }
            poll_fn(|cx| {
                self.door.task.register(cx.waker());
                if clock.as_mut().poll(cx).is_ready() || !self.door.messages().is_empty() {
                    return Poll::Ready(Ok(()));
                }
                socket.poll_read_ready(cx).map_ok(|mut ready| ready.clear_ready())
            })
            .await?;
        }
    }

    /// When something is due, whatever the sockets have to say.
    fn next_moment(&self) -> tokio::time::Instant {
        let latest = self.now() + LONGEST_WAIT;
        let moment = self.deadlines.first().map_or(latest, |first| first.min(latest));
        tokio::time::Instant::from_std(self.began + Duration::from_millis(moment))
    }

    /// Waits for events, as many as there is room for, and does what there is to do. True if that is to stop.
    /// An error is the system's, which has no events to give.
    fn round(&mut self, events: &mut Vec<Event>, patience: Timespec) -> io::Result<bool> {
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&patience)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let now = self.now();
        let mut rung = false;
        for event in events.iter() {
            match event.data.u64() {
                BELL => rung = true,
                number => self.heard(number, event.flags, now),
            }
        }
        self.go_on(now);
        self.due(now);
        Ok((rung || self.door.bell.is_none()) && self.obey(now))
    }

    /// How long the system may wait for events.
    fn patience(&self) -> Timespec {
        let wait = match self.deadlines.first() {
            _ if !self.unfinished.is_empty() => 0,
            Some(moment) => moment.saturating_sub(self.now()).min(LONGEST_WAIT),
            None => LONGEST_WAIT,
        };
        Timespec { tv_sec: (wait / 1000) as i64, tv_nsec: (wait % 1000 * 1_000_000) as i64 }
    }

    /// Milliseconds since the clock began.
    fn now(&self) -> u64 {
        // Enough for all time.
        self.began.elapsed().as_millis() as u64
    }

    fn heard(&mut self, number: u64, flags: EventFlags, now: u64) {
        let at = (number >> 1) as u32;
        // Its end may have come earlier in this batch.
        let Some(Some(entry)) = self.entries.get_mut(at as usize) else { return };
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
        self.turn(at, now);
    }

    /// Gives those another turn that were not done when theirs was over.
    fn go_on(&mut self, now: u64) {
        for number in 0..self.unfinished.len() {
            let at = self.unfinished[number];
            if let Some(Some(entry)) = self.entries.get_mut(at as usize) {
                entry.again = false;
                self.turn(at, now);
            }
        }
        // Those that are not done yet have been put behind them once more.
        let again = |at: &u32| matches!(&self.entries[*at as usize], Some(entry) if entry.again);
        self.unfinished.retain(again);
        self.unfinished.sort_unstable();
        self.unfinished.dedup();
    }

    /// Gives those a turn whose moment has come.
    fn due(&mut self, now: u64) {
        while let Some(at) = self.deadlines.due(now) {
            if let Some(entry) = &mut self.entries[at as usize] {
                entry.deadline = NEVER;
                if entry.tunnel.wants_clock(now) {
                    entry.tunnel.tell_clock(now, milliseconds(wall_clock()));
                }
                // After a standstill of the whole machine its events may be among those still to be taken:
                // nobody is silent who has not been looked at.
                entry.tunnel.client.heard(true, true, false);
                entry.tunnel.upstream.heard(true, true, false);
            }
            self.turn(at, now);
        }
    }

    /// Does what others have left word of. True if that is to stop.
    fn obey(&mut self, now: u64) -> bool {
        let messages = std::mem::take(&mut *self.door.messages());
        for message in messages {
            match message {
                Message::Join(joining) => self.join(*joining, now),
                Message::Move(entry) => self.settle(entry, now),
                Message::Leave(judge) => {
                    let judge = self.leave(judge, now);
                    // Those that have moved before are told behind their arrival.
                    if let Some(busy) = &self.busy {
                        busy.leave(Message::Leave(judge));
                    }
                }
                Message::Stop => return true,
            }
        }
        false
    }

    fn join(&mut self, joining: Joining<E>, now: u64) {
        let Joining { client, upstream, rules, websocket, expires, owner } = joining;
        let mut tunnel = Tunnel::new(client, upstream, rules, websocket, now);
        if let Some(moment) = expires {
            tunnel.expire_at(milliseconds(moment));
        }
        let deadline = tunnel.deadline();
        self.settle(Box::new(Entry { tunnel, deadline, again: false, passed: 0, owner }), now);
    }

    /// Waits for a tunnel from now on.
    fn settle(&mut self, mut entry: Box<Entry<E>>, now: u64) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        });
        if let Err(error) = self.register(at, &entry.tunnel) {
            self.free.push(at);
            let closing = entry.tunnel.abandon(Why::Refused(error), now);
            return entry.finish(closing);
        }
        self.deadlines.add(entry.deadline, at);
        self.entries[at as usize] = Some(entry);
    }

    /// Something has passed through a tunnel: one that talks goes to the thread of those that do.
    fn has_passed(&mut self, at: u32) {
        let Some(busy) = &self.busy else { return };
        let Some(entry) = &mut self.entries[at as usize] else { return };
        entry.passed += 1;
        if entry.passed < TALKING {
            return;
        }
        let Some(mut entry) = self.entries[at as usize].take() else { return };
        self.deadlines.remove(entry.deadline, at);
        self.free.push(at);
        entry.again = false;
        // It can only fail for sockets that are not there.
        let _ = epoll::delete(&self.epoll, &entry.tunnel.client.socket);
        let _ = epoll::delete(&self.epoll, &entry.tunnel.upstream.socket);
        busy.leave(Message::Move(entry));
    }

    fn register(&self, at: u32, tunnel: &Tunnel<OwnedFd>) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let number = u64::from(at) << 1;
        epoll::add(&self.epoll, &tunnel.client.socket, EventData::new_u64(number), flags)?;
        epoll::add(&self.epoll, &tunnel.upstream.socket, EventData::new_u64(number | UPSTREAM), flags)?;
        Ok(())
    }

    fn leave(&mut self, mut judge: Box<Judge<E>>, now: u64) -> Box<Judge<E>> {
        for at in 0..self.entries.len() as u32 {
            let Some(entry) = &mut self.entries[at as usize] else { continue };
            let Some((after, why)) = judge(&entry.owner) else { continue };
            let moment = now.saturating_add(milliseconds(after));
            entry.tunnel.leave_at(moment, why);
            self.wait(at, moment);
        }
        judge
    }

    /// Gives a tunnel its turn.
    fn turn(&mut self, at: u32, now: u64) {
        let Some(entry) = self.entries[at as usize].as_mut() else { return };
        // A bug that shows in one tunnel is that tunnel's end, and not that of all others.
        let turn = AssertUnwindSafe(|| entry.tunnel.turn(now, &mut self.buffer));
        let next = catch_unwind(turn);
        let closing = match next {
            Ok(Next::Still) if entry.deadline != NEVER => return self.has_passed(at),
            Ok(Next::Still) => return self.wait(at, now + 1),
            Ok(Next::Wait(deadline)) => {
                self.wait(at, deadline);
                return self.has_passed(at);
            }
            Ok(Next::Again) => {
                if !entry.again {
                    entry.again = true;
                    self.unfinished.push(at);
                }
                // It is asked for its next deadline when it is done.
                if entry.deadline == NEVER {
                    self.wait(at, now + 1);
                }
                return;
            }
            Ok(Next::Ended(closing)) => closing,
            Err(_) => entry.tunnel.abandon(Why::Panicked, now),
        };
        if let Some(entry) = self.entries[at as usize].take() {
            self.deadlines.remove(entry.deadline, at);
            self.free.push(at);
            entry.finish(closing);
        }
    }

    /// Has a tunnel wait for a moment, at the latest.
    fn wait(&mut self, at: u32, deadline: u64) {
        let Some(entry) = &mut self.entries[at as usize] else { return };
        // Most often nothing has to be done: what it waits for has moved away.
        if deadline < entry.deadline {
            self.deadlines.remove(entry.deadline, at);
            self.deadlines.add(deadline, at);
            entry.deadline = deadline;
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests;
