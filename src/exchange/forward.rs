//! Requests that are passed on: which peer, and what becomes of a try.

use std::sync::Arc;

use crate::features::error_log::Level;
use crate::features::proxy::{HttpVersion, NextUpstream, Pass};
use crate::http1::{Framing, Method};
use crate::net::{self, Address, now, numbered};
use crate::request::Try;
use crate::upstream::{Group, NoPeer, Outcome, Picked, Round, Wish};

use super::answer::{Done, Reply};
use super::destination::Destination;
use super::io::Elapsed;
use super::life::Exchange;
use super::pool::Connection;
use super::sticky::{Moment, Tie, server_id};
use super::upload::Upload;

/// A connection to a peer with a request on it.
pub struct Asked<'c> {
    pub connection: Connection,
    pub group: Arc<Group>,
    pub picked: Picked,
    /// What was read from the peer and not dealt with.
    pub buffer: Vec<u8>,
    /// Bytes read from the peer for this request.
    pub received: u64,
    pub upload: Upload,
    /// The request asks the peer to switch protocols, and the client did too.
    pub upgrade: bool,
    /// For `proxy_redirect default`.
    pub home: Option<&'c [u8]>,
    /// What ties the request to this peer.
    pub tie: Option<Tie<'c>>,
    /// `proxy_pass` has a URI.
    pub has_uri: bool,
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
    /// Not the peer's doing: the client's body was bad, late or too large, or the client has gone.
    Client(Reply),
    /// The client has gone: nothing is answered.
    Gone,
}

impl Failure {
    /// What `proxy_next_upstream` calls it.
    fn condition(&self) -> Option<NextUpstream> {
        match self {
            Failure::Error(_) => Some(NextUpstream::ERROR),
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
            Failure::Error(_) | Failure::InvalidHeader(_) => 502,
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
            return Ok(self.at_the_door(pass, &destination, &head, &Wish { sid, ..wish }, upgrade));
        }
        if !self.send_continue().await {
            return Ok(Done::Aborted);
        }
        let mut upload = Upload::new(&self.body, self.settings.proxy.pass_body);
        upload.begin(&mut self.body, self.client, &mut head)?;
        if destination.upstream.is_none() {
            self.refresh(&destination).await;
        }
        let outcome = self.tries(&destination, &head, (&wish, tie), upload, upgrade).await;
        self.request.received += self.body.taken;
        self.worker.give_back_buffer(id);
        self.worker.give_back_buffer(key);
        self.worker.give_back_buffer(head);
        outcome
    }

