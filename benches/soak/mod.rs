//! Tunnels opened, used and ended in every way there is, with reloads in between; and what is left behind.
//!
//! [`run`] takes a server that is up already: a bench gives it an hour, a test some hundred tunnels.

mod clients;
mod frames;
#[path = "../support/memory.rs"]
mod memory;
mod standing;
mod upstream;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

use clients::{ACTS, Random, Tunnel};
pub use standing::Standing;
pub use upstream::start as start_upstream;

/// What a server needs besides where it listens, for its `http` block.
pub fn site(listen: &str, upstream: u16, access_log: &str) -> String {
    let tunnel = |path: &str, more: &str| {
        format!(
            "location {path} {{
                proxy_pass http://127.0.0.1:{upstream};
                proxy_http_version 1.1;
                proxy_read_timeout 1d;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection upgrade;
                {more}
            }}"
        )
    };
    let framed = "websocket_ping_interval 100ms; websocket_ping_timeout 20s; websocket_max_message_size 1m;";
    format!(
        "log_format soak \"$status $uri\";
        server {{
            listen {listen};
            access_log {access_log} soak;
            location / {{ return 200 ok; }}
            {}
            {}
            {}
        }}",
        tunnel("/ws", ""),
        tunnel("/vanish", ""),
        tunnel("/framed", framed)
    )
}

/// The server.
pub struct Server {
    pub pid: u32,
    pub port: u16,
    pub access_log: PathBuf,
}

/// How much is done.
#[derive(Clone, Copy)]
pub struct Plan {
    /// At the same time.
    pub clients: usize,
    /// Tunnels that stand all the while and have to work in the end.
    pub kept: usize,
    /// Of all clients together. It is over when so many are done, or when so much time has passed.
    pub acts: u64,
    pub time: Duration,
    /// The server is reloaded whenever so many acts are over.
    pub acts_between_reloads: u64,
    pub seed: u64,
}

/// What happened.
pub struct Report {
    /// How often each act was done.
    pub acts: BTreeMap<String, u64>,
    pub reloads: u64,
    /// Of clients, and of the access log.
    pub tunnels: u64,
    pub logged: u64,
    pub before: Standing,
    pub after: Standing,
    /// What went wrong, the first of it.
    pub failures: Vec<String>,
}

impl Report {
    /// Everything that is not as it has to be, whatever a server's memory is like.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = self.failures.clone();
        if self.after.descriptors > self.before.descriptors {
            wrong.push("more descriptors are open than before".to_owned());
        }
        if self.logged != self.tunnels {
            wrong.push("not each tunnel has its line in the access log".to_owned());
        }
        wrong
    }
}

/// How many failures are told.
const TOLD: usize = 20;

/// Runs clients after a warm-up by others of their kind, so that what a server allocates once is there.
pub fn run(server: &Server, plan: &Plan) -> io::Result<Report> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let acts_between_reloads = plan.clients as u64 * 5;
        let warm_up = Plan { acts: acts_between_reloads * 2, kept: 0, acts_between_reloads, ..*plan };
        let first = Rc::new(Soak::new(server, warm_up));
        first.clone().all().await?;
        let before = standing::settled(server.pid, None).await;
        let soak = Rc::new(Soak::new(server, *plan));
        soak.clone().all().await?;
        let after = standing::settled(server.pid, Some(before.descriptors)).await;
        let mut report = soak.report(before, after);
        report.tunnels += first.tunnels.get();
        report.logged = standing::logged(&server.access_log, report.tunnels).await?;
        report.failures.extend(first.failures.take());
        Ok(report)
    })
}

struct Soak {
    pid: u32,
    port: u16,
    plan: Plan,
    begun: Instant,
    started: Cell<u64>,
    done: Cell<u64>,
    tunnels: Cell<u64>,
    reloads: Cell<u64>,
    acts: RefCell<BTreeMap<String, u64>>,
    failures: RefCell<Vec<String>>,
}

impl Soak {
    fn new(server: &Server, plan: Plan) -> Soak {
        Soak {
            pid: server.pid,
            port: server.port,
            plan,
            begun: Instant::now(),
            started: Cell::new(0),
            done: Cell::new(0),
            tunnels: Cell::new(0),
            reloads: Cell::new(0),
            acts: RefCell::default(),
            failures: RefCell::default(),
        }
    }

    async fn all(self: Rc<Self>) -> io::Result<()> {
        let mut kept = Vec::new();
        for _ in 0..self.plan.kept {
            kept.push(Tunnel::open(self.port, "/ws").await?);
            one_more(&self.tunnels);
        }
        let mut clients = JoinSet::new();
        for number in 0..self.plan.clients {
            let random = Random(self.plan.seed.wrapping_add(number as u64));
            clients.spawn_local(self.clone().client(random));
        }
        while let Some(client) = clients.join_next().await {
            client.map_err(io::Error::other)?;
        }
        for mut tunnel in kept {
            if let Err(error) = tunnel.exchange(100, Duration::ZERO).await {
                self.failed(format!("a tunnel that stood all the while: {error}"));
            }
        }
        Ok(())
    }

    async fn client(self: Rc<Self>, mut random: Random) {
        while self.goes_on() {
            one_more(&self.started);
            let act = ACTS[random.below(ACTS.len())];
            if act.opens_a_tunnel() {
                one_more(&self.tunnels);
            }
            if let Err(error) = act.run(self.port, &mut random).await {
                self.failed(format!("{act:?}: {error}"));
            }
            *self.acts.borrow_mut().entry(format!("{act:?}")).or_default() += 1;
            one_more(&self.done);
            if self.done.get().is_multiple_of(self.plan.acts_between_reloads) {
                self.reload();
            }
        }
    }

    fn goes_on(&self) -> bool {
        self.started.get() < self.plan.acts && self.begun.elapsed() < self.plan.time
    }

    fn reload(&self) {
        one_more(&self.reloads);
        let pid = Pid::from_raw(self.pid as i32).expect("the server's process");
        if let Err(error) = kill_process(pid, Signal::HUP) {
            self.failed(format!("HUP: {error}"));
        }
    }

    fn failed(&self, what: String) {
        let mut failures = self.failures.borrow_mut();
        if failures.len() < TOLD {
            failures.push(what);
        }
    }

    fn report(&self, before: Standing, after: Standing) -> Report {
        Report {
            acts: self.acts.take(),
            reloads: self.reloads.get(),
            tunnels: self.tunnels.get(),
            logged: 0,
            before,
            after,
            failures: self.failures.take(),
        }
    }
}

fn one_more(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

/// A moment between two looks at something that comes by and by.
async fn a_moment() {
    sleep(Duration::from_millis(20)).await;
}
