//! The course of one request through everything that serves, up to the upstream's door: what `wsproxy route`
//! tells.
//!
//! Nothing here decides anything. The request is served by the code that serves all others, over a pair of
//! sockets within the process; a worker with a [`Recorder`] writes down what it comes by and connects to nobody.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::features::Settings;
use crate::features::error_log::Level;
use crate::features::proxy::Pass;
use crate::model::{Found, LocationId, Matched, Model, Seen, ServerId};
use crate::net::{Address, Stream};
use crate::request::Request;
use crate::source::{Place, Span};
use crate::upstream::{Endpoint, Group, Outcome, Round, Sid, Trace, Wish};

use super::answer::Done;
use super::connection::{Accepted, serve};
use super::destination::Destination;
use super::life::Exchange;
use super::live::Live;
use super::sticky::Tie;
use super::worker::{Permit, Shared, Worker};

/// So much of an answer is looked at: its head, and where its body begins.
const ANSWER: u64 = 64 * 1024;

/// A request whose course is asked for.
pub struct Asked {
    /// The head as a client writes it, with its empty line.
    pub head: Vec<u8>,
    /// The index of the listener it comes by.
    pub listener: usize,
    /// The client's address, and the one it connected to.
    pub peer: Address,
    pub local: Address,
}

/// What became of it.
pub struct Course {
    pub events: Vec<Event>,
    /// What the client is answered; nothing where an upstream is to answer.
    pub answer: Vec<u8>,
}

/// Something that a request came by.
pub enum Event {
    /// Its host led to a server.
    Server {
        server: ServerId,
        matched: Matched,
        captures: Captured,
    },
    /// Whether it asks for a WebSocket, where it looks as if it did.
    Handshake(Result<(), String>),
    /// A proxy that is trusted names another client.
    RealIp(Address),
    Set {
        span: Span,
        value: Vec<u8>,
    },
    /// `after` is the path and the arguments, where the pattern matched.
    Rewrite {
        span: Span,
        before: Vec<u8>,
        after: Option<(Vec<u8>, Vec<u8>)>,
        captures: Captured,
    },
    If {
        span: Span,
        holds: bool,
        captures: Captured,
    },
    Break {
        span: Span,
    },
    Return {
        span: Span,
        status: u16,
    },
    Search {
        uri: Vec<u8>,
        seen: Vec<Seen>,
        found: Option<Found>,
        captures: Captured,
    },
    /// A limit looks for the key that the request counts by.
    Limited {
        directive: &'static str,
        zone: Vec<u8>,
        /// As it is written, and what that is for the request.
        key: Vec<u8>,
        value: Vec<u8>,
        counts: bool,
    },
    /// What a directive said about a request, or a handshake.
    Judged {
        directive: &'static str,
        place: Place,
        allowed: bool,
    },
    /// Another request is asked whether this one may go on; here it is taken to say so.
    AuthRequest {
        uri: Vec<u8>,
    },
    /// A token would be verified with keys that are elsewhere; here it is taken to be good.
    AuthJwt {
        place: Place,
    },
    /// What holds a token is taken out of what goes upstream: of its target, or of its headers.
    TokenStays {
        from: &'static str,
    },
    ErrorPage {
        span: Span,
        status: u16,
        target: Vec<u8>,
    },
    /// A `limit_except` takes the place of its location.
    Except(LocationId),
    /// A named location takes over.
    Named(LocationId),
    /// It goes on inside with another URI.
    Inside {
        path: Vec<u8>,
        args: Vec<u8>,
    },
    /// The location that answers.
    Content {
        location: LocationId,
    },
    File {
        path: Vec<u8>,
    },
    Upstream(Box<Upstream>),
    /// A line for the error log.
    Told(Level, String),
}

/// `$1` and what follows, as the last pattern left it.
pub type Captured = Vec<Vec<u8>>;

/// What stands at an upstream's door.
pub struct Upstream {
    pub location: LocationId,
    pub settings: Arc<Settings>,
    pub pass: Pass,
    pub group: Arc<Group>,
    /// Host and port as `$proxy_host` and `$proxy_port` show them.
    pub host: Vec<u8>,
    pub port: Vec<u8>,
    /// The request that would go out.
    pub head: Vec<u8>,
    /// The client asks for a WebSocket.
    pub websocket: bool,
    /// The head asks the upstream to switch protocols as the client does.
    pub upgrade: bool,
    /// Why the upstream is not asked for the WebSocket that the client asks for.
    pub kept_back: Option<String>,
    /// What the group's method makes its choice by.
    pub key: Option<Vec<u8>>,
    pub client: Option<IpAddr>,
    pub stuck: Option<Stuck>,
    /// The one that is chosen, and those that would be tried if it failed.
    pub peers: Vec<Peer>,
    /// How many are tried at most.
    pub tries: usize,
}

/// A peer that would be tried.
pub struct Peer {
    /// The index of its `server` line.
    pub server: usize,
    pub trace: Trace,
    /// Its id, where requests name one and it is known before a name is looked up.
    pub sid: Option<Sid>,
}

/// What `sticky` makes of a request.
pub struct Stuck {
    pub way: Way,
    /// What it names its server or session by.
    pub id: Option<Vec<u8>>,
    /// Whose id that is, and whether it can be asked.
    pub owner: Option<(usize, bool)>,
    /// The line that would set the cookie.
    pub cookie: Option<Vec<u8>>,
}

/// A kind of `sticky`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Cookie,
    Route,
    Learn,
}