    async fn tries(
        &mut self,
        destination: &Destination<'c>,
        head: &[u8],
        (wish, tie): (&Wish<'_>, Option<Tie<'c>>),
        upload: Upload,
        upgrade: bool,
    ) -> Result<Done, Reply> {
        let group = &destination.group;
        let began = now();
        let mut round = Round::default();
        let mut left = self.most_tries(group);
        let most = self.settings.proxy.next_upstream_tries;
        // Only a request that is in `head` with all of its body can be sent once more.
        let whole = upload.is_done();
        let mut upload = Some(upload);
        let (changes, mut looked_again) = (group.changes(), false);
        loop {
            let mut learnt = None;
            let sid = server_id(tie.as_ref(), group, wish.sid, &mut learnt);
            let picked = self.pick(destination, &Wish { sid, ..*wish }, &mut round).await?;
            if let Some(tie) = &tie {
                self.set_sticky_cookie(tie, &picked);
            }
            let fresh = upload.take().unwrap_or_else(Upload::nothing);
            let (failure, reused, sent) =
                match self.attempt(destination, picked, head, fresh, (upgrade, tie)).await {
                    Ok(asked) => match self.other_peer_for(left, whole) {
                        None => {
                            self.tell_answer(head, asked.upgrade);
                            return self.pass_answer(asked).await;
                        }
                        Some(failure) => {
                            self.failed(group, &asked.picked, &failure, head);
                            self.worker.give_back_buffer(asked.buffer);
                            (failure, false, true)
                        }
                    },
                    Err(failed) => failed,
                };
            let failure = match failure {
                Failure::Client(reply) => return Err(reply),
                Failure::Gone => return Ok(self.client_gone()),
                failure => failure,
            };
            // A kept connection that its peer has closed meanwhile says nothing about the peer.
            let stale = reused && matches!(failure, Failure::Error(_));
            if stale {
                round.again();
            } else {
                left -= 1;
            }
            let method = self.request.head.method();
            let repeats = !matches!(method, Method::Post | Method::Lock | Method::Patch);
            let proxy = &self.settings.proxy;
            let may_repeat = repeats || !sent || proxy.next_upstream.has(NextUpstream::NON_IDEMPOTENT);
            let wanted = failure.condition().is_some_and(|condition| proxy.next_upstream.has(condition));
            let limit = proxy.next_upstream_timeout;
            let in_time = limit.is_zero() || now().duration_since(began) < limit;
            if !(wanted && may_repeat && in_time && whole) {
                return Err(Reply::Status(failure.status()));
            }
            // A name may have moved: its new addresses are tried before the client hears of it.
            if left == 0 && !sent && most == 0 && !looked_again {
                looked_again = true;
                self.look_up(destination, &group.stale()).await;
                if group.changes() > changes {
                    left = group.tries();
                }
            }
            if left == 0 {
                return Err(Reply::Status(failure.status()));
            }
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

    /// An answer whose status `proxy_next_upstream` names is not passed on while there are other peers.
    fn other_peer_for(&self, left: usize, whole: bool) -> Option<Failure> {
        let status = self.request.upstream.head.status;
        let condition = NextUpstream::of_status(status)?;
        let wanted = self.settings.proxy.next_upstream.has(condition);
        (wanted && left > 1 && whole).then_some(Failure::Status(status))
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
            self.request.upstream.tries.push(Try { unpicked, status: 502, ..nobody });
        }
        match no_peer {
            NoPeer::Unavailable => {
                self.report(Level::Error, format_args!("no live upstreams while connecting to upstream"));
            }
            NoPeer::Unresolved => self.tell_unresolved(group),
        }
        Err(Reply::Status(502))
    }

    /// One try. An error says why, whether the connection was a kept one, and whether anything of the
    /// request went out.
    async fn attempt(
        &mut self,
        destination: &Destination<'c>,
        picked: Picked,
        head: &[u8],
        upload: Upload,
        (upgrade, tie): (bool, Option<Tie<'c>>),
    ) -> Result<Asked<'c>, (Failure, bool, bool)> {
        let group = &destination.group;
        self.request.upstream.tries.push(Try::new(picked.address.clone()));
        let kept = if upgrade { None } else { self.worker.pool.take(group, &picked.address) };
        let reused = kept.is_some();
        let connection = match kept {
            Some(connection) => Ok(connection),
            None => self.connect(&picked.address).await,
        };
        let connection = match connection {
            Ok(connection) => connection,
            Err(failure) => {
                // Its name may have moved.
                if group.server_of(picked.id).is_some_and(|server| group.hurry(server)) {
                    self.worker.shared.names.notify_one();
                }
                self.failed(group, &picked, &failure, head);
                return Err((failure, false, false));
            }
        };
        self.last_try(|tried| tried.connected = Some(now()));
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
        match self.ask(&mut asked, head).await {
            Ok(()) => Ok(asked),
            Err(failure) => {
                let stale = reused && matches!(failure, Failure::Error(_));
                if stale {
                    group.release(asked.picked.id, Outcome::Abandoned);
                    let status = failure.status();
                    self.end_try(status);
                } else {
                    if matches!(failure, Failure::Client(_) | Failure::Gone) {
                        self.learn(&asked, Moment::Release);
                    }
                    self.failed(group, &asked.picked, &failure, head);
                }
                let sent = self.request.upstream.tries.last().is_some_and(|tried| tried.sent > 0);
                self.worker.give_back_buffer(asked.buffer);
                Err((failure, reused, sent))
            }
        }
    }

    async fn connect(&mut self, address: &Address) -> Result<Connection, Failure> {
        let limit = self.settings.proxy.connect_timeout.value;
        match self.client.timer.within(limit, net::connect(address, None)).await {
            Err(Elapsed) => Err(Failure::Timeout("connecting to upstream")),
            Ok(Err(error)) => {
                let message = format!("connect() failed ({}) while connecting to upstream", numbered(&error));
                Err(Failure::Error(message))
            }
            Ok(Ok(stream)) => {
                // A socket that cannot be told so is slower for small writes, and works.
                let _ = stream.set_nodelay();
                Ok(Connection::new(stream))
            }
        }
    }

    /// Notes a failed try of sending `head`, tells the log and the group.
    fn failed(&mut self, group: &Group, picked: &Picked, failure: &Failure, head: &[u8]) {
        let outcome = match failure {
            Failure::Client(_) | Failure::Gone => Outcome::Abandoned,
            Failure::Status(403 | 404) => Outcome::Success,
            _ => Outcome::Failure,
        };
        group.release(picked.id, outcome);
        match failure {
            Failure::Error(message) | Failure::InvalidHeader(message) => {
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
