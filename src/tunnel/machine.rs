//! Both directions, and when it is over.

use std::sync::Arc;
use std::time::Duration;

use super::flow::{Flow, Turn};
use super::frames::{Due, Frames, MAX_OWN_FRAME};
use super::parting::Parting;
use super::{Closing, Drained, Limit, Opened, Rules, Side, Socket, Who, Why};

/// How long a side that cannot be written to any more is read from, for what it sent before it broke. Its
/// socket says at once that there is no more; this is for those that do not.
const LAST_WORDS: u64 = 1000;

/// How long a tunnel goes without a look at the clock on the wall while it has a token: somebody may set that
/// clock, and the one of its moments stands still while the machine sleeps.
const LOOK_AT_CLOCK: u64 = 60_000;

/// A deadline that never comes.
pub(super) const NEVER: u64 = u64::MAX;

/// A running tunnel. It is given a [`turn`](Tunnel::turn) when one of its sockets has something to say or
/// its deadline has come, and does then what can be done.
///
/// What a side sent before it ended is delivered to the other; then both end. There is no half-close, as
/// in nginx. Where frames are followed, who is left hears why in a Close of ours.
///
/// Moments are milliseconds since its owner's clock began, as in nginx, whose timers are no finer.
pub struct Tunnel<S> {
    pub client: Side<S>,
    pub upstream: Side<S>,
    pub(super) upward: Flow,
    pub(super) downward: Flow,
    pub(super) frames: Option<Box<Frames>>,
    /// The side that cannot be written to any more, but may have sent something before, and why.
    broken: Option<Box<(Who, Why)>>,
    /// It has ended, and says goodbye.
    pub(super) parting: Option<Box<Parting>>,
    pub(super) rules: Arc<Rules>,
    began: u64,
    /// When something last happened, in either direction.
    moved: u64,
    /// When its owner wants it to end, and why.
    leave: (u64, Drained),
    /// When its token has expired, in milliseconds since 1970; 0 once it has.
    expires: u64,
    /// When it wants to be told what the clock on the wall shows.
    look: u64,
}

/// What a tunnel waits for after a turn.
#[derive(Debug)]
pub enum Next {
    /// An event of a socket, or this moment: whichever comes first.
    Wait(u64),
    /// What it waited for before: a message has passed, and its deadlines have but moved away.
    Still,
    /// Others of the worker, which shall have their turn: there may be more to do at once.
    Again,
    Ended(Closing),
}

impl<S: Socket> Tunnel<S> {
    /// Joins `client` and `upstream`. Frames are followed if the rules ask for it and `websocket` says that
    /// there are some.
    pub fn new(
        client: Opened<S>,
        upstream: Opened<S>,
        rules: Arc<Rules>,
        websocket: bool,
        now: u64,
    ) -> Tunnel<S> {
        let mut tunnel = Tunnel {
            client: Side::new(client.socket),
            upstream: Side::new(upstream.socket),
            upward: Flow::default(),
            downward: Flow::default(),
            frames: None,
            broken: None,
            parting: None,
            began: now,
            moved: now,
            leave: (NEVER, Drained::Stopping),
            expires: NEVER,
            look: NEVER,
            rules,
        };
        tunnel.begin(client.early, upstream.early, websocket);
        tunnel
    }

    fn begin(&mut self, from_client: Vec<u8>, from_upstream: Vec<u8>, websocket: bool) {
        match self.rules.frames.as_ref().filter(|_| websocket) {
            None => {
                self.upward = Flow::new(from_client);
                self.downward = Flow::new(from_upstream);
            }
            Some(rules) => {
                let mut frames = Box::new(Frames::new(rules, self.began));
                frames.terms(rules, Who::Client, self.began).begin(from_client);
                frames.terms(rules, Who::Upstream, self.began).begin(from_upstream);
                self.frames = Some(frames);
            }
        }
    }

    /// When the tunnel wants its first turn, if no socket has anything to say before.
    pub fn deadline(&self) -> u64 {
        self.wait(&Stand::default()).1.min(self.look)
    }

    /// Has it end when the clock on the wall shows so many milliseconds since 1970. It wants to be told at once
    /// what that clock shows.
    pub fn expire_at(&mut self, wall: u64) {
        self.expires = wall;
        self.look = self.began;
    }

    /// Whether it wants to be told what the clock on the wall shows.
    pub fn wants_clock(&self, now: u64) -> bool {
        now >= self.look
    }

