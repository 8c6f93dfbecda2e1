//! Counts what the hot paths allocate: nothing.
//!
//! The other side of each conversation runs on a thread of its own and is not counted.

mod counting;
mod requests;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{spawn_local, yield_now};
use wsproxy::http1::body::{BodyDecoder, CHUNK_END, LAST_CHUNK, Trailers, chunk_head};
use wsproxy::http1::response::ParsedResponse;
use wsproxy::http1::{
    Framing, HeadLimits, Known, RequestHead, RequestParser, ResponseHead, Target, connection, framing,
    parse_response, target,
};
use wsproxy::net::Stream;
use wsproxy::net::{Address, ListenOptions, Listening, connect};
use wsproxy::tunnel::{Closing, Opened, Rules, Tunnels, WhenEnded};

use counting::allocated;

fn worker() -> LocalRuntime {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap()
}

/// The far ends of a tunnel over TCP, and a way to ask its thread how often it has allocated.
struct Tunnel {
    client: TcpStream,
    upstream: TcpStream,
    ask: UnboundedSender<mpsc::Sender<u64>>,
    closing: JoinHandle<Closing>,
}

impl Tunnel {
    fn open() -> Tunnel {
        let any_port = Address::Ip("127.0.0.1:0".parse().unwrap());
        let clients = Listening::open(&any_port, &ListenOptions::default()).unwrap();
        let upstreams = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(clients.address().ip().unwrap()).unwrap();
        let upstream = Address::Ip(upstreams.local_addr().unwrap());
        let (ask, asked) = unbounded_channel();
        let closing = thread::spawn(move || {
            worker().block_on(async move {
                spawn_local(answer(asked));
                let (client, _) = clients.listener().unwrap().accept().await.unwrap();
                let upstream = connect(&upstream, None).await.unwrap();
                let tunnels = Rc::new(Tunnels::new().unwrap());
                spawn_local(tunnels.clone().run());
                let (owner, closing) = oneshot::channel();
                tunnels.join(opened(client), opened(upstream), rules(), true, Owner(owner));
                closing.await.unwrap()
            })
        });
        let (upstream, _) = upstreams.accept().unwrap();
        Tunnel { client, upstream, ask, closing }
    }

    /// The tunnel's side has done all that was asked of it before this answers.
    fn allocated(&self) -> u64 {
        let (answer, answered) = mpsc::channel();
        self.ask.send(answer).unwrap();
        answered.recv().unwrap()
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

struct Owner(oneshot::Sender<Closing>);

impl WhenEnded for Owner {
    fn ended(self, closing: Closing) {
        self.0.send(closing).unwrap();
    }
}

fn opened(stream: Stream) -> Opened<OwnedFd> {
    Opened { socket: stream.into_fd().unwrap(), early: Vec::new() }
}

fn rules() -> Arc<Rules> {
    Arc::new(Rules { frames: None, ..Rules::default() })
}

async fn answer(mut asked: UnboundedReceiver<mpsc::Sender<u64>>) {
    while let Some(answer) = asked.recv().await {
        answer.send(allocated()).unwrap();
    }
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
    assert_eq!(tunnel.closing.join().unwrap().sent_to_client, 100 * 100 + 1000 * 100 + 1000 * 5000);
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
    let any_port = Address::Ip("127.0.0.1:0".parse().unwrap());
    worker().block_on(async move {
        let listening = Listening::open(&any_port, &ListenOptions::default()).unwrap();
        let address = listening.address().clone();
        let listener = listening.listener().unwrap();
        let (tunnels, rules) = (Rc::new(Tunnels::new().unwrap()), rules());
        spawn_local(tunnels.clone().run());
        let mut ends = Vec::with_capacity(3 * TUNNELS);
        let mut held = Vec::new();
        for _ in 0..3 {
            for _ in 0..TUNNELS {
                // The stream that was accepted and the one that was connected are each other's far end: it is
                // as idle as a tunnel can be.
                let client = connect(&address, None).await.unwrap();
                let (upstream, _) = listener.accept().await.unwrap();
                let (owner, end) = oneshot::channel();
                ends.push(end);
                tunnels.join(opened(client), opened(upstream), rules.clone(), true, Owner(owner));
            }
            yield_now().await;
            held.push(counting::held());
        }
        let one = (held[2] - held[1]) / TUNNELS as i64;
        assert!(one <= 512, "{one} bytes");
    });
}
