//! The words features speak: a request and what has become of it, variables, templates, patterns.
//!
//! Knows no directive and does no I/O. A [`Request`] is what a variable can be asked of; it is
//! filled in by `exchange` as things happen, and used again for the next request, so that serving
//! one allocates nothing once its buffers have grown.

pub mod clock;

mod limited;
mod pattern;
mod secrets;
mod template;
mod variable;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::http1::{Method, RequestHead, ResponseHead, Target};
use crate::jwt::Token;
use crate::net::{Address, ProxyHeader, now};
use crate::websocket::handshake::Wish;
use crate::websocket::offered::Spellings;

pub use limited::{LimitStatus, Limited};
pub use pattern::{Captures, Pattern, PatternError};
pub use secrets::Secrets;
pub use template::{Piece, Template, TemplateError};
pub use variable::{Compute, Get, GetNamed, PrefixVariable, Source, Variable, VariableId, Variables};

/// A request, its connection, its reply and its upstream tries, as far as they have come.
pub struct Request {
    pub connection: Connection,
    pub head: RequestHead,
    /// When the first byte of the head was seen, for `$request_time`.
    pub started: Instant,
    /// `$uri` and `$args`: decoded, normalised, changed by rewrites. What the client wrote stays in
    /// `head`.
    pub target: Target,
    /// The URI still begins with the location's name: nginx's `valid_location`.
    pub location_valid: bool,
    /// Reached by an internal redirect.
    pub internal: bool,
    /// Made inside for another request (`ngx_http_subrequest`).
    pub sub: bool,
    /// The name of the server that answers: `$server_name`.
    pub server_name: Arc<[u8]>,
    /// `$document_root` before its variables are filled in, and whether it is an `alias`.
    pub root: Option<Arc<Root>>,
    /// Who says whether its `Referer` is invalid: `$invalid_referer`.
    pub referers: Option<Arc<dyn Compute>>,
    /// `$remote_user` and the like come from headers; these are set by features.
    pub variables: Arc<Variables>,
    /// What `set`, `map` and named captures have given the variables with a slot.
    values: RefCell<Vec<Value>>,
    pub captures: RefCell<Captures>,
    /// Request bytes read: head and body.
    pub received: u64,
    pub reply: Reply,
    pub upstream: Upstream,
    /// Names the request in logs and to upstreams: `$request_id`; made when first asked for.
    pub id: RefCell<Option<[u8; 32]>>,
    /// The reply went out whole: `$request_completion`.
    pub completed: bool,
    /// The client asks for a WebSocket, and as RFC 6455 wants it.
    pub websocket: Option<Wish>,
    /// It asks for one, and not as RFC 6455 wants it.
    pub misses_websocket: bool,
    /// An internal redirect has made a GET of it, unless it was a HEAD.
    pub method_is_get: bool,
    /// Its first bytes came together with the request before it.
    pub pipelined: bool,
    pub limited: Limited,
    /// When the token that lets it in has run out, since the Unix epoch, with all leeway there is: its socket
    /// ends then.
    pub token_expires: Option<Duration>,
    /// How tokens are spelt among subprotocols where it is; `None` is as everybody spells them.
    pub spellings: Option<Arc<Spellings>>,
    /// The token that stands there has been used.
    pub protocol_token: Cell<bool>,
    /// Logs show tokens where it is.
    pub shows_tokens: bool,
    /// Variables that hold tokens in the locations that it has left by an error page or from inside. What was a
    /// token there does not go upstream elsewhere.
    pub left_tokens: Vec<Arc<[VariableId]>>,
    /// What logs do not show.
    secrets: RefCell<Secrets>,
    /// The token that has let it in: `auth_jwt`.
    pub jwt: Option<Box<Token>>,
}

/// Where files are: the value of `root` or `alias`.
#[derive(Debug)]
pub struct Root {
    pub path: Template,
    /// For an `alias`, how many bytes of the URI it stands for.
    pub alias: Option<usize>,
}

