//! What it costs to choose a peer: nanoseconds for each pick and its release, by method and size of the group.
//!
//! `cargo bench --bench picking`. Nothing is sent: it is the engine alone, on one thread.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use wsproxy::net::Address;
use wsproxy::upstream::{Endpoint, Group, GroupSpec, Method, Outcome, Round, ServerSpec, TimeTo, Wish};

const SIZES: [usize; 3] = [10, 100, 1_000];

/// How long one figure is measured.
const LENGTH: Duration = Duration::from_millis(50);

/// How often it is measured; the middle one counts.
const RUNS: usize = 7;

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

/// What a group is like.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    /// Weights go from one to this.
    weights: usize,
    /// One in so many has failed and rests.
    failing: Option<usize>,
    /// So many requests for each peer are open already, on whoever was chosen for them.
    open: usize,
}

const PLAIN: Kind = Kind { name: "equal weights", weights: 1, failing: None, open: 0 };

const KINDS: &[Kind] = &[
    PLAIN,
    Kind { name: "weights 1 to 4", weights: 4, ..PLAIN },
    Kind { name: "weights 1 to 4, a tenth failing", weights: 4, failing: Some(10), ..PLAIN },
    Kind { name: "weights 1 to 4, 20 open for each", weights: 4, open: 20, ..PLAIN },
    Kind { name: "weights 1 to 1,000", weights: 1_000, ..PLAIN },
];

fn main() {
    for kind in KINDS {
        println!("{}", kind.name);
        println!("{:16} {:>9} {:>9} {:>9}", "ns, peers:", SIZES[0], SIZES[1], SIZES[2]);
        for (name, method) in METHODS {
            // A ring of a thousand such weights takes more memory than it tells.
            if *method == Method::ConsistentHash && kind.weights > 4 {
                continue;
            }
            let [few, some, many] = SIZES.map(|size| median(*method, *kind, size));
            println!("{name:16} {few:9.0} {some:9.0} {many:9.0}");
        }
    }
}

fn median(method: Method, kind: Kind, size: usize) -> f64 {
    let group = group(method, kind, size);
    let mut figures: Vec<f64> = (0..RUNS).map(|_| measure(&group)).collect();
    figures.sort_by(f64::total_cmp);
    figures[RUNS / 2]
}

fn group(method: Method, kind: Kind, size: usize) -> Group {
    let server = |at: usize| {
        let address = SocketAddr::from((Ipv4Addr::from(0x0a00_0001 + at as u32), 8080));
        let text = address.to_string();
        ServerSpec {
            weight: 1 + (at % kind.weights) as i64,
            fail_timeout: Duration::from_secs(3600),
            ..ServerSpec::new(text, Endpoint::Known(Address::Ip(address)))
        }
    };
    let servers = (0..size).map(server).collect();
    let group = Group::new(GroupSpec { method, ..GroupSpec::new("group".into(), "group".into(), servers) });
    let pick = |count: usize| {
        let key = count.to_le_bytes();
        let client = Some(IpAddr::V4(Ipv4Addr::from((count as u32) << 8)));
        let wish = Wish { key: &key, client, ..Wish::default() };
        group.pick(&wish, &mut Round::default()).expect("some are well").id
    };
    (0..kind.failing.map_or(0, |part| size / part))
        .for_each(|count| group.release(pick(count), Outcome::Failure));
    (0..kind.open * size).for_each(|count| {
        pick(count);
    });
    group
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
            let mut picked = group.pick(&wish, &mut Round::default()).expect("some are well");
            group.answered(&mut picked.id, true);
            group.release(black_box(picked).id, Outcome::Success);
        }
    }
    began.elapsed().as_nanos() as f64 / f64::from(count)
}
