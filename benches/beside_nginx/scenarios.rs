//! What is measured, in rounds.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use super::load::Work;
use super::measure::{Beside, TUNNELS, idle, load, paced};
use super::pace::Pace;
use super::proxies::{Place, Proxy};
use super::tables::{Row, Sample, print};
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
    /// Messages at a steady pace over so many tunnels, beside something else.
    Paced {
        tunnels: usize,
        pace: PerSecond,
        beside: Beside,
    },
}

enum PerSecond {
    Messages(f64),
    /// This part of what the slowest proxy can do.
    OfSlowest(f64),
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
    Scenario {
        name: "latency",
        title: "100 B message, 64 tunnels",
        kind: Kind::Paced { tunnels: 64, pace: PerSecond::OfSlowest(0.65), beside: Beside::Nothing },
    },
    Scenario::beside("hot", "64 KiB messages of one of 9,800 tunnels; others", Beside::Hot),
    Scenario::beside("slow-reader", "beside one whose client does not read", Beside::SlowReader),
    Scenario::beside("burst", "beside 64 MiB through one tunnel", Beside::Burst),
];

/// Latencies need fewer rounds: thousands of messages are in each. One round in so many has them.
const PACED_ROUNDS: usize = 4;

/// How long a pace is kept.
const PACED: Duration = Duration::from_millis(1200);

impl Scenario {
    const fn load(name: &'static str, title: &'static str, work: Work, clients: usize) -> Scenario {
        Scenario { name, title, kind: Kind::Load { work, clients } }
    }

    const fn idle(name: &'static str, title: &'static str, message: usize) -> Scenario {
        Scenario { name, title, kind: Kind::Idle { tunnels: TUNNELS, message } }
    }

    /// A few tunnels that send now and then, beside one that takes all it can get.
    const fn beside(name: &'static str, title: &'static str, beside: Beside) -> Scenario {
        let pace = PerSecond::Messages(1000.0);
        Scenario { name, title, kind: Kind::Paced { tunnels: 16, pace, beside } }
    }

    fn is_paced(&self) -> bool {
        matches!(self.kind, Kind::Paced { .. })
    }
}

pub fn run(
    scenarios: &[&Scenario],
    proxies: &[Proxy],
    place: &Place<'_>,
    rounds: usize,
) -> Result<String, String> {
    let mut run = Run { proxies, place, slowest: Cell::new(f64::INFINITY) };
    let mut samples: Vec<Vec<Vec<Sample>>> =
        scenarios.iter().map(|_| vec![Vec::new(); proxies.len() + 1]).collect();
    for round in 0..rounds {
        for (scenario, samples) in scenarios.iter().zip(&mut samples) {
            if !run.is_due(scenario, round) {
                continue;
            }
            eprintln!("round {} of {rounds}: {}", round + 1, scenario.title);
            run.round(scenario, round, samples)?;
        }
    }
    let names: Vec<&str> = proxies.iter().map(|proxy| proxy.kind.title).collect();
    let rows = scenarios.iter().zip(samples).map(|(scenario, samples)| run.row(scenario, samples));
    Ok(print(&names, &rows.collect::<Vec<_>>()))
}

struct Run<'a> {
    proxies: &'a [Proxy],
    place: &'a Place<'a>,
    /// Small messages a second of the slowest proxy, once that is known.
    slowest: Cell<f64>,
}

impl Run<'_> {
    fn is_due(&self, scenario: &Scenario, round: usize) -> bool {
        match scenario.kind {
            Kind::Load { .. } => true,
            // Memory that was given back is taken again without being asked for: only the first
            // filling of a proxy tells what a tunnel takes, and the same each time.
            Kind::Idle { .. } => round == 0,
            Kind::Paced { .. } => round.is_multiple_of(PACED_ROUNDS),
        }
    }

    fn round(
        &mut self,
        scenario: &Scenario,
        round: usize,
        samples: &mut [Vec<Sample>],
    ) -> Result<(), String> {
        for at in 0..self.proxies.len() {
            // Each of them begins a round as often as the others.
            let at = (at + round) % self.proxies.len();
            let proxy = &self.proxies[at];
            if scenario.is_paced() && !proxy.kind.paced {
                continue;
            }
            let failed = |error| format!("{} through {}: {error}", scenario.title, proxy.kind.title);
            let fresh = match scenario.kind {
                Kind::Idle { .. } => Some(Proxy::start(proxy.kind, self.place)?),
                _ => None,
            };
            let proxy = fresh.as_ref().unwrap_or(proxy);
            samples[at].push(self.measure(scenario, proxy.port(), Some(proxy.pid())).map_err(failed)?);
        }
        if !matches!(scenario.kind, Kind::Idle { .. }) {
            let direct = self.measure(scenario, self.place.upstream, None);
            samples[self.proxies.len()].push(direct.map_err(|error| error.to_string())?);
        }
        Ok(())
    }

    fn measure(&self, scenario: &Scenario, port: u16, pid: Option<u32>) -> io::Result<Sample> {
        match scenario.kind {
            Kind::Load { work, clients } => worker().block_on(load(work, clients, port, pid)),
            Kind::Idle { tunnels, message } => worker().block_on(idle(tunnels, message, port, pid)),
            Kind::Paced { tunnels, ref pace, beside } => {
                let rate = self.per_second(pace)?;
                worker().block_on(paced(Pace { tunnels, rate, lasting: PACED }, beside, port, pid))
            }
        }
    }

    fn per_second(&self, pace: &PerSecond) -> io::Result<f64> {
        match pace {
            PerSecond::Messages(rate) => Ok(*rate),
            // A machine that is busy otherwise may find that nothing goes at all.
            PerSecond::OfSlowest(part) => Ok((part * self.slowest()? / 100.0).floor().max(1.0) * 100.0),
        }
    }

    /// Looked for once: all are asked for the same.
    fn slowest(&self) -> io::Result<f64> {
        if self.slowest.get().is_infinite() {
            for proxy in self.proxies.iter().filter(|proxy| proxy.kind.paced) {
                let tries = (0..3).map(|_| {
                    let all_it_can = load(Work::Messages(100), 64, proxy.port(), Some(proxy.pid()));
                    Ok(worker().block_on(all_it_can)?.rate.unwrap_or(f64::INFINITY))
                });
                let best = tries.collect::<io::Result<Vec<f64>>>()?.into_iter().fold(0.0, f64::max);
                self.slowest.set(self.slowest.get().min(best));
            }
        }
        Ok(self.slowest.get())
    }

    fn row(&self, scenario: &Scenario, samples: Vec<Vec<Sample>>) -> Row {
        let (mut title, mut unit) = (scenario.title.to_owned(), "µs");
        match &scenario.kind {
            Kind::Load { .. } => {}
            Kind::Idle { .. } => unit = "B",
            Kind::Paced { pace, .. } => {
                let rate = self.per_second(pace).unwrap_or(f64::NAN);
                title = format!("{title}, {rate:.0} a second");
            }
        }
        Row { title, unit, samples }
    }
}
