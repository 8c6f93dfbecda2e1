//! What a WebSocket gateway must do where nginx does otherwise, or where two sockets and their ends are
//! the matter. What nginx does alike is in `fixtures/nginx/websocket_*`.

use std::{io::Write, thread};

use crate::support::{
    client::Client,
    origin::{Answer, Origin, Received, Then},
    server::{Kind, Place, Server},
};

const RECIPE: &str = "
    proxy_pass http://@UPSTREAM1@;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
";

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const MIB: usize = 1024 * 1024;

/// wsproxy with a location `/` that holds `inside`, in front of an upstream that follows `script`.
struct Gateway {
    server: Server,
    origin: Origin,
}

impl Gateway {
    fn new(inside: &str, script: Vec<Answer>) -> Gateway {
        let place = Place::new();
        let origin = Origin::start(&place.address("UPSTREAM1"), script);
        let site = format!("server {{ listen @LISTEN@; location / {{ {inside} }} }}");
        Gateway { server: Server::start(Kind::Wsproxy, place, &site), origin }
    }

    /// A gateway with the recipe, whose upstream switches and echoes.
    fn echoing() -> Gateway {
        Gateway::new(RECIPE, vec![Answer::new(SWITCHING).then(Then::Echo)])
    }

    fn connect(&self) -> Client {
        Client::connect(&self.server.address("LISTEN"))
    }

    /// A connection that has become a tunnel.
    fn tunnel(&self) -> Client {
        let mut client = self.connect();
        let answer = client.ask(HANDSHAKE).expect("an answer to the handshake");
        assert_eq!(answer.status(), 101, "{answer:?}");
        client
    }

    /// Stops the gateway and says what the upstream got.
    fn received(mut self) -> Vec<Received> {
        self.server.quit().expect("a graceful end");
        self.origin.finish()
    }
}

#[test]
fn a_switch_nobody_asked_for_is_a_bad_gateway() {
    let gateway = Gateway::new(RECIPE, vec![Answer::new(SWITCHING).then(Then::Echo)]);
    let answer = gateway.connect().ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("an answer");
    assert_eq!(answer.status(), 502);
}

/// Each of these asks for something, but not for a WebSocket: the upstream is not asked to switch, and
/// when it does so all the same nobody gets a tunnel.
#[test]
fn what_only_looks_like_a_websocket_gets_no_tunnel() {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    let all = format!("{upgrade}{key}{version}");
    for (what, request) in [
        ("POST", format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n{all}\r\n")),
        ("HTTP/1.0", format!("GET / HTTP/1.0\r\nHost: a\r\n{all}\r\n")),
        ("a body", format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n{all}\r\nhi")),
        ("no key", format!("GET / HTTP/1.1\r\nHost: a\r\n{upgrade}{version}\r\n")),
        ("two keys", format!("GET / HTTP/1.1\r\nHost: a\r\n{all}{key}\r\n")),
        ("no version", format!("GET / HTTP/1.1\r\nHost: a\r\n{upgrade}{key}\r\n")),
        ("version 8", format!("GET / HTTP/1.1\r\nHost: a\r\n{upgrade}{key}Sec-WebSocket-Version: 8\r\n\r\n")),
        ("no Connection", format!("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n{key}{version}\r\n")),
        (
            "h2c",
            format!("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n{key}{version}\r\n"),
        ),
        (
            "a list",
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket, h2c\r\nConnection: Upgrade\r\n{key}{version}\r\n"
            ),
        ),
    ] {
        let gateway = Gateway::new(RECIPE, vec![Answer::new(SWITCHING).then(Then::Echo)]);
        let answer = gateway.connect().ask(request).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(answer.status(), 502, "{what}");
        let received = gateway.received();
        assert_eq!(received.len(), 1, "{what}");
        assert_eq!(received[0].message.header("upgrade"), None, "{what}");
        assert_eq!(received[0].behind, b"", "{what}");
    }
}

/// A location for another protocol names it, and then carries it; what else a client asks for there, it
/// does not get.
#[test]
fn a_protocol_that_the_location_names_is_carried() {
    let inside = "proxy_pass http://@UPSTREAM1@; proxy_http_version 1.1;
        proxy_set_header Upgrade my-protocol; proxy_set_header Connection upgrade;";
    let switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: my-protocol\r\nConnection: Upgrade\r\n\r\n";
    let gateway = Gateway::new(inside, vec![Answer::new(switching).then(Then::Echo)]);
    let ask = |protocol: &str| {
        let mut client = gateway.connect();
        let request =
            format!("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: {protocol}\r\nConnection: Upgrade\r\n\r\n");
        let answer = client.ask(request).expect("an answer");
        (client, answer.status())
    };
    let (mut client, status) = ask("My-Protocol");
    assert_eq!(status, 101);
    client.send("hello");
    assert_eq!(client.read(5).expect("the echo"), b"hello");
    assert_eq!(ask("h2c").1, 502);
}

/// Nobody's memory holds what the other side does not read.
#[test]
fn a_client_that_does_not_read_stops_its_upstream() {
    let gateway = Gateway::echoing();
    let mut client = gateway.tunnel();
    let before = resident(&gateway.server);
    client.stream().set_timeout(std::time::Duration::from_millis(500)).expect("a timeout");
    let mut sent = 0;
    // The echo comes back until every buffer on the way is full.
    while let Ok(count) = client.stream().write(&[b'x'; 65536]) {
        sent += count;
        assert!(sent < 64 * MIB, "somebody takes it all");
    }
    let grown = resident(&gateway.server).saturating_sub(before);
    assert!(grown < 4 * MIB, "{grown} bytes more are held");
}

/// Bytes of memory a server holds.
fn resident(server: &Server) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1024
}

