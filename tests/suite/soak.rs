//! A soak of some hundred tunnels: what `cargo bench --bench soak` does for as long as it is told to. Memory
//! is only asked for there.

use std::time::Duration;

#[path = "../../benches/soak/mod.rs"]
mod bench;

use bench::{Plan, Server as Soaked};

use crate::support::server::{Kind, Place, Server};

#[test]
fn tunnels_that_end_in_every_way_leave_nothing_behind() {
    let upstream = bench::start_upstream().expect("an upstream");
    let place = Place::new();
    let access_log = place.path("access.log");
    let site = bench::site("@PORT@", upstream, "@DIR@/access.log");
    let server = Server::start(Kind::Wsproxy, place, &site);
    let port = server.place.value("NUMBER").parse().expect("a port");
    let soaked = Soaked { pid: server.pid(), port, access_log };
    let plan =
        Plan { clients: 16, kept: 10, acts: 200, time: Duration::MAX, acts_between_reloads: 50, seed: 1 };
    let report = bench::run(&soaked, &plan).expect("a soak");
    assert_eq!(report.wrong(), Vec::<String>::new());
    assert_eq!((report.acts.values().sum::<u64>(), report.reloads), (200, 4));
}
