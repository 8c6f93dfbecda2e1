//! What the gateway says in frames of its own, and keeps to: to raw sockets, to clients of somebody else's, and
//! in its log.

use std::{
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStdout, Stdio},
};

use rustix::process::Signal;

use crate::support::{
    client::Client,
    origin::{Answer, Origin, Received, Then},
    server::{Kind, Place, Server},
    until,
};
use crate::websocket_clients::{Backend, Peer, talk_through_site};

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A text of two bytes, masked by zeros as clients may.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";

/// wsproxy with a location that has `lines`, in front of an upstream that switches and does `then`.
struct Gateway {
    server: Server,
    origin: Origin,
}

impl Gateway {
    fn new(lines: &str, then: Then) -> Gateway {
        Gateway::answering(lines, Answer::new(SWITCHING).then(then))
    }

    fn answering(lines: &str, answer: Answer) -> Gateway {
        let place = Place::new();
        let origin = Origin::start(&place.address("UPSTREAM1"), vec![answer]);
        Gateway { server: Server::start(Kind::Wsproxy, place, &site(lines)), origin }
    }

    fn tunnel(&self) -> Client {
        let mut client = Client::connect(&self.server.address("LISTEN"));
        assert_eq!(client.ask(HANDSHAKE).expect("an answer").status(), 101);
        client
    }

    /// Waits for a line in the error log.
    fn says(&self, line: &str) {
        until(line, || self.server.logs().contains(line));
    }

    /// Stops the gateway and says what the upstream got.
    fn received(mut self) -> Vec<Received> {
        self.server.quit().expect("a graceful end");
        self.origin.finish()
    }
}

/// The directives are on line 4.
fn site(lines: &str) -> String {
    format!(
        "server {{
    listen @LISTEN@;
    location / {{ websocket_proxy on; proxy_pass http://@UPSTREAM1@;
        {lines}
    }}
}}"
    )
}

/// A frame, unmasked: its first byte and its payload of at most 125 bytes.
type Frame = (u8, Vec<u8>);

/// Takes a frame off `bytes`.
fn frame(bytes: &mut &[u8], masked: bool) -> Frame {
    let (first, second) = (bytes[0], bytes[1]);
    assert_eq!(second & 0x80 != 0, masked);
    let length = usize::from(second & 0x7f);
    let (key, start) = if masked { (bytes[2..6].to_vec(), 6) } else { (vec![0; 4], 2) };
    let payload = bytes[start..][..length].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
    let frame = (first, payload.collect());
    *bytes = &bytes[start + length..];
    frame
}

fn frames(mut bytes: &[u8], masked: bool) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        frames.push(frame(&mut bytes, masked));
    }
    frames
}

fn close(code: u16, reason: &str) -> Frame {
    (0x88, [&code.to_be_bytes(), reason.as_bytes()].concat())
}

const PING: u8 = 0x89;

/// Reads a ping of the gateway's, and answers it.
fn answer_a_ping(client: &mut Client) {
    let ping = client.read(10).expect("a ping");
    assert_eq!(ping[..2], [PING, 8]);
    client.send([&[0x8a, 0x88, 0, 0, 0, 0], &ping[2..]].concat());
}

#[test]
fn both_sides_are_asked_and_answers_stay_here() {
    let gateway = Gateway::new("websocket_ping_interval 50ms; websocket_ping_timeout 60s;", Then::Silence);
    let mut client = gateway.tunnel();
    for _ in 0..5 {
        answer_a_ping(&mut client);
    }
    client.send(HI);
    client.send(b"\x88\x82\0\0\0\0\x03\xe8");
    client.finish();
    client.read_to_end().expect("an end");
    drop(client);
    gateway.says("tunnel ended: client closed with 1000; open for ");
    let received = gateway.received();
    let (pings, others): (Vec<_>, Vec<_>) =
        frames(&received[0].behind, true).into_iter().partition(|frame| frame.0 == PING);
    assert_eq!(others, [(0x81, b"hi".to_vec()), (0x88, b"\x03\xe8".to_vec())]);
    // It has not answered, and was asked only once.
    assert_eq!(pings.len(), 1);
}

