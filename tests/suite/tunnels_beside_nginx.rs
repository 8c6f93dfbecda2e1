//! Tunnels of nginx and of wsproxy on the same file, where `websocket_close_notify off` stands in a comment: what
//! either end sees, how its connection ends, and what the access log says of it have to be equal.
//!
//! Both ends of a tunnel are the test's: what one does the other has seen before the next step, so that nothing
//! depends on who is quicker. Bytes and ends are compared as each end saw them, over TCP, where a reset can be
//! told from an end.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use crate::support::{
    PATIENCE,
    server::{Kind, Place, Server},
    until,
};

/// What the log says of a tunnel, a variable a word. `$bytes_sent` is the first, see [`Seen::log`].
const VARIABLES: &str = "$bytes_sent $status $body_bytes_sent $request_length $upstream_status $upstream_bytes_sent \
    $upstream_bytes_received $upstream_response_length $upstream_addr $request_completion";

const MIB: usize = 1024 * 1024;

/// A text of two bytes from a client, masked by zeros as clients may.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";

/// A text of three bytes from an upstream.
const YES: &[u8] = b"\x81\x03yes";

/// A Close with 1000 from a client, and from an upstream.
const CLIENT_CLOSE: &[u8] = b"\x88\x82\0\0\0\0\x03\xe8";
const UPSTREAM_CLOSE: &[u8] = b"\x88\x02\x03\xe8";

/// A tunnel to be opened, and what its ends then do.
struct Story {
    /// Lines of the location beside the recipe.
    lines: &'static str,
    /// What is switched to.
    protocol: &'static str,
    /// What the client sends in one with its head, and the upstream with its 101.
    early: [&'static [u8]; 2],
    /// What the ends do. It has to lead to the end of both.
    told: fn(&mut End, &mut End),
}

impl Story {
    /// Nothing special before the ends do something.
    fn new(told: fn(&mut End, &mut End)) -> Story {
        Story { lines: "", protocol: "websocket", early: [b"", b""], told }
    }

    /// nginx and wsproxy have to tell the same.
    fn is_the_same_beside_nginx(&self) {
        let [nginx, wsproxy] = [Kind::Nginx, Kind::Wsproxy].map(|kind| self.tell(kind));
        assert_eq!(wsproxy, nginx, "the second is nginx");
    }

    fn tell(&self, kind: Kind) -> Seen {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an upstream's port");
        let port = listener.local_addr().expect("an address").port();
        let server = Server::start(kind, Place::new(), &self.site(port));
        let (mut client, mut upstream, head) = self.open(&server, &listener);
        (self.told)(&mut client, &mut upstream);
        let (client, upstream) = (client.end(), upstream.end());
        until("the tunnel is logged", || server.place.read("access.log").ends_with('\n'));
        let log = server.place.read("access.log").replace(&port.to_string(), "PORT");
        Seen { client, upstream, log: without_head(&log, head) }
    }

    fn site(&self, port: u16) -> String {
        let (lines, protocol) = (self.lines, self.protocol);
        // nginx passes on what the client wrote; wsproxy wants another protocol named.
        let upgrade = if protocol == "websocket" { "$http_upgrade" } else { protocol };
        format!(
            "log_format tunnel '{VARIABLES}';
            server {{
                listen @PORT@;
                access_log @DIR@/access.log tunnel;
                location / {{
                    proxy_pass http://127.0.0.1:{port};
                    proxy_http_version 1.1;
                    proxy_set_header Upgrade {upgrade};
                    proxy_set_header Connection upgrade;
                    # wsproxy: websocket_close_notify off;
                    {lines}
                }}
            }}"
        )
    }

    /// Opens the tunnel. The number is the length of the head that the client got.
    fn open(&self, server: &Server, listener: &TcpListener) -> (End, End, usize) {
        let protocol = self.protocol;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: {protocol}\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        let switching = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: {protocol}\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
        let mut client = TcpStream::connect(server.place.value("PORT")).expect("a connection");
        client.write_all(&[request.as_bytes(), self.early[0]].concat()).expect("a request");
        let mut upstream = accept(listener);
        read_head(&mut upstream);
        upstream.write_all(&[switching.as_bytes(), self.early[1]].concat()).expect("an answer");
        client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = read_head(&mut client);
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
        (End::new(client), End::new(upstream), head.len())
    }
}

/// What there was to be seen of a tunnel.
#[derive(Debug, PartialEq)]
struct Seen {
    client: String,
    upstream: String,
    /// The log's line; `$bytes_sent` counts from behind the head, in which the servers' names differ in length.
    log: String,
}

fn without_head(log: &str, head: usize) -> String {
    let (sent, rest) = log.split_once(' ').expect("a number and more");
    let sent: usize = sent.parse().expect("a number of bytes");
    format!("{} {rest}", sent - head)
}

/// One end of a tunnel, which reads all the while.
struct End {
    stream: TcpStream,
    came: Arc<Mutex<Vec<u8>>>,
    /// It has reset its connection. What it reads then is its own system's doing.
    is_gone: bool,
    reader: JoinHandle<&'static str>,
}

impl End {
    fn new(stream: TcpStream) -> End {
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let came = Arc::<Mutex<Vec<u8>>>::default();
        let (mut from, into) = (stream.try_clone().expect("a second handle"), came.clone());
        let reader = thread::spawn(move || read_all(&mut from, &into));
        End { stream, came, is_gone: false, reader }
    }

    /// Sends bytes that the other end then has.
    fn says(&mut self, bytes: &[u8], other: &End) {
        let had = other.came.lock().unwrap().len();
        self.stream.write_all(bytes).expect("sending");
        other.has(had + bytes.len());
    }

