//! `least_time`: who is slow gets few requests, who hangs gets no more of them, and a tunnel that lives long is no
//! slow answer.

use std::{
    io::Write,
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::Duration,
};

use crate::support::{
    client::Client,
    handshake::SWITCHING,
    message::Reader,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
    stream::{Address, Listener},
    until,
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Longer than anybody is likely to take who answers at once.
const LONG: Duration = Duration::from_secs(2);

/// A group of which each `server` is asked as often as it deserves, for ever.
fn site(method: &str, weight: u32) -> String {
    format!(
        "upstream group {{
    {method};
    server @UPSTREAM1@ weight={weight} fail_timeout=1h;
    server @UPSTREAM2@ fail_timeout=1h;
}}
server {{
    listen @LISTEN@;
    add_header X-Tried $upstream_addr always;
    location / {{ websocket_proxy on; proxy_pass http://group; }}
}}"
    )
}

/// An upstream that answers a request when it is told to, and says when one has come.
struct Told {
    come: Receiver<()>,
    pieces: Sender<&'static str>,
}

impl Told {
    fn start(address: &Address) -> Told {
        let listener = Listener::bind(address).expect("an address");
        let (comes, come) = mpsc::channel();
        let (pieces, told) = mpsc::channel::<&str>();
        thread::spawn(move || {
            // The connections stay open for as long as the test holds its end of the channel.
            let mut open = Vec::new();
            while let Ok(stream) = listener.accept() {
                let mut reader = Reader::new(stream);
                if !matches!(reader.head(), Ok(Some(_))) || comes.send(()).is_err() {
                    return;
                }
                let Ok(piece) = told.recv() else { return };
                let _ = reader.stream.write_all(piece.as_bytes());
                if piece == HEAD {
                    let Ok(rest) = told.recv() else { return };
                    let _ = reader.stream.write_all(rest.as_bytes());
                }
                open.push(reader);
            }
        });
        Told { come, pieces }
    }

    fn say(&self, piece: &'static str) {
        self.pieces.send(piece).expect("somebody who waits");
    }

    fn wait(&self) {
        self.come.recv_timeout(Duration::from_secs(30)).expect("a request");
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// An answer that waits for its last byte.
const HEAD: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n";

fn ask(server: &Server) -> String {
    let mut client = Client::connect(&server.address("LISTEN"));
    let answer = client.ask(REQUEST).expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.header("X-Tried").expect("an upstream")
}

fn begin(server: &Server, bytes: &str) -> Client {
    let mut client = Client::connect(&server.address("LISTEN"));
    client.send(bytes);
    client
}

/// Does something for each method at the same time, since there is much waiting.
fn each(methods: &[&str], test: impl Fn(&str) + Sync) {
    thread::scope(|scope| {
        for method in methods {
            scope.spawn(|| test(method));
        }
    });
}

/// A server whose first upstream is known to be slow, by the first request, which nobody knew anything for.
fn with_a_slow_one(method: &str, quick: Answer) -> (Server, Told, Origin) {
    let place = Place::new();
    let slow = Told::start(&place.address("UPSTREAM1"));
    let quick = Origin::start(&place.address("UPSTREAM2"), vec![quick]);
    let server = Server::start(Kind::Wsproxy, place, &site(method, 1));
    let mut client = begin(&server, REQUEST);
    slow.wait();
    thread::sleep(LONG);
    slow.say(OK);
    assert_eq!(client.response(false).expect("an answer").status(), 200);
    (server, slow, quick)
}

#[test]
fn who_is_slow_is_left_alone_while_another_is_quick() {
    each(&["least_time header", "least_time last_byte", "least_time last_byte inflight"], |method| {
        let (server, _slow, _quick) = with_a_slow_one(method, Answer::text("here"));
        let seen: Vec<String> = (0..20).map(|_| ask(&server)).collect();
        assert!(seen.iter().all(|tried| *tried == server.place.value("UPSTREAM2")), "{method} {seen:?}");
    });
}

#[test]
fn who_hangs_is_asked_again_unless_requests_inflight_count() {
    each(&["least_time header", "least_time header inflight", "least_time last_byte inflight"], |method| {
        let place = Place::new();
        let silent = Origin::start(&place.address("UPSTREAM1"), vec![Answer::new("").then(Then::Silence)]);
        let _quick = Origin::start(&place.address("UPSTREAM2"), vec![Answer::text("here")]);
        let server = Server::start(Kind::Wsproxy, place, &site(method, 4));
        let come = |count: usize| until("requests", || silent.received().len() >= count);
        // 20 / 4 beside 20: nobody has been asked.
        let _first = begin(&server, REQUEST);
        come(1);
        if method.ends_with("inflight") {
            thread::sleep(LONG);
            // (LONG + 20) × 2 / 4 beside 20, and more with every moment.
            let seen: Vec<String> = (0..20).map(|_| ask(&server)).collect();
            assert!(seen.iter().all(|tried| *tried == server.place.value("UPSTREAM2")), "{method} {seen:?}");
            assert_eq!(silent.received().len(), 1);
        } else {
            // 20 × 2 / 4 and 20 × 3 / 4 beside 20: of who has never answered nothing is known.
            let _second = begin(&server, REQUEST);
            come(2);
            let _third = begin(&server, REQUEST);
            come(3);
        }
    });
}

#[test]
fn a_tunnel_that_lives_long_is_no_slow_answer() {
    each(
        &["least_time last_byte", "least_time last_byte inflight", "least_time header inflight"],
        |method| {
            let switches = Answer::new(SWITCHING).then(Then::Echo);
            let (server, _slow, _quick) = with_a_slow_one(method, switches);
            let open = || {
                let mut client = begin(&server, HANDSHAKE);
                let answer = client.response(false).expect("an answer");
                assert_eq!(
                    answer.header("X-Tried").as_deref(),
                    Some(server.place.value("UPSTREAM2")),
                    "{method}"
                );
                client
            };
            // Those that are open are no requests that wait for an answer.
            let first = open();
            thread::sleep(2 * LONG);
            let second = open();
            drop((first, second));
            until("the ends of tunnels", || {
                server.place.read("error.log").matches("tunnel ended").count() == 2
            });
            // Their lives are not what their answers took.
            drop(open());
        },
    );
}

/// A server that draws both of its two upstreams for each request, after the first of them was slow for once.
fn draws_one_that_was_slow(method: &str, answer: impl Fn(&Told)) -> (Server, Told, Origin) {
    let place = Place::new();
    let slow = Told::start(&place.address("UPSTREAM1"));
    let quick = Origin::start(&place.address("UPSTREAM2"), vec![Answer::text("here")]);
    let server = Server::start(Kind::Wsproxy, place, &site(method, 1));
    // Of two that nobody knows anything of it is chance that chooses.
    loop {
        let before = quick.received().len();
        let mut client = begin(&server, REQUEST);
        let mut is_slow = false;
        until("a request", || {
            is_slow = slow.come.try_recv().is_ok();
            is_slow || quick.received().len() > before
        });
        if is_slow {
            answer(&slow);
        }
        assert_eq!(client.response(false).expect("an answer").status(), 200);
        if is_slow {
            return (server, slow, quick);
        }
    }
}

#[test]
fn of_two_that_are_drawn_the_quick_one_is_asked() {
    let whole = |slow: &Told| {
        thread::sleep(LONG);
        slow.say(OK);
    };
    let late_end = |slow: &Told| {
        slow.say(HEAD);
        thread::sleep(LONG);
        slow.say("!");
    };
    type Slow<'a> = &'a (dyn Fn(&Told) + Sync);
    let each: [(&str, Slow); 3] = [
        ("random two least_time=header", &whole),
        ("random two least_time=last_byte", &whole),
        ("random two least_time=last_byte", &late_end),
    ];
    thread::scope(|scope| {
        for (method, slow) in each {
            scope.spawn(move || {
                let (server, _slow, _quick) = draws_one_that_was_slow(method, slow);
                let seen: Vec<String> = (0..20).map(|_| ask(&server)).collect();
                let quick = server.place.value("UPSTREAM2");
                assert!(seen.iter().all(|tried| tried == quick), "{method} {seen:?}");
            });
        }
    });
}
