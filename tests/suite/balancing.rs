//! Which upstream gets which request: the same requests in the same order through a real nginx and through
//! wsproxy, with weights, servers that are down, that refuse, and tunnels that stay open.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::{
    client::Client,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
    stream::Address,
};

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// Four upstreams whose names are A to D in a configuration, and R which refuses. All have ports, since the names
/// of servers are what a consistent hash is made of: both proxies have to see the same.
struct Upstreams {
    origins: Vec<(char, Origin)>,
    refused: Place,
}

impl Upstreams {
    fn start(answer: &Answer) -> Upstreams {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let origin = |name| (name, Origin::start(&Address::Tcp(any), vec![answer.clone()]));
        Upstreams { origins: ['A', 'B', 'C', 'D'].map(origin).into(), refused: Place::new() }
    }

    fn names(&self) -> Vec<(char, String)> {
        let mut names: Vec<_> =
            self.origins.iter().map(|(name, origin)| (*name, origin.address().to_string())).collect();
        names.push(('R', self.refused.value("REFUSED").to_owned()));
        names
    }

    /// The configuration of a group with these lines, in which `<A>` is an address.
    fn site(&self, lines: &str) -> String {
        let lines = self
            .names()
            .iter()
            .fold(lines.to_owned(), |lines, (name, address)| lines.replace(&format!("<{name}>"), address));
        format!(
            "map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
upstream group {{
    zone group 256k;
    {lines}
}}
server {{
    listen @PORT@;
    location / {{
        proxy_pass http://group;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        add_header X-Tried \"$upstream_addr\" always;
    }}
}}"
        )
    }

    /// What `ask` sees of a proxy of each kind, in the names of the upstreams.
    fn both(&self, lines: &str, ask: impl Fn(&Server) -> Vec<String>) {
        let site = self.site(lines);
        let [nginx, wsproxy] = [Kind::Nginx, Kind::Wsproxy].map(|kind| {
            let server = Server::start(kind, Place::new(), &site);
            let seen: Vec<String> = ask(&server).iter().map(|tried| self.named(tried)).collect();
            seen
        });
        for (at, (nginx, wsproxy)) in nginx.iter().zip(&wsproxy).enumerate() {
            assert_eq!(wsproxy, nginx, "request {at} with {lines}");
        }
        assert_eq!(nginx.len(), wsproxy.len());
    }

    fn named(&self, tried: &str) -> String {
        self.names().iter().fold(tried.to_owned(), |tried, (name, address)| {
            tried.replace(address.as_str(), &name.to_string())
        })
    }
}

fn plain() -> Upstreams {
    Upstreams::start(&Answer::text("here"))
}

/// Whom each of these targets is tried with, one request after the other.
fn targets(server: &Server, targets: impl Iterator<Item = String>) -> Vec<String> {
    let one = |target: String| {
        let mut client = Client::connect(&server.address("PORT"));
        let answer = client.ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).expect("an answer");
        format!("{} {}", answer.status(), answer.header("X-Tried").unwrap_or_default())
    };
    targets.map(one).collect()
}

fn keys(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("/?k=key{number}"))
}

/// Groups of every shape.
const SERVERS: &[&str] = &[
    "server <A>; server <B>; server <C>;",
    "server <A> weight=5; server <B>; server <C> weight=2; server <D>;",
    "server <A>; server <B> down; server <C> weight=3; server <D>;",
    "server <A> weight=2; server <R> weight=3 fail_timeout=1h; server <C>; server <D>;",
    "server <A>; server <R> max_fails=0; server <C>;",
    "server <A>; server <R> max_fails=3 fail_timeout=1h weight=4; server <C> weight=2;",
    "server <R> fail_timeout=1h; server <R> fail_timeout=1h; server <A>;",
    "server <A>;",
    "server <R>;",
    "server <A> down; server <R>;",
    "server <A> down; server <B> down;",
    "server <A>; server <A>; server <B> weight=2;",
];

#[test]
fn round_robin_with_backups() {
    let upstreams = plain();
    let backups = [
        "server <R> fail_timeout=1h; server <A> backup; server <B> backup weight=2;",
        "server <A> down; server <B> backup; server <R> backup;",
        "server <R>; server <R>; server <C> backup;",
        "server <A>; server <B> backup;",
    ];
    for servers in SERVERS.iter().chain(&backups) {
        upstreams.both(servers, |server| targets(server, keys(60)));
    }
}

#[test]
fn hash() {
    let upstreams = plain();
    for servers in SERVERS {
        upstreams.both(&format!("hash $arg_k; {servers}"), |server| targets(server, keys(150)));
    }
}

