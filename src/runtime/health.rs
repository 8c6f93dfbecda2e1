//! Peers that are asked how they are, again and again (`health_check`).
//!
//! A task for each group asks every peer by every check, whatever the others take. They run beside the workers, for
//! as long as their configuration is the one in force, and end where the process ends: what it has open is not passed
//! to anybody else.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::exchange::{Line, Live, Probe, Trouble, tell};
use crate::features::error_log::Level;
use crate::net::Address;
use crate::upstream::{Checkable, Group, Health, Noted, Rules};

/// How many peers are asked at once.
const AT_ONCE: usize = 128;

/// The checks of a configuration, until this is dropped.
pub struct Checks {
    _tasks: JoinSet<()>,
}

impl Checks {
    /// Begins the checks of a configuration that is about to be served, and forgets what those of another have said
    /// of groups that have none any more.
    pub fn begin(live: &Live) -> Checks {
        let mut by_group: HashMap<usize, Vec<Arc<Probe>>> = HashMap::new();
        for probe in Probe::all(live) {
            by_group.entry(probe.group).or_default().push(Arc::new(probe));
        }
        let limit = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        for (at, group) in live.groups.iter().enumerate() {
            let probes = by_group.remove(&at).unwrap_or_default();
            let rules: Vec<Rules> = probes.iter().map(|probe| probe.rules()).collect();
            group.begin_checks(&rules);
            if !probes.is_empty() {
                tasks.spawn(Round::new(group.clone(), probes, limit.clone()).go_on());
            }
        }
        Checks { _tasks: tasks }
    }
}

/// A check, by its place among the group's, of a peer.
type Key = (usize, u32);

/// The checks of one group.
struct Round {
    group: Arc<Group>,
    probes: Vec<Arc<Probe>>,
    limit: Arc<Semaphore>,
    peers: Vec<Checkable>,
    /// Who is asked next; the number keeps apart what is due at once.
    due: BTreeMap<(Instant, u64), Key>,
    count: u64,
    asking: JoinSet<Asked>,
    /// Who is being asked, or will be.
    known: HashMap<Key, Option<Line>>,
}

/// A check that is over.
struct Asked {
    key: Key,
    began: Instant,
    outcome: Result<(), Trouble>,
    line: Option<Line>,
}

impl Round {
    fn new(group: Arc<Group>, probes: Vec<Arc<Probe>>, limit: Arc<Semaphore>) -> Round {
        Round {
            group,
            probes,
            limit,
            peers: Vec::new(),
            due: BTreeMap::new(),
            count: 0,
            asking: JoinSet::new(),
            known: HashMap::new(),
        }
    }

    async fn go_on(mut self) {
        let group = self.group.clone();
        let mut moved = Box::pin(group.moved());
        self.look_around();
        loop {
            self.ask_who_is_due();
            let next = self.due.first_key_value().map(|((when, _), _)| *when);
            tokio::select! {
                () = &mut moved => {
                    moved.set(group.moved());
                    self.look_around();
                }
                Some(asked) = self.asking.join_next() => match asked {
                    Ok(asked) => self.note(asked),
                    // A mistake of ours has cost one check, and which is not known: all may begin again.
                    Err(_) => self.begin_again(),
                },
                () = at(next) => {}
            }
        }
    }

    /// Peers have come or gone: those that have come are asked at once.
    fn look_around(&mut self) {
        self.peers = self.group.checkable();
        let is_there = |number: u32| self.peers.iter().any(|peer| peer.number == number);
        self.known.retain(|(_, number), _| is_there(*number));
        self.due.retain(|_, (_, number)| is_there(*number));
        let now = Instant::now();
        for check in 0..self.probes.len() {
            for at in 0..self.peers.len() {
                let key = (check, self.peers[at].number);
                if let std::collections::hash_map::Entry::Vacant(vacant) = self.known.entry(key) {
                    vacant.insert(None);
                    self.put_off(key, now);
                }
            }
        }
    }