/// A tunnel begins with the 101 and not before: until then the bytes behind the head are the client's next
/// request, whatever they look like.
#[test]
fn bytes_behind_a_refused_handshake_are_a_request() {
    let refusal = Answer::new("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    let gateway = Gateway::new(RECIPE, vec![refusal, Answer::text("second\n")]);
    let mut client = gateway.connect();
    client.send(format!("{HANDSHAKE}GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(client.response(false).expect("the refusal").status(), 403);
    assert_eq!(client.response(false).expect("the second answer").body_text(), "second\n");
    drop(client);
    let received = gateway.received();
    let lines: Vec<_> = received.iter().map(|request| request.message.first_line()).collect();
    assert_eq!(lines, ["GET /ws HTTP/1.1", "GET /admin HTTP/1.1"]);
    assert_eq!(received[1].message.header("host").as_deref(), Some("localhost"));
}

#[test]
fn a_handshake_in_single_bytes_is_a_handshake() {
    let gateway = Gateway::echoing();
    let mut client = gateway.connect();
    client.dribble(HANDSHAKE.as_bytes());
    assert_eq!(client.response(false).expect("an answer").status(), 101);
    client.send("hello");
    assert_eq!(client.read(5).expect("the echo"), b"hello");
}

#[test]
fn sixteen_mebibytes_come_back_unchanged() {
    let gateway = Gateway::echoing();
    let mut client = gateway.tunnel();
    let sent: Vec<u8> = (0..16 * MIB).map(|n| (n * 31 % 251) as u8).collect();
    let mut writer = client.stream().try_clone().expect("a second handle");
    thread::scope(|scope| {
        scope.spawn(|| writer.write_all(&sent).expect("sending"));
        let received = client.read(sent.len()).expect("the echo");
        assert!(received == sent, "other bytes came back");
    });
}

#[test]
fn an_idle_tunnel_ends_at_proxy_read_timeout() {
    let told = b"\x88\x25\x03\xe9idle for 200ms (proxy_read_timeout)";
    for (notify, expected) in [("off", &b""[..]), ("on", told)] {
        let inside = format!("{RECIPE} proxy_read_timeout 200ms; websocket_close_notify {notify};");
        let gateway = Gateway::new(&inside, vec![Answer::new(SWITCHING).then(Then::Echo)]);
        let mut client = gateway.tunnel();
        assert_eq!(client.read_to_end().expect("an end"), expected);
        drop(client);
        assert!(gateway.received()[0].ended, "the upstream saw no end");
    }
}

#[test]
fn what_an_upstream_sent_before_it_closed_arrives() {
    let mut bytes = SWITCHING.as_bytes().to_vec();
    bytes.extend(vec![b'x'; MIB]);
    let gateway = Gateway::new(RECIPE, vec![Answer::new(bytes).then(Then::Close)]);
    let mut client = gateway.tunnel();
    assert!(client.read_to_end().expect("an end") == vec![b'x'; MIB], "not all of it arrived");
}

#[test]
fn what_a_client_sent_before_it_closed_arrives() {
    let gateway = Gateway::new(RECIPE, vec![Answer::new(SWITCHING).then(Then::Silence)]);
    let mut client = gateway.tunnel();
    client.send(vec![b'y'; MIB]);
    client.finish();
    assert_eq!(client.read_to_end().expect("an end"), b"");
    let received = gateway.received();
    assert!(received[0].behind == vec![b'y'; MIB], "{} bytes arrived", received[0].behind.len());
    assert!(received[0].ended, "the upstream saw no end");
}

#[test]
fn the_death_of_an_upstream_ends_the_tunnel() {
    let gateway = Gateway::echoing();
    let mut client = gateway.tunnel();
    client.send("hello");
    assert_eq!(client.read(5).expect("the echo"), b"hello");
    gateway.origin.cut();
    assert_eq!(client.read_to_end().expect("an end"), b"");
    // The gateway itself is well.
    gateway.tunnel();
}

#[test]
fn many_tunnels_do_not_mix_their_bytes() {
    let gateway = Gateway::echoing();
    let mut clients: Vec<_> = (0..100).map(|_| gateway.tunnel()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(format!("{number:05}"));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.read(5).expect("the echo"), format!("{number:05}").as_bytes());
    }
}

#[test]
fn interim_answers_come_before_the_answer() {
    let answer =
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let gateway = Gateway::new(RECIPE, vec![Answer::new(answer)]);
    let mut client = gateway.connect();
    let interim = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("an interim answer");
    assert_eq!((interim.status(), interim.header("link")), (103, Some("</a.css>".to_owned())));
    assert_eq!(client.response(false).expect("the answer").body_text(), "ok");
    // An HTTP/1.0 client does not know interim answers (RFC 9110 15.2).
    let answer = gateway.connect().ask("GET / HTTP/1.0\r\n\r\n").expect("an answer");
    assert_eq!((answer.status(), answer.body_text()), (200, "ok".to_owned()));
}

#[test]
fn websocket_proxy_is_the_whole_recipe() {
    let inside = "websocket_proxy on; proxy_pass http://@UPSTREAM1@;";
    let gateway = Gateway::new(inside, vec![Answer::new(SWITCHING).then(Then::Echo)]);
    let mut client = gateway.tunnel();
    client.send("hello");
    assert_eq!(client.read(5).expect("the echo"), b"hello");
    drop(client);
    let received = gateway.received();
    let header = |name: &str| received[0].message.header(name);
    assert_eq!(received[0].message.first_line(), "GET /ws HTTP/1.1");
    assert_eq!(header("upgrade").as_deref(), Some("websocket"));
    assert_eq!(header("connection").as_deref(), Some("upgrade"));
    assert_eq!(header("host").as_deref(), Some("a"));
    assert_eq!(header("x-forwarded-proto").as_deref(), Some("http"));
}

#[test]
fn websocket_proxy_asks_no_switch_for_a_plain_request() {
    let inside = "websocket_proxy on; proxy_pass http://@UPSTREAM1@;";
    let gateway = Gateway::new(inside, vec![Answer::text("plain\n")]);
    let answer = gateway.connect().ask("GET /page HTTP/1.1\r\nHost: a\r\n\r\n").expect("an answer");
    assert_eq!(answer.body_text(), "plain\n");
    let received = gateway.received();
    assert_eq!(received[0].message.header("upgrade"), None);
    assert_eq!(received[0].message.header("connection"), None);
}

#[test]
fn websocket_echo_answers_itself() {
    let place = Place::new();
    let server =
        Server::start(Kind::Wsproxy, place, "server { listen @LISTEN@; location / { websocket_echo; } }");
    let mut client = Client::connect(&server.address("LISTEN"));
    let answer = client.ask(HANDSHAKE).expect("an answer");
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.header("sec-websocket-accept").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    client.send(b"\x81\x85\x01\x02\x03\x04igohn");
    assert_eq!(client.read(7).expect("the echo"), b"\x81\x05hello");
    client.send(b"\x89\x80\0\0\0\0");
    assert_eq!(client.read(2).expect("a pong"), b"\x8a\x00");
    client.send(b"\x88\x82\0\0\0\0\x03\xe8");
    assert_eq!(client.read_to_end().expect("a close"), b"\x88\x02\x03\xe8");
}

#[test]
fn websocket_echo_tells_others_to_upgrade() {
    let place = Place::new();
    let server =
        Server::start(Kind::Wsproxy, place, "server { listen @LISTEN@; location / { websocket_echo; } }");
    let mut client = Client::connect(&server.address("LISTEN"));
    let answer = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("an answer");
    assert_eq!(answer.status(), 426);
}