    /// Tells it, in milliseconds since 1970.
    pub fn tell_clock(&mut self, now: u64, wall: u64) {
        if wall >= self.expires {
            (self.expires, self.look) = (0, NEVER);
        } else if self.expires != NEVER {
            self.look = now.saturating_add((self.expires - wall).min(LOOK_AT_CLOCK));
        }
    }

    /// Has it end at that moment, if nothing ends it before; an earlier such wish stays.
    pub fn leave_at(&mut self, moment: u64, why: Drained) {
        if moment < self.leave.0 {
            self.leave = (moment, why);
        }
    }

    /// Moves what can be moved now, through `buffer`.
    pub fn turn(&mut self, now: u64, buffer: &mut [u8]) -> Next {
        if self.parting.is_some() {
            return self.part(now, buffer);
        }
        // What was waited for while somebody took nothing, or had broken, may have been later than what is
        // waited for from now on.
        let was_calm = !self.upward.is_blocked() && !self.downward.is_blocked() && self.broken.is_none();
        let (up, down, moved) = self.carry(now, buffer);
        if moved
            && was_calm
            && matches!((&up, &down), (Turn::Idle, Turn::Idle))
            && !self.pings()
            && !self.has_to_go(now)
        {
            return Next::Still;
        }
        let stand = Stand::of(&up, &down);
        if let Some((who, why)) = self.settle(up, down, now) {
            return self.end(who, why, now, buffer);
        }
        match self.watch(&stand, now, buffer) {
            // A flood goes on, but not for longer than it may.
            Next::Wait(_) if stand.again => Next::Again,
            next => next,
        }
    }

    /// It has to end whatever moves: who talks without a pause gains no time by it.
    fn has_to_go(&self, now: u64) -> bool {
        let is_old = |most: &Limit| now >= after(self.began, most.after);
        self.expires == 0 || now >= self.leave.0 || self.rules.max_lifetime.as_ref().is_some_and(is_old)
    }

    /// Silent sides are asked whether they are there: something may be due whatever else has passed.
    fn pings(&self) -> bool {
        self.frames.as_ref().is_some_and(|frames| frames.pings)
    }

    /// Looks whether anything has been waited for long enough.
    fn watch(&mut self, stand: &Stand, now: u64, buffer: &mut [u8]) -> Next {
        let mut deadline = self.wait(stand);
        if now >= deadline.1 {
            let (who, why) = match (self.broken.take(), deadline.0) {
                (Some(broken), _) => *broken,
                (None, wait) => wait.over(self.leave.1),
            };
            return self.end(who, why, now, buffer);
        }
        let asked = [(Who::Client, &stand.up), (Who::Upstream, &stand.down)];
        // Who is not listened to cannot answer.
        for (whom, standing) in asked {
            if !self.pings() || !standing.is_heard() {
                continue;
            }
            match self.vigil(whom, now) {
                Ok(moment) => deadline.1 = deadline.1.min(moment),
                Err(why) => return self.end(whom, why, now, buffer),
            }
        }
        // One that may be read from again at some moment is given a turn then.
        Next::Wait(deadline.1.min(stand.up.delayed).min(stand.down.delayed).min(self.look))
    }

    /// Asks a side that has been silent whether it is there. Gives when to look again, or why it is given up.
    fn vigil(&mut self, whom: Who, now: u64) -> Result<u64, Why> {
        let Tunnel { client, upstream, upward, downward, frames, rules, .. } = self;
        let ping = rules.frames.as_ref().and_then(|frames| frames.ping.as_ref());
        let Some((frames, ping)) = frames.as_mut().zip(ping) else { return Ok(NEVER) };
        if frames.is_broken() {
            return Ok(NEVER);
        }
        let (flow, sink) = match whom {
            Who::Client => (downward, client),
            _ => (upward, upstream),
        };
        match frames.due(ping, whom) {
            Due::GiveUp(moment) if now >= moment => Err(Why::PingTimeout),
            Due::GiveUp(moment) | Due::Ask(moment) if now < moment => Ok(moment),
            // It has not taken what came before, or a frame is on its way there: it is asked after that.
            _ if flow.is_blocked() || !frames.may_speak(whom) => Ok(NEVER),
            _ => {
                let mut frame = [0; MAX_OWN_FRAME];
                let length = frames.ping(whom, &mut frame);
                // Whether it can be written to is found out by whoever writes next.
                let _ = flow.put(sink, &frame[..length]);
                frames.asked(whom, now);
                Ok(after(now, ping.timeout.after))
            }
        }
    }