    fn begin_again(&mut self) {
        self.asking.abort_all();
        self.asking.detach_all();
        self.known.clear();
        self.due.clear();
        self.look_around();
    }

    /// Has a peer asked at that time, or a little later (`jitter`).
    fn put_off(&mut self, key: Key, when: Instant) {
        let jitter = self.probes[key.0].check.jitter;
        self.count += 1;
        self.due.insert((when + by_chance(jitter), self.count), key);
    }

    fn ask_who_is_due(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let key = entry.remove();
            let Some(peer) = self.peers.iter().find(|peer| peer.number == key.1) else { continue };
            let kept = self.known.get_mut(&key).and_then(Option::take);
            let (probe, limit, address) =
                (self.probes[key.0].clone(), self.limit.clone(), peer.address.clone());
            self.asking.spawn(async move {
                let _permit = limit.acquire().await;
                let began = Instant::now();
                let (outcome, line) = probe.ask(&address, kept).await;
                Asked { key, began, outcome, line }
            });
        }
    }

    fn note(&mut self, asked: Asked) {
        let Asked { key, began, outcome, line } = asked;
        // It may have left meanwhile.
        let Some(kept) = self.known.get_mut(&key) else { return };
        *kept = line;
        let probe = self.probes[key.0].clone();
        self.put_off(key, (began + probe.check.interval).max(Instant::now()));
        let noted = self.group.note_check(key.0, key.1, outcome.is_ok());
        let peer = self.peers.iter().find(|peer| peer.number == key.1);
        if let Some((noted, peer)) = noted.zip(peer) {
            let of = Of { probe: &probe, peer: &peer.address, group: &self.group };
            report(&of, noted, outcome.as_ref().err());
        }
    }
}

/// Says what has gone wrong, and what has changed, in nginx's words.
fn report(of: &Of<'_>, noted: Noted, trouble: Option<&Trouble>) {
    let log = &of.probe.settings.error_log;
    if let Some(Trouble::Failed { message, doing }) = trouble {
        tell(log, Level::Error, 0, format_args!("{message} while {doing}, {of}"));
    }
    let answer = Answer(trouble.and_then(Trouble::answer));
    match (trouble, noted.now) {
        (Some(trouble), Health::Unhealthy) if noted.before != Health::Unhealthy => {
            tell(
                log,
                Level::Warn,
                0,
                format_args!("peer is unhealthy while {}, {of}{answer}", trouble.doing()),
            );
        }
        // What kept an answer from coming has been said.
        (Some(Trouble::Failed { .. }), _) => {}
        (Some(trouble), _) => {
            tell(log, Level::Info, 0, format_args!("check failed while {}, {of}{answer}", trouble.doing()));
        }
        (None, Health::Healthy) if noted.before != Health::Healthy => {
            let last = of.probe.check.last();
            tell(log, Level::Notice, 0, format_args!("peer is healthy while checking {last}, {of}"));
        }
        (None, _) => {}
    }
}

/// Which check of whom.
struct Of<'a> {
    probe: &'a Probe,
    peer: &'a Address,
    group: &'a Group,
}

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = String::from_utf8_lossy(self.probe.check.name());
        let (peer, group) = (self.peer, &self.group.spec.name);
        write!(f, "health check \"{name}\" of peer {peer} in upstream \"{group}\"")?;
        match self.probe.check.port {
            Some(port) if !peer.is_unix() => write!(f, ", port {port}"),
            _ => Ok(()),
        }
    }
}

/// What the peer answered, where it did.
struct Answer<'a>(Option<&'a str>);

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |answer| write!(f, ": it answered {answer}"))
    }
}

/// A time up to `most`.
fn by_chance(most: Duration) -> Duration {
    let part = getrandom::u32().unwrap_or_default();
    most.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

async fn at(next: Option<Instant>) {
    match next {
        Some(next) => sleep_until(next).await,
        None => std::future::pending().await,
    }
}
