//! Each kind of scenario, through one proxy: a load, tunnels that only stand, messages at a pace.

use std::io;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::sleep;
use wsproxy::net::Stream;

use super::load::{Message, Tally, Work, clients, open, push};
use super::memory::memory;
use super::pace::{Pace, Paced};
use super::process::processor_time;
use super::tables::Sample;

/// As many tunnels as 20,000 descriptors a process allow.
pub const TUNNELS: usize = 9_900;

/// How long a load is measured, once it has warmed up.
const MEASURED: Duration = Duration::from_millis(250);
const WARM_UP: Duration = Duration::from_millis(50);

/// Until a proxy has done what follows the opening of tunnels.
const SETTLING: Duration = Duration::from_millis(500);

/// Tunnels opened at the same time.
const OPENING_AT_ONCE: usize = 50;

/// Idle tunnels around a hot one, and the message it is hot with.
const AROUND: usize = 9_800;
const HOT: usize = 64 << 10;

const BURST: usize = 64 << 20;

/// What goes on while messages keep their pace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    Nothing,
    /// One tunnel sends large messages as fast as it can, thousands are idle.
    Hot,
    /// One client sends all it can and reads nothing.
    SlowReader,
    /// One message after the other, of 64 MiB.
    Burst,
}

/// Something over and over, as often as it goes.
pub async fn load(work: Work, count: usize, port: u16, pid: Option<u32>) -> io::Result<Sample> {
    let tally = Tally::default();
    let tasks = clients(count, work, port, &tally);
    sleep(WARM_UP).await;
    let spent = Spent::from_now(pid, &tally);
    sleep(MEASURED).await;
    let sample = spent.until_now();
    tally.stop();
    for task in tasks {
        task.await.map_err(io::Error::other)??;
    }
    Ok(sample)
}

/// What a proxy has spent, and its clients done, since some moment.
struct Spent<'a> {
    pid: Option<u32>,
    tally: &'a Tally,
    processor: Duration,
    done: u64,
    since: Instant,
}

impl Spent<'_> {
    fn from_now(pid: Option<u32>, tally: &Tally) -> Spent<'_> {
        let processor = pid.map_or(Duration::ZERO, processor_time);
        Spent { pid, tally, processor, done: tally.done(), since: Instant::now() }
    }

    fn until_now(self) -> Sample {
        let (done, lasted) = ((self.tally.done() - self.done) as f64, self.since.elapsed());
        let cost = self.pid.map(|pid| (processor_time(pid) - self.processor).as_secs_f64() * 1e6 / done);
        // Nothing done in all that time has no cost.
        let cost = cost.filter(|cost| cost.is_finite());
        Sample { cost, rate: Some(done / lasted.as_secs_f64()), latency: None }
    }
}

/// Memory of tunnels that carried one message each.
pub async fn idle(tunnels: usize, message: usize, port: u16, pid: Option<u32>) -> io::Result<Sample> {
    let used = || pid.map_or(0, memory) as f64;
    // What a proxy allocates once, it has now.
    drop(fill(OPENING_AT_ONCE, message, port).await?);
    sleep(SETTLING).await;
    let before = used();
    let sockets = fill(tunnels, message, port).await?;
    sleep(SETTLING).await;
    let cost = (used() - before) / sockets.len() as f64;
    Ok(Sample { cost: Some(cost), ..Sample::default() })
}

/// How long messages take that others send beside.
pub async fn paced(pace: Pace, beside: Beside, port: u16, pid: Option<u32>) -> io::Result<Sample> {
    let _around = fill(if beside == Beside::Hot { AROUND } else { 0 }, 100, port).await?;
    let (paced, tally) = (Paced::open(pace, port)?, Tally::default());
    let others = match beside {
        Beside::Nothing => Vec::new(),
        Beside::Hot => clients(1, Work::Messages(HOT), port, &tally),
        Beside::Burst => clients(1, Work::Messages(BURST), port, &tally),
        Beside::SlowReader => vec![tokio::task::spawn_local(push(port, BURST))],
    };
    sleep(WARM_UP).await;
    let spent = Spent::from_now(pid, &tally);
    let latencies = tokio::task::spawn_blocking(|| paced.keep()).await.map_err(io::Error::other)??;
    let sample = spent.until_now();
    for other in others {
        // None of them is to end by itself.
        if other.is_finished() {
            other.await.map_err(io::Error::other)??;
        } else {
            other.abort();
        }
    }
    let latency = Some((latencies.within(0.5), latencies.within(0.99)));
    match beside {
        // Processor time of a few messages beside says nothing of those that were counted.
        Beside::Hot => Ok(Sample { latency, ..sample }),
        _ => Ok(Sample { latency, ..Sample::default() }),
    }
}

async fn fill(tunnels: usize, message: usize, port: u16) -> io::Result<Vec<Stream>> {
    let mut sockets = Vec::with_capacity(tunnels);
    while sockets.len() < tunnels {
        let count = OPENING_AT_ONCE.min(tunnels - sockets.len());
        let opening: Vec<JoinHandle<io::Result<Stream>>> = (0..count)
            .map(|_| {
                tokio::task::spawn_local(async move {
                    let mut socket = open(port).await?;
                    Message::new(message).exchange(&mut socket).await?;
                    Ok(socket)
                })
            })
            .collect();
        for socket in opening {
            sockets.push(socket.await.map_err(io::Error::other)??);
        }
    }
    Ok(sockets)
}
