//! Requests that are passed on: which peer, and what becomes of a try.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::Instant;

use crate::features::error_log::Level;
use crate::features::proxy::{HttpVersion, NextUpstream, Pass};
use crate::http1::{Framing, Method};
use crate::net::{self, Address, now, numbered};
use crate::request::Try;
use crate::upstream::{Group, NoPeer, Outcome, Picked, Round, Wish};

use super::answer::{Done, Reply};
use super::body::poll_gone;
use super::destination::Destination;
use super::io::{Elapsed, Patience};
use super::life::Exchange;
use super::pool::Connection;
use super::sticky::{Moment, Tie, server_id};
use super::upload::Upload;

/// A connection to a peer with a request on it.
pub struct Asked<'a> {
    pub connection: Connection,
    pub group: Arc<Group>,
    pub picked: Picked,
    /// What was read from the peer and not dealt with.
    pub buffer: Vec<u8>,
    /// Bytes read from the peer for this request.
    pub received: u64,
    pub upload: &'a mut Upload,
    /// The request asks the peer to switch protocols, and the client did too.
    pub upgrade: bool,
    /// For `proxy_redirect default`.
    pub home: Option<&'a [u8]>,
    /// What ties the request to this peer.
    pub tie: Option<Tie<'a>>,
    /// `proxy_pass` has a URI.
    pub has_uri: bool,
}

/// How many peers may still be tried, and since when.
struct Tries {
    left: usize,
    began: Instant,
}

/// Why a try failed.
#[derive(Debug)]
pub enum Failure {
    /// An error of the connection, with what was being done.
    Error(String),
    /// A limit was reached while this was being done.
    Timeout(&'static str),
    InvalidHeader(String),
    /// An answer that `proxy_next_upstream` names.
    Status(u16),
    /// A connection that was kept is not there any more: it says nothing about its peer.
    Stale(String),
    /// Not the peer's doing: the client's body was bad, late or too large, or the client has gone.
    Client(Reply),
    /// The client has gone: nothing is answered.
    Gone,
}

impl Failure {
    /// What `proxy_next_upstream` calls it.
    fn condition(&self) -> Option<NextUpstream> {
        match self {
            Failure::Error(_) | Failure::Stale(_) => Some(NextUpstream::ERROR),
            Failure::Timeout(_) => Some(NextUpstream::TIMEOUT),
            Failure::InvalidHeader(_) => Some(NextUpstream::INVALID_HEADER),
            Failure::Status(status) => NextUpstream::of_status(*status),
            Failure::Client(_) | Failure::Gone => None,
        }
    }

    /// What the try counts as in `$upstream_status`; 0 where the peer had no part in it.
    fn status(&self) -> u16 {
        match self {
            Failure::Timeout(_) => 504,
            Failure::Status(status) => *status,
            Failure::Error(_) | Failure::Stale(_) | Failure::InvalidHeader(_) => 502,
            Failure::Client(_) | Failure::Gone => 0,
        }
    }
}

impl<'c> Exchange<'c> {
    /// Passes the request on to one peer after another until one answers.
    pub async fn forward(&mut self, pass: &'c Pass) -> Result<Done, Reply> {
        let proxy = &self.settings.proxy;
        if proxy.http_version.value == HttpVersion::Http10
            && proxy.pass_body
            && self.body.framing() == Framing::Chunked
        {
            // HTTP/1.0 has no chunks, and the length is not known before the body has been streamed.
            return Err(Reply::Status(411));
        }
        let destination = self.destination(pass).await?;
        let mut head = self.worker.buffer();
        let upgrade = self.request_head(&destination, &mut head);
        let mut key = self.worker.buffer();
        if let Some(template) = destination.upstream.and_then(|upstream| upstream.key.as_ref()) {
            template.render(self.request, &mut key);
        }
        let mut id = self.worker.buffer();
        let tie = self.tie(&destination, &mut id);
        let wish = self.wish(&key, &id);
        if self.worker.recorder.is_some() {
            let mut learnt = None;
            let sid = server_id(tie.as_ref(), &destination.group, wish.sid, &mut learnt);
            let wish = Wish { sid, ..wish };
            return Ok(self.at_the_door(pass, &destination, &head, (&wish, tie, &id), upgrade));
        }
        if !self.send_continue().await {
            return Ok(Done::Aborted);
        }
        let kept = self.settings.client.body_buffer_size;
        let mut upload = Upload::new(head, &self.body, self.settings.proxy.pass_body, kept);
        upload.begin(&mut self.body, self.client)?;
        if destination.upstream.is_none() {
            self.refresh(&destination).await;
        }
        self.request.upstream.begin();
        let outcome = self.tries(&destination, (&wish, tie), &mut upload, upgrade).await;
        self.request.received += self.body.taken;
        self.worker.give_back_buffer(id);
        self.worker.give_back_buffer(key);
        self.worker.give_back_buffer(upload.into_buffer());
        outcome
    }