/// The same file for nginx and for us.
#[test]
fn a_comment_asks_as_well() {
    let lines = "# wsproxy: websocket_ping_interval 50ms client;
        # wsproxy: websocket_ping_timeout 60s;";
    let gateway = Gateway::new(lines, Then::Silence);
    let mut client = gateway.tunnel();
    answer_a_ping(&mut client);
    answer_a_ping(&mut client);
}

#[test]
fn a_client_that_does_not_answer_is_given_up_and_both_are_told() {
    let lines = "websocket_ping_interval 50ms client; websocket_ping_timeout 100ms;";
    let gateway = Gateway::new(lines, Then::Silence);
    let mut client = gateway.tunnel();
    let seen = frames(&client.read_to_end().expect("an end"), false);
    let told = close(1001, "client does not answer (websocket_ping_timeout)");
    assert_eq!((seen[0].0, &seen[1..]), (PING, &[told.clone()][..]));
    drop(client);
    gateway.says("[warn]");
    gateway.says("tunnel ended: client did not answer a ping within 100ms: websocket_ping_timeout, ");
    gateway.says("site.conf:4; open for ");
    assert_eq!(frames(&gateway.received()[0].behind, true), [told]);
}

/// An end, as the log tells of it: lines of the location, what the client sends, and what is said.
#[test]
fn each_end_is_told_in_the_log() {
    for (lines, sent, log) in [
        (
            "proxy_read_timeout 150ms;",
            HI,
            "[warn]@tunnel ended: idle for 150ms: proxy_read_timeout, @site.conf:4; open for @, 1 message (2 bytes) from client, no messages from upstream",
        ),
        (
            "websocket_max_lifetime 150ms;",
            HI,
            "[warn]@tunnel ended: open for 150ms: websocket_max_lifetime, @site.conf:4; ",
        ),
        (
            "websocket_max_message_size 1;",
            HI,
            "[warn]@tunnel ended: client sent a message of 2 bytes: websocket_max_message_size, @site.conf:4; ",
        ),
        (
            "websocket_max_frame_size 1 client;",
            HI,
            "[warn]@tunnel ended: client sent a frame of 2 bytes: websocket_max_frame_size, @site.conf:4; ",
        ),
        (
            "websocket_message_rate 1/m burst=1 close;",
            &[HI, HI].concat(),
            "[warn]@tunnel ended: client sent too fast: websocket_message_rate, @site.conf:4; ",
        ),
        (
            "",
            b"\x88\x85\0\0\0\0\x0f\xa0bye",
            "[notice]@tunnel ended: client closed with 4000 \"bye\"; open for ",
        ),
        ("", b"\x88\x82\0\0\0\0\x03\xe8", "[info]@tunnel ended: client closed with 1000; open for "),
        (
            "",
            b"\x81\x02hi\x88\0",
            "[notice]@tunnel ended: client closed the connection without a Close; @; frames of client were not followed to the end: frame of a client that is not masked",
        ),
        ("", HI, "[notice]@tunnel ended: client closed the connection without a Close; open for "),
    ] {
        let gateway = Gateway::new(lines, Then::Silence);
        let mut client = gateway.tunnel();
        client.send(sent);
        if !lines.is_empty() {
            client.read_to_end().expect("an end");
        }
        drop(client);
        until(log, || {
            let logs = gateway.server.place.read("error.log");
            let line = logs.lines().find(|line| line.contains("tunnel ended")).unwrap_or_default();
            let mut rest = Some(line);
            log.split('@').for_each(|part| rest = rest.and_then(|rest| Some(rest.split_once(part)?.1)));
            assert!(line.is_empty() || rest.is_some(), "{line}");
            rest.is_some()
        });
    }
}

