//! Both directions, one clock, and when it is over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::net::borrow_buffer;
use crate::source::Place;

use super::bytes::{Flow, Turn};
use super::{Closing, Limits, Who, Why};

/// What a limit of "for ever" comes down to.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long a side that cannot be written to any more is read from, for what it sent before it broke. Its
/// socket says at once that there is no more; this is for streams that do not.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// One end of a tunnel.
pub struct Side<S> {
    pub stream: S,
    /// What was already read from this side, behind its head: the other side gets it first.
    pub early: Vec<u8>,
}

/// Carries bytes between `client` and `upstream` until one of them ends, a limit is reached or `drain` is
/// ready, and gives both streams back with how it ended.
///
/// What a side sent before it ended is delivered to the other; then both end. There is no half-close, as
/// in nginx. The streams are not shut down: dropping them does that.
///
/// An idle tunnel holds its streams, a timer and some counters. A readable stream borrows the worker's
/// buffer; what the other side does not take at once the tunnel keeps, and reads no more in that direction
/// until it is gone. So it never owns more than a buffer's bytes for each direction.
///
/// # Panics
/// Outside of a tokio runtime with a clock.
pub fn relay<C, U, D>(client: Side<C>, upstream: Side<U>, limits: Arc<Limits>, drain: D) -> Relay<C, U, D>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()>,
{
    let now = Instant::now();
    let clock = sleep_until(now + limits.read.after.min(LONGEST_WAIT));
    Relay {
        streams: Some((client.stream, upstream.stream)),
        upward: Flow::new(client.early),
        downward: Flow::new(upstream.early),
        broken: None,
        limits,
        began: now,
        moved: 0,
        clock,
        drain,
    }
}

pin_project! {
    /// A running tunnel: what [`relay`] gives.
    pub struct Relay<C, U, D> {
        // Gone once it has ended.
        streams: Option<(C, U)>,
        upward: Flow,
        downward: Flow,
        // The side that cannot be written to any more, but may have sent something before.
        broken: Option<Who>,
        limits: Arc<Limits>,
        began: Instant,
        // When something last happened, in either direction: nanoseconds since it began.
        moved: u64,
        // Fires when the tunnel may have waited long enough, never later. It is not set anew for each
        // byte: when it fires, it is set to what then is the right time.
        #[pin]
        clock: Sleep,
        #[pin]
        drain: D,
    }
}

impl<C, U, D> Future for Relay<C, U, D>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()>,
{
    type Output = (Closing, C, U);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((who, why)) = self.as_mut().turn(cx) else { return Poll::Pending };
        let this = self.project();
        let Some((client, upstream)) = this.streams.take() else { unreachable!("polled after it ended") };
        let closing = Closing {
            place: place(this.limits, who, &why),
            who,
            why,
            received_from_client: this.upward.received,
            sent_to_client: this.downward.sent,
            received_from_upstream: this.downward.received,
            sent_to_upstream: this.upward.sent,
            lasted: this.began.elapsed(),
            idle: this.began.elapsed().saturating_sub(Duration::from_nanos(*this.moved)),
        };
        Poll::Ready((closing, client, upstream))
    }
}

