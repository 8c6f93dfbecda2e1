//! `least_time`: who is chosen after which times, under a clock of its own.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::Index;

use super::peer::Now;
use super::*;
use crate::net::Address;

/// A second begins.
const START: i64 = 1_700_000_000_000;

fn address(last: u8) -> Address {
    Address::Ip(SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), 80)))
}

fn server(last: u8) -> ServerSpec {
    ServerSpec::new(format!("10.0.0.{last}:80"), Endpoint::Known(address(last)))
}

fn servers(count: u8) -> Vec<ServerSpec> {
    (1..=count).map(server).collect()
}

fn spec(to: TimeTo, inflight: bool, servers: Vec<ServerSpec>) -> GroupSpec {
    let method = Method::LeastTime { to, inflight };
    GroupSpec { method, ..GroupSpec::new("group".into(), "group".into(), servers) }
}

/// A group and its clock, in milliseconds.
struct Scene {
    group: Arc<Group>,
    clock: i64,
}

impl Scene {
    fn new(to: TimeTo, inflight: bool, servers: Vec<ServerSpec>) -> Scene {
        Scene { group: Arc::new(Group::new(spec(to, inflight, servers))), clock: 0 }
    }

    fn now(&self) -> Now {
        Now(START + self.clock)
    }

    fn pick(&mut self) -> (u8, PeerId) {
        let picked = self.group.pick_at(&Wish::default(), &mut Round::default(), self.now()).expect("a peer");
        match picked.address.ip().expect("an address").ip() {
            std::net::IpAddr::V4(ip) => (ip.octets()[3], picked.id),
            std::net::IpAddr::V6(_) => panic!("an address of ours"),
        }
    }

    fn answered(&mut self, id: &mut PeerId) {
        self.group.answered_at(id, true, self.now());
    }

    fn release(&mut self, id: PeerId, outcome: Outcome) {
        self.group.release_at(id, outcome, self.now());
    }

    /// A request whose answer has its header and its last byte after these times; says who got it.
    fn ask(&mut self, header: i64, last_byte: i64) -> u8 {
        let (last, mut id) = self.pick();
        self.clock += header;
        self.answered(&mut id);
        self.clock += last_byte - header;
        self.release(id, Outcome::Success);
        last
    }
}

#[test]
fn who_answers_sooner_is_asked_and_so_is_another_once_it_has_enough_to_do() {
    let mut scene = Scene::new(TimeTo::Header, false, servers(2));
    // Nothing is known: 20 × 1 each, and it is the first one's turn. Then the second is asked with 20 × 1 beside
    // (100 + 20) × 1 = 120.
    assert_eq!((scene.ask(100, 150), scene.ask(40, 500)), (1, 2));
    // 40 + 20 = 60 beside 120.
    let (third, open) = scene.pick();
    assert_eq!(third, 2);
    // 60 × 2 = 120 beside 120: in turn. In the first turn the first was chosen, of 1 and 1, and paid 2: it has −1,
    // the second 1. Now they get 1 each: 0 and 2.
    let (fourth, another) = scene.pick();
    assert_eq!(fourth, 2);
    // 60 × 3 = 180 beside 120.
    assert_eq!(scene.ask(100, 100), 1);
    scene.release(open, Outcome::Abandoned);
    scene.release(another, Outcome::Abandoned);
    assert_eq!(scene.ask(40, 40), 2);
}

#[test]
fn the_last_byte_counts_where_it_is_asked_for() {
    let mut scene = Scene::new(TimeTo::LastByte, false, servers(2));
    // The second has its header sooner and its last byte later: 150 → 150 + 20 − 10 = 160, 500 → 520.
    assert_eq!((scene.ask(100, 150), scene.ask(40, 500)), (1, 2));
    assert_eq!((scene.ask(100, 150), scene.ask(100, 150)), (1, 1));
}