    async fn tries(
        &mut self,
        destination: &Destination<'c>,
        (wish, tie): (&Wish<'_>, Option<Tie<'c>>),
        upload: &mut Upload,
        upgrade: bool,
    ) -> Result<Done, Reply> {
        let group = &destination.group;
        let mut round = Round::default();
        let most = self.settings.proxy.next_upstream_tries;
        let mut tries = Tries { left: self.most_tries(group), began: now() };
        let (changes, mut looked_again) = (group.changes(), false);
        // A peer that is asked once more, on a connection of its own.
        let mut again = None;
        loop {
            let fresh = again.is_some();
            let picked = match again.take() {
                Some(picked) => picked,
                None => {
                    let mut learnt = None;
                    let sid = server_id(tie.as_ref(), group, wish.sid, &mut learnt);
                    let picked = self.pick(destination, &Wish { sid, ..*wish }, &mut round).await?;
                    if let Some(tie) = &tie {
                        self.set_sticky_cookie(tie, &picked);
                    }
                    picked
                }
            };
            let attempt = self.attempt(destination, picked, upload, (upgrade, tie), fresh).await;
            let (failure, picked) = match attempt {
                Ok(asked) => match self.other_peer_for(&tries, asked.upload) {
                    None => {
                        self.tell_answer(asked.upload.head(), asked.upgrade);
                        asked.upload.settle();
                        return self.pass_answer(asked).await;
                    }
                    Some(failure) => {
                        self.worker.give_back_buffer(asked.buffer);
                        (failure, asked.picked)
                    }
                },
                Err(failed) => failed,
            };
            let goes_on =
                failure.condition().is_some_and(|condition| self.goes_on(condition, &tries, upload));
            if goes_on && let Failure::Stale(message) = &failure {
                self.report(Level::Info, format_args!("{message}: it was kept, and is tried anew"));
                self.end_try(failure.status());
                again = Some(picked);
                upload.rewind();
                continue;
            }
            self.failed(group, &picked, &failure, upload.head());
            match failure {
                Failure::Client(reply) => return Err(reply),
                Failure::Gone => return Ok(self.client_gone()),
                _ => {}
            }
            tries.left = tries.left.saturating_sub(1);
            // A name may have moved: its new addresses are tried before the client hears of it.
            if goes_on && tries.left == 0 && !self.went_out() && most == 0 && !looked_again {
                looked_again = true;
                self.look_up(destination, &group.stale()).await;
                if group.changes() > changes {
                    tries.left = group.tries();
                }
            }
            if !goes_on || tries.left == 0 {
                return Err(Reply::Status(failure.status()));
            }
            upload.rewind();
        }
    }

    /// What the request brings to the choice of a peer; `id` is what it names its server or its session by.
    pub fn wish<'k>(&self, key: &'k [u8], id: &'k [u8]) -> Wish<'k> {
        let client = self.request.connection.peer.ip().map(|address| address.ip());
        Wish { key, client, sid: Some(id).filter(|id| !id.is_empty()) }
    }

