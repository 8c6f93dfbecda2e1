//! What a tunnel knows of its WebSocket, in both directions, and how it speaks itself.

use std::cell::Cell;

use crate::websocket::close::{self, CloseCode, MAX_PAYLOAD};
use crate::websocket::frame::{Head, MAX_HEAD, Opcode, mask};

use super::flow::Terms;
use super::follower::{Follower, PING_PAYLOAD, Watch};
use super::machine::{NEVER, after};
use super::rules::{MaxSize, Ping, Rate, Unit};
use super::{FrameCounts, FrameRules, SeenClose, Who};

/// The longest frame we send: a Close with a reason.
pub(super) const MAX_OWN_FRAME: usize = MAX_HEAD + MAX_PAYLOAD;

/// A bucket of bytes is read from again when this part of what flows in within `per` is there: a thousand
/// times a second a single byte would be no help to anyone.
const LEAST_SHARE: u64 = 10;

/// The frames of both directions.
pub(super) struct Frames {
    pub upward: Lane,
    pub downward: Lane,
    /// Which side said first that it wants to end.
    pub closer: Option<Who>,
    /// Sides are asked whether they are there.
    pub pings: bool,
    client: Vigil,
    upstream: Vigil,
    /// What our pings carry, so that the pongs to them are known.
    payload: [u8; PING_PAYLOAD],
}

/// The frames of one direction.
pub(super) struct Lane {
    pub follower: Follower,
    /// What was read and may not go on yet: the beginning of a frame, or messages that came too fast.
    pub unseen: Vec<u8>,
    /// What is unseen is nothing whole: more has to be read first.
    pub undecided: bool,
    bucket: Bucket,
}

/// What a side has yet to answer.
#[derive(Clone, Copy)]
struct Vigil {
    /// When it last said anything.
    heard: u64,
    /// When it was asked whether it is there, if it has said nothing since.
    asked: Option<u64>,
}

/// What has flowed into a [`Rate`]'s bucket and was not taken.
#[derive(Clone, Copy, Default)]
struct Bucket {
    units: f64,
    filled: u64,
}

impl Frames {
    pub fn new(rules: &FrameRules, now: u64) -> Frames {
        let vigil = Vigil { heard: now, asked: None };
        let mut payload = [0; PING_PAYLOAD];
        if rules.ping.is_some() {
            payload = random();
        }
        Frames {
            upward: Lane::new(Who::Client, rules, now),
            downward: Lane::new(Who::Upstream, rules, now),
            closer: None,
            pings: rules.ping.is_some(),
            client: vigil,
            upstream: vigil,
            payload,
        }
    }

    /// What the frames of a side are held to.
    pub fn terms<'a>(&'a mut self, rules: &'a FrameRules, from: Who, now: u64) -> Terms<'a> {
        let most =
            |size: &Option<MaxSize>| size.as_ref().filter(|size| size.of.has(from)).map(|size| size.bytes);
        let watch = Watch {
            max_frame: most(&rules.max_frame),
            max_message: most(&rules.max_message),
            messages_left: None,
            pong: rules.ping.as_ref().filter(|ping| ping.to.has(from)).map(|_| &self.payload),
        };
        let lane = if from == Who::Client { &mut self.upward } else { &mut self.downward };
        let rate = rules.rate.as_ref().filter(|rate| rate.of.has(from));
        Terms { lane, watch, rate, tells: rules.close_notify, now }
    }

    /// What has passed so far.
    pub fn counts(&self) -> FrameCounts {
        let (up, down) = (&self.upward.follower, &self.downward.follower);
        let first = match self.closer {
            Some(Who::Client) => up.close(),
            _ => down.close(),
        };
        let breach = up.breach().map(|breach| (Who::Client, breach));
        FrameCounts {
            messages_from_client: up.messages(),
            messages_from_upstream: down.messages(),
            payload_from_client: up.payload(),
            payload_from_upstream: down.payload(),
            breach: breach.or_else(|| down.breach().map(|breach| (Who::Upstream, breach))),
            close: first.map(|close| SeenClose { code: close.code, reason: close.reason.into() }),
        }
    }

    /// That side has sent something.
    pub fn heard(&mut self, from: Who, now: u64) {
        *self.vigil(from) = Vigil { heard: now, asked: None };
    }

    /// It was asked whether it is there.
    pub fn asked(&mut self, whom: Who, now: u64) {
        self.vigil(whom).asked = Some(now);
    }

    /// When a side has been silent for so long that it is to be asked, or given up.
    pub fn due(&self, ping: &Ping, whom: Who) -> Due {
        let vigil = if whom == Who::Client { &self.client } else { &self.upstream };
        match vigil.asked {
            _ if !ping.to.has(whom) => Due::Ask(NEVER),
            // Behind a Close nobody has to answer a ping (RFC 6455, section 5.5.2), but somebody has to do
            // something yet.
            _ if self.closer.is_some() => {
                let heard = self.client.heard.max(self.upstream.heard);
                Due::GiveUp(after(after(heard, ping.interval.after), ping.timeout.after))
            }
            Some(asked) => Due::GiveUp(after(asked, ping.timeout.after)),
            None => Due::Ask(after(vigil.heard, ping.interval.after)),
        }
    }

    fn vigil(&mut self, of: Who) -> &mut Vigil {
        if of == Who::Client { &mut self.client } else { &mut self.upstream }
    }

    /// Something is wrong with the framing of either direction: we say nothing of our own any more.
    pub fn is_broken(&self) -> bool {
        self.upward.follower.breach().is_some() || self.downward.follower.breach().is_some()
    }