/// Facts of the connection a request came on.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Counts connections since the start: `$connection`.
    pub number: u64,
    /// The client: who has connected, or whom a proxy that is trusted names for this request.
    pub peer: Address,
    /// Who has connected, where that is a proxy.
    pub proxy: Option<Address>,
    /// What the PROXY protocol said of the connection.
    pub proxy_header: Option<Arc<ProxyHeader>>,
    pub local: Address,
    pub started: Instant,
    /// Requests made through it, this one included.
    pub requests: u64,
    /// Bytes the reply of the current request began after.
    pub tls: bool,
}

/// The reply as far as it is known.
#[derive(Default)]
pub struct Reply {
    /// 0 until it is decided.
    pub status: u16,
    /// The head as it goes on the wire; `$sent_http_*` is read from it.
    pub head: Vec<u8>,
    /// Bytes given to the client's socket, head included.
    pub sent: u64,
    /// How many of `sent` are the head.
    pub head_sent: u64,
    /// `Content-Length` as it will be sent.
    pub content_length: Option<u64>,
}

/// What upstreams were asked, and what they said.
#[derive(Default)]
pub struct Upstream {
    pub tries: Vec<Try>,
    /// The next try is the first of another location's.
    redirected: bool,
    /// The head of the answer that counts.
    pub head: ResponseHead,
    /// Whether `head` holds one.
    pub answered: bool,
    /// Header lines that tie the client to servers; they go out with whatever answer there is.
    pub cookies: Vec<u8>,
    /// The target that goes upstream, for the error log.
    pub uri: Vec<u8>,
    /// `$proxy_host` and `$proxy_port`.
    pub host: Vec<u8>,
    pub port: Vec<u8>,
}

impl Connection {
    /// Who has connected, whoever the client is.
    pub fn connected(&self) -> &Address {
        self.proxy.as_ref().unwrap_or(&self.peer)
    }
}

impl Upstream {
    /// What is tried from now on is about another location's upstream, if anything was tried before.
    pub fn begin(&mut self) {
        self.redirected = !self.tries.is_empty();
    }

    /// Begins a try.
    pub fn push(&mut self, tried: Try) {
        let redirected = std::mem::take(&mut self.redirected);
        self.tries.push(Try { redirected, ..tried });
    }
}

/// One try to have a request answered by one peer.
#[derive(Clone, Debug)]
pub struct Try {
    pub peer: Address,
    /// The name of the upstream group where no peer could be picked.
    pub unpicked: Option<Arc<[u8]>>,
    /// It is the first after an internal redirect, to another location's upstream.
    pub redirected: bool,
    pub status: u16,
    pub began: Instant,
    pub connected: Option<Instant>,
    /// When its head had come.
    pub answered: Option<Instant>,
    pub ended: Option<Instant>,
    pub sent: u64,
    pub received: u64,
    /// Body bytes.
    pub length: u64,
}

impl Try {
    /// A try that begins now.
    pub fn new(peer: Address) -> Try {
        Try {
            peer,
            unpicked: None,
            redirected: false,
            status: 0,
            began: now(),
            connected: None,
            answered: None,
            ended: None,
            sent: 0,
            received: 0,
            length: 0,
        }
    }

    /// How long after its beginning something happened.
    pub fn after(&self, moment: Option<Instant>) -> Option<Duration> {
        moment.map(|moment| moment.duration_since(self.began))
    }
}

#[derive(Default)]
struct Value {
    text: Vec<u8>,
    state: ValueState,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum ValueState {
    #[default]
    Unset,
    Missing,
    Found,
}

impl Request {
    pub fn new(variables: Arc<Variables>) -> Request {
        let now = now();
        let nowhere = Address::Ip(SocketAddr::from(([0, 0, 0, 0], 0)));
        Request {
            connection: Connection {
                number: 0,
                peer: nowhere.clone(),
                proxy: None,
                proxy_header: None,
                local: nowhere,
                started: now,
                requests: 0,
                tls: false,
            },
            head: RequestHead::default(),
            started: now,
            target: Target::new(),
            location_valid: true,
            internal: false,
            sub: false,
            server_name: Arc::from(&b""[..]),
            root: None,
            referers: None,
            variables,
            values: RefCell::default(),
            captures: RefCell::default(),
            received: 0,
            reply: Reply::default(),
            upstream: Upstream::default(),
            id: RefCell::default(),
            completed: false,
            websocket: None,
            misses_websocket: false,
            method_is_get: false,
            pipelined: false,
            limited: Limited::default(),
            token_expires: None,
            spellings: None,
            protocol_token: Cell::new(false),
            shows_tokens: false,
            left_tokens: Vec::new(),
            secrets: RefCell::default(),
            jwt: None,
        }
    }

