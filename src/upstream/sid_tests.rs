//! Requests that name the peer they belong to.

use std::net::{Ipv4Addr, SocketAddr};

use super::*;
use crate::net::Address;

fn server(last: u8) -> ServerSpec {
    let address = Address::Ip(SocketAddr::from((Ipv4Addr::new(10, 0, 0, last), 80)));
    ServerSpec::new(format!("10.0.0.{last}:80"), Endpoint::Known(address))
}

fn spec(servers: Vec<ServerSpec>) -> GroupSpec {
    GroupSpec::new("group".into(), "group".into(), servers)
}

/// Whom requests get that name these ids, one after another.
fn named(group: &Group, ids: &[&str]) -> Vec<u8> {
    let one = |id: &&str| {
        let sid = Some(id.as_bytes()).filter(|id| !id.is_empty());
        let picked = group.pick(&Wish { sid, ..Wish::default() }, &mut Round::default()).expect("a peer");
        group.release(picked.id, Outcome::Success);
        match picked.address.ip().expect("an address").ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[3],
            std::net::IpAddr::V6(_) => 0,
        }
    };
    ids.iter().map(one).collect()
}

fn routed(last: u8) -> ServerSpec {
    ServerSpec { route: Some(format!("r{last}").into_bytes().into()), ..server(last) }
}

fn sticky(servers: Vec<ServerSpec>) -> Group {
    Group::new(GroupSpec { sticky: true, ..spec(servers) })
}

#[test]
fn a_request_gets_the_peer_it_names_and_round_robin_takes_account_of_one() {
    let group = sticky(vec![routed(1), routed(2), routed(3)]);
    assert_eq!(named(&group, &["r2", "r2", "r2", "", "", ""]), [2, 2, 2, 1, 3, 1]);
    assert_eq!(named(&group, &["nobody", "", ""]), [2, 3, 1]);
}

/// `ngx_http_upstream_get_peer`, step by step, for peers that are all well.
fn reference(weights: &[i64], ids: &[Option<usize>]) -> Vec<u8> {
    let total: i64 = weights.iter().sum();
    let mut current = vec![0; weights.len()];
    let mut one = |id: &Option<usize>| {
        if let Some(at) = id.filter(|at| current[*at] <= -(total - weights[*at])) {
            return at as u8 + 1;
        }
        let mut best = 0;
        for at in 0..weights.len() {
            current[at] += weights[at];
            if current[at] > current[best] {
                best = at;
            }
        }
        let at = id.unwrap_or(best);
        current[at] -= total;
        at as u8 + 1
    };
    ids.iter().map(&mut one).collect()
}

#[test]
fn weights_hold_between_requests_that_name_a_peer_and_those_that_do_not() {
    let weights = [5, 1, 3, 2];
    let servers = (1u8..).zip(weights).map(|(last, weight)| ServerSpec { weight, ..routed(last) });
    let group = sticky(servers.collect());
    let mut seed = 7u32;
    let ids: Vec<Option<usize>> = (0..2000)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((seed >> 24) as usize % 9).filter(|at| *at < weights.len())
        })
        .collect();
    let texts: Vec<String> =
        ids.iter().map(|id| id.map_or(String::new(), |at| format!("r{}", at + 1))).collect();
    let texts: Vec<&str> = texts.iter().map(|text| &text[..]).collect();
    assert_eq!(named(&group, &texts), reference(&weights, &ids));
}

#[test]
fn a_peer_that_drains_gets_only_those_who_name_it() {
    let drains = ServerSpec { drain: true, ..routed(2) };
    let down = ServerSpec { down: true, ..routed(3) };
    let group = sticky(vec![routed(1), drains.clone(), down]);
    assert_eq!(named(&group, &["", "", "r2", "r3", "r2"]), [1, 1, 2, 1, 2]);
    assert_eq!(group.tries(), 1);
    let alone = sticky(vec![drains]);
    assert_eq!(named(&alone, &["r2"]), [2]);
    assert!(alone.pick(&Wish::default(), &mut Round::default()).is_err());
}

#[test]
fn a_peer_that_was_tried_or_is_full_is_not_insisted_upon() {
    let full = ServerSpec { max_conns: 1, ..routed(2) };
    let group = sticky(vec![routed(1), full]);
    let wish = Wish { sid: Some(b"r2"), ..Wish::default() };
    let mut round = Round::default();
    let first = group.pick(&wish, &mut round).expect("a peer");
    assert_eq!(first.sid.as_deref(), Some(&b"r2"[..]));
    assert_eq!(group.pick(&wish, &mut round).expect("a peer").sid.as_deref(), Some(&b"r1"[..]));
    assert_eq!(named(&group, &["r2"]), [1]);
}

#[test]
fn a_backup_is_named_only_where_backups_are_asked() {
    let backup = |last| ServerSpec { backup: true, ..routed(last) };
    let group = sticky(vec![routed(1), backup(2), backup(3)]);
    assert_eq!(named(&group, &["r3", "r3"]), [1, 1]);
    let down = ServerSpec { down: true, ..routed(1) };
    let group = sticky(vec![down, backup(2), backup(3)]);
    assert_eq!(named(&group, &["r3", "r3", "r1"]), [3, 3, 2]);
}

#[test]
fn sessions_go_on_in_a_group_that_keeps_their_zone() {
    let with = |name: &str, size| {
        let zone = SessionZone { name: name.into(), size };
        GroupSpec { sticky: true, sessions: Some(zone), ..spec(vec![server(1)]) }
    };
    let first = Group::new(with("a", 1 << 20));
    let is_same = |spec| {
        let after = Group::after(spec, &first);
        let (before, after) =
            (first.sessions.as_ref().expect("some"), after.sessions.as_ref().expect("some"));
        std::sync::Arc::ptr_eq(before, after)
    };
    assert!(is_same(with("a", 1 << 20)));
    assert!(!is_same(with("a", 2 << 20)));
    assert!(!is_same(with("b", 1 << 20)));
}

#[test]
fn an_id_goes_before_every_method() {
    use Method::{ConsistentHash, Hash, IpHash, LeastConn, Random, RandomTwo, RoundRobin};
    let timed = [
        Method::LeastTime { to: TimeTo::Header, inflight: false },
        Method::LeastTime { to: TimeTo::LastByte, inflight: true },
        Method::RandomTwoTime(TimeTo::Header),
    ];
    for method in
        [RoundRobin, IpHash, Hash, ConsistentHash, LeastConn, Random, RandomTwo].into_iter().chain(timed)
    {
        let servers = vec![routed(1), routed(2), routed(3)];
        let group = Group::new(GroupSpec { sticky: true, method, ..spec(servers) });
        for (id, last) in [("r1", 1), ("r2", 2), ("r3", 3)] {
            for key in ["", "a", "b", "c"] {
                let wish = Wish { key: key.as_bytes(), sid: Some(id.as_bytes()), ..Wish::default() };
                let picked = group.pick(&wish, &mut Round::default()).expect("a peer");
                assert_eq!(picked.sid.as_deref(), Some(format!("r{last}").as_bytes()), "{method:?} {key}");
                group.release(picked.id, Outcome::Success);
            }
        }
    }
}
