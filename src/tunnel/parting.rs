//! How a tunnel says goodbye: who is left hears why in a Close of ours.
//!
//! A Close goes between frames only, behind none that has gone that way already, and never where the framing
//! is broken. A side to which a frame is under way gets the rest of it first. Then nothing more is sent to
//! that side, and what it still sends is thrown away until it has seen the end: a socket closed with bytes
//! unread resets the connection, and a reset would overtake the Close.

use std::io::ErrorKind;

use crate::websocket::close::CloseCode;

use super::flow::{Flow, Terms, Turn};
use super::follower::{Excess, Watch};
use super::frames::{Frames, MAX_OWN_FRAME, write_close};
use super::machine::Next;
use super::side::Came;
use super::{Closing, Drained, SeenClose, Side, Socket, Tunnel, Who, Why};

/// How long a goodbye may take, in milliseconds, as long as the way there and back over a bad network.
const FAREWELL: u64 = 2000;

/// Reads of what nobody wants any more, before others of the worker get their turn.
const READS_PER_TURN: u32 = 8;

/// What a tunnel that has ended has yet to do.
pub(super) struct Parting {
    closing: Closing,
    /// Then it is over, whoever has heard what.
    until: u64,
    client: Goodbye,
    upstream: Goodbye,
}

/// What one side is told, and how far that has come.
struct Goodbye {
    to: Who,
    code: Option<CloseCode>,
    reason: String,
    stage: Stage,
    /// Whether it is waited for that the side has seen the end. An upstream that has lost its client has
    /// nothing more to say that anyone wants.
    lingers: bool,
    /// The Close has been given to the socket.
    said: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A frame is under way to that side, and what is left of it goes first.
    Waits,
    /// All has been given to the socket, as far as it takes it.
    Said,
    /// Nothing more is sent there.
    Shut,
    /// That side has seen the end, or there is nothing to say to it.
    Done,
}

impl<S: Socket> Tunnel<S> {
    /// Begins to say goodbye. `lost` is the side that cannot be told anything any more.
    pub(super) fn begin_parting(
        &mut self,
        closing: Closing,
        lost: Option<Who>,
        now: u64,
        buffer: &mut [u8],
    ) -> Next {
        let Some(frames) = &self.frames else { return Next::Ended(self.counted(closing)) };
        let goodbye = |to: Who| Goodbye::new(&closing, frames, lost, to);
        let (client, upstream) = (goodbye(Who::Client), goodbye(Who::Upstream));
        self.parting = Some(Box::new(Parting { closing, until: now + FAREWELL, client, upstream }));
        self.part(now, buffer)
    }

    /// Goes on with saying goodbye.
    pub(super) fn part(&mut self, now: u64, buffer: &mut [u8]) -> Next {
        let Some(mut parting) = self.parting.take() else { return Next::Wait(now) };
        let Tunnel { client, upstream, upward, downward, frames, rules, .. } = self;
        let mut again = false;
        if let Some((frames, rules)) = frames.as_mut().zip(rules.frames.as_ref()) {
            let (to_client, to_upstream) = (&mut parting.client, &mut parting.upstream);
            loop {
                let before = (to_client.stage, to_upstream.stage);
                // What a side sends is thrown away, unless the other side is to have the rest of a frame of it.
                let listens = (before.1 != Stage::Waits, before.0 != Stage::Waits);
                let terms = frames.terms(rules, Who::Upstream, now);
                let down = to_client.turn(downward, terms, upstream, client, listens.0, buffer);
                let terms = frames.terms(rules, Who::Client, now);
                let up = to_upstream.turn(upward, terms, client, upstream, listens.1, buffer);
                again = up || down;
                if (to_client.stage, to_upstream.stage) == before {
                    break;
                }
            }
        }
        let done = [&parting.client, &parting.upstream].iter().all(|goodbye| goodbye.stage == Stage::Done);
        if done || now >= parting.until {
            return Next::Ended(self.parted(*parting));
        }
        let until = parting.until;
        self.parting = Some(parting);
        if again { Next::Again } else { Next::Wait(until) }
    }

    /// What is told of the end: the Close that came first, else what the client was told, else the upstream.
    fn parted(&mut self, parting: Parting) -> Closing {
        let Parting { closing, client, upstream, .. } = parting;
        let mut closing = self.counted(closing);
        if let Some(counts) = closing.frames.as_mut().filter(|counts| counts.close.is_none()) {
            let told = [client, upstream].into_iter().find(|goodbye| goodbye.said);
            counts.close = told
                .map(|told| SeenClose { code: told.code.map(CloseCode::get), reason: told.reason.into() });
        }
        closing
    }
}

impl Goodbye {
    fn new(closing: &Closing, frames: &Frames, lost: Option<Who>, to: Who) -> Goodbye {
        let (code, reason) = words(closing, frames, to);
        let lane = &frames.towards(to).follower;
        // Of a frame that a lost side was sending no more is to come, and no other may begin inside it.
        let cut = lost.is_some() && !lane.is_at_boundary();
        let dumb = lost == Some(to) || lane.has_closed() || frames.is_broken() || cut;
        let stage = if dumb { Stage::Done } else { Stage::Waits };
        Goodbye { to, code, reason, stage, said: false, lingers: lost != Some(Who::Client) }
    }

