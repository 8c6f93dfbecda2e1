//! The door of a group: what is picked in which order, and what is kept of a group that changes.

use std::net::{Ipv4Addr, SocketAddr};

use super::*;
use crate::net::Address;

fn address(last: u8) -> Address {
    Address::Ip(SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), 80)))
}

fn server(last: u8) -> ServerSpec {
    ServerSpec::new(format!("10.0.0.{last}:80"), Endpoint::Known(address(last)))
}

fn named(host: &str) -> ServerSpec {
    ServerSpec::new(host.into(), Endpoint::Name { host: host.into(), port: 80 })
}

fn spec(servers: Vec<ServerSpec>) -> GroupSpec {
    GroupSpec::new("group".into(), "group".into(), servers)
}

/// The last byte of the address that a new request gets.
fn pick(group: &Group) -> Option<(u8, PeerId)> {
    pick_again(group, &mut Round::default())
}

fn pick_again(group: &Group, round: &mut Round) -> Option<(u8, PeerId)> {
    let picked = group.pick(&Wish::default(), round).ok()?;
    let Some(std::net::IpAddr::V4(ip)) = picked.address.ip().map(|address| address.ip()) else { return None };
    Some((ip.octets()[3], picked.id))
}

/// Whom so many requests get that succeed at once.
fn picks(group: &Group, count: usize) -> Vec<u8> {
    let one = |_| {
        let (last, id) = pick(group).expect("a peer");
        group.release(id, Outcome::Success);
        last
    };
    (0..count).map(one).collect()
}

#[test]
fn weights_are_spread_smoothly() {
    let heavy = ServerSpec { weight: 5, ..server(1) };
    let group = Group::new(spec(vec![heavy, server(2), server(3)]));
    assert_eq!(picks(&group, 7), [1, 1, 2, 1, 3, 1, 1]);
    assert_eq!(picks(&group, 7), [1, 1, 2, 1, 3, 1, 1]);
}

#[test]
fn backups_are_asked_when_no_other_is_left() {
    let backup = ServerSpec { backup: true, ..server(3) };
    let group = Group::new(spec(vec![server(1), backup, server(2)]));
    let mut round = Round::default();
    let asked: Vec<u8> =
        std::iter::from_fn(|| pick_again(&group, &mut round)).map(|(last, _)| last).collect();
    assert_eq!((asked, group.tries()), (vec![1, 2, 3], 3));
}

#[test]
fn a_group_that_goes_on_counts_what_was_open_before() {
    let full = |last| ServerSpec { max_conns: 1, ..server(last) };
    let before = Group::new(spec(vec![full(1), full(2)]));
    let (_, first) = pick(&before).expect("the first");
    let after = Group::after(spec(vec![full(2), full(1), full(3)]), &before);
    let (taken, second) = pick(&after).expect("the second");
    assert_eq!((taken, pick(&after).map(|(last, _)| last)), (2, Some(3)));
    assert!(pick(&after).is_none(), "the first counts from before");
    before.release(first, Outcome::Success);
    assert_eq!(pick(&after).map(|(last, _)| last), Some(1));
    after.release(second, Outcome::Success);
    // A request that began with the earlier configuration counts in this one.
    let mut late = Round::default();
    while let Some((last, _)) = pick_again(&before, &mut late) {
        if last == 2 {
            assert!(pick(&after).is_none());
            return;
        }
    }
    panic!("the second is free");
}

#[test]
fn what_is_open_to_a_server_that_was_taken_out_counts_when_it_is_back() {
    let full = |last| ServerSpec { max_conns: 1, ..server(last) };
    let first = Group::new(spec(vec![full(1), full(2)]));
    let (_, open) = pick(&first).expect("the first");
    let without = Group::after(spec(vec![full(2)]), &first);
    let again = Group::after(spec(vec![full(1), full(2)]), &without);
    assert_eq!(pick(&again).map(|(last, _)| last), Some(2));
    assert!(pick(&again).is_none());
    drop(without);
    first.release(open, Outcome::Success);
    assert_eq!(pick(&again).map(|(last, _)| last), Some(1));
}

#[test]
fn a_name_keeps_its_addresses_over_a_reload_and_the_counts_of_those_it_left() {
    let line = ServerSpec { max_conns: 1, ..named("moves.example") };
    let before = Group::new(spec(vec![line.clone()]));
    assert_eq!(before.pick(&Wish::default(), &mut Round::default()).err(), Some(NoPeer::Unresolved));
    assert!(before.set_addresses(0, &[address(1)]));
    let (_, open) = pick(&before).expect("its address");
    assert!(before.set_addresses(0, &[address(2)]));
    let after = Group::after(spec(vec![server(9), line]), &before);
    assert!(after.is_resolved(1));
    assert!(after.set_addresses(1, &[address(1), address(2)]));
    let free: Vec<u8> = std::iter::from_fn(|| pick(&after)).map(|(last, _)| last).take(4).collect();
    assert_eq!(free, [9, 2, 9, 9], "something is open to the address it came back to");
    assert_eq!(before.server_of(open), Some(0));
    before.release(open, Outcome::Success);
    assert!((0..2).any(|_| pick(&after).is_some_and(|(last, _)| last == 1)));
}

