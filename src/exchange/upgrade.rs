//! Switching protocols: whether a 101 was asked for, and the tunnel behind it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::features::error_log::Level;
use crate::features::tokens;
use crate::http1::{Known, Version, connection, write_field};
use crate::limits::Counted;
use crate::net::Stream;
use crate::tunnel::{Closing, Opened, Owner, Rules};
use crate::upstream::{Group, Outcome, PeerId, Room};

use super::answer::{Done, Reply};
use super::finale::Finale;
use super::forward::Asked;
use super::head::{Head, Persistence};
use super::life::Exchange;
use super::settle::Home;
use super::sticky::{Lesson, Moment};
use super::worker::{Drain, Permit, Worker};

/// The longest token of an `Upgrade` that is compared.
const LONGEST_PROTOCOL: usize = 64;

impl Exchange<'_> {
    /// Whether the head that goes upstream (its header lines) asks for the protocol that the client
    /// asks for. For a WebSocket that takes a true handshake; another protocol the location has to name
    /// by itself, since `$http_upgrade` never carries it.
    pub fn asks_for_upgrade(&self, lines: &[u8]) -> bool {
        let mut sent = lines.split(|byte| *byte == b'\n').filter_map(|line| {
            let (name, value) = line.split_at_checked(8)?;
            name.eq_ignore_ascii_case(b"upgrade:").then(|| value.trim_ascii())
        });
        let Some(sent) = sent.next().filter(|sent| sent.len() <= LONGEST_PROTOCOL) else { return false };
        if self.request.sub {
            return false;
        }
        if sent.eq_ignore_ascii_case(b"websocket") {
            return self.request.websocket.is_some();
        }
        let head = &self.request.head;
        let wanted = head.headers.first(Known::Upgrade);
        let connection =
            connection::tokens(&head.headers).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
        head.version() == Version::Http11
            && connection
            && self.body.is_done()
            && wanted.is_some_and(|wanted| wanted.eq_ignore_ascii_case(sent))
    }

    /// Takes a 101: a tunnel if it was asked for, else 502 at once, where nginx falls silent. The log knows
    /// about it already.
    pub async fn switch(&mut self, mut asked: Asked<'_>) -> Result<Done, Reply> {
        if !asked.upgrade {
            self.fail(asked, 502);
            return Err(Reply::Status(502));
        }
        if !self.chosen_protocol_is_allowed() {
            self.fail(asked, 502);
            return Err(Reply::Status(502));
        }
        asked.group.answered(&mut asked.picked.id, true);
        self.learn(&asked, Moment::Head);
        self.begin_switch(&asked);
        let head = std::mem::take(&mut self.request.reply.head);
        self.request.reply.head_sent += head.len() as u64;
        let written = self.write(&head).await;
        self.request.reply.head = head;
        if written.is_err() {
            self.learn(&asked, Moment::Release);
            self.end_try(101);
            asked.group.release(asked.picked.id, Outcome::Success);
            return Ok(Done::Aborted);
        }
        // A peer counts as well again at its 101, not when the tunnel closes as in nginx.
        asked.group.succeeded(&mut asked.picked.id);
        let lesson = self.lesson(&asked, Moment::Release).map(Box::new);
        let early = self.early(&mut asked);
        let received = asked.received;
        self.last_try(|tried| tried.received = received);
        Ok(Done::Tunnel(Box::new(Tunnel {
            upstream: Opened { socket: asked.connection.stream, early },
            rules: self.settings.tunnel.clone(),
            websocket: self.request.websocket.is_some(),
            expires: self.expires(),
            owner: Joined {
                home: self.live.homes[self.location].clone(),
                group: asked.group,
                picked: asked.picked.id,
                lesson,
                finale: Finale::new(self.live, self.request, self.settings),
                counted: self.request.limited.hand_over(),
                permit: None,
            },
        })))
    }

    /// What came behind the 101. Mostly nothing did, and the buffer serves the next request.
    fn early(&self, asked: &mut Asked) -> Vec<u8> {
        let early = std::mem::take(&mut asked.buffer);
        if !early.is_empty() {
            return early;
        }
        self.worker.give_back_buffer(early);
        Vec::new()
    }

    fn begin_switch(&mut self, asked: &Asked) {
        let settings = self.settings.clone();
        let answer = std::mem::take(&mut self.request.upstream.head);
        let begin = Head {
            status_line: answer.status_line(),
            status: 101,
            content_type: answer.headers.first(Known::ContentType),
            persistence: Persistence::Upgrade,
            ..Head::default()
        };
        self.begin(&begin);
        let mut out = std::mem::take(&mut self.request.reply.head);
        if let Some(protocol) = answer.headers.first(Known::Upgrade) {
            write_field(b"Upgrade", protocol, &mut out);
        }
        let is_hidden = |known: Known, name: &[u8]| settings.proxy.unwanted.has(known, name);
        self.answer_headers(&answer.headers, asked, &is_hidden, &mut out);
        if !settings.tokens.passed && !answer.headers.contains(Known::SecWebSocketProtocol) {
            let protocols = settings.websocket.protocols.as_deref();
            if let Some(protocol) = tokens::instead_of_token(self.request, protocols) {
                write_field(b"Sec-WebSocket-Protocol", protocol, &mut out);
            }
        }
        self.request.upstream.head = answer;
        super::head::end(self.request, &settings, 101, &mut out);
        self.request.reply.head = out;
    }
}