impl Event {
    pub fn missed(span: Span, request: &Request) -> Event {
        let before = request.target.path.clone();
        Event::Rewrite { span, before, after: None, captures: Captured::new() }
    }

    /// `path` and `args` are what came out of it.
    pub fn rewritten(
        span: Span,
        before: Option<Vec<u8>>,
        path: &[u8],
        args: &[u8],
        request: &Request,
    ) -> Event {
        let (before, after) = (before.unwrap_or_default(), Some((path.to_vec(), args.to_vec())));
        Event::Rewrite { span, before, after, captures: captured(request) }
    }
}

/// What the last pattern captured.
pub fn captured(request: &Request) -> Captured {
    request.captures.borrow().numbered().map(<[u8]>::to_vec).collect()
}

/// Where a worker writes down what its request comes by.
#[derive(Default)]
pub struct Recorder {
    events: RefCell<Vec<Event>>,
}

impl Recorder {
    pub fn add(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }
}

/// Takes a request through everything that serves. No log is written and nobody is connected to.
///
/// # Errors
/// What the system says when it has no descriptors left.
pub fn route(model: Model, asked: Asked) -> io::Result<(Arc<Live>, Course)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, served(model, asked))
}

async fn served(model: Model, asked: Asked) -> io::Result<(Arc<Live>, Course)> {
    let listener = Arc::new(model.http.listeners[asked.listener].address.clone());
    let shared = Arc::new(Shared::new(Live::unlogged(model)));
    let (mut worker, _tunnels) = Worker::new(0, shared)?;
    worker.recorder = Some(Recorder::default());
    let worker = Rc::new(worker);
    let (client, stream) = UnixStream::pair()?;
    let accepted = Accepted {
        stream: Stream::Unix(stream),
        peer: asked.peer,
        local: asked.local,
        listener,
        permit: Permit::new(&worker.open),
    };
    let ((), answer) = tokio::join!(serve(worker.clone(), accepted), converse(client, &asked.head));
    let events = worker.recorder.as_ref().map(|recorder| recorder.events.take()).unwrap_or_default();
    let live = worker.live();
    Ok((live, Course { events, answer }))
}

/// The client's part: asks, and reads what is answered. Who closes early has its reasons, which are recorded.
async fn converse(mut client: UnixStream, head: &[u8]) -> Vec<u8> {
    let (from, mut to) = client.split();
    let mut answer = Vec::new();
    let asking = async {
        let _ = to.write_all(head).await;
        // There is no body, and no request behind this one.
        let _ = to.shutdown().await;
    };
    let mut from = from.take(ANSWER);
    let ((), _) = tokio::join!(asking, from.read_to_end(&mut answer));
    answer
}

impl Exchange<'_> {
    /// Writes down what stands at the upstream's door, and goes no further.
    pub fn at_the_door(
        &self,
        pass: &Pass,
        destination: &Destination<'_>,
        head: &[u8],
        (wish, tie, id): (&Wish, Option<Tie>, &[u8]),
        upgrade: bool,
    ) -> Done {
        let group = &destination.group;
        self.note(|request| {
            let websocket = request.websocket.is_some();
            let kept_back = (websocket && !upgrade).then(|| self.kept_back_of(head)).flatten();
            let keyed = destination.upstream.is_some_and(|upstream| upstream.key.is_some());
            let peers = self.peers(group, wish);
            Event::Upstream(Box::new(Upstream {
                location: self.location,
                settings: self.settings.clone(),
                pass: pass.clone(),
                host: request.upstream.host.clone(),
                port: request.upstream.port.clone(),
                head: head.to_vec(),
                websocket,
                upgrade,
                kept_back,
                key: keyed.then(|| wish.key.to_vec()),
                client: wish.client,
                stuck: tie.map(|tie| self.stuck(group, &tie, id, peers.first())),
                peers,
                tries: self.most_tries(group),
                group: group.clone(),
            }))
        });
        Done::Aborted
    }

    /// Whom the request would be tried with, one after another, if each failed in its turn.
    fn peers(&self, group: &Group, wish: &Wish) -> Vec<Peer> {
        for (server, line) in group.spec.servers.iter().enumerate() {
            if !group.is_resolved(server) {
                // Nobody is asked for addresses. With one of its own a name stands where it will stand.
                group.set_addresses(server, &[Address::unix(&line.text)]);
            }
        }
        let mut round = Round::traced();
        let mut peers = Vec::new();
        while peers.len() < self.most_tries(group)
            && let Ok(picked) = group.pick(wish, &mut round)
        {
            let server = group.server_of(picked.id).unwrap_or_default();
            let line = &group.spec.servers[server];
            let known = line.route.is_some() || matches!(line.endpoint, Endpoint::Known(_));
            let sid = picked.sid.filter(|_| known);
            peers.push(Peer { server, trace: round.take_trace(), sid });
            group.release(picked.id, Outcome::Failure);
        }
        peers
    }

    /// What a tie makes of the request, whose names have been given addresses.
    fn stuck(&self, group: &Group, tie: &Tie, id: &[u8], first: Option<&Peer>) -> Stuck {
        let way = tie.way();
        // Which session is where, only the running process knows.
        let owner = if way == Way::Learn { None } else { group.named(id) };
        let sid = first.and_then(|peer| peer.sid.as_ref());
        let cookie = sid.and_then(|sid| self.sticky_cookie(tie, sid));
        Stuck { way, id: Some(id.to_vec()).filter(|id| !id.is_empty()), owner, cookie }
    }
}