impl<C, U, D> Relay<C, U, D>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
    D: Future<Output = ()>,
{
    /// Moves what can be moved now. Gives the end if this is it; otherwise the task will be woken.
    fn turn(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<(Who, Why)> {
        let this = self.project();
        if this.drain.poll(cx).is_ready() {
            return Some((Who::Proxy, Why::Drained));
        }
        let (client, upstream) = this.streams.as_mut()?;
        let before = this.upward.total() + this.downward.total();
        let (up, down) = borrow_buffer(|buffer| {
            let up = match this.broken {
                Some(Who::Upstream) => Turn::Idle,
                _ => this.upward.turn(cx, client, upstream, buffer),
            };
            let down = match this.broken {
                Some(Who::Client) => Turn::Idle,
                _ => this.downward.turn(cx, upstream, client, buffer),
            };
            (up, down)
        });
        if this.upward.total() + this.downward.total() != before {
            *this.moved = nanoseconds_since(*this.began);
        }
        if matches!(up, Turn::Ended | Turn::Broken) || matches!(down, Turn::Ended | Turn::Broken) {
            if let Some(who) = settle(*this.broken, up, down) {
                return Some((who, blame(who, this.upward, this.downward)));
            }
            // Its time for last words begins.
            *this.broken = Some(if up == Turn::Broken { Who::Upstream } else { Who::Client });
            *this.moved = nanoseconds_since(*this.began);
        }
        let blocked = Blocked { up: up == Turn::Blocked, down: down == Turn::Blocked };
        let (limit, wait) = blocked.shortest_wait(*this.broken, this.limits);
        let deadline = *this.began + Duration::from_nanos(*this.moved) + limit.min(LONGEST_WAIT);
        expired(this.clock, cx, deadline).then(|| match *this.broken {
            Some(who) => (who, blame(who, this.upward, this.downward)),
            None => wait.over(),
        })
    }
}

/// Enough for five centuries.
fn nanoseconds_since(began: Instant) -> u64 {
    began.elapsed().as_nanos() as u64
}

/// Whether `deadline` has passed; if not, `clock` fires then or earlier.
fn expired(mut clock: Pin<&mut Sleep>, cx: &mut Context<'_>, deadline: Instant) -> bool {
    if deadline < clock.deadline() {
        clock.as_mut().reset(deadline);
    }
    while clock.as_mut().poll(cx).is_ready() {
        if Instant::now() >= deadline {
            return true;
        }
        clock.as_mut().reset(deadline);
    }
    false
}

/// Whose doing the end is, if this is it, now that a direction is over. It goes on for a side that has just
/// broken: the other direction may have something of it yet.
fn settle(broken: Option<Who>, up: Turn, down: Turn) -> Option<Who> {
    match (up, down) {
        _ if broken.is_some() => broken,
        (Turn::Ended, _) => Some(Who::Client),
        (_, Turn::Ended) => Some(Who::Upstream),
        (Turn::Broken, Turn::Broken) => Some(Who::Upstream),
        _ => None,
    }
}

/// What `who` did: it could not be written to, or it sent its last byte.
fn blame(who: Who, upward: &mut Flow, downward: &mut Flow) -> Why {
    let (from, to) = match who {
        Who::Client => (upward, downward),
        _ => (downward, upward),
    };
    match to.end.take() {
        Some(why @ Why::WriteFailed(_)) => why,
        _ => from.end.take().unwrap_or(Why::Eof),
    }
}

/// Which directions wait for their sink.
#[derive(Clone, Copy)]
struct Blocked {
    up: bool,
    down: bool,
}

impl Blocked {
    /// What is given up first if nothing moves, and when.
    fn shortest_wait(self, broken: Option<Who>, limits: &Limits) -> (Duration, Wait) {
        let (listening, to_hear) = match broken {
            Some(Who::Client) => (!self.up, Wait::LastWords),
            Some(_) => (!self.down, Wait::LastWords),
            // An upstream is not blamed for its silence while a slow client keeps us from listening.
            None => (!self.down, Wait::Read),
        };
        [(self.down, Wait::SendClient), (self.up, Wait::SendUpstream), (listening, to_hear)]
            .into_iter()
            .filter_map(|(waiting, wait)| waiting.then_some((wait.limit(limits), wait)))
            .min_by_key(|(limit, _)| *limit)
            .unwrap_or((LONGEST_WAIT, to_hear))
    }
}

/// What a tunnel waits for while nothing moves.
#[derive(Clone, Copy)]
enum Wait {
    Read,
    SendClient,
    SendUpstream,
    LastWords,
}

impl Wait {
    fn limit(self, limits: &Limits) -> Duration {
        match self {
            Wait::Read => limits.read.after,
            Wait::SendClient => limits.send_client.after,
            Wait::SendUpstream => limits.send_upstream.after,
            Wait::LastWords => LAST_WORDS,
        }
    }

    /// Whose doing it is when nothing moved for so long. A side that broke has been blamed before its last
    /// words.
    fn over(self) -> (Who, Why) {
        match self {
            Wait::Read | Wait::LastWords => (Who::Upstream, Why::ReadTimeout),
            Wait::SendClient => (Who::Client, Why::SendTimeout),
            Wait::SendUpstream => (Who::Upstream, Why::SendTimeout),
        }
    }
}

/// Where the configuration sets the limit that ended the tunnel.
fn place(limits: &Limits, who: Who, why: &Why) -> Option<Place> {
    match (why, who) {
        (Why::ReadTimeout, _) => limits.read.place.clone(),
        (Why::SendTimeout, Who::Client) => limits.send_client.place.clone(),
        (Why::SendTimeout, _) => limits.send_upstream.place.clone(),
        _ => None,
    }
}