/// Everything a tunnel needs, and nothing of the request but its unfinished log lines.
pub struct Tunnel {
    upstream: Opened<Stream>,
    rules: Arc<Rules>,
    /// What goes through it are frames.
    websocket: bool,
    /// When it has outlived its token, since 1970.
    expires: Option<Duration>,
    owner: Joined,
}

/// Whom a tunnel's end is told to.
pub struct Joined {
    pub home: Arc<Home>,
    group: Arc<Group>,
    /// The id of the peer.
    picked: PeerId,
    /// What its end teaches about its session.
    lesson: Option<Box<Lesson>>,
    finale: Finale,
    /// Where it counts for `limit_conn`.
    counted: Box<[Counted]>,
    /// None until the tunnel has begun.
    permit: Option<Permit>,
}

impl Joined {
    /// The `server` that the tunnel goes to, as written.
    pub fn server(&self) -> Option<&str> {
        let server = self.group.server_of(self.picked)?;
        Some(&self.group.spec.servers[server].text)
    }
}

impl Tunnel {
    /// Joins both sides until one ends; `client` comes with what was read behind its head.
    pub fn begin(self, worker: &Worker, client: Opened<Stream>, permit: Option<Permit>) {
        let Tunnel { upstream, rules, websocket, expires, mut owner } = self;
        owner.permit = permit;
        match (detached(client), detached(upstream)) {
            (Ok(client), Ok(upstream)) => {
                let late = owner.home.is_of_before(&worker.live());
                worker.tunnels.join(client, upstream, rules, websocket, expires, owner);
                // A reload came between the request and its answer.
                if late {
                    worker.settle();
                }
                if *worker.shared.drain.borrow() == Drain::Ending {
                    worker.leave_tunnels();
                }
            }
            (Err(error), _) | (_, Err(error)) => owner.ended(Closing::stillborn(error)),
        }
    }
}

/// Takes a socket away from the runtime.
fn detached(side: Opened<Stream>) -> std::io::Result<Opened<OwnedFd>> {
    Ok(Opened { socket: side.socket.into_fd()?, early: side.early })
}

impl Owner for Joined {
    fn ended(self, closing: Closing) {
        let Joined { group, picked, lesson, mut finale, counted, permit, .. } = self;
        if let Some(lesson) = lesson.filter(|lesson| lesson.learn() == Room::Forced) {
            finale.say(Level::Warn, format_args!("{}", lesson.no_room()));
        }
        group.release(picked, Outcome::Success);
        finale.count(&closing);
        finale.tell(&closing);
        finale.write(Some(&closing));
        drop((counted, permit));
    }
}
