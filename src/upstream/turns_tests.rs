//! Turns beside the plain walk over all peers, which is what nginx does: whatever happens to the peers, both choose
//! the same and leave everybody with the same.

use std::cmp::Ordering;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::TestCaseError;

use super::peer::{Card, Now, Peer, PeerId};
use super::rank::Rank;
use super::round::{Round, Wish};
use super::times::Trip;
use super::{Endpoint, GroupSpec, Method, ServerSpec, method};
use crate::net::Address;

/// nginx's way: everybody is looked at.
struct Plain {
    method: Method,
    peers: Vec<Peer>,
}

impl Plain {
    fn choose(&mut self, named: Option<usize>, round: &Round, now: Now) -> Option<usize> {
        let open: Vec<usize> = (0..self.peers.len()).filter(|at| self.is_open(*at, round, now)).collect();
        if self.method != Method::LeastConn || self.peers.len() < 2 {
            let total: i64 = self.peers.iter().map(|peer| peer.weight).sum();
            let has_paid = |at: &usize| {
                let peer = &self.peers[*at];
                peer.current <= -(total - peer.weight) * 100
            };
            return named.filter(has_paid).or_else(|| self.turn(&open, named, now));
        }
        if named.is_some() {
            return named;
        }
        let mut best = *open.first()?;
        let mut many = false;
        for at in &open[1..] {
            match self.load(*at, best, now) {
                Ordering::Less => (best, many) = (*at, false),
                Ordering::Equal => many = true,
                Ordering::Greater => {}
            }
        }
        if !many {
            return Some(best);
        }
        let alike: Vec<usize> =
            open.into_iter().filter(|at| self.load(*at, best, now) == Ordering::Equal).collect();
        self.turn(&alike, None, now)
    }

    fn turn(&mut self, among: &[usize], named: Option<usize>, now: Now) -> Option<usize> {
        let mut best: Option<usize> = None;
        let mut total = 0;
        for at in among {
            total += self.peers[*at].gain(now);
            if best.is_none_or(|best| self.peers[*at].current > self.peers[best].current) {
                best = Some(*at);
            }
        }
        let payer = named.or(best)?;
        self.peers[payer].current -= total;
        Some(payer)
    }

    fn is_open(&self, at: usize, round: &Round, now: Now) -> bool {
        !round.has_tried(&self.peers[at]) && self.peers[at].is_usable(now)
    }

    fn load(&self, one: usize, other: usize, now: Now) -> Ordering {
        let (one, other) = (&self.peers[one], &self.peers[other]);
        let weight = |peer: &Peer| peer.weight * peer.throttle(now);
        (one.connections as i64 * weight(other)).cmp(&(other.connections as i64 * weight(one)))
    }
}

/// What happens; numbers are taken by the rest of the count of what they choose from.
#[derive(Clone, Debug)]
enum Event {
    /// A request comes, and is tried again so often; it may name a peer.
    Request { tries: usize, named: Option<usize> },
    /// One that is open ends.
    End { which: usize, how: End },
    /// So many seconds pass; clocks are set back, too.
    Time(i64),
    /// A name moves: a peer goes and another comes.
    Move { leaves: usize, weight: i64 },
    /// A record has another weight.
    Weigh { which: usize, weight: i64 },
}

#[derive(Clone, Copy, Debug)]
enum End {
    Well,
    Badly,
    Abandoned,
}

struct Both {
    spec: GroupSpec,
    fast: Rank,
    plain: Plain,
    now: Now,
    numbers: u32,
    open: Vec<PeerId>,
}

impl Both {
    fn new(method: Method, servers: Vec<ServerSpec>) -> Both {
        let spec = GroupSpec { method, sticky: true, ..GroupSpec::new("g".into(), "g".into(), servers) };
        let now = Now(1_700_000_000_000);
        let plain = Plain { method, peers: Vec::new() };
        let mut both = Both { spec, fast: Rank::default(), plain, now, numbers: 0, open: Vec::new() };
        for server in 0..both.spec.servers.len() {
            both.enter(server, both.spec.servers[server].weight);
        }
        both.fast.settle(&both.spec, false, now);
        both
    }

    fn enter(&mut self, server: usize, weight: i64) {
        let mut peer = Peer::new(self.numbers, &self.spec.servers[server]);
        peer.weigh(weight);
        let card =
            Card { server, address: address(self.numbers), target: None, sid: Some(sid(self.numbers)) };
        self.numbers += 1;
        let at = self.fast.cards.partition_point(|other| other.server <= server);
        self.plain.peers.insert(at, peer.clone());
        self.fast.insert(peer, card);
    }

    fn happens(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match *event {
            Event::Request { tries, named } => self.request(tries, named)?,
            Event::End { which, how } => {
                if !self.open.is_empty() {
                    let id = self.open.swap_remove(which % self.open.len());
                    self.end(id, how);
                }
            }
            Event::Time(seconds) => self.now.0 += seconds * 700,
            Event::Move { leaves, weight } => {
                let leaves = leaves % self.plain.peers.len();
                let Card { server, address, .. } = self.fast.cards[leaves].clone();
                self.fast.take_others(server, |card| card.address != address);
                self.plain.peers.remove(leaves);
                self.enter(server, weight);
                self.fast.settle(&self.spec, false, self.now);
            }
            Event::Weigh { which, weight } => {
                let which = which % self.plain.peers.len();
                self.fast.weigh(which, weight);
                self.plain.peers[which].weigh(weight);
                self.fast.settle(&self.spec, false, self.now);
            }
        }
        self.compare()
    }