#[test]
fn an_upstream_that_vanishes_is_told_of() {
    let gateway = Gateway::answering(
        "",
        Answer::new([SWITCHING.as_bytes(), b"\x81\x03yes"].concat()).then(Then::Close),
    );
    let seen = gateway.tunnel().read_to_end().expect("an end");
    assert_eq!(
        frames(&seen, false),
        [(0x81, b"yes".to_vec()), close(1014, "upstream closed the connection")]
    );
    gateway.says("tunnel ended: upstream closed the connection without a Close; open for ");
}

/// Nothing is put inside the frame that it never finished.
#[test]
fn an_upstream_that_vanishes_inside_a_frame_is_only_cut() {
    let gateway = Gateway::answering(
        "",
        Answer::new([SWITCHING.as_bytes(), b"\x81\x20half"].concat()).then(Then::Close),
    );
    assert_eq!(gateway.tunnel().read_to_end().expect("an end"), b"\x81\x20half");
}

/// A client of somebody else's that waits for its socket to be closed.
struct Waiting {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Waiting {
    /// One that has opened its socket, and sent a message of so many bytes if that is not 0.
    fn start(peer: Peer, server: &Server, length: usize) -> Waiting {
        let mut command = peer.command("outlast", &server.place, "LISTEN");
        let mut child = command.arg(length.to_string()).stdout(Stdio::piped()).spawn().expect("a client");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut waiting = Waiting { child, lines };
        assert_eq!(waiting.line(), "open");
        waiting
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("another line").expect("text")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PEERS: [Peer; 2] = [Peer::PyPi, Peer::Npm];

#[test]
fn libraries_hear_that_a_message_was_too_big() {
    for peer in PEERS {
        let place = Place::new();
        let _backend = Backend::start(Peer::PyPi, &place);
        let server = Server::start(Kind::Wsproxy, place, &site("websocket_max_message_size 1000;"));
        let mut client = Waiting::start(peer, &server, 1001);
        assert_eq!(client.line(), "closed 1009 message of 1001 bytes (websocket_max_message_size)");
    }
}

#[test]
fn libraries_hear_that_the_upstream_was_killed() {
    for peer in PEERS {
        let place = Place::new();
        let backend = Backend::start(Peer::PyPi, &place);
        let server = Server::start(Kind::Wsproxy, place, &site(""));
        let mut client = Waiting::start(peer, &server, 10);
        // It is killed.
        drop(backend);
        let line = client.line();
        assert!(line.starts_with("closed 1014 upstream "), "{line}");
    }
}

#[test]
fn libraries_hear_that_the_server_stops() {
    for peer in PEERS {
        let place = Place::new();
        let _backend = Backend::start(Peer::Npm, &place);
        let http = format!("http {{\naccess_log off;\n{}\n}}", site(""));
        let main = "worker_shutdown_timeout 100ms; worker_processes 1; pid @DIR@/pid; events {}";
        let whole = format!("{main}\n{http}");
        let mut server = Server::start(Kind::Wsproxy, place, &whole);
        let mut client = Waiting::start(peer, &server, 0);
        server.signal(Signal::QUIT);
        let line = client.line();
        assert!(line.starts_with("closed 1012 the server "), "{line}");
        server.wait().expect("an end");
    }
}

/// Compressed messages, pings of both ends, 16 MiB: nothing of it is touched by whatever is asked of frames.
#[test]
fn what_two_ends_agree_upon_is_untouched_with_everything_on() {
    let lines = "websocket_ping_interval 5ms; websocket_ping_timeout 60s; websocket_max_message_size 64m;
        websocket_max_frame_size 64m; websocket_message_rate 10000/s burst=10000 delay; websocket_max_lifetime 1h;";
    talk_through_site(Peer::PyPi, Peer::Npm, &site(lines));
    talk_through_site(Peer::Npm, Peer::PyPi, &site(lines));
}