#[test]
fn a_heavier_server_may_take_longer() {
    let heavy = ServerSpec { weight: 3, ..server(1) };
    let mut scene = Scene::new(TimeTo::Header, false, vec![heavy, server(2)]);
    // 20 / 3 beside 20 / 1; then 80 / 3 = 26.7 beside 20, after that beside (20 + 20) / 1.
    assert_eq!((scene.ask(60, 60), scene.ask(20, 20), scene.ask(60, 60)), (1, 2, 1));
    // All of 200 → (0.05 × 200 + 0.95 × 60 = 67) + 20 − 7 = 80 … until 120 / 3 = 40 beside 40 / 1.
    let slower: Vec<u8> = (0..8).map(|_| scene.ask(200, 200)).collect();
    // Means behind each: 67, 74, 80, 86, 92, 97, 102; estimates 80, 80, 100, 100, 100, 100, 120: the tie.
    assert_eq!(slower[..7], [1; 7]);
}

#[test]
fn beyond_five_seconds_connections_alone_decide() {
    let patient = |last| ServerSpec { fail_timeout: std::time::Duration::from_secs(60), ..server(last) };
    let mut scene = Scene::new(TimeTo::Header, false, vec![patient(1), patient(2)]);
    // 9 s and 6 s, both 5000.
    assert_eq!((scene.ask(9_000, 9_000), scene.ask(6_000, 6_000)), (1, 2));
    // The first has −1 and 1 to come, the second 1: 0 and 2.
    let (third, _) = scene.pick();
    let (fourth, _) = scene.pick();
    assert_eq!((third, fourth), (2, 1), "5000 × 1 beside 5000 × 2");
}

#[test]
fn a_slow_server_gets_another_chance() {
    let mut scene = Scene::new(TimeTo::Header, false, servers(2));
    assert_eq!((scene.ask(100, 100), scene.ask(40, 40)), (1, 2));
    // 100 + 20 = 120 beside 40 + 20 = 60, for ten seconds.
    while scene.clock < 10_000 {
        scene.clock += 980;
        assert_eq!(scene.ask(20, 20), 2, "after {} ms", scene.clock);
    }
    // The second has come down to 30, which stays: 0.05 × 20 + 0.95 × 30 = 29.5, rounded up; that is 40. The first,
    // not asked since second 0, counts half from second 11, 50 + 20 − 10 = 60, and a quarter from second 22: 25 + 20 − 5
    // is 40 as well. In second 22 the second itself was not checked since 11, and 15 + 20 − 15 = 20. In second 23
    // they are alike, with −1 and 1 to come: 0 and 2, of which the second pays 2; in second 24 both have 1.
    let mut seen = Vec::new();
    while scene.clock < 26_000 {
        scene.clock += 980;
        let second = scene.clock / 1000;
        let last = scene.ask(20, 20);
        seen.push((second, last));
    }
    let first = seen.iter().find(|(_, last)| *last == 1).map(|(second, _)| *second);
    assert_eq!(first, Some(24), "{seen:?}");
}

#[test]
fn tries_that_fail_say_nothing_about_the_time() {
    let always = |last| ServerSpec { max_fails: 0, ..server(last) };
    let mut scene = Scene::new(TimeTo::LastByte, false, vec![always(1), always(2)]);
    let (first, mut id) = scene.pick();
    scene.answered(&mut id);
    scene.release(id, Outcome::Failure);
    assert_eq!((first, scene.ask(100, 100)), (1, 2));
    // Still nothing is known of the first.
    let (third, id) = scene.pick();
    scene.clock += 700;
    scene.release(id, Outcome::Abandoned);
    assert_eq!((third, scene.ask(10, 10)), (1, 1));
}

#[test]
fn who_is_silent_is_not_asked_again_where_tries_that_go_on_count() {
    let ask_second = |inflight| {
        let mut scene = Scene::new(TimeTo::Header, inflight, servers(2));
        assert_eq!((scene.ask(10, 10), scene.ask(70, 70)), (1, 2));
        // 10 + 20 − 10 = 20 beside 80: the first, which says nothing for two seconds.
        let (silent, _) = scene.pick();
        assert_eq!(silent, 1);
        scene.clock += 2_000;
        scene.ask(70, 70)
    };
    // 20 × 2 = 40 beside 80.
    assert_eq!(ask_second(false), 1);
    // Having waited for 2000, (2000 + 20) × 2 beside 80.
    assert_eq!(ask_second(true), 2);
}

