//! Messages at a steady pace, however slowly they are answered, and how long each took.
//!
//! Time counts from the moment a message was due. A client that waits for an answer before it sends again
//! would spare a proxy that stalls just the messages that would have shown it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use super::load::{HANDSHAKE, Message};
use super::upstream::find;

/// Bytes of a message.
const SIZE: usize = 100;

/// So much of the time is not counted, at its beginning.
const WARM_UP: Duration = Duration::from_millis(200);

/// How long answers are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Events taken at once.
const EVENTS: usize = 256;

/// What is sent: so many messages a second in all, over so many tunnels in turn.
#[derive(Clone, Copy)]
pub struct Pace {
    pub tunnels: usize,
    pub rate: f64,
    pub lasting: Duration,
}

/// Tunnels that are open, ready to be sent over. Belongs on a thread of its own.
pub struct Paced {
    pace: Pace,
    epoll: OwnedFd,
    tunnels: Vec<Tunnel>,
    frame: Vec<u8>,
    echo: usize,
}

struct Tunnel {
    socket: TcpStream,
    /// When the messages that are under way were due.
    due: VecDeque<Instant>,
    /// Bytes of the first one's echo that have come.
    came: usize,
}

impl Paced {
    pub fn open(pace: Pace, port: u16) -> io::Result<Paced> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let tunnels = (0..pace.tunnels).map(|at| {
            let tunnel = Tunnel::open(port)?;
            let data = epoll::EventData::new_u64(at as u64);
            epoll::add(&epoll, &tunnel.socket, data, epoll::EventFlags::IN)?;
            Ok(tunnel)
        });
        let tunnels = tunnels.collect::<io::Result<_>>()?;
        let message = Message::new(SIZE);
        let (frame, echo) = (message.frame().to_vec(), message.echo_size());
        Ok(Paced { pace, epoll, tunnels, frame, echo })
    }

    /// Sends until the time is over and all echoes have come.
    pub fn keep(mut self) -> io::Result<Latencies> {
        // Where it cannot be told, sleeping may last 50 µs longer, which is the same for all.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let start = Instant::now();
        let interval = Duration::from_secs_f64(1.0 / self.pace.rate);
        let count = (self.pace.lasting.as_secs_f64() * self.pace.rate) as u32;
        let end = start + self.pace.lasting + PATIENCE;
        let (mut sent, mut came) = (0, 0);
        let mut latencies = Latencies { counted_from: start + WARM_UP, sorted: Vec::new() };
        let mut events = Vec::with_capacity(EVENTS);
        while came < count {
            let mut now = Instant::now();
            while sent < count && start + interval * sent <= now {
                let tunnel = sent as usize % self.tunnels.len();
                self.tunnels[tunnel].send(&self.frame, start + interval * sent)?;
                sent += 1;
                now = Instant::now();
            }
            let next = if sent < count { start + interval * sent } else { end };
            if now > end {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "messages without an echo"));
            }
            self.wait(&mut events, next.saturating_duration_since(now))?;
            for event in events.drain(..) {
                let tunnel = &mut self.tunnels[event.data.u64() as usize];
                came += tunnel.receive(self.echo, &mut latencies)?;
            }
        }
        latencies.sorted.sort_unstable();
        Ok(latencies)
    }

    fn wait(&self, events: &mut Vec<epoll::Event>, lasting: Duration) -> io::Result<()> {
        let lasting = Timespec { tv_sec: lasting.as_secs() as i64, tv_nsec: lasting.subsec_nanos().into() };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), Some(&lasting)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Tunnel {
    fn open(port: u16) -> io::Result<Tunnel> {
        let mut socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_nodelay(true)?;
        socket.write_all(HANDSHAKE)?;
        let (mut answer, mut buffer) = (Vec::new(), [0; 1024]);
        while find(&answer, b"\r\n\r\n").is_none() {
            match socket.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => answer.extend_from_slice(&buffer[..length]),
            }
        }
        socket.set_nonblocking(true)?;
        Ok(Tunnel { socket, due: VecDeque::new(), came: 0 })
    }

    /// A socket holds seconds of such messages: one that takes no more has been left for dead.
    fn send(&mut self, frame: &[u8], due: Instant) -> io::Result<()> {
        if self.socket.write(frame)? < frame.len() {
            return Err(io::Error::other("nothing is taken any more"));
        }
        self.due.push_back(due);
        Ok(())
    }

    /// How many echoes are whole now.
    fn receive(&mut self, echo: usize, latencies: &mut Latencies) -> io::Result<u32> {
        let mut buffer = [0; 4096];
        match self.socket.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => self.came += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        }
        let (now, mut whole) = (Instant::now(), 0);
        while self.came >= echo {
            self.came -= echo;
            let due = self.due.pop_front().ok_or_else(|| io::Error::other("an echo of nothing"))?;
            latencies.add(due, now);
            whole += 1;
        }
        Ok(whole)
    }
}

pub struct Latencies {
    counted_from: Instant,
    sorted: Vec<Duration>,
}

impl Latencies {
    fn add(&mut self, due: Instant, now: Instant) {
        if due >= self.counted_from {
            self.sorted.push(now - due);
        }
    }

    /// Microseconds within which such a part of all messages came back.
    pub fn within(&self, part: f64) -> f64 {
        let at = (self.sorted.len() as f64 * part) as usize;
        self.sorted
            .get(at.min(self.sorted.len().saturating_sub(1)))
            .map_or(0.0, |latency| latency.as_secs_f64() * 1e6)
    }
}