    fn request(&mut self, tries: usize, named: Option<usize>) -> Result<(), TestCaseError> {
        let name = named.map(|named| sid(self.plain.peers[named % self.plain.peers.len()].number));
        let wish = Wish { sid: name.as_deref(), ..Wish::default() };
        let mut round = Round::default();
        for _ in 0..tries {
            let named = named.map(|named| named % self.plain.peers.len()).filter(|at| {
                let peer = &self.plain.peers[*at];
                let is_open = !peer.is_down_for_all() && !peer.is_failing(self.now) && !peer.is_full();
                is_open && !round.has_tried(peer)
            });
            let plain = self.plain.choose(named, &round, self.now);
            let fast = method::choose(self.plain.method, &mut self.fast, &wish, &mut round, self.now);
            prop_assert_eq!(plain, fast);
            let Some(at) = fast else { break };
            let now = self.now;
            let begin = |peer: &mut Peer| {
                peer.connections += 1;
                peer.chosen(now);
            };
            begin(&mut self.plain.peers[at]);
            self.fast.change(at, now, begin);
            let id = PeerId {
                number: self.plain.peers[at].number,
                hint: at as u32,
                trip: Trip::begin(now, false),
            };
            round.tried.add(id);
            self.open.push(id);
            self.compare()?;
        }
        Ok(())
    }

    fn end(&mut self, id: PeerId, how: End) {
        let Some(at) = id.place(&self.plain.peers) else { return };
        let now = self.now;
        let end = |peer: &mut Peer| {
            peer.connections -= 1;
            match how {
                End::Well => peer.did_well(now),
                End::Badly => peer.failed(now),
                End::Abandoned => {}
            }
        };
        end(&mut self.plain.peers[at]);
        self.fast.change(at, now, end);
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        for (at, plain) in self.plain.peers.iter().enumerate() {
            let fast = &self.fast.peers[at];
            prop_assert_eq!(plain.current, self.fast.current(at));
            prop_assert_eq!((plain.effective, plain.checked), (fast.effective, fast.checked));
            prop_assert_eq!((plain.number, plain.slow_since), (fast.number, fast.slow_since));
        }
        Ok(())
    }
}

fn sid(number: u32) -> super::Sid {
    number.to_string().into_bytes().into()
}

fn address(number: u32) -> Address {
    Address::Ip(SocketAddr::from((Ipv4Addr::from(number), 80)))
}

fn weights() -> impl Strategy<Value = i64> {
    prop_oneof![4 => Just(1), 4 => 1_i64..5, 1 => 1..1000_i64, 1 => Just(i64::from(i32::MAX))]
}

fn servers() -> impl Strategy<Value = Vec<ServerSpec>> {
    let server = (weights(), 0_usize..4, 0_u32..4, 0_u64..4, 0_u64..8, 0_u8..20);
    let server =
        server.prop_map(|(weight, max_conns, max_fails, fail_timeout, slow_start, kind)| ServerSpec {
            weight,
            max_conns,
            max_fails,
            fail_timeout: Duration::from_secs(fail_timeout),
            slow_start: Duration::from_secs(slow_start.saturating_sub(4)),
            down: kind == 0,
            drain: kind == 1,
            ..ServerSpec::new("s".into(), Endpoint::Known(address(0)))
        });
    vec(server, 1..24)
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let request = (
        prop_oneof![6 => Just(1_usize), 2 => 1_usize..6, 1 => Just(30)],
        prop_oneof![
            3 => Just(None),
            1 => any::<usize>().prop_map(Some),
        ],
    );
    let how = prop_oneof![3 => Just(End::Well), 2 => Just(End::Badly), 1 => Just(End::Abandoned)];
    let event = prop_oneof![
        10 => request.prop_map(|(tries, named)| Event::Request { tries, named }),
        8 => (any::<usize>(), how).prop_map(|(which, how)| Event::End { which, how }),
        3 => (-1_i64..4).prop_map(Event::Time),
        1 => (any::<usize>(), weights()).prop_map(|(leaves, weight)| Event::Move { leaves, weight }),
        1 => (any::<usize>(), weights()).prop_map(|(which, weight)| Event::Weigh { which, weight }),
    ];
    vec(event, 1..120)
}

proptest! {
    #[test]
    fn round_robin_is_that_of_the_plain_walk(servers in servers(), events in events()) {
        let mut both = Both::new(Method::RoundRobin, servers);
        for event in &events {
            both.happens(event)?;
        }
    }

    #[test]
    fn least_conn_is_that_of_the_plain_walk(servers in servers(), events in events()) {
        let mut both = Both::new(Method::LeastConn, servers);
        for event in &events {
            both.happens(event)?;
        }
    }
}