#[test]
fn a_try_goes_on_until_its_header_or_until_its_last_byte() {
    let hang = |to| {
        let mut scene = Scene::new(to, true, servers(2));
        assert_eq!((scene.ask(10, 10), scene.ask(70, 70)), (1, 2));
        let (first, mut id) = scene.pick();
        scene.clock += 10;
        scene.answered(&mut id);
        scene.clock += 2_000;
        assert_eq!(first, 1);
        scene.ask(70, 70)
    };
    assert_eq!(hang(TimeTo::Header), 1, "20 × 2 beside 80");
    assert_eq!(hang(TimeTo::LastByte), 2, "2010 has passed");
}

#[test]
fn a_tunnel_took_as_long_as_its_101() {
    for (to, inflight) in
        [(TimeTo::Header, false), (TimeTo::Header, true), (TimeTo::LastByte, false), (TimeTo::LastByte, true)]
    {
        let mut scene = Scene::new(to, inflight, servers(2));
        let (first, mut id) = scene.pick();
        scene.clock += 30;
        scene.answered(&mut id);
        let now = scene.now();
        scene.group.succeeded_at(&mut id, now);
        // 20 × 1 beside (30 + 20 − 10) × 2 = 80.
        assert_eq!((first, scene.ask(110, 110)), (1, 2));
        // It stays for an hour, which is asked about all the time so that nobody is forgotten.
        for _ in 0..400 {
            scene.clock += 9_000;
            let (_, id) = scene.pick();
            scene.release(id, Outcome::Abandoned);
        }
        scene.release(id, Outcome::Success);
        // 40 beside 120.
        let (last, _) = scene.pick();
        assert_eq!(last, 1, "{to:?} {inflight}");
    }
}

#[test]
fn times_go_on_over_a_reload() {
    for inflight in [false, true] {
        let mut scene = Scene::new(TimeTo::LastByte, inflight, servers(2));
        assert_eq!((scene.ask(300, 300), scene.ask(10, 10)), (1, 2));
        let (last, mut open) = scene.pick();
        assert_eq!(last, 2);
        scene.clock += 50;
        let after = Group::after(spec(TimeTo::LastByte, inflight, vec![server(2), server(1)]), &scene.group);
        let before = std::mem::replace(&mut scene.group, after);
        // What ends in the earlier configuration is learnt by this one: 0.05 × 250 + 0.95 × 10 = 22, so 40; without
        // that it would be 20. Beside it (300 + 20) × 1.
        scene.clock += 200;
        before.answered_at(&mut open, true, scene.now());
        before.release_at(open, Outcome::Success, scene.now());
        let mut open = Vec::new();
        for _ in 0..7 {
            let (last, id) = scene.pick();
            assert_eq!(last, 2);
            open.push(id);
        }
        if !inflight {
            // 40 × 8 beside 320 is a tie, in which the second stands first by now; then 40 × 9.
            assert_eq!((scene.pick().0, scene.pick().0), (2, 1));
        }
        open.into_iter().for_each(|id| scene.release(id, Outcome::Success));
    }
}

#[test]
fn backups_are_chosen_by_time_as_well() {
    let backup = |last| ServerSpec { backup: true, ..server(last) };
    let down = ServerSpec { down: true, ..server(1) };
    let mut scene = Scene::new(TimeTo::Header, false, vec![down, backup(2), backup(3)]);
    assert_eq!((scene.ask(100, 100), scene.ask(10, 10), scene.ask(10, 10)), (2, 3, 3));
}