    /// Waits until so many bytes have come.
    fn has(&self, count: usize) {
        until("all bytes arrive", || self.came.lock().unwrap().len() >= count);
    }

    /// Sends no more.
    fn finishes(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("a connection");
    }

    /// Is gone, and the other side's system sees it at once.
    fn resets(&mut self) {
        rustix::net::connect_unspec(&self.stream).expect("a connection");
        self.is_gone = true;
    }

    /// All that came, and how it ended.
    fn end(self) -> String {
        let how = self.reader.join().expect("a reader");
        let how = if self.is_gone { "gone" } else { how };
        format!("{}, {how}", shown(&self.came.lock().unwrap()))
    }
}

/// Reads until there is nothing more, and says how that was.
fn read_all(from: &mut TcpStream, into: &Mutex<Vec<u8>>) -> &'static str {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return "ended",
            Ok(count) => into.lock().unwrap().extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return "reset",
            Err(_) => return "lost",
        }
    }
}

/// Bytes as a text that tells them apart from others.
fn shown(bytes: &[u8]) -> String {
    if bytes.len() < 1000 {
        return format!("{} bytes \"{}\"", bytes.len(), bytes.escape_ascii());
    }
    let sum = bytes.iter().fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("{} bytes of sum {sum:x}", bytes.len())
}

fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("an option");
    let mut accepted = None;
    until("the request arrives", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (stream, _) = accepted.expect("a connection");
    stream.set_nonblocking(false).expect("an option");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Reads a head, and not a byte of what is behind it.
fn read_head(from: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte).expect("the rest of a head");
        head.extend(byte);
    }
    head
}

fn much() -> Vec<u8> {
    (0..4 * MIB).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn a_tunnel_in_which_nothing_moves() {
    let idle = Story::new(|client, upstream| {
        client.says(HI, upstream);
        upstream.says(YES, client);
    });
    Story { lines: "proxy_read_timeout 200ms;", ..idle }.is_the_same_beside_nginx();
}

#[test]
fn an_upstream_that_ends() {
    Story::new(|client, upstream| {
        client.says(HI, upstream);
        upstream.says(YES, client);
        upstream.finishes();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn an_upstream_that_is_gone() {
    Story::new(|client, upstream| {
        client.says(HI, upstream);
        upstream.says(YES, client);
        upstream.resets();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn an_upstream_that_is_gone_inside_a_frame() {
    Story::new(|client, upstream| {
        upstream.says(b"\x81\x20half", client);
        upstream.resets();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn a_client_that_ends() {
    Story::new(|client, upstream| {
        upstream.says(YES, client);
        client.says(HI, upstream);
        client.finishes();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn a_client_that_is_gone() {
    Story::new(|client, upstream| {
        upstream.says(YES, client);
        client.says(HI, upstream);
        client.resets();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn a_client_that_is_gone_inside_a_frame() {
    Story::new(|client, upstream| {
        client.says(b"\x81\xa0\0\0\0\0half", upstream);
        client.resets();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn a_client_that_says_goodbye() {
    Story::new(|client, upstream| {
        client.says(HI, upstream);
        client.says(CLIENT_CLOSE, upstream);
        upstream.says(UPSTREAM_CLOSE, client);
        upstream.finishes();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn an_upstream_that_says_goodbye() {
    Story::new(|client, upstream| {
        upstream.says(YES, client);
        upstream.says(UPSTREAM_CLOSE, client);
        client.says(CLIENT_CLOSE, upstream);
        upstream.finishes();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn a_goodbye_that_is_not_answered() {
    Story::new(|client, upstream| {
        client.says(CLIENT_CLOSE, upstream);
        upstream.finishes();
    })
    .is_the_same_beside_nginx();
    Story::new(|client, upstream| {
        upstream.says(UPSTREAM_CLOSE, client);
        client.resets();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn bytes_that_are_no_frames() {
    Story::new(|client, upstream| {
        // Not masked; of a kind that is not; a length that is too long; text.
        client.says(b"\x81\x02hi", upstream);
        upstream.says(b"\xff\x81\0\0\0\0!", client);
        upstream.says(b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", client);
        client.says(b"GET / HTTP/1.1\r\n\r\n", upstream);
        client.finishes();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn bytes_in_one_with_the_heads() {
    let hear = |client: &mut End, upstream: &mut End| {
        upstream.has(HI.len());
        client.has(YES.len());
        client.says(HI, upstream);
        client.finishes();
    };
    Story { early: [HI, YES], ..Story::new(hear) }.is_the_same_beside_nginx();
}

#[test]
fn much_from_the_client() {
    Story::new(|client, upstream| {
        client.says(&much(), upstream);
        client.finishes();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn much_from_the_upstream() {
    Story::new(|client, upstream| {
        upstream.says(&much(), client);
        upstream.finishes();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn much_both_ways_at_once() {
    Story::new(|client, upstream| {
        let mut second = client.stream.try_clone().expect("a second handle");
        thread::scope(|scope| {
            scope.spawn(move || second.write_all(&much()).expect("sending"));
            upstream.says(&much(), client);
            upstream.has(4 * MIB);
        });
        upstream.finishes();
    })
    .is_the_same_beside_nginx();
}

#[test]
fn another_protocol() {
    let talk = |client: &mut End, upstream: &mut End| {
        upstream.has(5);
        upstream.says(b"hello", client);
        client.says(b"bye", upstream);
        client.finishes();
    };
    Story { protocol: "my-protocol", early: [b"early", b""], ..Story::new(talk) }.is_the_same_beside_nginx();
}
