//! Names of upstream servers that move, through name servers that say so, say nothing, or say nonsense.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use rustix::process::Signal;
use wsproxy::net::{LookupError, Resolver, Wanted};

use crate::support::{
    client::Client,
    dns::{self, A, AAAA, Dns, Reply, SRV},
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
    stream::Address,
    until,
};

/// Upstreams on one port of several loopback addresses, 127.0.0.1 the first, that answer with their numbers.
struct Origins {
    port: u16,
    all: Vec<Option<Origin>>,
}

impl Origins {
    fn start(count: u8) -> Origins {
        let port = free_on_all(count);
        let one = |last: u8| {
            let address = Address::Tcp(SocketAddr::from(([127, 0, 0, last], port)));
            Some(Origin::start(&address, vec![Answer::text(&last.to_string())]))
        };
        Origins { port, all: (1..=count).map(one).collect() }
    }

    fn stop(&mut self, last: usize) {
        self.all[last - 1] = None;
    }
}

/// A port that nobody uses on 127.0.0.1 to 127.0.0.`count`.
fn free_on_all(count: u8) -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let port = first.local_addr().expect("an address").port();
        if (2..=count).all(|last| TcpListener::bind(SocketAddr::from(([127, 0, 0, last], port))).is_ok()) {
            return port;
        }
    }
}

fn start(site: &str) -> Server {
    Server::start(Kind::Wsproxy, Place::new(), site)
}

/// The status and the body of an answer.
fn get(server: &Server, path: &str) -> (u16, String) {
    let mut client = Client::connect(&server.address("LISTEN"));
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answer = client.ask(request).expect("an answer");
    (answer.status(), answer.body_text())
}

/// The bodies of so many answers.
fn bodies(server: &Server, count: usize) -> Vec<String> {
    (0..count).map(|_| get(server, "/").1).collect()
}

fn log(server: &Server) -> String {
    server.place.read("error.log")
}

fn ok(body: &str) -> (u16, String) {
    (200, body.into())
}