#[test]
fn of_two_by_chance_who_answers_sooner_is_asked() {
    let method = Method::RandomTwoTime(TimeTo::Header);
    let group = Group::new(GroupSpec { method, ..spec(TimeTo::Header, false, servers(2)) });
    let mut scene = Scene { group: Arc::new(group), clock: 0 };
    let mut counts = HashMap::new();
    for _ in 0..1_000 {
        let (last, mut id) = scene.pick();
        scene.clock += if last == 1 { 20 } else { 200 };
        scene.answered(&mut id);
        scene.release(id, Outcome::Success);
        *counts.entry(last).or_insert(0) += 1;
    }
    // Twenty draws name one of them alone once in half a million times; the slow one is asked until it is known to be
    // slow, and in turns after it was idle for long enough.
    assert!(counts[&1] > 900, "{counts:?}");
}

/// What happens to a group.
#[derive(Clone, Debug)]
enum Event {
    Pick,
    Pass(u16),
    /// The header of an open try comes.
    Answer(Index),
    End(Index, Outcome),
}

fn event() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![4 => Just(Outcome::Success), 1 => Just(Outcome::Abandoned)];
    prop_oneof![
        4 => Just(Event::Pick),
        2 => (0_u16..400).prop_map(Event::Pass),
        1 => (0_u16..30_000).prop_map(Event::Pass),
        3 => any::<Index>().prop_map(Event::Answer),
        3 => (any::<Index>(), outcome).prop_map(|(at, outcome)| Event::End(at, outcome)),
    ]
}

/// The module of nginx, line by line, for peers that never fail.
#[derive(Clone, Default)]
struct Reference {
    peers: Vec<Nginx>,
    to_header: bool,
    use_inflight: bool,
}

#[derive(Clone, Default)]
struct Nginx {
    conns: u64,
    weight: i64,
    current_weight: i64,
    checked: i64,
    header_time: u64,
    response_time: u64,
    inflight_time: u64,
    inflight_last: u64,
    inflight_reqs: u64,
    inflight_reqs_changed: u64,
}

/// A request: its peer, when it began, when its header came.
struct Asked {
    peer: usize,
    start_time: u64,
    header_time: Option<u64>,
    inflight: bool,
}

fn response_time_avg(avg: &mut u64, v: u64) {
    *avg = if *avg == 0 { v } else { (0.5 + (v as f64 * 0.05 + *avg as f64 * 0.95)) as u64 };
}

impl Reference {
    fn eta(&self, peer: &Nginx, ms: u64) -> u64 {
        let (now, fail_timeout) = ((ms / 1000) as i64, 10);
        let mut rt = if self.to_header { peer.header_time } else { peer.response_time };
        if now - peer.checked > fail_timeout {
            let shift = (now - peer.checked) / (fail_timeout + 1);
            rt = if shift < 64 { rt >> shift } else { 0 };
        }
        if peer.inflight_reqs > 0 {
            rt = rt.max(peer.inflight_time);
        }
        if rt > 5000 {
            rt = 5000;
        } else {
            rt += 20 - rt % 20;
        }
        rt * (1 + peer.conns)
    }

    fn get(&mut self, ms: u64) -> Asked {
        let (mut best, mut best_eta, mut many) = (None::<usize>, 0, false);
        for i in 0..self.peers.len() {
            let peer = &mut self.peers[i];
            if let Some(each) = peer.inflight_last.checked_div(peer.inflight_reqs) {
                let ift = each + (ms - peer.inflight_reqs_changed);
                response_time_avg(&mut peer.inflight_time, ift);
            }
            let eta = self.eta(&self.peers[i], ms);
            let own = self.peers[i].weight as u64;
            let best_weight = best.map(|best| self.peers[best].weight as u64);
            match best_weight {
                Some(weight) if eta * weight == best_eta * own => many = true,
                Some(weight) if eta * weight > best_eta * own => {}
                _ => (best, best_eta, many) = (Some(i), eta, false),
            }
        }
        let mut best = best.expect("nobody fails");
        let mut total = 0;
        if many {
            let first = best;
            for i in first..self.peers.len() {
                let eta = self.eta(&self.peers[i], ms);
                if eta * self.peers[best].weight as u64 != best_eta * self.peers[i].weight as u64 {
                    continue;
                }
                self.peers[i].current_weight += self.peers[i].weight;
                total += self.peers[i].weight;
                if self.peers[i].current_weight > self.peers[best].current_weight {
                    best = i;
                }
            }
        }
        let peer = &mut self.peers[best];
        peer.current_weight -= total;
        if self.use_inflight {
            if peer.inflight_reqs > 0 {
                peer.inflight_last += (ms - peer.inflight_reqs_changed) * peer.inflight_reqs;
            }
            peer.inflight_reqs_changed = ms;
            peer.inflight_reqs += 1;
        }
        let now = (ms / 1000) as i64;
        if now - peer.checked > 10 {
            peer.checked = now;
        }
        peer.conns += 1;
        Asked { peer: best, start_time: ms, header_time: None, inflight: self.use_inflight }
    }