    /// Forgets the last request and keeps its buffers.
    pub fn reset(&mut self, variables: &Arc<Variables>) {
        self.head.clear();
        self.started = now();
        self.location_valid = true;
        self.internal = false;
        self.sub = false;
        self.root = None;
        self.referers = None;
        if !Arc::ptr_eq(&self.variables, variables) {
            self.variables = variables.clone();
            self.values.get_mut().clear();
        }
        for value in self.values.get_mut() {
            value.state = ValueState::Unset;
        }
        self.captures.get_mut().clear();
        self.received = 0;
        self.reply.reset();
        self.upstream.reset();
        *self.id.get_mut() = None;
        self.completed = false;
        self.websocket = None;
        self.misses_websocket = false;
        self.method_is_get = false;
        self.pipelined = false;
        self.limited.forget();
        self.token_expires = None;
        self.spellings = None;
        self.protocol_token.set(false);
        self.shows_tokens = false;
        self.left_tokens.clear();
        self.secrets.get_mut().clear();
        self.jwt = None;
    }

    /// Makes of a request that was reset one that is made inside for `main`, to look at `path` with `args`: a GET
    /// without a body, with the client's header lines (`ngx_http_subrequest`).
    pub fn become_sub(&mut self, main: &Request, path: &[u8], args: &[u8]) {
        self.sub = true;
        self.internal = true;
        self.connection = main.connection.clone();
        self.head.clone_from(&main.head);
        self.head.become_get();
        self.method_is_get = true;
        self.target.path.clear();
        self.target.path.extend_from_slice(path);
        self.target.args.clear();
        self.target.args.extend_from_slice(args);
        self.target.quoted = false;
        self.target.unparsed_is_valid = false;
        self.server_name = main.server_name.clone();
        self.websocket = main.websocket.clone();
        self.received = main.received;
    }

    /// Hands what variables have been given to another request, and takes what that one has: a request made
    /// inside has those of the one it is made for, as in nginx.
    pub fn exchange_values(&mut self, other: &mut Request) {
        std::mem::swap(&mut self.values, &mut other.values);
        std::mem::swap(&mut self.id, &mut other.id);
        std::mem::swap(&mut self.limited, &mut other.limited);
        std::mem::swap(&mut self.secrets, &mut other.secrets);
        std::mem::swap(&mut self.jwt, &mut other.jwt);
        std::mem::swap(&mut self.protocol_token, &mut other.protocol_token);
    }

    /// These bytes were used as a token: logs show `***` in their place from now on.
    pub fn hide(&self, value: &[u8]) {
        self.secrets.borrow_mut().add(value);
    }

    /// Whether there is anything that logs must not show.
    pub fn hides(&self) -> bool {
        !self.shows_tokens && !self.secrets.borrow().is_empty()
    }

    /// Masks what logs must not show in `text` from `start` on.
    pub fn mask(&self, text: &mut Vec<u8>, start: usize) {
        if self.hides() {
            self.secrets.borrow().mask(text, start);
        }
    }

    /// The socket that comes of it is to end then, since the Unix epoch, or before that if a token says so that
    /// let it in too.
    pub fn expire_at(&mut self, moment: Duration) {
        self.token_expires = Some(self.token_expires.map_or(moment, |other| other.min(moment)));
    }

    /// Appends a variable's value; false where it has none.
    pub fn variable(&self, id: VariableId, out: &mut Vec<u8>) -> bool {
        let variables = &self.variables;
        match variables.source(id) {
            Source::Row(row) => (row.get)(self, out),
            Source::Named(row, rest) => (row.get)(self, rest, out),
            Source::Slot(slot) => self.stored(*slot, out).unwrap_or(false),
            Source::Computed(slot, compute) => match self.stored(*slot, out) {
                Some(found) => found,
                None => {
                    let start = out.len();
                    let found = compute.compute(self, out);
                    self.store(*slot, found.then(|| &out[start..]));
                    found
                }
            },
            Source::Volatile(compute) => compute.compute(self, out),
            Source::Absent => false,
        }
    }

