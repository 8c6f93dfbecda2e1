//! Both directions, and when it is over.

use std::sync::Arc;
use std::time::Duration;

use crate::source::Place;

use super::flow::{Flow, Turn};
use super::{Closing, Opened, Rules, Side, Socket, Who, Why};

/// How long a side that cannot be written to any more is read from, for what it sent before it broke. Its
/// socket says at once that there is no more; this is for those that do not.
const LAST_WORDS: u64 = 1000;

/// A deadline that never comes.
pub(super) const NEVER: u64 = u64::MAX;

/// A running tunnel. It is given a [`turn`](Tunnel::turn) when one of its sockets has something to say or
/// its deadline has come, and does then what can be done.
///
/// What a side sent before it ended is delivered to the other; then both end. There is no half-close, as
/// in nginx. The sockets are not shut down: dropping them does that.
///
/// Moments are milliseconds since its owner's clock began, as in nginx, whose timers are no finer.
pub struct Tunnel<S> {
    pub client: Side<S>,
    pub upstream: Side<S>,
    upward: Flow,
    downward: Flow,
    /// The side that cannot be written to any more, but may have sent something before, and why.
    broken: Option<Box<(Who, Why)>>,
    rules: Arc<Rules>,
    began: u64,
    /// When something last happened, in either direction.
    moved: u64,
}

/// What a tunnel waits for after a turn.
#[derive(Debug)]
pub enum Next {
    /// An event of a socket, or this moment: whichever comes first.
    Wait(u64),
    /// Others of the worker, which shall have their turn: there may be more to do at once.
    Again,
    Ended(Closing),
}

impl<S: Socket> Tunnel<S> {
    /// Joins `client` and `upstream`.
    pub fn new(client: Opened<S>, upstream: Opened<S>, rules: Arc<Rules>, now: u64) -> Tunnel<S> {
        Tunnel {
            client: Side::new(client.socket),
            upstream: Side::new(upstream.socket),
            upward: Flow::new(client.early),
            downward: Flow::new(upstream.early),
            broken: None,
            rules,
            began: now,
            moved: now,
        }
    }

    /// When the tunnel wants its first turn, if no socket has anything to say before.
    pub fn deadline(&self) -> u64 {
        after(self.moved, self.rules.read.after)
    }

    /// Moves what can be moved now, through `buffer`.
    pub fn turn(&mut self, now: u64, buffer: &mut [u8]) -> Next {
        let before = self.upward.total() + self.downward.total();
        let broken = self.broken.as_ref().map(|broken| broken.0);
        let Tunnel { client, upstream, upward, downward, .. } = self;
        let up = match broken {
            Some(Who::Upstream) => Turn::Idle,
            _ => upward.turn(client, upstream, buffer),
        };
        let down = match broken {
            Some(Who::Client) => Turn::Idle,
            _ => downward.turn(upstream, client, buffer),
        };
        if upward.total() + downward.total() != before {
            self.moved = now;
        }
        let (up_blocked, down_blocked) = (matches!(up, Turn::Blocked), matches!(down, Turn::Blocked));
        match (up, down) {
            (Turn::Unfinished, Turn::Idle | Turn::Blocked | Turn::Unfinished)
            | (Turn::Idle | Turn::Blocked, Turn::Unfinished) => return Next::Again,
            (Turn::Idle | Turn::Blocked, Turn::Idle | Turn::Blocked) => {}
            (up, down) => {
                if let Some((who, why)) = self.settle(up, down, now) {
                    return Next::Ended(self.closing(who, why, now));
                }
            }
        }
        let (wait, deadline) = self.wait(up_blocked, down_blocked);
        if now < deadline {
            return Next::Wait(deadline);
        }
        let (who, why) = match self.broken.take() {
            Some(broken) => *broken,
            None => wait.over(),
        };
        Next::Ended(self.closing(who, why, now))
    }

    /// Whose doing the end is, if this is it, now that a direction is over. It goes on for a side that has
    /// just broken: the other direction may have something of it yet.
    fn settle(&mut self, up: Turn, down: Turn, now: u64) -> Option<(Who, Why)> {
        if let Some(broken) = self.broken.take() {
            return Some(*broken);
        }
        let broken = match (up, down) {
            // Who could not be written to is to blame before who merely ended.
            (Turn::Ended(_), Turn::Broken(why)) => return Some((Who::Client, why)),
            (Turn::Broken(why), Turn::Ended(_) | Turn::Broken(_)) => return Some((Who::Upstream, why)),
            (Turn::Ended(why), _) => return Some((Who::Client, why)),
            (_, Turn::Ended(why)) => return Some((Who::Upstream, why)),
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
    fn wait(&self, up_blocked: bool, down_blocked: bool) -> (Wait, u64) {
        let rules = &self.rules;
        let (listening, to_hear) = match &self.broken {
            Some(broken) if broken.0 == Who::Client => (!up_blocked, Wait::LastWords),
            Some(_) => (!down_blocked, Wait::LastWords),
            // An upstream is not blamed for its silence while a slow client keeps us from listening.
            None => (!down_blocked, Wait::Read),
        };
        let mut first = (to_hear, NEVER);
        for (waiting, wait) in
            [(down_blocked, Wait::SendClient), (up_blocked, Wait::SendUpstream), (listening, to_hear)]
        {
            let deadline = match (waiting, wait) {
                (false, _) => continue,
                (true, Wait::Read) => after(self.moved, rules.read.after),
                (true, Wait::SendClient) => after(self.moved, rules.send_client.after),
                (true, Wait::SendUpstream) => after(self.moved, rules.send_upstream.after),
                (true, Wait::LastWords) => self.moved + LAST_WORDS,
            };
            if deadline < first.1 {
                first = (wait, deadline);
            }
        }
        first
    }

    /// Ends the tunnel for a reason of its owner's.
    pub fn end(&mut self, why: Why, now: u64) -> Closing {
        self.closing(Who::Proxy, why, now)
    }

    fn closing(&mut self, who: Who, why: Why, now: u64) -> Closing {
        Closing {
            place: place(&self.rules, who, &why),
            who,
            why,
            received_from_client: self.upward.received,
            sent_to_client: self.downward.sent,
            received_from_upstream: self.downward.received,
            sent_to_upstream: self.upward.sent,
            lasted: Duration::from_millis(now - self.began),
            idle: Duration::from_millis(now - self.moved),
        }
    }
}

/// `since`, and so much later.
fn after(since: u64, wait: Duration) -> u64 {
    since.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(NEVER))
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
fn place(rules: &Rules, who: Who, why: &Why) -> Option<Place> {
    match (why, who) {
        (Why::ReadTimeout, _) => rules.read.place.clone(),
        (Why::SendTimeout, Who::Client) => rules.send_client.place.clone(),
        (Why::SendTimeout, _) => rules.send_upstream.place.clone(),
        _ => None,
    }
}
