//! Names of servers: when they are looked up, and what becomes of the answers.
//!
//! A name is looked up by one at a time, and others wait for what that one finds. An address that is gone from
//! a name gets no new requests; what is open to it lives on.

use std::cmp::Reverse;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::net::{Address, Answer, LookupError, Place, Resolver};

use super::peer::Card;
use super::{Endpoint, Group, GroupSpec, ServerSpec};

/// When a name is looked up again whose answer does not say how long it holds: the system's resolver does not.
pub const RESOLVE_AGAIN: Duration = Duration::from_secs(10);

/// The same after a look-up that failed; and the least time between look-ups because of peers that fail.
pub const RESOLVE_RETRY: Duration = Duration::from_secs(2);

/// How long the system's resolver may take.
const SYSTEM_LIMIT: Duration = Duration::from_secs(10);

/// An answer holds for so long at least and at most, whatever its records say.
const LEAST_HOLD: Duration = Duration::from_secs(1);
const MOST_HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Who is asked for names at run time, and how long that may take.
#[derive(Clone, Debug)]
pub struct Asking {
    pub resolver: Arc<Resolver>,
    pub limit: Duration,
}

/// An address that was found for a `server` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub address: Address,
    /// In place of the line's: what the record of a service says.
    pub weight: Option<i64>,
    pub backup: bool,
    /// The name of the service's target that it is an address of: a server to a consistent hash.
    pub target: Option<Arc<str>>,
}

impl Found {
    /// A peer is what was found: two targets at one address are two peers.
    pub(super) fn is_of(&self, card: &Card) -> bool {
        self.address == card.address && self.target == card.target
    }

    fn is_like(&self, other: &Found) -> bool {
        self.backup == other.backup && self.address == other.address && self.target == other.target
    }

    /// How many before it can be told from it by their weight alone: each is a peer of its own.
    pub(super) fn like_before(found: &[Found], at: usize) -> usize {
        found[..at].iter().filter(|other| other.is_like(&found[at])).count()
    }
}

/// What came of a look-up.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The addresses before and now, where they differ.
    pub moved: Option<(Vec<Address>, Vec<Address>)>,
    pub failed: Option<Failed>,
    /// Targets of a service whose addresses could not be found.
    pub missing: Vec<(Box<str>, LookupError)>,
}

/// A look-up that failed.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed {
    pub error: LookupError,
    /// It failed like this before, so that there is nothing new to tell.
    pub again: bool,
    /// Addresses of an earlier look-up go on being used.
    pub stays: bool,
}

/// The names of a group, by `server` line.
#[derive(Debug)]
pub(super) struct Names(Vec<Option<Name>>);

#[derive(Debug)]
struct Name {
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When it is to be looked up next.
    due: Instant,
    /// When it was looked up last, successfully or not.
    last: Option<Instant>,
    /// Why the last look-up failed, if it did.
    error: Option<LookupError>,
}

impl Names {
    pub fn of(spec: &GroupSpec) -> Names {
        let name = |server: &ServerSpec| match server.endpoint {
            Endpoint::Known(_) => None,
            Endpoint::Name { .. } => Some(Name::new()),
        };
        Names(spec.servers.iter().map(name).collect())
    }

    fn get(&self, server: usize) -> Option<&Name> {
        self.0.get(server)?.as_ref()
    }

    fn all(&self) -> impl Iterator<Item = (usize, &Name)> {
        self.0.iter().enumerate().filter_map(|(server, name)| Some((server, name.as_ref()?)))
    }
}

