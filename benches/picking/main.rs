//! What it costs to choose a peer: nanoseconds for each pick and its release, by method and size of the group.
//!
//! `cargo bench --bench picking`. Nothing is sent: it is the engine alone, on one thread.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use wsproxy::net::Address;
use wsproxy::upstream::{Endpoint, Group, GroupSpec, Method, Outcome, Round, ServerSpec, TimeTo, Wish};

const SIZES: [usize; 3] = [3, 100, 1_000];

/// How long one figure is measured.
const LENGTH: Duration = Duration::from_millis(100);

/// How often it is measured; the best counts.
const RUNS: usize = 5;

const METHODS: &[(&str, Method)] = &[
    ("round robin", Method::RoundRobin),
    ("ip_hash", Method::IpHash),
    ("hash", Method::Hash),
    ("hash consistent", Method::ConsistentHash),
    ("least_conn", Method::LeastConn),
    ("least_time", Method::LeastTime { to: TimeTo::Header, inflight: false }),
    ("  inflight", Method::LeastTime { to: TimeTo::Header, inflight: true }),
    ("random", Method::Random),
    ("random two", Method::RandomTwo),
    ("  least_time", Method::RandomTwoTime(TimeTo::Header)),
];

fn main() {
    println!("{:16} {:>9} {:>9} {:>9}", "ns, peers:", SIZES[0], SIZES[1], SIZES[2]);
    for (name, method) in METHODS {
        let [few, some, many] = SIZES.map(|size| best(*method, size));
        println!("{name:16} {few:9.0} {some:9.0} {many:9.0}");
    }
}

fn best(method: Method, size: usize) -> f64 {
    let group = group(method, size);
    (0..RUNS).map(|_| measure(&group)).fold(f64::INFINITY, f64::min)
}

/// A group of peers whose weights are one to four.
fn group(method: Method, size: usize) -> Group {
    let server = |at: usize| {
        let address = SocketAddr::from((Ipv4Addr::from(0x0a00_0001 + at as u32), 8080));
        let text = address.to_string();
        ServerSpec {
            weight: 1 + (at % 4) as i64,
            ..ServerSpec::new(text, Endpoint::Known(Address::Ip(address)))
        }
    };
    let servers = (0..size).map(server).collect();
    Group::new(GroupSpec { method, ..GroupSpec::new("group".into(), "group".into(), servers) })
}

/// Nanoseconds of one pick and its release.
fn measure(group: &Group) -> f64 {
    let began = Instant::now();
    let mut count = 0_u32;
    while began.elapsed() < LENGTH {
        for _ in 0..64 {
            count = count.wrapping_add(1);
            let key = count.to_le_bytes();
            let client = Some(IpAddr::V4(Ipv4Addr::from(count << 8)));
            let wish = Wish { key: &key, client, ..Wish::default() };
            let mut picked = group.pick(&wish, &mut Round::default()).expect("everybody is well");
            group.answered(&mut picked.id, true);
            group.release(black_box(picked).id, Outcome::Success);
        }
    }
    began.elapsed().as_nanos() as f64 / f64::from(count)
}