    fn inflight_done(&mut self, asked: &mut Asked, last: u64, ms: u64) {
        let peer = &mut self.peers[asked.peer];
        if peer.inflight_reqs == 1 {
            peer.inflight_last = 0;
        } else {
            let spent = (ms - peer.inflight_reqs_changed) * peer.inflight_reqs;
            peer.inflight_last = (peer.inflight_last + spent) - last;
            peer.inflight_reqs_changed = ms;
        }
        peer.inflight_reqs -= 1;
        asked.inflight = false;
    }

    fn notify(&mut self, asked: &mut Asked, ms: u64) {
        let last = ms - asked.start_time;
        asked.header_time = Some(last);
        if self.use_inflight && self.to_header {
            response_time_avg(&mut self.peers[asked.peer].header_time, last);
            self.inflight_done(asked, last, ms);
        }
    }

    fn free(&mut self, mut asked: Asked, ms: u64) {
        let response_time = ms - asked.start_time;
        if asked.inflight {
            self.inflight_done(&mut asked, response_time, ms);
        }
        let peer = &mut self.peers[asked.peer];
        if let Some(header_time) = asked.header_time {
            response_time_avg(&mut peer.response_time, response_time);
            if !(self.use_inflight && self.to_header) {
                response_time_avg(&mut peer.header_time, header_time);
            }
        }
        peer.conns -= 1;
    }
}

proptest! {
    /// Whatever happens, the choice is nginx's.
    #[test]
    fn the_choice_is_that_of_nginx(
        weights in vec(1_i64..4, 2..6),
        to_header in any::<bool>(),
        use_inflight in any::<bool>(),
        events in vec(event(), 1..300),
    ) {
        let peers = weights.iter().map(|weight| Nginx { weight: *weight, ..Nginx::default() }).collect();
        let mut nginx = Reference { peers, to_header, use_inflight };
        let servers = (1..).zip(&weights).map(|(last, weight)| ServerSpec { weight: *weight, ..server(last) });
        let to = if to_header { TimeTo::Header } else { TimeTo::LastByte };
        let mut scene = Scene::new(to, use_inflight, servers.collect());
        let mut open: Vec<(PeerId, Asked)> = Vec::new();
        for event in events {
            let ms = scene.now().0 as u64;
            match event {
                Event::Pass(time) => scene.clock += i64::from(time),
                Event::Pick => {
                    let asked = nginx.get(ms);
                    let (last, id) = scene.pick();
                    prop_assert_eq!(usize::from(last), asked.peer + 1, "after {} ms", scene.clock);
                    open.push((id, asked));
                }
                Event::Answer(_) | Event::End(..) if open.is_empty() => {}
                Event::Answer(at) => {
                    let at = at.index(open.len());
                    let (id, asked) = &mut open[at];
                    if asked.header_time.is_none() {
                        nginx.notify(asked, ms);
                        scene.answered(id);
                    }
                }
                Event::End(at, outcome) => {
                    let (id, asked) = open.swap_remove(at.index(open.len()));
                    nginx.free(asked, ms);
                    scene.release(id, outcome);
                }
            }
        }
    }
}
