//! What is measured, in rounds, and the tables that come out.

use std::fmt::Write;
use std::io;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::sleep;
use wsproxy::net::Stream;

use super::load::{Message, Tally, Work, clients, open};
use super::measure::{memory, processor_time};
use super::proxies::{Place, Proxy};
use super::upstream::worker;

pub struct Scenario {
    pub name: &'static str,
    title: &'static str,
    kind: Kind,
}

enum Kind {
    Load {
        work: Work,
        clients: usize,
    },
    /// So many tunnels at once; each carries a message of so many bytes and is left alone.
    Idle {
        tunnels: usize,
        message: usize,
    },
}

pub const SCENARIOS: &[Scenario] = &[
    Scenario::load("messages-100", "100 B message", Work::Messages(100), 64),
    Scenario::load("messages-4k", "4 KiB message", Work::Messages(4 << 10), 64),
    Scenario::load("messages-64k", "64 KiB message", Work::Messages(64 << 10), 16),
    Scenario::load("messages-1m", "1 MiB message", Work::Messages(1 << 20), 4),
    Scenario::load("handshakes", "WebSocket handshake", Work::Handshakes, 32),
    Scenario::load("requests", "plain HTTP request", Work::Requests, 64),
    Scenario::idle("idle", "idle tunnel", 100),
    Scenario::idle("idle-64k", "idle tunnel, after a 64 KiB message", 64 << 10),
];

/// As many tunnels as 20,000 descriptors a process allow.
const TUNNELS: usize = 9_900;

/// Before the clock of a load starts, and then.
const WARM_UP: Duration = Duration::from_millis(50);
const MEASURED: Duration = Duration::from_millis(250);

/// Until a proxy has done what follows the opening of tunnels.
const SETTLING: Duration = Duration::from_millis(500);

/// Tunnels opened at the same time.
const OPENING_AT_ONCE: usize = 50;

impl Scenario {
    const fn load(name: &'static str, title: &'static str, work: Work, clients: usize) -> Scenario {
        Scenario { name, title, kind: Kind::Load { work, clients } }
    }

    const fn idle(name: &'static str, title: &'static str, message: usize) -> Scenario {
        Scenario { name, title, kind: Kind::Idle { tunnels: TUNNELS, message } }
    }
}

/// One proxy in one round of one scenario.
#[derive(Clone, Copy)]
struct Sample {
    /// Processor microseconds, or bytes, for one.
    cost: f64,
    /// Done in a second; 0 for what only stands.
    rate: f64,
}

pub fn run(
    scenarios: &[&Scenario],
    proxies: &[Proxy],
    place: &Place<'_>,
    rounds: usize,
) -> Result<String, String> {
    // By scenario, then by proxy; behind those, without one.
    let mut samples: Vec<Vec<Vec<Sample>>> =
        scenarios.iter().map(|_| vec![Vec::new(); proxies.len() + 1]).collect();
    for round in 0..rounds {
        for (scenario, samples) in scenarios.iter().zip(&mut samples) {
            eprintln!("round {} of {rounds}: {}", round + 1, scenario.title);
            for at in 0..proxies.len() {
                // Each of them begins a round as often as the others.
                let at = (at + round) % proxies.len();
                let (proxy, samples) = (&proxies[at], &mut samples[at]);
                let failed = |error| format!("{} through {}: {error}", scenario.title, proxy.kind.title);
                match scenario.kind {
                    Kind::Load { .. } => samples.push(measure(scenario, proxy).map_err(failed)?),
                    // Memory that was given back is taken again without being asked for: only the first
                    // filling of a proxy tells what a tunnel takes, and the same each time.
                    Kind::Idle { .. } if round > 0 => {}
                    Kind::Idle { .. } => {
                        let fresh = Proxy::start(proxy.kind, place)?;
                        samples.push(measure(scenario, &fresh).map_err(failed)?);
                    }
                }
            }
            if let Kind::Load { work, clients } = scenario.kind {
                let direct = worker().block_on(load(work, clients, place.upstream, None));
                samples[proxies.len()].push(direct.map_err(|error| error.to_string())?);
            }
        }
    }
    Ok(tables(scenarios, proxies, &samples))
}

fn measure(scenario: &Scenario, proxy: &Proxy) -> io::Result<Sample> {
    worker().block_on(async {
        match scenario.kind {
            Kind::Load { work, clients } => load(work, clients, proxy.port(), Some(proxy.pid())).await,
            Kind::Idle { tunnels, message } => idle(tunnels, message, proxy.port(), proxy.pid()).await,
        }
    })
}

async fn load(work: Work, count: usize, port: u16, pid: Option<u32>) -> io::Result<Sample> {
    let tally = Tally::default();
    let tasks = clients(count, work, port, &tally);
    sleep(WARM_UP).await;
    let spent = || pid.map_or(Duration::ZERO, processor_time);
    let (done, before, start) = (tally.done(), spent(), Instant::now());
    sleep(MEASURED).await;
    let (done, after, lasted) = (tally.done() - done, spent(), start.elapsed());
    tally.stop();
    for task in tasks {
        task.await.map_err(io::Error::other)??;
    }
    let cost = (after - before).as_secs_f64() * 1e6 / done as f64;
    Ok(Sample { cost, rate: done as f64 / lasted.as_secs_f64() })
}

async fn idle(tunnels: usize, message: usize, port: u16, pid: u32) -> io::Result<Sample> {
    // What a proxy allocates once, it has now.
    drop(fill(OPENING_AT_ONCE, message, port).await?);
    sleep(SETTLING).await;
    let before = memory(pid);
    let sockets = fill(tunnels, message, port).await?;
    sleep(SETTLING).await;
    let cost = (memory(pid) as f64 - before as f64) / sockets.len() as f64;
    Ok(Sample { cost, rate: 0.0 })
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

fn tables(scenarios: &[&Scenario], proxies: &[Proxy], samples: &[Vec<Vec<Sample>>]) -> String {
    let names: Vec<&str> = proxies.iter().map(|proxy| proxy.kind.title).collect();
    let mut costs = head("of the proxy, for one", &names);
    let mut rates = head("in a second", &[&names[..], &["direct"]].concat());
    for (scenario, samples) in scenarios.iter().zip(samples) {
        let cost = |own: &Vec<Sample>| {
            let cost = median(own.iter().map(|sample| sample.cost));
            let ratio = median(own.iter().zip(&samples[0]).map(|(own, first)| own.cost / first.cost));
            match scenario.kind {
                Kind::Load { .. } => format!("{cost:.1} µs, {ratio:.2}"),
                Kind::Idle { .. } => format!("{cost:.0} B, {ratio:.2}"),
            }
        };
        row(&mut costs, scenario.title, samples[..proxies.len()].iter().map(cost));
        let rate = |own: &Vec<Sample>| format!("{:.0}", median(own.iter().map(|sample| sample.rate)));
        if matches!(scenario.kind, Kind::Load { .. }) {
            row(&mut rates, scenario.title, samples.iter().map(rate));
        }
    }
    format!("{costs}\n{rates}")
}

fn head(corner: &str, names: &[&str]) -> String {
    format!("| {corner} | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()))
}

fn row(table: &mut String, title: &str, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.collect();
    let _ = writeln!(table, "| {title} | {} |", cells.join(" | "));
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