    /// How many peers of a group are tried at most.
    pub fn most_tries(&self, group: &Group) -> usize {
        let peers = group.tries().max(1);
        match self.settings.proxy.next_upstream_tries {
            0 => peers,
            most => peers.min(most),
        }
    }

    /// An answer whose status `proxy_next_upstream` names is not passed on while there are other peers
    /// (`ngx_http_upstream_test_next`).
    fn other_peer_for(&self, tries: &Tries, upload: &Upload) -> Option<Failure> {
        let status = self.request.upstream.head.status;
        let condition = NextUpstream::of_status(status)?;
        (tries.left > 1 && self.goes_on(condition, tries, upload)).then_some(Failure::Status(status))
    }

    /// Whether a failure may be followed by another try, if there is a peer left (`ngx_http_upstream_next`).
    fn goes_on(&self, condition: NextUpstream, tries: &Tries, upload: &Upload) -> bool {
        let proxy = &self.settings.proxy;
        let repeats = !matches!(self.request.head.method(), Method::Post | Method::Lock | Method::Patch);
        let limit = proxy.next_upstream_timeout;
        proxy.next_upstream.has(condition)
            && (repeats || !self.went_out() || proxy.next_upstream.has(NextUpstream::NON_IDEMPOTENT))
            && (limit.is_zero() || now().duration_since(tries.began) < limit)
            && upload.is_whole()
    }

    /// The last try got as far as sending the request.
    fn went_out(&self) -> bool {
        self.request.upstream.tries.last().is_some_and(|tried| tried.connected.is_some())
    }

    /// The client closed before it had its answer.
    fn client_gone(&mut self) -> Done {
        self.request.reply.status = 499;
        self.keep_alive = false;
        self.report(Level::Info, format_args!("client prematurely closed connection"));
        Done::Aborted
    }

    async fn pick(
        &mut self,
        destination: &Destination<'_>,
        wish: &Wish<'_>,
        round: &mut Round,
    ) -> Result<Picked, Reply> {
        let group = &destination.group;
        let picked = match group.pick(wish, round) {
            Err(NoPeer::Unresolved) => {
                self.look_up(destination, &group.stale()).await;
                group.pick(wish, round)
            }
            picked => picked,
        };
        let no_peer = match picked {
            Ok(picked) => return Ok(picked),
            Err(no_peer) => no_peer,
        };
        // A name made of variables that has no address was no try, as nginx sees it.
        if destination.upstream.is_some() || no_peer == NoPeer::Unavailable {
            let unpicked = Some(Arc::from(group.spec.name.as_bytes()));
            let nobody = Try::new(Address::unix(""));
            let ended = Some(nobody.began);
            self.request.upstream.push(Try { unpicked, status: 502, ended, ..nobody });
        }
        match no_peer {
            NoPeer::Unavailable => {
                self.report(Level::Error, format_args!("no live upstreams while connecting to upstream"));
            }
            NoPeer::Unresolved => self.tell_unresolved(group),
        }
        Err(Reply::Status(502))
    }