    /// The same, and nothing that is computed for it is kept: a look for a log, which may come early, must not
    /// decide what a variable is for the request.
    pub fn glimpse(&self, id: VariableId, out: &mut Vec<u8>) -> bool {
        let is_unset = |value: &Value| value.state == ValueState::Unset;
        let unset: Vec<bool> = self.values.borrow().iter().map(is_unset).collect();
        let found = self.variable(id, out);
        for (at, value) in self.values.borrow_mut().iter_mut().enumerate() {
            if unset.get(at).is_none_or(|unset| *unset) {
                value.state = ValueState::Unset;
            }
        }
        found
    }

    /// Gives a slot its value, or none.
    pub fn store(&self, slot: usize, value: Option<&[u8]>) {
        let mut values = self.values.borrow_mut();
        if values.len() <= slot {
            values.resize_with(slot + 1, Value::default);
        }
        let kept = &mut values[slot];
        kept.text.clear();
        kept.text.extend_from_slice(value.unwrap_or_default());
        kept.state = if value.is_some() { ValueState::Found } else { ValueState::Missing };
    }

    fn stored(&self, slot: usize, out: &mut Vec<u8>) -> Option<bool> {
        let values = self.values.borrow();
        let value = values.get(slot)?;
        match value.state {
            ValueState::Unset => None,
            ValueState::Missing => Some(false),
            ValueState::Found => {
                out.extend_from_slice(&value.text);
                Some(true)
            }
        }
    }

    /// The method, as it is after internal redirects.
    pub fn method(&self) -> Method {
        match self.head.method() {
            Method::Head => Method::Head,
            _ if self.method_is_get => Method::Get,
            other => other,
        }
    }

    /// Its name.
    pub fn method_name(&self) -> &[u8] {
        let changed = self.method_is_get && self.head.method() != Method::Head;
        if changed { b"GET" } else { self.head.method_name() }
    }

    /// `$request_time`.
    pub fn lasted(&self) -> Duration {
        now().duration_since(self.started)
    }
}

impl Reply {
    fn reset(&mut self) {
        self.status = 0;
        self.head.clear();
        self.sent = 0;
        self.head_sent = 0;
        self.content_length = None;
    }

    /// Body bytes given to the client's socket.
    pub fn body_sent(&self) -> u64 {
        self.sent.saturating_sub(self.head_sent)
    }

    /// The values of every header of this name, as far as the head is written.
    pub fn headers<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            line[..colon].eq_ignore_ascii_case(name).then(|| line[colon + 1..].trim_ascii())
        })
    }

    /// A header of the head as far as it is written.
    pub fn header(&self, matches: impl Fn(&[u8]) -> bool) -> Option<&[u8]> {
        self.head.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            matches(&line[..colon]).then(|| line[colon + 1..].trim_ascii())
        })
    }
}

impl Upstream {
    fn reset(&mut self) {
        self.tries.clear();
        self.redirected = false;
        self.head.clear();
        self.answered = false;
        self.cookies.clear();
        self.uri.clear();
        self.host.clear();
        self.port.clear();
    }
}

/// Appends a header line whose value is rendered; nothing where the value is empty.
pub fn write_rendered(name: &[u8], value: &Template, request: &Request, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    let value_at = out.len();
    value.render(request, out);
    keep_one_line(&mut out[value_at..]);
    if out.len() == value_at {
        out.truncate(start);
    } else {
        out.extend_from_slice(b"\r\n");
    }
}

/// Makes sure that a rendered value stays one line of a head: a variable such as `$uri` may hold the
/// line end that a client wrote as `%0a`. nginx writes it as it is, and the client writes the headers.
pub fn keep_one_line(value: &mut [u8]) {
    for byte in value {
        if matches!(byte, b'\r' | b'\n' | 0) {
            *byte = b' ';
        }
    }
}