/// nginx refuses a backup behind such a method, not before it.
#[test]
fn backups_before_a_method_that_knows_none() {
    let upstreams = plain();
    let servers = [
        "server <A> down; server <B> backup; server <C> backup;",
        "server <R> fail_timeout=1h; server <B> backup; server <C> backup weight=2;",
        "server <A> down; server <B> down; server <C> backup; server <D> backup;",
    ];
    for method in ["hash $arg_k;", "hash $arg_k consistent;", "ip_hash;"] {
        for servers in servers {
            upstreams.both(&format!("{servers} {method}"), |server| targets(server, keys(40)));
        }
    }
}

#[test]
fn consistent_hash() {
    let upstreams = plain();
    for servers in SERVERS {
        let lines = format!("hash $arg_k consistent; {servers}");
        upstreams.both(&lines, |server| targets(server, keys(150)));
    }
}

#[test]
fn hashes_of_nothing_and_of_odd_keys() {
    let upstreams = plain();
    let odd = ["/", "/?k=", "/?k=%00", "/?k=a b", "/?k=\u{e9}", "/?k=x&k=y", "/?K=up"];
    let odd = || odd.iter().cycle().take(70).map(|target| target.replace(' ', "+"));
    for method in ["hash $arg_k;", "hash $arg_k consistent;", "hash $request_uri$arg_k consistent;"] {
        let lines = format!("{method} server <A>; server <B> weight=2; server <C>;");
        upstreams.both(&lines, |server| targets(server, odd()));
    }
}

#[test]
fn ip_hash() {
    let upstreams = plain();
    let clients: Vec<[u8; 4]> =
        (0..120_u8).map(|n| [127, n.wrapping_mul(7), n.wrapping_mul(13), n.max(1)]).collect();
    for servers in SERVERS {
        upstreams.both(&format!("ip_hash; {servers}"), |server| {
            clients.iter().map(|client| ask_from(*client, server)).collect()
        });
    }
}

/// Asks from an address of its own.
fn ask_from(client: [u8; 4], server: &Server) -> String {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((client, 0)).into()).expect("an address of the loopback");
    let to: SocketAddr = server.place.value("PORT").parse().expect("an address");
    socket.connect(&to.into()).expect("a connection");
    let mut stream = TcpStream::from(socket);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let tried = answer.lines().find_map(|line| line.strip_prefix("X-Tried: "));
    format!("{} {}", &answer[9..12], tried.unwrap_or_default())
}

#[test]
fn least_conn_without_anything_open() {
    let upstreams = plain();
    for servers in SERVERS {
        upstreams.both(&format!("least_conn; {servers}"), |server| targets(server, keys(60)));
    }
}

/// Opens tunnels and leaves them open.
fn tunnels(server: &Server, count: usize) -> Vec<String> {
    let mut open = Vec::new();
    let one = |_| {
        let mut client = Client::connect(&server.address("PORT"));
        client.send(format!("GET /?k=room HTTP/1.1\r\nHost: a\r\n{HANDSHAKE}\r\n"));
        let answer = client.response(false).expect("an answer");
        open.push(client);
        format!("{} {}", answer.status(), answer.header("X-Tried").unwrap_or_default())
    };
    (0..count).map(one).collect()
}

#[test]
fn tunnels_that_are_open_count() {
    let upstreams = Upstreams::start(&Answer::new(SWITCHING).then(Then::Echo));
    let groups = [
        "least_conn; server <A>; server <B>; server <C>;",
        "least_conn; server <A> weight=3; server <B>; server <C> weight=2;",
        "least_conn; server <A> max_conns=2; server <R> fail_timeout=1h; server <C>; server <D> backup;",
        "server <A> max_conns=3; server <B> max_conns=5 weight=3; server <C> max_conns=1; server <D> backup;",
        "hash $arg_k consistent; server <A> max_conns=4; server <B> max_conns=4; server <C> max_conns=4;",
        "hash $arg_k; server <A> max_conns=4; server <B> max_conns=4; server <C> max_conns=4;",
        "ip_hash; server <A> max_conns=4; server <B> max_conns=4; server <C> max_conns=4;",
        "server <A> max_conns=2;",
    ];
    for lines in groups {
        upstreams.both(lines, |server| tunnels(server, 20));
    }
}

#[test]
fn chance_gives_everybody_something() {
    let upstreams = plain();
    for method in ["random;", "random two;", "random two least_conn;"] {
        let servers =
            "server <A>; server <B> down; server <C>; server <R> fail_timeout=1h; server <D> weight=2;";
        let server =
            Server::start(Kind::Wsproxy, Place::new(), &upstreams.site(&format!("{method} {servers}")));
        let mut seen = [0; 3];
        for tried in targets(&server, keys(200)) {
            let tried = upstreams.named(&tried);
            let last = tried.chars().last().expect("a name");
            assert!(tried.starts_with("200"), "{tried}");
            seen["ACD".find(last).unwrap_or_else(|| panic!("{tried}"))] += 1;
        }
        // With a chance of a quarter at least, one of 200 requests misses a peer once in 10^25 runs.
        assert!(seen.iter().all(|count| *count > 0), "{method} {seen:?}");
    }
}