    /// One try, on a connection that was kept unless it has to be a `fresh` one.
    async fn attempt<'a>(
        &mut self,
        destination: &Destination<'a>,
        picked: Picked,
        upload: &'a mut Upload,
        (upgrade, tie): (bool, Option<Tie<'a>>),
        fresh: bool,
    ) -> Result<Asked<'a>, (Failure, Picked)> {
        let group = &destination.group;
        self.request.upstream.push(Try::new(picked.address.clone()));
        let user = self.pool_user();
        let kept = if fresh { None } else { self.worker.pool.take(group, &picked.address, user) };
        let reused = kept.is_some();
        let connection = match kept {
            Some(connection) => connection,
            None => match self.connect(&picked.address, upload.is_read()).await {
                Ok(connection) => connection,
                Err(failure) => {
                    // Its name may have moved.
                    if group.server_of(picked.id).is_some_and(|server| group.hurry(server)) {
                        self.worker.shared.names.notify_one();
                    }
                    return Err((failure, picked));
                }
            },
        };
        self.last_try(|tried| tried.connected = Some(now()));
        // What an earlier peer answered does not count any more.
        self.request.upstream.head.clear();
        let mut asked = Asked {
            connection,
            group: group.clone(),
            picked,
            buffer: self.worker.buffer(),
            received: 0,
            upload,
            upgrade,
            home: destination.text,
            tie,
            has_uri: destination.uri.is_some(),
        };
        match self.ask(&mut asked).await {
            Ok(()) => Ok(asked),
            Err(failure) => {
                if matches!(failure, Failure::Client(_) | Failure::Gone) {
                    self.learn(&asked, Moment::Release);
                }
                self.worker.give_back_buffer(asked.buffer);
                let failure = match failure {
                    Failure::Error(message) if reused && asked.received == 0 => Failure::Stale(message),
                    failure => failure,
                };
                Err((failure, asked.picked))
            }
        }
    }

    /// Opens a connection; meanwhile a client whose request `is_read` may leave.
    async fn connect(&mut self, address: &Address, is_read: bool) -> Result<Connection, Failure> {
        let proxy = &self.settings.proxy;
        let limit = proxy.connect_timeout.value;
        let watches = is_read && !proxy.ignore_client_abort;
        let client = &mut *self.client;
        let mut patience = Patience::new();
        let mut connecting = pin!(net::connect(address, None));
        let outcome = poll_fn(|cx| {
            if let Poll::Ready(outcome) = connecting.as_mut().poll(cx) {
                return Poll::Ready(Ok(outcome));
            }
            if watches && poll_gone(client, cx).is_ready() {
                return Poll::Ready(Err(Failure::Gone));
            }
            let elapsed = patience.poll(cx, &mut client.timer, limit, 0);
            elapsed.map(|Elapsed| Err(Failure::Timeout("connecting to upstream")))
        });
        match outcome.await? {
            Err(error) => {
                // nginx names a socket's path where connect() itself failed, as it does for those.
                let to = if address.ip().is_none() { format!(" to {address}") } else { String::new() };
                let doing = "while connecting to upstream";
                Err(Failure::Error(format!("connect(){to} failed ({}) {doing}", numbered(&error))))
            }
            Ok(stream) => {
                // A socket that cannot be told so is slower for small writes, and works.
                let _ = stream.set_nodelay();
                Ok(Connection::new(stream))
            }
        }
    }

    /// Notes a failed try of sending `head`, tells the log and the group.
    fn failed(&mut self, group: &Group, picked: &Picked, failure: &Failure, head: &[u8]) {
        let outcome = match failure {
            Failure::Client(_) | Failure::Gone | Failure::Stale(_) => Outcome::Abandoned,
            Failure::Status(403 | 404) => Outcome::Success,
            _ => Outcome::Failure,
        };
        group.release(picked.id, outcome);
        match failure {
            Failure::Error(message) | Failure::Stale(message) | Failure::InvalidHeader(message) => {
                let hint = self.handshake_hint(failure, head);
                self.report(Level::Error, format_args!("{message}{hint}"));
            }
            Failure::Timeout(doing) => {
                let hint = self.handshake_hint(failure, head);
                let message = "upstream timed out (110: Connection timed out) while";
                self.report(Level::Error, format_args!("{message} {doing}{hint}"));
            }
            Failure::Status(_) | Failure::Client(_) | Failure::Gone => {}
        }
        self.end_try(failure.status());
    }

    /// Closes the books on the try that is under way.
    pub fn end_try(&mut self, status: u16) {
        self.last_try(|tried| {
            tried.ended = Some(now());
            if tried.status == 0 {
                tried.status = status;
            }
        });
    }

    pub fn last_try(&mut self, change: impl FnOnce(&mut Try)) {
        if let Some(tried) = self.request.upstream.tries.last_mut() {
            change(tried);
        }
    }
}