    /// Moves what there is in both directions, and notes that something has moved.
    fn carry(&mut self, now: u64, buffer: &mut [u8]) -> (Turn, Turn, bool) {
        let Tunnel { client, upstream, upward, downward, frames, rules, .. } = self;
        let before = (upward.total(), downward.total());
        let heard = (upward.received, downward.received);
        let broken = self.broken.as_ref().map(|broken| broken.0);
        let mut terms = frames.as_mut().zip(rules.frames.as_ref());
        let up = match broken {
            Some(Who::Upstream) => Turn::Idle,
            _ if upward.rests(client, terms.as_ref().map(|(frames, _)| &frames.upward)) => Turn::Idle,
            _ => {
                let terms = terms.as_mut().map(|(frames, rules)| frames.terms(rules, Who::Client, now));
                upward.turn(client, upstream, buffer, terms)
            }
        };
        let down = match broken {
            Some(Who::Client) => Turn::Idle,
            _ if downward.rests(upstream, terms.as_ref().map(|(frames, _)| &frames.downward)) => Turn::Idle,
            _ => {
                let terms = terms.as_mut().map(|(frames, rules)| frames.terms(rules, Who::Upstream, now));
                downward.turn(upstream, client, buffer, terms)
            }
        };
        let moved = (upward.total(), downward.total()) != before;
        if let Some((frames, _)) = terms {
            frames.look_for_closes();
            if moved {
                if upward.received != heard.0 {
                    frames.heard(Who::Client, now);
                }
                if downward.received != heard.1 {
                    frames.heard(Who::Upstream, now);
                }
            }
        }
        if moved {
            self.moved = now;
        }
        (up, down, moved)
    }

    /// Whose doing the end is, if this is it, now that a direction is over. It goes on for a side that has
    /// just broken: the other direction may have something of it yet.
    fn settle(&mut self, up: Turn, down: Turn, now: u64) -> Option<(Who, Why)> {
        let is_over = |turn: &Turn| matches!(turn, Turn::Ended(_) | Turn::Broken(_));
        let is_refused = |turn: &Turn| matches!(turn, Turn::Over(_) | Turn::TooFast);
        if is_over(&up) || is_over(&down) {
            if let Some(broken) = self.broken.take() {
                return Some(*broken);
            }
        } else if !is_refused(&up) && !is_refused(&down) {
            return None;
        }
        let broken = match (up, down) {
            // Who could not be written to is to blame before who merely ended.
            (Turn::Ended(_), Turn::Broken(why)) => return Some((Who::Client, why)),
            (Turn::Broken(why), Turn::Ended(_) | Turn::Broken(_)) => return Some((Who::Upstream, why)),
            (Turn::Ended(why), _) => return Some((Who::Client, why)),
            (_, Turn::Ended(why)) => return Some((Who::Upstream, why)),
            (Turn::Over(excess), _) => return Some((Who::Client, Why::TooBig(excess))),
            (_, Turn::Over(excess)) => return Some((Who::Upstream, Why::TooBig(excess))),
            (Turn::TooFast, _) => return Some((Who::Client, Why::TooFast)),
            (_, Turn::TooFast) => return Some((Who::Upstream, Why::TooFast)),
            (Turn::Broken(why), _) => (Who::Upstream, why),
            (_, Turn::Broken(why)) => (Who::Client, why),
            _ => return None,
        };
        // Its time for last words begins.
        self.broken = Some(Box::new(broken));
        self.moved = now;
        None
    }

    /// What is given up first if nothing moves, and when.
    fn wait(&self, stand: &Stand) -> (Wait, u64) {
        let rules = &self.rules;
        let (up, down) = (&stand.up, &stand.down);
        let (listening, to_hear) = match &self.broken {
            Some(broken) if broken.0 == Who::Client => (up.is_heard(), Wait::LastWords),
            Some(_) => (down.is_heard(), Wait::LastWords),
            // An upstream is not blamed for its silence while a slow client keeps us from listening, nor is
            // anyone while we let somebody wait.
            None => (down.is_heard() && up.delayed == NEVER, Wait::Read),
        };
        let mut first = (Wait::Leave, self.leave.0);
        let mut consider = |waiting: bool, wait: Wait, deadline: u64| {
            if waiting && deadline < first.1 {
                first = (wait, deadline);
            }
        };
        match to_hear {
            Wait::LastWords => consider(listening, to_hear, self.moved + LAST_WORDS),
            _ => consider(listening, to_hear, after(self.moved, rules.read.after)),
        }
        consider(down.blocked, Wait::SendClient, after(self.moved, rules.send_client.after));
        consider(up.blocked, Wait::SendUpstream, after(self.moved, rules.send_upstream.after));
        if let Some(most) = &rules.max_lifetime {
            consider(true, Wait::Lifetime, after(self.began, most.after));
        }
        consider(self.expires == 0, Wait::Token, 0);
        first
    }