    /// Does what can be done now. True if there may be more to do at once.
    fn turn<S: Socket>(
        &mut self,
        flow: &mut Flow,
        terms: Terms,
        from: &mut Side<S>,
        to: &mut Side<S>,
        listens: bool,
        buffer: &mut [u8],
    ) -> bool {
        if self.stage == Stage::Waits {
            let again = self.speak(flow, terms, from, to, buffer);
            if self.stage == Stage::Waits {
                return again;
            }
        }
        if self.stage == Stage::Said {
            match flow.release(to) {
                Ok(false) => return false,
                Ok(true) if !self.lingers && !to.is_readable() => self.stage = Stage::Done,
                // Where nothing can be sent nothing has to be ended.
                Ok(true) => self.stage = to.socket.shutdown_write().map_or(Stage::Done, |()| Stage::Shut),
                Err(_) => self.stage = Stage::Done,
            }
        }
        if self.stage != Stage::Shut || !listens {
            return false;
        }
        for _ in 0..READS_PER_TURN {
            match to.read(buffer) {
                Came::Bytes(_) => {}
                Came::Nothing => return false,
                Came::End(_) => {
                    self.stage = Stage::Done;
                    return false;
                }
            }
        }
        true
    }

    /// Lets the rest of a frame pass, and speaks behind it. True if there may be more of it at once.
    fn speak<S: Socket>(
        &mut self,
        flow: &mut Flow,
        terms: Terms,
        from: &mut Side<S>,
        to: &mut Side<S>,
        buffer: &mut [u8],
    ) -> bool {
        let Terms { lane, watch, now, .. } = terms;
        if !lane.follower.is_at_boundary() {
            // The next frame of a message is one too many; those that stand for nothing may pass.
            let watch = Watch { max_frame: Some(0), pong: watch.pong, ..Watch::default() };
            let turn = flow.turn(from, to, buffer, Some(Terms { lane, watch, rate: None, tells: true, now }));
            let follower = &lane.follower;
            match turn {
                Turn::Broken(_) => self.stage = Stage::Done,
                _ if follower.is_at_boundary() => {}
                // It has said goodbye itself.
                _ if follower.has_closed() => self.stage = Stage::Said,
                Turn::Ended(_) => self.stage = Stage::Done,
                _ if follower.breach().is_some() => self.stage = Stage::Done,
                turn => return matches!(turn, Turn::Unfinished),
            }
            if self.stage != Stage::Waits {
                return false;
            }
        }
        let mut frame = [0; MAX_OWN_FRAME];
        let length = write_close(self.to, self.code, &self.reason, &mut frame);
        self.said = flow.put_last(to, &frame[..length]).is_ok();
        self.stage = if self.said { Stage::Said } else { Stage::Done };
        false
    }
}

/// What a side is told: a code and a reason of at most 123 bytes (RFC 6455, section 7.4).
fn words(closing: &Closing, frames: &Frames, to: Who) -> (Option<CloseCode>, String) {
    if let Some(close) = frames.coming_from(to).follower.close() {
        // It has closed itself, and the other side has not answered: this is the answer (RFC 6455, section 5.5.1).
        return (close.code.and_then(CloseCode::new), String::new());
    }
    let who = closing.who;
    let directive = closing.directive().unwrap_or_default();
    let limit = closing.limit.unwrap_or_default();
    let (code, reason) = match &closing.why {
        // Nobody is left to be told.
        Why::Close => return (None, String::new()),
        Why::Eof if who == Who::Upstream => (CloseCode::BAD_GATEWAY, "upstream closed the connection".into()),
        Why::ReadFailed(error) | Why::WriteFailed(error) if who == Who::Upstream => match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                (CloseCode::BAD_GATEWAY, "upstream reset the connection".into())
            }
            _ => (CloseCode::INTERNAL_ERROR, "connection to upstream failed".into()),
        },
        Why::Eof | Why::ReadFailed(_) | Why::WriteFailed(_) => {
            (CloseCode::GOING_AWAY, "client closed the connection".into())
        }
        Why::ReadTimeout => (CloseCode::GOING_AWAY, format!("idle for {limit:?} ({directive})")),
        Why::SendTimeout | Why::PingTimeout => {
            let code = if who == Who::Upstream { CloseCode::INTERNAL_ERROR } else { CloseCode::GOING_AWAY };
            (code, format!("{who} does not answer ({directive})"))
        }
        Why::Lifetime => (CloseCode::GOING_AWAY, format!("open for {limit:?} ({directive})")),
        Why::TokenExpired => (CloseCode::TOKEN_EXPIRED, format!("token expired ({directive})")),
        Why::TooBig(Excess::Frame { length }) => {
            (CloseCode::TOO_BIG, format!("frame of {length} bytes ({directive})"))
        }
        Why::TooBig(Excess::Message { length }) => {
            (CloseCode::TOO_BIG, format!("message of {length} bytes ({directive})"))
        }
        Why::TooFast => (CloseCode::POLICY, format!("too fast ({directive})")),
        Why::Drained(Drained::Stopping) => (CloseCode::SERVICE_RESTART, "the server stops".into()),
        Why::Drained(Drained::Reloaded | Drained::Removed) => {
            (CloseCode::SERVICE_RESTART, "the server was reconfigured".into())
        }
        Why::Refused(_) | Why::Panicked => (CloseCode::INTERNAL_ERROR, "internal error".into()),
    };
    (Some(code), reason)
}