    /// The frames that come from a side.
    pub fn coming_from(&self, side: Who) -> &Lane {
        if side == Who::Client { &self.upward } else { &self.downward }
    }

    /// The frames that go to a side.
    pub fn towards(&self, side: Who) -> &Lane {
        if side == Who::Client { &self.downward } else { &self.upward }
    }

    /// A frame may be put in here, on the way to that side.
    pub fn may_speak(&self, to: Who) -> bool {
        self.towards(to).follower.is_at_boundary() && !self.is_broken()
    }

    /// Notes who has closed first, and who else has.
    pub fn look_for_closes(&mut self) {
        if self.closer.is_none() {
            let closed = (self.upward.follower.has_closed(), self.downward.follower.has_closed());
            self.closer = match closed {
                (true, _) => Some(Who::Client),
                (_, true) => Some(Who::Upstream),
                _ => None,
            };
        }
    }

    /// Writes a ping for a side, and gives its length.
    pub fn ping(&self, to: Who, out: &mut [u8; MAX_OWN_FRAME]) -> usize {
        write_frame(Opcode::PING, to, &self.payload, out)
    }
}

/// What is due from a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It is to be asked whether it is there.
    Ask(u64),
    /// It has been asked, and is given up then.
    GiveUp(u64),
}

/// Writes a Close for a side, and gives its length.
pub(super) fn write_close(
    to: Who,
    code: Option<CloseCode>,
    reason: &str,
    out: &mut [u8; MAX_OWN_FRAME],
) -> usize {
    let mut payload = [0; MAX_PAYLOAD];
    let length = code.map_or(0, |code| close::write(code, reason, &mut payload));
    write_frame(Opcode::CLOSE, to, &payload[..length], out)
}

/// RFC 6455, section 5.3: what goes to the upstream is masked, with a key that nobody can foresee.
fn write_frame(opcode: Opcode, to: Who, payload: &[u8], out: &mut [u8; MAX_OWN_FRAME]) -> usize {
    let key = (to == Who::Upstream).then(random);
    let mut head = [0; MAX_HEAD];
    let size = Head::message(opcode, key, payload.len() as u64).write(&mut head);
    out[..size].copy_from_slice(&head[..size]);
    let place = &mut out[size..][..payload.len()];
    place.copy_from_slice(payload);
    mask(place, key.unwrap_or_default(), 0);
    size + payload.len()
}

/// Bytes asked of the system at once.
const RANDOM: usize = 256;

thread_local! {
    /// Bytes nobody can foresee, and how many of them have been used.
    static POOL: Cell<([u8; RANDOM], usize)> = const { Cell::new(([0; RANDOM], RANDOM)) };
}

/// Bytes nobody can foresee, and that nobody gets twice.
fn random<const N: usize>() -> [u8; N] {
    let (mut pool, mut used) = POOL.get();
    if used + N > RANDOM {
        // The system has some from the moment it has started, and a key of zeros is a key.
        let _ = getrandom::fill(&mut pool);
        used = 0;
    }
    let mut bytes = [0; N];
    bytes.copy_from_slice(&pool[used..][..N]);
    POOL.set((pool, used + N));
    bytes
}

/// Bytes of an unfinished frame are kept where the last ones were; more are not worth keeping room for.
const SMALL: usize = 64;

impl Lane {
    fn new(from: Who, rules: &FrameRules, now: u64) -> Lane {
        let rate = rules.rate.as_ref().filter(|rate| rate.of.has(from));
        let bucket = Bucket { units: rate.map_or(0.0, |rate| rate.burst as f64), filled: now };
        Lane { follower: Follower::new(from), unseen: Vec::new(), undecided: false, bucket }
    }

    /// Keeps bytes that may not go on yet.
    pub fn keep(&mut self, bytes: &[u8], undecided: bool) {
        self.unseen.extend_from_slice(bytes);
        self.undecided = undecided;
    }

    /// There is something that only has to wait, for the rate or for its first turn.
    pub fn is_waiting(&self) -> bool {
        !self.unseen.is_empty() && !self.undecided
    }

    /// Puts the beginning of a frame that was kept at the start of `buffer`, and gives its length.
    pub fn take_unseen(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.unseen.len();
        buffer[..count].copy_from_slice(&self.unseen);
        self.unseen.clear();
        if self.unseen.capacity() > SMALL {
            self.unseen = Vec::new();
        }
        count
    }

    /// How many whole units are in the bucket.
    pub fn units(&mut self, rate: &Rate, now: u64) -> u64 {
        let bucket = &mut self.bucket;
        let flowed = (now - bucket.filled) as f64 * per_millisecond(rate);
        bucket.units = (bucket.units + flowed).min(rate.burst as f64);
        bucket.filled = now;
        // Below zero it is empty.
        bucket.units as u64
    }

    /// More was taken out of the bucket than there was.
    pub fn owes(&mut self, rate: &Rate, now: u64) -> bool {
        self.units(rate, now);
        self.bucket.units < 0.0
    }

    /// Takes units out of the bucket.
    pub fn take(&mut self, units: u64) {
        self.bucket.units -= units as f64;
    }

    /// When the bucket, which was empty at `now`, will have enough to go on with.
    pub fn refilled(&self, rate: &Rate, now: u64) -> u64 {
        let wanted = match rate.unit {
            Unit::Messages => 1,
            Unit::Bytes => (rate.count / LEAST_SHARE).clamp(1, rate.burst),
        };
        let missing = (wanted as f64 - self.bucket.units).max(0.0);
        now + (missing / per_millisecond(rate)).ceil().max(1.0) as u64
    }
}

fn per_millisecond(rate: &Rate) -> f64 {
    rate.count as f64 / (rate.per.as_secs_f64() * 1000.0)
}
