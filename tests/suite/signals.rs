//! Signals, the pid file, reloads: a process that scripts written for nginx can steer.

use std::{fs, io::Write};

use rustix::process::Signal;

use crate::support::{
    client::Client,
    message::Reader,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
    stream::Listener,
    until,
};

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A server that says `answer` at `/` and carries WebSockets at `/ws`.
fn site(answer: &str) -> String {
    format!(
        "access_log @DIR@/access.log;
        server {{
            listen @LISTEN@;
            location / {{ return 200 {answer}; }}
            location /ws {{
                proxy_pass http://@UPSTREAM1@;
                proxy_http_version 1.1;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection upgrade;
            }}
        }}"
    )
}

fn start() -> (Server, Origin) {
    let place = Place::new();
    let script = vec![Answer::new(SWITCHING).then(Then::Echo)];
    let origin = Origin::start(&place.address("UPSTREAM1"), script);
    (Server::start(Kind::Wsproxy, place, &site("one")), origin)
}

fn connect(server: &Server) -> Client {
    Client::connect(&server.address("LISTEN"))
}

fn tunnel(server: &Server) -> Client {
    let mut client = connect(server);
    assert_eq!(client.ask(HANDSHAKE).expect("an answer").status(), 101);
    client
}

fn echoes(client: &mut Client) {
    client.send("hello");
    assert_eq!(client.read(5).expect("the echo"), b"hello");
}

#[test]
fn a_reload_serves_the_new_and_keeps_the_tunnels() {
    let (server, _origin) = start();
    let mut before = tunnel(&server);
    let mut kept_alive = connect(&server);
    assert_eq!(kept_alive.ask(GET).expect("an answer").body_text(), "one");
    server.place.write("site.conf", &site("two"));
    server.signal(Signal::HUP);
    until("the new answer", || connect(&server).ask(GET).expect("an answer").body_text() == "two");
    echoes(&mut before);
    echoes(&mut tunnel(&server));
}

#[test]
fn a_bad_configuration_keeps_the_old_one_serving() {
    let (server, _origin) = start();
    server.place.write("site.conf", "server { listen @LISTEN@; no_such_directive; }");
    server.signal(Signal::HUP);
    until("a word about it", || server.logs().contains("no_such_directive"));
    assert_eq!(connect(&server).ask(GET).expect("an answer").body_text(), "one");
    server.place.write("site.conf", &site("three"));
    server.signal(Signal::HUP);
    until("the mended answer", || connect(&server).ask(GET).expect("an answer").body_text() == "three");
}

#[test]
fn quit_lets_a_tunnel_finish() {
    let (mut server, _origin) = start();
    let mut client = tunnel(&server);
    let address = server.address("LISTEN");
    server.signal(Signal::QUIT);
    until("no more connections", || crate::support::stream::Stream::connect(&address).is_err());
    echoes(&mut client);
    drop(client);
    server.quit().expect("an end once the tunnel has ended");
}

/// What is under way when a signal comes is finished; nothing new is begun by those who only wait.
#[test]
fn quit_and_reload_let_a_request_finish() {
    for (signal, word) in [(Signal::QUIT, "gracefully shutting down"), (Signal::HUP, "reconfiguring")] {
        let place = Place::new();
        let upstream = Listener::bind(&place.address("UPSTREAM1")).expect("an upstream");
        let site = "server { listen @LISTEN@; location / { proxy_pass http://@UPSTREAM1@; } }";
        let server = Server::start(Kind::Wsproxy, place, site);
        let mut client = connect(&server);
        client.send(GET);
        let mut asked = Reader::new(upstream.accept().expect("a request"));
        asked.head().expect("its head");
        server.signal(signal);
        until(word, || server.logs().contains(word));
        asked.stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").expect("an answer");
        assert_eq!(client.response(false).expect("the answer").body_text(), "late", "{signal:?}");
    }
}

#[test]
fn term_ends_at_once() {
    let (mut server, _origin) = start();
    let mut client = tunnel(&server);
    server.signal(Signal::TERM);
    assert_eq!(client.read_to_end().expect("an end"), b"\x88\x12\x03\xf4the server stops");
    server.wait().expect("an end");
    assert!(!server.place.path("pid").exists(), "the pid file is still there");
}

#[test]
fn the_pid_file_names_the_process() {
    let (server, _origin) = start();
    until("the pid file", || server.place.path("pid").exists());
    assert_eq!(server.place.read("pid").trim(), server.pid().to_string());
}

#[test]
fn usr1_opens_the_logs_anew() {
    let (server, _origin) = start();
    connect(&server).ask(GET).expect("an answer");
    until("the first line", || !server.place.read("access.log").is_empty());
    fs::rename(server.place.path("access.log"), server.place.path("access.log.1")).expect("a rotation");
    server.signal(Signal::USR1);
    until("a new file", || server.place.path("access.log").exists());
    // It is there a moment before lines go to it.
    until("a line in it", || {
        connect(&server).ask(GET).expect("an answer");
        !server.place.read("access.log").is_empty()
    });
    let before = server.place.read("access.log.1");
    connect(&server).ask(GET).expect("an answer");
    until("another line", || server.place.read("access.log").lines().count() > 1);
    assert_eq!(server.place.read("access.log.1"), before);
}

#[test]
fn a_port_in_use_stops_the_start_and_says_so() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = holder.local_addr().expect("its address");
    let place = Place::new();
    let why = Server::refuse(Kind::Wsproxy, place, &format!("server {{ listen {address}; }}"));
    assert!(why.contains(&address.to_string()) && why.contains("in use"), "{why}");
}