impl Name {
    fn new() -> Name {
        let state = State { due: Instant::now(), last: None, error: None };
        Name { turn: tokio::sync::Mutex::default(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// It has not been looked up just now.
    fn may_be_hurried(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.duration_since(last) >= RESOLVE_RETRY)
    }
}

impl Group {
    /// The `server` lines that are names, and when each is to be looked up.
    pub fn due(&self) -> impl Iterator<Item = (usize, Instant)> {
        self.names.all().map(|(server, name)| (server, name.state().due))
    }

    /// The names that are to be looked up by now.
    pub fn overdue(&self) -> Vec<usize> {
        let now = Instant::now();
        self.due().filter(|(_, due)| *due <= now).map(|(server, _)| server).collect()
    }

    /// The names that may be looked up again because peers fail: not more often than `RESOLVE_RETRY` each,
    /// however many requests fail.
    pub fn stale(&self) -> Vec<usize> {
        let now = Instant::now();
        let stale = self.names.all().filter(|(_, name)| name.state().may_be_hurried(now));
        stale.map(|(server, _)| server).collect()
    }

    /// Has a name looked up soon, since a peer of it could not be reached; true if it is due now.
    pub fn hurry(&self, server: usize) -> bool {
        let Some(name) = self.names.get(server) else { return false };
        let (mut state, now) = (name.state(), Instant::now());
        let hurries = state.may_be_hurried(now);
        if hurries {
            state.due = now.min(state.due);
        }
        hurries
    }

    /// A look-up is about to begin that takes so long at most: nobody else has to begin one.
    pub fn postpone(&self, server: usize, limit: Duration) {
        if let Some(name) = self.names.get(server) {
            name.state().due = Instant::now() + limit;
        }
    }

    /// Has every name looked up anew: the configuration was read anew.
    pub fn look_again(&self) {
        self.names.all().for_each(|(_, name)| name.state().due = Instant::now());
    }

    /// Why the last look-up of a name failed; `None` where it did not, or there was none.
    pub fn why_unresolved(&self) -> Option<(usize, LookupError)> {
        self.names.all().find_map(|(server, name)| Some((server, name.state().error.clone()?)))
    }

    /// Looks a name up and gives the group what is found. Whoever comes meanwhile waits for that, and finds
    /// nothing more.
    pub async fn look_up(&self, server: usize, asking: &Asking) -> Looked {
        let Some(name) = self.names.get(server) else { return Looked::default() };
        let began = Instant::now();
        let _turn = name.turn.lock().await;
        if name.state().last.is_some_and(|last| last >= began) {
            return Looked::default();
        }
        let line = &self.spec.servers[server];
        let (answer, missing) = ask(line, asking).await;
        let hold = answer.as_ref().map_or(RESOLVE_RETRY, |answer| hold(answer.holds));
        // Who is told by name servers that there is no such host believes it, as nginx does.
        let gone = line.resolve && answer.as_ref().err() == Some(&LookupError::NotFound);
        let (found, error) = match answer {
            Ok(answer) => (Some(answer.found), None),
            Err(error) => (gone.then(Vec::new), Some(error)),
        };
        let moved = found.and_then(|found| self.set_found(server, &found));
        let mut state = name.state();
        let now = Instant::now();
        (state.due, state.last) = (now + hold, Some(now));
        let before = std::mem::replace(&mut state.error, error.clone());
        drop(state);
        let failed = error.map(|error| {
            let again = before.as_ref() == Some(&error);
            Failed { error, again, stays: self.is_resolved(server) }
        });
        Looked { moved, failed, missing }
    }
}

/// How long an answer is taken to hold that says so, or does not.
fn hold(said: Option<Duration>) -> Duration {
    said.unwrap_or(RESOLVE_AGAIN).clamp(LEAST_HOLD, MOST_HOLD)
}

type Missing = Vec<(Box<str>, LookupError)>;

/// The addresses of a `server` line, and targets of its service that have none.
async fn ask(line: &ServerSpec, asking: &Asking) -> (Result<Answer<Found>, LookupError>, Missing) {
    let Endpoint::Name { host, port } = &line.endpoint else {
        return (Err(LookupError::NotFound), Missing::new());
    };
    if let Some(service) = &line.service {
        return match asking.resolver.service(service, host, asking.limit).await {
            Ok(found) => (Ok(places(line, found.places)), found.failed),
            Err(error) => (Err(error), Missing::new()),
        };
    }
    let found = match line.resolve {
        true => asking.resolver.addresses(host, asking.limit).await.map(in_order),
        false => Resolver::System.addresses(host, SYSTEM_LIMIT).await,
    };
    let at = |ip| Found {
        address: Address::Ip((ip, *port).into()),
        weight: None,
        backup: line.backup,
        target: None,
    };
    let found =
        found.map(|answer| Answer { found: answer.found.into_iter().map(at).collect(), holds: answer.holds });
    (found, Missing::new())
}

/// Name servers take turns with what they name first, and a peer by `ip_hash` is one by its place: with every
/// server that asks it has to be the same (`ngx_http_upstream_zone_cmp_resolved`).
fn in_order(mut addresses: Answer<IpAddr>) -> Answer<IpAddr> {
    addresses.found.sort_unstable();
    addresses
}

/// The places of a service as addresses of a `server` line, in an order that is the same whoever asks: those of the best priority stand where the line
/// stands, the others are backups, which a line that is a backup itself does not have. A weight of the line
/// goes before those of the records (`ngx_http_upstream_zone_resolve_handler`).
fn places(line: &ServerSpec, mut places: Answer<Place>) -> Answer<Found> {
    let rank = |place: &Place| (place.priority, Reverse(place.weight));
    let order = |one: &Place, other: &Place| {
        let by_name = || (&one.target, one.address).cmp(&(&other.target, other.address));
        rank(one).cmp(&rank(other)).then_with(by_name)
    };
    places.found.sort_unstable_by(order);
    let best = places.found.first().map(|place| place.priority);
    let found = places.found.into_iter().filter_map(|place| {
        let is_best = Some(place.priority) == best;
        if line.backup && !is_best {
            return None;
        }
        let weight = (line.weight == 1).then_some(place.weight.into());
        let (address, target) = (Address::Ip(place.address), Some(place.target.into()));
        Some(Found { address, weight, backup: line.backup || !is_best, target })
    });
    Answer { found: found.collect(), holds: places.holds }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(last: u8, priority: u16, weight: u16) -> Place {
        let address = ([127, 0, 0, last], 8000).into();
        Place { address, priority, weight, target: "t".into() }
    }

    /// Last byte, weight and rank of what a line gets of three places.
    fn of_three(line: &ServerSpec) -> Vec<(u8, Option<i64>, bool)> {
        let three = vec![place(1, 10, 5), place(2, 20, 7), place(3, 10, 1)];
        let found = places(line, Answer { found: three, holds: None }).found;
        let last = |found: &Found| match found.address.ip().map(|address| address.ip()) {
            Some(std::net::IpAddr::V4(ip)) => ip.octets()[3],
            _ => 0,
        };
        found.iter().map(|found| (last(found), found.weight, found.backup)).collect()
    }

    #[test]
    fn the_best_places_are_asked_first_and_the_others_are_backups() {
        let line = ServerSpec::new("a".into(), Endpoint::Name { host: "a".into(), port: 80 });
        assert_eq!(of_three(&line), [(1, Some(5), false), (3, Some(1), false), (2, Some(7), true)]);
        let heavy = ServerSpec { weight: 3, ..line.clone() };
        assert_eq!(of_three(&heavy), [(1, None, false), (3, None, false), (2, None, true)]);
        let backup = ServerSpec { backup: true, ..line };
        assert_eq!(of_three(&backup), [(1, Some(5), true), (3, Some(1), true)]);
    }

    #[test]
    fn the_order_of_what_name_servers_say_does_not_matter() {
        let at = |address: &str, priority, weight, target: &str| Place {
            address: address.parse().expect("an address"),
            priority,
            weight,
            target: target.into(),
        };
        let sorted = [
            at("10.0.0.9:9", 1, 3, "b"),
            at("10.0.0.7:1", 1, 2, "a"),
            at("10.0.0.1:1", 1, 2, "ab"),
            at("10.0.0.1:1", 1, 2, "b"),
            at("10.0.0.1:2", 1, 2, "b"),
            at("10.0.0.10:1", 1, 2, "b"),
            at("[::1]:1", 1, 2, "b"),
            at("10.0.0.1:1", 2, 9, "a"),
        ];
        let line = ServerSpec::new("a".into(), Endpoint::Name { host: "a".into(), port: 80 });
        let places = |found| super::places(&line, Answer { found, holds: None }).found;
        let addresses = places(sorted.to_vec()).into_iter().map(|found| found.address);
        assert!(addresses.eq(sorted.iter().map(|place| Address::Ip(place.address))));
        let mut turned = sorted.to_vec();
        for _ in 0..sorted.len() {
            turned.rotate_left(1);
            assert_eq!(places(turned.clone()), places(sorted.to_vec()));
        }
        let ips = |found: &[&str]| found.iter().map(|ip| ip.parse().expect("an address")).collect();
        let found = ips(&["::2", "10.0.0.10", "10.0.0.9", "::1"]);
        let expected: Vec<IpAddr> = ips(&["10.0.0.9", "10.0.0.10", "::1", "::2"]);
        assert_eq!(in_order(Answer { found, holds: None }).found, expected);
    }

    #[test]
    fn no_answer_makes_a_busy_loop_or_holds_for_ever() {
        let seconds = |seconds| hold(Some(Duration::from_secs(seconds))).as_secs();
        assert_eq!([0, 1, 30, u64::from(u32::MAX)].map(seconds), [1, 1, 30, 86400]);
        assert_eq!(hold(None), RESOLVE_AGAIN);
    }

    fn group(host: &str) -> Group {
        let line = ServerSpec::new(host.into(), Endpoint::Name { host: host.into(), port: 80 });
        Group::new(GroupSpec::new(host.into(), host.into(), vec![line]))
    }

    fn asking() -> Asking {
        Asking { resolver: Arc::new(Resolver::System), limit: SYSTEM_LIMIT }
    }

    fn next(group: &Group) -> Duration {
        let (_, due) = group.due().next().expect("a name");
        due.saturating_duration_since(Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_system_says_is_asked_again_after_a_while() {
        let group = group("localhost");
        assert_eq!((group.overdue(), next(&group)), (vec![0], Duration::ZERO));
        let looked = group.look_up(0, &asking()).await;
        let (before, now) = looked.moved.expect("its first addresses");
        assert!(before.is_empty() && !now.is_empty());
        assert_eq!((group.overdue(), next(&group)), (vec![], RESOLVE_AGAIN));
        tokio::time::advance(RESOLVE_AGAIN).await;
        assert_eq!(group.overdue(), [0]);
        assert_eq!(group.look_up(0, &asking()).await, Looked::default(), "it has not moved");
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_that_fails_is_told_once_and_made_again_soon() {
        let group = group("nowhere.invalid");
        for again in [false, true] {
            let failed = group.look_up(0, &asking()).await.failed.expect("a failure");
            assert_eq!((failed.again, failed.stays, next(&group)), (again, false, RESOLVE_RETRY));
            tokio::time::advance(RESOLVE_RETRY).await;
        }
        assert!(group.why_unresolved().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_a_name_is_looked_up_waits_for_that() {
        let group = group("localhost");
        let asking = asking();
        let (one, other) = tokio::join!(group.look_up(0, &asking), group.look_up(0, &asking));
        assert!(one.moved.is_some());
        assert_eq!(other, Looked::default());
    }

    #[tokio::test(start_paused = true)]
    async fn failing_peers_have_their_name_looked_up_no_more_often_than_it_may_be() {
        let group = group("localhost");
        group.look_up(0, &asking()).await;
        assert!(!group.hurry(0) && group.stale().is_empty());
        assert_eq!(next(&group), RESOLVE_AGAIN);
        tokio::time::advance(RESOLVE_RETRY).await;
        assert!(group.hurry(0));
        assert_eq!((group.stale(), group.overdue()), (vec![0], vec![0]));
    }
}
