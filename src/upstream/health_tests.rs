//! Peers of a group that are checked.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::net::Address;

const PLAIN: Rules = Rules { fails: 1, passes: 1, mandatory: false, persistent: false };
const MANDATORY: Rules = Rules { mandatory: true, ..PLAIN };

fn address(last: u8) -> Address {
    Address::Ip(SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), 80)))
}

fn server(last: u8) -> ServerSpec {
    ServerSpec::new(format!("10.0.0.{last}:80"), Endpoint::Known(address(last)))
}

fn spec(servers: Vec<ServerSpec>) -> GroupSpec {
    GroupSpec::new("group".into(), "group".into(), servers)
}

/// The last bytes of the addresses that so many requests get; 0 is nobody's.
fn picks(group: &Group, wish: &Wish, count: usize) -> Vec<u8> {
    let one = |_| match group.pick(wish, &mut Round::default()) {
        Err(_) => 0,
        Ok(picked) => {
            group.release(picked.id, Outcome::Success);
            let Some(std::net::IpAddr::V4(ip)) = picked.address.ip().map(|address| address.ip()) else {
                return 0;
            };
            ip.octets()[3]
        }
    };
    (0..count).map(one).collect()
}

fn all(group: &Group) -> Vec<u8> {
    let mut picked = picks(group, &Wish::default(), 20);
    picked.sort_unstable();
    picked.dedup();
    picked
}

fn number(group: &Group, last: u8) -> u32 {
    let peers = group.checkable();
    peers.iter().find(|peer| peer.address == address(last)).expect("a peer").number
}

fn note(group: &Group, last: u8, passed: bool) {
    group.note_check(0, number(group, last), passed).expect("a peer that is known");
}

#[test]
fn by_every_method_who_is_unhealthy_gets_nothing() {
    let time = |to, inflight| Method::LeastTime { to, inflight };
    for method in [
        Method::RoundRobin,
        Method::LeastConn,
        Method::IpHash,
        Method::Hash,
        Method::ConsistentHash,
        Method::Random,
        time(TimeTo::Header, false),
        time(TimeTo::LastByte, true),
    ] {
        let group = Group::new(GroupSpec { method, ..spec(vec![server(1), server(2)]) });
        group.begin_checks(&[PLAIN]);
        let keys: Vec<String> = (0..40).map(|key| key.to_string()).collect();
        let picked = |wanted: u8| {
            keys.iter().all(|key| {
                let client = Some(std::net::IpAddr::from([10, key.len() as u8, key.as_bytes()[0], 1]));
                picks(&group, &Wish { key: key.as_bytes(), client, sid: None }, 1) == [wanted]
            })
        };
        note(&group, 1, false);
        assert!(picked(2), "{method:?}");
        note(&group, 2, false);
        assert!(picked(0), "{method:?}");
        note(&group, 1, true);
        assert!(picked(1), "{method:?}");
    }
}

#[test]
fn who_is_named_or_the_only_one_is_not_excepted() {
    let routed = |last: u8| ServerSpec { route: Some(vec![b'a' + last].into()), ..server(last) };
    let group = Group::new(GroupSpec { sticky: true, ..spec(vec![routed(1), routed(2)]) });
    group.begin_checks(&[PLAIN]);
    let named = Wish { sid: Some(b"b"), ..Wish::default() };
    assert_eq!(picks(&group, &named, 1), [1]);
    note(&group, 1, false);
    assert_eq!(picks(&group, &named, 1), [2]);

    let group = Group::new(spec(vec![server(1)]));
    group.begin_checks(&[PLAIN]);
    note(&group, 1, false);
    assert_eq!(all(&group), [0]);
    note(&group, 1, true);
    assert_eq!(all(&group), [1]);
}

#[test]
fn addresses_that_come_are_checked_first_and_those_that_come_back_stand_as_they_stood() {
    let name = Endpoint::Name { host: "app".into(), port: 80 };
    let group = Group::new(spec(vec![ServerSpec::new("app".into(), name), server(9)]));
    group.begin_checks(&[MANDATORY]);
    note(&group, 9, true);
    group.set_addresses(0, &[address(1), address(2)]);
    assert_eq!(all(&group), [9], "whoever came has to pass first");
    note(&group, 1, true);
    assert_eq!(all(&group), [1, 9]);
    group.begin_checks(&[PLAIN]);
    note(&group, 2, false);
    let gone = number(&group, 2);
    group.set_addresses(0, &[address(1)]);
    assert_eq!(group.note_check(0, gone, true), None, "nobody is there any more");
    assert_eq!(all(&group), [1, 9]);
}

#[test]
fn a_group_that_takes_over_knows_who_was_unhealthy() {
    let before = Group::new(spec(vec![server(1), server(2), server(3)]));
    before.begin_checks(&[PLAIN]);
    note(&before, 1, false);
    let after = Group::after(spec(vec![server(1), server(2)]), &before);
    assert_eq!(all(&after), [2], "before its checks begin, too");
    after.begin_checks(&[PLAIN]);
    assert_eq!(all(&after), [2]);
    let persistent = Rules { persistent: true, ..MANDATORY };
    after.begin_checks(&[persistent]);
    assert_eq!(all(&after), [2]);
    after.begin_checks(&[MANDATORY]);
    assert_eq!(all(&after), [0]);
    after.begin_checks(&[]);
    assert_eq!(all(&after), [1, 2]);
}

#[test]
fn who_is_well_again_starts_slowly_and_has_no_failures() {
    let slow = ServerSpec { slow_start: Duration::from_secs(3600), ..server(1) };
    let group = Group::new(spec(vec![slow, server(2)]));
    group.begin_checks(&[PLAIN]);
    assert_eq!(picks(&group, &Wish::default(), 4), [1, 2, 1, 2]);
    let picked = group.pick(&Wish::default(), &mut Round::default()).expect("the first");
    group.release(picked.id, Outcome::Failure);
    note(&group, 1, false);
    note(&group, 1, true);
    let picked = picks(&group, &Wish::default(), 200);
    let share = picked.iter().filter(|last| **last == 1).count();
    assert!((1..5).contains(&share), "{share} of 200: a hundredth of its weight");
}