/// A group of one server that is resolved at run time, and a location that is passed on to it.
fn one_server(dns: &Dns, resolver: &str, server: &str) -> String {
    let address = dns.address();
    format!(
        "resolver {address} {resolver};
upstream app {{ zone app 64k; server {server} resolve; }}
server {{ listen @LISTEN@; location / {{ proxy_pass http://app; }} }}
"
    )
}

#[test]
fn a_name_is_asked_for_again_when_its_time_is_over_and_not_before() {
    let (dns, origins) = (Dns::start(), Origins::start(2));
    dns.addresses("short.test", &["127.0.0.1"], 1);
    dns.addresses("long.test", &["127.0.0.1"], 3600);
    let (address, port) = (dns.address(), origins.port);
    let server = start(&format!(
        "resolver {address} ipv6=off;
upstream short {{ zone z 64k; server short.test:{port} resolve; }}
upstream long {{ zone z; server long.test:{port} resolve; }}
server {{ listen @LISTEN@;
    location /short {{ proxy_pass http://short; }}
    location /long {{ proxy_pass http://long; }}
}}
"
    ));
    assert_eq!((get(&server, "/short"), get(&server, "/long")), (ok("1"), ok("1")));
    dns.addresses("short.test", &["127.0.0.2"], 1);
    dns.addresses("long.test", &["127.0.0.2"], 3600);
    until("the name that has moved", || get(&server, "/short") == ok("2"));
    assert_eq!((get(&server, "/long"), dns.asked("long.test", A)), (ok("1"), 1));
    let moved = format!("short.test has moved from 127.0.0.1:{port} to 127.0.0.2:{port}");
    until(&moved, || log(&server).contains(&moved));
}

#[test]
fn valid_goes_before_the_time_to_live() {
    let (dns, origins) = (Dns::start(), Origins::start(2));
    dns.addresses("app.test", &["127.0.0.1"], 3600);
    let server = start(&one_server(&dns, "valid=1s", &format!("app.test:{}", origins.port)));
    assert_eq!(get(&server, "/"), ok("1"));
    dns.addresses("app.test", &["127.0.0.2"], 3600);
    until("the name that has moved", || get(&server, "/") == ok("2"));
}

#[test]
fn a_time_to_live_of_nothing_is_asked_again_and_again() {
    let (dns, origins) = (Dns::start(), Origins::start(2));
    dns.addresses("app.test", &["127.0.0.1"], 0);
    let server = start(&one_server(&dns, "ipv6=off", &format!("app.test:{}", origins.port)));
    assert_eq!(get(&server, "/"), ok("1"));
    until("more questions", || dns.asked("app.test", A) >= 3);
}

#[test]
fn a_tunnel_outlives_the_address_it_goes_to() {
    let dns = Dns::start();
    let port = free_on_all(2);
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let echo = Answer::new(switch).then(Then::Echo);
    let at = |last: u8| Address::Tcp(SocketAddr::from(([127, 0, 0, last], port)));
    let _old = Origin::start(&at(1), vec![echo]);
    let _new = Origin::start(&at(2), vec![Answer::text("2")]);
    dns.addresses("app.test", &["127.0.0.1"], 1);
    let mut site = one_server(&dns, "", &format!("app.test:{port}"));
    site = site.replace("location / {", "location / { websocket_proxy on;");
    let server = start(&site);
    let mut tunnel = Client::connect(&server.address("LISTEN"));
    let handshake = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    assert_eq!(tunnel.ask(handshake).expect("an answer").status(), 101);
    let mut echoes = || {
        tunnel.send(b"\x81\x85\0\0\0\0hello");
        assert_eq!(tunnel.read(11).expect("the echo"), b"\x81\x85\0\0\0\0hello");
    };
    echoes();
    dns.addresses("app.test", &["127.0.0.2"], 1);
    until("the name that has moved", || log(&server).contains("app.test has moved"));
    assert_eq!(get(&server, "/"), ok("2"));
    echoes();
}

#[test]
fn a_name_that_is_not_there_at_the_start_heals() {
    let (dns, origins) = (Dns::start(), Origins::start(1));
    let server = start(&one_server(&dns, "valid=1s", &format!("app.test:{}", origins.port)));
    assert_eq!(get(&server, "/").0, 502);
    until("why not", || log(&server).contains("app.test could not be resolved (3: Host not found)"));
    dns.addresses("app.test", &["127.0.0.1"], 1);
    until("an answer", || get(&server, "/") == ok("1"));
}

#[test]
fn a_name_that_is_gone_has_no_addresses_and_one_that_cannot_be_looked_up_keeps_them() {
    let (dns, origins) = (Dns::start(), Origins::start(1));
    dns.addresses("app.test", &["127.0.0.1"], 1);
    let server = start(&one_server(&dns, "ipv6=off", &format!("app.test:{}", origins.port)));
    assert_eq!(get(&server, "/"), ok("1"));
    dns.answer("app.test", A, Reply::Code(2));
    let failed = "app.test could not be resolved (2: Server failure): its addresses stay";
    until(failed, || log(&server).contains(failed));
    assert_eq!(get(&server, "/"), ok("1"));
    dns.answer("app.test", A, Reply::Code(3));
    until("nobody", || get(&server, "/").0 == 502);
    until("the log", || log(&server).contains("app.test is not at 127.0.0.1"));
}

#[test]
fn a_peer_that_cannot_be_reached_has_its_name_looked_up() {
    let (dns, mut origins) = (Dns::start(), Origins::start(2));
    dns.addresses("app.test", &["127.0.0.1"], 3600);
    let server = start(&one_server(&dns, "", &format!("app.test:{}", origins.port)));
    assert_eq!(get(&server, "/"), ok("1"));
    dns.addresses("app.test", &["127.0.0.2"], 3600);
    origins.stop(1);
    until("the new address", || get(&server, "/") == ok("2"));
}

#[test]
fn every_address_of_a_name_is_asked_in_turn() {
    let (dns, origins) = (Dns::start(), Origins::start(3));
    dns.addresses("app.test", &["127.0.0.1", "127.0.0.2", "127.0.0.3"], 3600);
    let server = start(&one_server(&dns, "", &format!("app.test:{}", origins.port)));
    assert_eq!(bodies(&server, 6), ["1", "2", "3", "1", "2", "3"]);
}

#[test]
fn peers_stand_in_an_order_that_does_not_depend_on_name_servers() {
    let (dns, origins) = (Dns::start(), Origins::start(3));
    dns.addresses("app.test", &["127.0.0.3", "127.0.0.1"], 3600);
    let (address, port) = (dns.address(), origins.port);
    let server = start(&format!(
        "resolver {address} ipv6=off;
upstream found {{ zone z 64k; hash $arg_k; server app.test:{port} resolve; server 127.0.0.2:{port}; }}
upstream named {{
    hash $arg_k;
    server 127.0.0.2:{port}; server 127.0.0.1:{port}; server 127.0.0.3:{port};
}}
server {{ listen @LISTEN@;
    location /found {{ proxy_pass http://found; }}
    location /named {{ proxy_pass http://named; }}
}}
"
    ));
    let of = |path: &str| (0..20).map(|key| get(&server, &format!("{path}?k={key}"))).collect::<Vec<_>>();
    until("the name", || of("/found").contains(&ok("3")));
    assert_eq!(of("/found"), of("/named"));
}

#[test]
fn families_that_are_off_are_not_asked_for() {
    let (dns, origins) = (Dns::start(), Origins::start(1));
    dns.addresses("app.test", &["127.0.0.1", "2001:db8::1"], 3600);
    let server = start(&one_server(&dns, "ipv6=off", &format!("app.test:{}", origins.port)));
    assert_eq!(bodies(&server, 2), ["1", "1"]);
    assert_eq!((dns.asked("app.test", A), dns.asked("app.test", AAAA)), (1, 0));
    let server = start(&one_server(&dns, "ipv4=off", "other.test:80"));
    assert_eq!(get(&server, "/").0, 502);
    assert_eq!((dns.asked("other.test", A), dns.asked("other.test", AAAA)), (0, 1));
}

/// Origins on ports of their own, that answer with their names.
fn named(names: &[&'static str]) -> Vec<(Origin, u16)> {
    let one = |name: &&'static str| {
        let any = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
        let origin = Origin::start(&any, vec![Answer::text(name)]);
        let Address::Tcp(address) = *origin.address() else { panic!("a port") };
        (origin, address.port())
    };
    names.iter().map(one).collect()
}

#[test]
fn a_service_has_ports_weights_and_backups() {
    let dns = Dns::start();
    let origins = named(&["heavy", "light", "backup"]);
    let port = |at: usize| origins[at].1;
    dns.addresses("host.test", &["127.0.0.1"], 1);
    let backup = dns::service(20, 1, port(2), "host.test", 1);
    let both = vec![
        backup.clone(),
        dns::service(10, 3, port(0), "HOST.test", 1),
        dns::service(10, 0, port(1), "host.test", 1),
        dns::service(10, 9, 1, "nowhere.test", 1),
    ];
    dns.answer("_http._tcp.app.test", SRV, Reply::Records(both));
    let server = start(&one_server(&dns, "ipv6=off", "app.test service=http"));
    let mut answers = bodies(&server, 8);
    answers.sort();
    assert_eq!(answers, ["heavy", "heavy", "heavy", "heavy", "heavy", "heavy", "light", "light"]);
    let missing =
        "nowhere.test could not be resolved (3: Host not found) while resolving service http of app.test";
    until(missing, || log(&server).contains(missing));
    // The best places refuse: the backup has its turn.
    let refused = server.place.value("REFUSED").rsplit(':').next().expect("a port").parse().expect("a port");
    let none = vec![backup.clone(), dns::service(10, 1, refused, "host.test", 1)];
    dns.answer("_http._tcp.app.test", SRV, Reply::Records(none));
    until("the backup", || get(&server, "/") == ok("backup"));
    // One that is alone is no backup.
    dns.answer("_http._tcp.app.test", SRV, Reply::Records(vec![backup]));
    until("the only one", || bodies(&server, 2) == ["backup", "backup"]);
}

/// To a consistent hash a target is a server by its name alone, whatever its port: all proxies that ask the same
/// name servers send a key to the same place.
#[test]
fn a_consistent_hash_of_a_service_is_over_the_names_of_its_targets() {
    let dns = Dns::start();
    let targets = ["alpha.test", "beta.test", "gamma.test"];
    let origins = named(&targets);
    let records: Vec<_> = (1..)
        .zip(targets.iter().zip(&origins))
        .map(|(weight, (target, (_, port)))| dns::service(10, weight, *port, target, 3600))
        .collect();
    targets.iter().for_each(|target| dns.addresses(target, &["127.0.0.1"], 3600));
    dns.answer("_http._tcp.app.test", SRV, Reply::Records(records));
    let site = one_server(&dns, "ipv6=off", "app.test service=http");
    let server = start(&site.replace("server app", "hash $arg_k consistent; server app"));
    let mut ring: Vec<(u32, &str)> =
        (1..).zip(targets).flat_map(|(weight, target)| points(target, weight * 160)).collect();
    ring.sort_unstable();
    for key in 0..40 {
        let key = format!("key{key}");
        let hash = crc32fast::hash(key.as_bytes());
        let (_, owner) = ring.iter().find(|(point, _)| *point >= hash).unwrap_or(&ring[0]);
        assert_eq!(get(&server, &format!("/?k={key}")), ok(owner), "{key}");
    }
}

/// The points of a server without a port, as `ngx_http_upstream_init_chash` makes them.
fn points(name: &str, count: usize) -> Vec<(u32, &str)> {
    let mut previous = 0_u32;
    let next = |_| {
        previous = crc32fast::hash(&[name.as_bytes(), b"\0", &previous.to_le_bytes()].concat());
        (previous, name)
    };
    (0..count).map(next).collect()
}

#[test]
fn records_of_one_address_are_peers_of_their_own() {
    let dns = Dns::start();
    let origins = named(&["one", "other"]);
    let (one, other) = (origins[0].1, origins[1].1);
    ["alpha.test", "beta.test"].iter().for_each(|target| dns.addresses(target, &["127.0.0.1"], 1));
    let record = |weight, port, target| dns::service(10, weight, port, target, 1);
    let three =
        vec![record(2, one, "alpha.test"), record(1, one, "beta.test"), record(1, other, "beta.test")];
    dns.answer("_http._tcp.app.test", SRV, Reply::Records(three));
    let server = start(&one_server(&dns, "ipv6=off", "app.test service=http"));
    let ones = |server: &Server| bodies(server, 8).iter().filter(|body| *body == "one").count();
    assert_eq!(ones(&server), 6);
    // The same target twice, by weights alone.
    let twice =
        vec![record(2, one, "alpha.test"), record(1, one, "alpha.test"), record(1, other, "beta.test")];
    dns.answer("_http._tcp.app.test", SRV, Reply::Records(twice.clone()));
    let asked = dns.asked("_http._tcp.app.test", SRV);
    until("another question", || {
        get(&server, "/").0 == 200 && dns.asked("_http._tcp.app.test", SRV) > asked + 1
    });
    assert_eq!(ones(&server), 6);
    dns.answer("_http._tcp.app.test", SRV, Reply::Records(twice[1..].to_vec()));
    until("one of them gone", || ones(&server) == 4);
}

#[test]
fn a_target_that_nobody_answers_for_does_not_hold_up_the_others() {
    let dns = Dns::start();
    let origins = named(&["here"]);
    dns.addresses("host.test", &["127.0.0.1"], 3600);
    dns.answer("silent.test", A, Reply::Silence);
    let there = dns::service(1, 1, 80, "silent.test", 3600);
    let here = dns::service(1, 1, origins[0].1, "host.test", 3600);
    dns.answer("_http._tcp.app.test", SRV, Reply::Records(vec![there, here]));
    let site = one_server(&dns, "ipv6=off; resolver_timeout 2s", "app.test service=http");
    let server = start(&site);
    assert_eq!(get(&server, "/"), ok("here"));
    let missing = "silent.test could not be resolved (110: Operation timed out) while resolving service http of app.test";
    until(missing, || log(&server).contains(missing));
}

#[test]
fn a_service_with_a_dot_is_named_as_it_is() {
    let dns = Dns::start();
    let origins = named(&["here"]);
    dns.addresses("host.test", &["127.0.0.1"], 1);
    let record = dns::service(1, 1, origins[0].1, "host.test", 1);
    dns.answer("real.elsewhere.test", SRV, Reply::Records(vec![record]));
    dns.answer("web.eu.app.test", SRV, Reply::Records(vec![dns::alias("real.elsewhere.test", 60)]));
    let server = start(&one_server(&dns, "", "app.test service=web.eu"));
    assert_eq!(get(&server, "/"), ok("here"));
    assert!(dns.asked("web.eu.app.test", SRV) > 0);
}

#[test]
fn another_configuration_asks_anew_and_other_name_servers() {
    let (first, second, origins) = (Dns::start(), Dns::start(), Origins::start(2));
    first.addresses("app.test", &["127.0.0.1"], 3600);
    second.addresses("app.test", &["127.0.0.2"], 3600);
    let line = format!("app.test:{}", origins.port);
    let server = start(&one_server(&first, "", &line));
    assert_eq!(get(&server, "/"), ok("1"));
    server.place.write("site.conf", &one_server(&second, "", &line));
    server.signal(Signal::HUP);
    until("what the other says", || get(&server, "/") == ok("2"));
}

#[test]
fn a_group_may_have_a_resolver_of_its_own() {
    let (dns, origins) = (Dns::start(), Origins::start(1));
    dns.addresses("app.test", &["127.0.0.1"], 3600);
    let server = start(&format!(
        "resolver 127.0.0.1:1;
upstream app {{ zone app 64k; resolver localhost:{}; resolver_timeout 20s; server app.test:{} resolve; }}
server {{ listen @LISTEN@; location / {{ proxy_pass http://app; }} }}
",
        dns.address().port(),
        origins.port
    ));
    assert_eq!(get(&server, "/"), ok("1"));
}

#[test]
fn a_plain_name_is_kept_resolved_by_the_system() {
    let origins = Origins::start(1);
    let server = start(&format!(
        "resolver 127.0.0.1:1;
upstream app {{ server localhost:{0}; server never.invalid:{0} backup; }}
server {{ listen @LISTEN@; location / {{ proxy_pass http://app; }}
    location /gone {{ proxy_pass http://never.invalid; }} }}
",
        origins.port
    ));
    assert_eq!(get(&server, "/"), ok("1"));
    assert_eq!(get(&server, "/gone").0, 502);
    let words = ": requests for it are answered 502 until it resolves";
    until(words, || {
        log(&server).contains("never.invalid could not be resolved") && log(&server).contains(words)
    });
}

/// What name servers may say to a computed address, and the path that leads there.
fn hard_cases(dns: &Dns) -> Vec<&'static str> {
    let here = || vec![dns::address("127.0.0.1", 60)];
    let elsewhere = || vec![dns::address("127.0.0.9", 60)];
    dns.answer("plain.test", A, Reply::Records(here()));
    dns.answer("servfail.test", A, Reply::Code(2));
    dns.answer("unimplemented.test", A, Reply::Code(4));
    dns.answer("refused.test", A, Reply::Code(5));
    dns.answer("empty.test", A, Reply::Records(Vec::new()));
    dns.answer("tcp.test", A, Reply::OverTcp(here()));
    dns.answer("spoofed.test", A, Reply::Spoofed(elsewhere(), here()));
    dns.answer("alias.test", A, Reply::Records(vec![dns::alias("plain.test", 60)]));
    let mut both = vec![dns::alias("other.test", 60)];
    both.push(dns::Record { owner: Some("other.test".into()), ..dns::address("127.0.0.1", 60) });
    dns.answer("chain.test", A, Reply::Records(both));
    dns.answer("loop.test", A, Reply::Records(vec![dns::alias("pool.test", 60)]));
    dns.answer("pool.test", A, Reply::Records(vec![dns::alias("loop.test", 60)]));
    dns.answer("silent.test", A, Reply::Silence);
    dns.answer("garbage.test", A, Reply::Garbage(b"\x81\x80nonsense that goes on for a while".to_vec()));
    dns.answer("short.test", A, Reply::Garbage(Vec::new()));
    vec![
        "plain.test",
        "PLAIN.test",
        "alias.test",
        "chain.test",
        "tcp.test",
        "spoofed.test",
        "loop.test",
        "nobody.test",
        "empty.test",
        "servfail.test",
        "unimplemented.test",
        "refused.test",
        "silent.test",
        "garbage.test",
        "short.test",
        "127.0.0.1",
        "a..b",
        "x.",
    ]
}

/// Asks for computed addresses and gives back what came of each: status, body, and the words of both logs.
fn computed(kind: Kind, dns: &Dns, port: u16, names: &[&str]) -> Vec<String> {
    let address = dns.address();
    let site = format!(
        "log_format tries '$upstream_addr $upstream_status $status';
access_log @DIR@/access.log tries;
resolver {address} ipv6=off; resolver_timeout 2s;
server {{ listen @LISTEN@; location ~ ^/(.*)$ {{ proxy_pass http://$1:{port}; }} }}
"
    );
    let server = Server::start(kind, Place::new(), &site);
    let mut seen = Vec::new();
    for name in names {
        let (status, body) = get(&server, &format!("/{name}"));
        let body = if status == 200 { body } else { String::new() };
        until("a line in the access log", || server.place.read("access.log").lines().count() > seen.len());
        let access = server.place.read("access.log").lines().last().expect("a line").to_owned();
        let about = format!("request: \"GET /{name} HTTP/1.1\"");
        let errors = log(&server);
        let errors = errors.lines().filter(|line| line.contains(&about) && line.contains("[error]"));
        let errors: Vec<&str> =
            errors.filter_map(|line| line.split_once(", client").map(|(why, _)| why)).collect();
        let why = errors.iter().map(|why| why.split_once(" *").map_or(*why, |(_, why)| why));
        let why: Vec<&str> = why.map(|why| why.split_once(' ').map_or(why, |(_, why)| why)).collect();
        seen.push(format!("{name}: {status} {body} [{access}] {why:?}").replace(&port.to_string(), "PORT"));
    }
    seen
}

#[test]
fn computed_addresses_are_looked_up_as_nginx_does() {
    let (dns, origins) = (Dns::start(), Origins::start(1));
    let names = hard_cases(&dns);
    let (nginx, wsproxy) = std::thread::scope(|scope| {
        let nginx = scope.spawn(|| computed(Kind::Nginx, &dns, origins.port, &names));
        let wsproxy = computed(Kind::Wsproxy, &dns, origins.port, &names);
        (nginx.join().expect("what nginx does"), wsproxy)
    });
    assert_eq!(wsproxy.join("\n"), nginx.join("\n"));
    assert!(dns.asked_over_tcp() >= 2);
}

#[test]
fn a_computed_address_moves_with_its_name() {
    let (dns, origins) = (Dns::start(), Origins::start(2));
    dns.addresses("app.test", &["127.0.0.1"], 1);
    let (address, port) = (dns.address(), origins.port);
    let server = start(&format!(
        "server {{ listen @LISTEN@;
    location / {{ resolver {address}; set $name app.test; proxy_pass http://$name:{port}; }}
    location /system {{ set $name localhost; proxy_pass http://$name:{port}; }} }}
"
    ));
    assert_eq!((get(&server, "/"), get(&server, "/system")), (ok("1"), ok("1")));
    dns.addresses("app.test", &["127.0.0.2"], 1);
    until("the name that has moved", || get(&server, "/") == ok("2"));
    // A name server that has lost its wits changes nothing, one that knows better does.
    dns.answer("app.test", A, Reply::Code(2));
    until("a failed look-up", || {
        assert_eq!(get(&server, "/"), ok("2"));
        log(&server).contains("its addresses stay")
    });
    dns.answer("app.test", A, Reply::Code(3));
    until("nobody", || get(&server, "/").0 == 502);
}

#[test]
fn the_next_name_server_is_asked_when_one_says_nothing() {
    let (silent, dns, origins) = (Dns::start(), Dns::start(), Origins::start(1));
    silent.answer("app.test", A, Reply::Silence);
    dns.addresses("app.test", &["127.0.0.1"], 60);
    let server = start(&format!(
        "resolver {} {} ipv6=off;
server {{ listen @LISTEN@; location / {{ set $name app.test; proxy_pass http://$name:{}; }} }}
",
        silent.address(),
        dns.address(),
        origins.port
    ));
    assert_eq!(get(&server, "/"), ok("1"));
}

#[test]
fn a_name_server_that_has_no_address_stops_the_start() {
    let place = Place::new();
    let site = "resolver nowhere.invalid;\nserver { listen @LISTEN@; location / { return 200; } }\n";
    place.write("nginx.conf", &format!("events {{}} http {{ access_log off; {site} }}"));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wsproxy"));
    let output = command.arg("-p").arg(place.path("")).arg("-c").arg(place.path("nginx.conf")).output();
    let output = output.expect("wsproxy runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("host not found in resolver \"nowhere.invalid\""),
        "{said}"
    );
}

#[test]
fn nothing_a_name_server_says_hurts() {
    let dns = Dns::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let names: Vec<String> = (0..300).map(|number| format!("n{number}.test")).collect();
    for name in &names {
        // A head that announces records, and bytes that are few, many, pointers or anything.
        let mut bytes = vec![0x81, 0x80, 0, 1, 0, (random() % 4) as u8, 0, 0, 0, 0];
        let question = [&[2, b'n', b'0', 4][..], b"test\0\0\x01\0\x01"].concat();
        bytes.extend(&question[..(random() as usize) % question.len()]);
        let filler = [0xc0, 0x0c, 0xff, 0x00, 0x3f, 0x05][(random() % 6) as usize];
        bytes.extend((0..random() % 600).map(|_| if random() % 3 == 0 { random() as u8 } else { filler }));
        dns.answer(name, A, Reply::Garbage(bytes));
    }
    let wanted = Wanted { ipv4: true, ipv6: false, valid: None };
    let resolver = std::sync::Arc::new(Resolver::of(&[dns.address()], wanted));
    let results = runtime.block_on(async {
        let limit = Duration::from_millis(700);
        let mut asked = tokio::task::JoinSet::new();
        for name in names {
            let resolver = resolver.clone();
            asked.spawn(async move { resolver.addresses(&name, limit).await });
        }
        asked.join_all().await
    });
    assert_eq!(results.len(), 300);
    assert!(results.contains(&Err(LookupError::TimedOut)));
    assert!(results.iter().all(Result::is_err), "{results:?}");
}