/// How much further apart two counts of the same chances lie than they should, by all of them (chi-square of a table
/// of two rows).
fn distance(one: &[f64], other: &[f64]) -> f64 {
    let (all_one, all_other): (f64, f64) = (one.iter().sum(), other.iter().sum());
    let cell = |count: f64, sum: f64, part: f64| (count - sum * part).powi(2) / (sum * part);
    let column = |(one, other): (&f64, &f64)| {
        let sum = one + other;
        let part = all_one / (all_one + all_other);
        cell(*one, sum, part) + cell(*other, sum, 1.0 - part)
    };
    one.iter().zip(other).filter(|(one, other)| **one + **other > 0.0).map(column).sum()
}

#[test]
fn chance_is_as_kind_to_everybody_as_in_nginx() {
    const REQUESTS: usize = 1500;
    let upstreams = plain();
    let servers = "server <A>; server <B> weight=2; server <C> weight=4; server <D> weight=3;";
    for method in ["random;", "random two;", "random two least_conn;"] {
        let site = upstreams.site(&format!("{method} {servers}"));
        let [nginx, wsproxy] = [Kind::Nginx, Kind::Wsproxy].map(|kind| {
            let server = Server::start(kind, Place::new(), &site);
            let mut counts = [0.0; 4];
            for tried in targets(&server, keys(REQUESTS)) {
                let tried = upstreams.named(&tried);
                let last = tried.chars().last().and_then(|last| "ABCD".find(last));
                counts[last.unwrap_or_else(|| panic!("{tried}"))] += 1.0;
            }
            counts
        });
        // With three degrees of freedom 45 is passed once in a thousand million times.
        let distance = distance(&nginx, &wsproxy);
        assert!(distance < 45.0, "{method} {nginx:?} {wsproxy:?}: {distance}");
    }
}

#[test]
fn of_two_by_chance_the_one_with_fewer_tunnels_is_chosen() {
    let upstreams = Upstreams::start(&Answer::new(SWITCHING).then(Then::Echo));
    let lines = "random two least_conn; server <A>; server <B>;";
    let server = Server::start(Kind::Wsproxy, Place::new(), &upstreams.site(lines));
    // Both are looked at, save once in a million times when chance names one of them twenty times over.
    let seen = tunnels(&server, 20);
    let to_a = seen.iter().filter(|tried| upstreams.named(tried) == "101 A").count();
    assert!((9..=11).contains(&to_a), "{seen:?}");
}

/// A Unix socket where nobody accepts and nobody else can queue.
fn full(path: &str) -> Vec<Socket> {
    let address = SockAddr::unix(path).expect("a path");
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    listener.bind(&address).expect("a free path");
    listener.listen(0).expect("a listener");
    let mut sockets = vec![listener];
    loop {
        let one = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        one.set_nonblocking(true).expect("a socket that does not wait");
        match one.connect(&address) {
            Ok(()) => sockets.push(one),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sockets,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_socket_whose_queue_is_full_is_a_failure_and_the_next_is_asked() {
    let site = "upstream group { zone group 64k; server @UPSTREAM2@ fail_timeout=1h; server @UPSTREAM1@; }
        server { listen @LISTEN@; location / { proxy_pass http://group; add_header X-Tried $upstream_addr; } }";
    let [nginx, wsproxy] = [Kind::Nginx, Kind::Wsproxy].map(|kind| {
        let place = Place::new();
        let _origin = Origin::start(&place.address("UPSTREAM1"), vec![Answer::text("here")]);
        let _full = full(place.value("UPSTREAM2").trim_start_matches("unix:"));
        let server = Server::start(kind, place, site);
        let tried: Vec<String> = (0..3)
            .map(|_| {
                let mut client = Client::connect(&server.address("LISTEN"));
                let answer = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("an answer");
                format!("{} {}", answer.status(), answer.header("X-Tried").unwrap_or_default())
            })
            .collect();
        let log = server.place.unfill(&server.place.read("error.log"));
        let errors = log.lines().filter_map(|line| Some(line[line.find("connect()")?..].to_owned()));
        (tried.iter().map(|one| server.place.unfill(one)).collect::<Vec<_>>(), errors.collect::<Vec<_>>())
    });
    assert_eq!(wsproxy, nginx);
    assert_eq!(nginx.0, ["200 @UPSTREAM2@, @UPSTREAM1@", "200 @UPSTREAM1@", "200 @UPSTREAM1@"]);
    let words =
        "connect() to @UPSTREAM2@ failed (11: Resource temporarily unavailable) while connecting to upstream";
    assert!(nginx.1.len() == 1 && nginx.1[0].starts_with(words), "{:?}", nginx.1);
}
