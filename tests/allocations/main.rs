//! Counts what the hot paths allocate: nothing.
//!
//! The other side of each conversation runs on a thread of its own and is not counted.

mod counting;
mod frames;
mod requests;
mod tokens;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use wsproxy::http1::body::{BodyDecoder, CHUNK_END, LAST_CHUNK, Trailers, chunk_head};
use wsproxy::http1::response::ParsedResponse;
use wsproxy::http1::{
    Framing, HeadLimits, Known, RequestHead, RequestParser, ResponseHead, Target, connection, framing,
    parse_response, target,
};
use wsproxy::tunnel::{Closing, Opened, Rules, Tunnels};

use counting::allocated;

/// The far ends of a tunnel over TCP, and a way to ask its thread how often it has allocated.
struct Tunnel {
    client: TcpStream,
    upstream: TcpStream,
    tunnels: Tunnels<Owner>,
    closing: mpsc::Receiver<Closing>,
}

impl Tunnel {
    fn open() -> Tunnel {
        Tunnel::with(rules())
    }

    fn with(rules: Arc<Rules>) -> Tunnel {
        let (client, near_client) = pair();
        let (upstream, near_upstream) = pair();
        let tunnels = Tunnels::start("tunnels".to_owned()).unwrap();
        let (owner, closing) = mpsc::channel();
        tunnels.join(opened(near_client), opened(near_upstream), rules, true, None, Owner(owner));
        Tunnel { client, upstream, tunnels, closing }
    }

    /// The tunnel has done all that was asked of it before this answers.
    fn allocated(&self) -> u64 {
        ask(&self.tunnels, allocated)
    }

    fn ping_pong(&mut self, rounds: usize, message: &[u8]) {
        let mut buffer = vec![0; message.len()];
        for _ in 0..rounds {
            self.client.write_all(message).unwrap();
            self.upstream.read_exact(&mut buffer).unwrap();
            self.upstream.write_all(&buffer).unwrap();
            self.client.read_exact(&mut buffer).unwrap();
        }
    }
}

struct Owner(mpsc::Sender<Closing>);

impl wsproxy::tunnel::Owner for Owner {
    fn ended(self, closing: Closing) {
        // Who does not ask is gone.
        let _ = self.0.send(closing);
    }
}

/// Both ends of a TCP connection.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let near = listener.accept().unwrap().0;
    near.set_nonblocking(true).unwrap();
    (far, near)
}

fn opened(stream: TcpStream) -> Opened<OwnedFd> {
    Opened { socket: stream.into(), early: Vec::new() }
}

fn rules() -> Arc<Rules> {
    Arc::default()
}

/// Asks the thread of the tunnels, by way of one that is there.
fn ask<T: Send + 'static>(tunnels: &Tunnels<Owner>, question: fn() -> T) -> T {
    let (answer, answered) = mpsc::channel();
    let mut answer = Some(answer);
    tunnels.leave(move |_| {
        // Each tunnel is asked; the first answers.
        if let Some(answer) = answer.take() {
            answer.send(question()).unwrap();
        }
        None
    });
    answered.recv().unwrap()
}

#[test]
fn a_message_through_a_tunnel_allocates_nothing() {
    let mut tunnel = Tunnel::open();
    tunnel.ping_pong(100, &[7; 100]);
    // Asking allocates a little itself, the same each time.
    let (first, second) = (tunnel.allocated(), tunnel.allocated());
    tunnel.ping_pong(1000, &[7; 100]);
    tunnel.ping_pong(1000, &[7; 5000]);
    let third = tunnel.allocated();
    assert_eq!(third - second, second - first);
    drop(tunnel.client);
    assert_eq!(tunnel.closing.recv().unwrap().sent_to_client, 100 * 100 + 1000 * 100 + 1000 * 5000);
}

#[test]
fn the_allocator_is_counted() {
    let before = allocated();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(allocated(), before + 1);
}

/// How often `work` allocates when it is done for the second time.
fn allocations(mut work: impl FnMut()) -> u64 {
    work();
    let before = allocated();
    work();
    allocated() - before
}

#[test]
fn reading_a_request_head_allocates_nothing() {
    let bytes = b"GET /chat/%7Eroom/../x?id=42 HTTP/1.1\r\nHost: WWW.Example.com:8080\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
        Accept: text/html,application/xhtml+xml\r\nAccept-Language: en-US,en;q=0.5\r\n\
        Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nX_Dropped: 1\r\nX-Empty:\r\n\r\n";
    let (mut parser, mut head, mut normal) = (RequestParser::new(), RequestHead::new(), Target::new());
    let limits = HeadLimits::default();
    let mut seen = 0;
    let count = allocations(|| {
        assert_eq!(parser.parse(&bytes[..40], &limits, &mut head), Ok(None));
        assert_eq!(parser.parse(bytes, &limits, &mut head), Ok(Some(bytes.len())));
        assert_eq!(target::normalise(head.target(), true, &mut normal), Ok(()));
        seen += head
            .headers
            .iter()
            .filter(|(name, _, known)| connection::is_hop_by_hop(&head.headers, name, *known))
            .count();
        seen += head.headers.named_underscore(b"user_agent").count();
    });
    assert_eq!(count, 0);
    assert_eq!((seen, normal.path.as_slice(), head.host()), (6, &b"/chat/x"[..], &b"www.example.com"[..]));
}

#[test]
fn reading_a_response_and_chunks_allocates_nothing() {
    let bytes = b"HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (mut head, mut out) = (ResponseHead::new(), Vec::new());
    let count = allocations(|| {
        out.clear();
        assert_eq!(parse_response(bytes, 4096, &mut head), Ok(ParsedResponse::Head(bytes.len())));
        assert_eq!(framing::response_framing(&head, false), Ok(Framing::Chunked));
        assert_eq!(head.headers.first(Known::Server), Some(&b"x"[..]));
        chunk_head(5, &mut out);
        out.extend_from_slice(b"hello");
        out.extend_from_slice(CHUNK_END);
        out.extend_from_slice(LAST_CHUNK);
        let mut decoder = BodyDecoder::new(Framing::Chunked, Trailers::Keep);
        let found = decoder.decode(&out).expect("a body that was just written");
        assert_eq!((&out[found.data], found.consumed, found.done), (&b"hello"[..], out.len(), true));
    });
    assert_eq!(count, 0);
}

/// Nothing idles but the two sockets and the tunnel's own few words.
#[test]
fn an_idle_tunnel_holds_little() {
    const TUNNELS: usize = 32;
    let (rules, tunnels) = (rules(), Tunnels::start("tunnels".to_owned()).unwrap());
    let (owner, _closing) = mpsc::channel();
    let mut held = Vec::new();
    // A thread that waits for an answer for the first time makes itself what it is woken by.
    let (_silent, nothing) = mpsc::channel::<()>();
    assert!(nothing.recv_timeout(Duration::from_millis(1)).is_err());
    for _ in 0..3 {
        for _ in 0..TUNNELS {
            // Each other's far end: it is as idle as a tunnel can be.
            let (client, upstream) = pair();
            client.set_nonblocking(true).unwrap();
            tunnels.join(opened(client), opened(upstream), rules.clone(), true, None, Owner(owner.clone()));
        }
        // Nothing is on its way to the thread any more. What one thread allocates the other may free.
        ask(&tunnels, || ());
        // First here: asking allocates, and either thread frees that.
        let own = counting::held();
        held.push(ask(&tunnels, counting::held) + own);
    }
    let one = (held[2] - held[1]) / TUNNELS as i64;
    assert!(one <= 528, "{one} bytes");
}