#[test]
fn places_of_a_service_keep_their_weights_and_ranks_over_a_reload() {
    let line = ServerSpec { resolve: true, service: Some("http".into()), ..named("app.example") };
    let found = |last, weight, backup| {
        let (address, weight) = (address(last), Some(weight));
        Found { address, weight, backup, target: Some("t".into()) }
    };
    let before = Group::new(spec(vec![line.clone()]));
    assert!(before.set_found(0, &[found(1, 2, false), found(2, 1, false), found(3, 1, true)]).is_some());
    assert_eq!(picks(&before, 3), [1, 2, 1]);
    let after = Group::after(spec(vec![line, ServerSpec { down: true, ..server(9) }]), &before);
    assert_eq!(picks(&after, 3), [1, 2, 1]);
    // Another weight holds from now on; what was first is a backup.
    assert!(after.set_found(0, &[found(2, 1, false), found(3, 3, false), found(1, 1, true)]).is_none());
    let mut some = picks(&after, 4);
    some.sort_unstable();
    assert_eq!(some, [2, 3, 3, 3]);
}

#[test]
fn addresses_that_come_and_go_stand_in_the_order_they_were_found_in() {
    let line = ServerSpec { resolve: true, ..named("moves.example") };
    let group = Group::new(spec(vec![server(9), line]));
    assert!(group.set_addresses(1, &[address(1), address(3)]));
    assert_eq!(picks(&group, 3), [9, 1, 3]);
    assert!(group.set_addresses(1, &[address(1), address(2), address(3), address(4)]));
    assert_eq!(picks(&group, 5), [9, 1, 2, 3, 4]);
    assert!(!group.set_addresses(1, &[address(4), address(3)]));
    assert_eq!(picks(&group, 3), [9, 4, 3]);
}

/// nginx takes it for a success, and the peer for well.
#[test]
fn a_client_that_leaves_says_nothing_about_its_peer() {
    use super::peer::Now;
    let resting = ServerSpec { fail_timeout: std::time::Duration::from_secs(2), ..server(1) };
    let group = Group::new(spec(vec![resting, server(2)]));
    let at = |second: i64| Now(1_700_000_000_000 + second * 1000);
    let pick = |second| {
        let picked = group.pick_at(&Wish::default(), &mut Round::default(), at(second)).expect("a peer");
        (picked.address == address(1), picked.id)
    };
    let (_, first) = pick(0);
    group.release_at(first, Outcome::Failure, at(0));
    let (_, probe) = (0..3).map(|_| pick(3)).find(|(first, _)| *first).expect("it is asked once more");
    group.release_at(probe, Outcome::Abandoned, at(3));
    assert!((3..=5).all(|second| !pick(second).0), "it has not answered");
    let (_, probe) = (0..3).map(|_| pick(6)).find(|(first, _)| *first).expect("the next request finds out");
    group.release_at(probe, Outcome::Success, at(6));
    assert!((0..2).any(|_| pick(6).0), "it has answered");
}

#[test]
fn the_only_peer_is_never_given_up() {
    let group = Group::new(spec(vec![server(1)]));
    for _ in 0..3 {
        let (_, id) = pick(&group).expect("the peer");
        group.release(id, Outcome::Failure);
    }
    assert!(pick(&group).is_some());
}

#[test]
fn a_peer_that_failed_rests_and_is_asked_again() {
    use super::peer::Now;
    let resting = ServerSpec { fail_timeout: std::time::Duration::from_secs(2), ..server(1) };
    let group = Group::new(spec(vec![resting, server(2)]));
    let at = |second: i64| Now(1_700_000_000_000 + second * 1000);
    let last = |second| {
        let picked = group.pick_at(&Wish::default(), &mut Round::default(), at(second)).expect("a peer");
        (picked.address == address(1), picked.id)
    };
    let (first, id) = last(0);
    group.release_at(id, Outcome::Failure, at(0));
    assert!(first);
    assert!((0..=2).all(|second| !last(second).0), "it rests for its fail_timeout");
    let mut probe = (0..3).map(|_| last(3)).find(|(first, _)| *first).expect("it is asked once more");
    assert!((0..3).all(|_| !last(3).0), "and no more, until it has answered");
    group.succeeded(&mut probe.1);
    assert!((0..3).any(|_| last(3).0));
}

#[test]
fn a_server_that_is_well_again_gets_its_weight_back_slowly() {
    use super::peer::Now;
    use std::time::Duration;
    let slow = |last| ServerSpec {
        slow_start: Duration::from_secs(10),
        fail_timeout: Duration::from_secs(1),
        ..server(last)
    };
    let group = Group::new(spec(vec![slow(1), slow(2)]));
    let at = |milliseconds: i64| Now(1_700_000_000_000 + milliseconds);
    let pick = |group: &Group, now| {
        let picked = group.pick_at(&Wish::default(), &mut Round::default(), at(now)).expect("a peer");
        group.release_at(picked.id, Outcome::Abandoned, at(now));
        (picked.address == address(1), picked.id)
    };
    let (first, id) = pick(&group, 0);
    assert!(first);
    group.release_at(id, Outcome::Failure, at(0));
    let (_, probe) =
        (0..2).map(|_| pick(&group, 2_000)).find(|(first, _)| *first).expect("it is asked again");
    group.succeeded_at(&mut { probe }, at(2_000));
    let share = |group: &Group, now| (0..150).filter(|_| pick(group, now).0).count();
    // Where the turn stands may move each figure by one.
    assert!(share(&group, 2_000) <= 2, "one in a hundred and one");
    assert!((49..=51).contains(&share(&group, 7_000)), "a half to a whole");
    let after = Group::after(spec(vec![slow(1), slow(2)]), &group);
    assert!((49..=51).contains(&share(&after, 7_000)), "a reload does not make it well");
    assert!((74..=76).contains(&share(&after, 12_000)));
}