    /// Ends the tunnel, at once or with a goodbye.
    pub fn end(&mut self, who: Who, why: Why, now: u64, buffer: &mut [u8]) -> Next {
        let lost = why.is_lost().then_some(who);
        let closing = self.closing(who, why, now);
        match self.rules.frames.as_ref().filter(|rules| rules.close_notify) {
            Some(_) if self.frames.is_some() => self.begin_parting(closing, lost, now, buffer),
            _ => Next::Ended(self.counted(closing)),
        }
    }

    /// Ends the tunnel on the spot.
    pub fn abandon(&mut self, why: Why, now: u64) -> Closing {
        let closing = self.closing(Who::Proxy, why, now);
        self.counted(closing)
    }

    fn closing(&self, who: Who, why: Why, now: u64) -> Closing {
        let (who, why) = match self.frames.as_ref().and_then(|frames| frames.closer) {
            Some(closer) if why.follows_a_close() => (closer, Why::Close),
            _ => (who, why),
        };
        Closing {
            place: why.place(who, &self.rules),
            limit: why.limit(who, &self.rules),
            who,
            why,
            lasted: Duration::from_millis(now - self.began),
            idle: Duration::from_millis(now - self.moved),
            ..Closing::default()
        }
    }

    /// Fills in what passed.
    pub(super) fn counted(&self, closing: Closing) -> Closing {
        Closing {
            received_from_client: self.upward.received,
            sent_to_client: self.downward.sent,
            received_from_upstream: self.downward.received,
            sent_to_upstream: self.upward.sent,
            frames: self.frames.as_ref().map(|frames| frames.counts()),
            ..closing
        }
    }
}

/// `since`, and so much later.
pub(super) fn after(since: u64, wait: Duration) -> u64 {
    since.saturating_add(wait.as_secs().saturating_mul(1000).saturating_add(wait.subsec_millis().into()))
}

/// Where both directions stand after a turn.
#[derive(Default)]
struct Stand {
    up: Standing,
    down: Standing,
    /// There may be more to do at once.
    again: bool,
}

struct Standing {
    /// The sink takes nothing.
    blocked: bool,
    /// When a source that was too fast may go on.
    delayed: u64,
}

impl Stand {
    fn of(up: &Turn, down: &Turn) -> Stand {
        let again = matches!(up, Turn::Unfinished) || matches!(down, Turn::Unfinished);
        Stand { up: Standing::of(up), down: Standing::of(down), again }
    }
}

impl Standing {
    fn of(turn: &Turn) -> Standing {
        let delayed = if let Turn::Delayed(moment) = turn { *moment } else { NEVER };
        Standing { blocked: matches!(turn, Turn::Blocked), delayed }
    }

    /// What the source says is read at once.
    fn is_heard(&self) -> bool {
        !self.blocked && self.delayed == NEVER
    }
}

impl Default for Standing {
    fn default() -> Standing {
        Standing { blocked: false, delayed: NEVER }
    }
}

/// What a tunnel waits for while nothing moves.
#[derive(Clone, Copy)]
enum Wait {
    Read,
    SendClient,
    SendUpstream,
    LastWords,
    Lifetime,
    Token,
    Leave,
}

impl Wait {
    /// Whose doing it is when that was waited for long enough. A side that broke has been blamed before its
    /// last words.
    fn over(self, leave: Drained) -> (Who, Why) {
        match self {
            Wait::Read | Wait::LastWords => (Who::Upstream, Why::ReadTimeout),
            Wait::SendClient => (Who::Client, Why::SendTimeout),
            Wait::SendUpstream => (Who::Upstream, Why::SendTimeout),
            Wait::Lifetime => (Who::Proxy, Why::Lifetime),
            Wait::Token => (Who::Proxy, Why::TokenExpired),
            Wait::Leave => (Who::Proxy, Why::Drained(leave)),
        }
    }
}
