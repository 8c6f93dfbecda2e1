//! Follows RFC 6455 frame heads through one direction of a tunnel and never touches a payload.
//!
//! Pure: it is shown bytes and says how many of them go on. What it asks to be kept back is never more than
//! 13 bytes, one less than the longest head, and is only asked for where somebody wants to act before a frame:
//! swallow a pong, refuse a frame, let a message wait. Everything else passes as it comes.

use std::fmt;

use crate::websocket::{
    close,
    frame::{Head, HeadError, MAX_HEAD, Opcode, Violation, mask},
};

use super::Who;

/// Payload of our own pings, and of the pongs that answer them.
pub const PING_PAYLOAD: usize = 8;

/// Where one direction of a tunnel stands among its frames. Small, for an idle tunnel has two of them.
#[derive(Debug)]
pub struct Follower {
    /// Bytes of the present frame's payload to come.
    left: u64,
    /// Bytes announced for the open message so far; of no meaning without one.
    message: u64,
    messages: u64,
    payload: u64,
    /// The payload of the Close, if it has one.
    close: Option<Box<ClosePayload>>,
    /// A head whose first bytes have passed.
    head: [u8; MAX_HEAD],
    /// Bytes of `head` that have passed.
    came: u8,
    /// What `left` belongs to.
    frame: Frame,
    /// The mask bit of every frame of this direction: 0x80 or 0.
    mask_bit: u8,
    /// A message has begun, and its last frame has not ended.
    open: bool,
    closed: bool,
    breach: Option<Breach>,
}

/// What to look out for. With nothing in it all bytes pass.
///
/// Broken framing cannot be measured: whoever limits has to look at [`Follower::breach`] too, before what
/// passed is sent on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch<'a> {
    /// Most bytes of payload, as they stand on the wire, in a frame of a message. Control frames are not
    /// measured: more than 125 bytes are a breach.
    pub max_frame: Option<u64>,
    /// Most bytes of payload, as they stand on the wire, in all frames of a message together.
    pub max_message: Option<u64>,
    /// So many more messages may begin in this one call; the next makes a [`Then::Pause`]. To be worked out
    /// anew for each call: [`Follower::begun`] tells how many began in the last.
    pub messages_left: Option<u64>,
    /// The payload of a pong that would answer a ping of ours.
    pub pong: Option<&'a [u8; PING_PAYLOAD]>,
}

/// What becomes of the bytes that were shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Step {
    /// So many of them go on.
    pub pass: usize,
    pub then: Then,
}

/// What is behind the bytes that go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing: all bytes pass.
    All,
    /// So many bytes that are the pong to our ping. They do not go on; what is behind them is to be shown next.
    Pong(usize),
    /// At most 13 bytes that may become the pong to our ping or, where frames or messages are limited, a head
    /// that is not whole yet. The follower stands before them: they are to be shown again with more behind
    /// them. When nothing more comes, show them with an empty [`Watch`], and they pass.
    Undecided,
    /// A frame whose head is whole and breaks `max_frame` or `max_message`. The follower stands before it.
    Over(Excess),
    /// A message that may not begin now. The follower stands before it.
    Pause,
}

/// What is too long, in bytes of payload. Its length is what heads announced, not what has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    Frame { length: u64 },
    Message { length: u64 },
}

/// What was broken about the framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    Head(HeadError),
    Violation(Violation),
    /// RFC 6455 section 5.1: a client masks all frames.
    NotMasked,
    /// RFC 6455 section 5.1: a server masks none.
    Masked,
    /// RFC 6455 section 5.4.
    NothingToContinue,
    /// RFC 6455 section 5.4: messages do not interleave.
    MessageInMessage,
    /// RFC 6455 section 5.5.1.
    DataAfterClose,
}

/// What a Close frame said, whether or not it may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// `None` if it said nothing.
    pub code: Option<u16>,
    /// Empty if it is not UTF-8.
    pub reason: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// Of a message that goes on behind it.
    Part,
    /// The last of its message.
    Last,
    Control,
    Close,
}

#[derive(Debug)]
struct ClosePayload {
    key: [u8; 4],
    came: u8,
    /// Unmasked, as far as it came.
    bytes: [u8; close::MAX_PAYLOAD],
}

impl Follower {
    /// Frames of [`Who::Client`] have to be masked, all others must not be.
    pub fn new(from: Who) -> Follower {
        Follower {
            left: 0,
            message: 0,
            messages: 0,
            payload: 0,
            close: None,
            head: [0; MAX_HEAD],
            came: 0,
            frame: Frame::Control,
            mask_bit: if from == Who::Client { 0x80 } else { 0 },
            open: false,
            closed: false,
            breach: None,
        }
    }

    /// Looks at bytes that have not been looked at, and says how many of them go on and what then.
    ///
    /// Where `watch` limits frames or messages, a head that is not whole is kept back as [`Then::Undecided`],
    /// so that [`Then::Over`] and [`Then::Pause`] always stand at a boundary; the limits have to be there
    /// from the first call on, since a head that has passed in part is measured by nobody.
    pub fn follow(&mut self, bytes: &[u8], watch: &Watch) -> Step {
        let last_message = watch.messages_left.map_or(u64::MAX, |left| self.begun().saturating_add(left));
        let mut at = 0;
        loop {
            if self.is_plain() {
                at += self.pass_whole_messages(&bytes[at..], watch, last_message);
            }
            if at == bytes.len() {
                return Step { pass: at, then: Then::All };
            }
            match self.follow_further(&bytes[at..], watch, last_message) {
                Ok(passed) => at += passed,
                Err(then) => return Step { pass: at, then },
            }
        }
    }

    /// Between frames, with nothing broken and no Close passed: a frame of ours may be put in here.
    pub fn is_at_boundary(&self) -> bool {
        self.left == 0 && self.came == 0 && !self.closed && self.breach.is_none()
    }

    /// What was broken about the framing, if something was. From then on everything passes unlooked at.
    pub fn breach(&self) -> Option<Breach> {
        self.breach
    }

    /// A whole Close frame has passed.
    pub fn has_closed(&self) -> bool {
        self.closed
    }

    /// What the first Close frame said, once it has passed.
    pub fn close(&self) -> Option<Close<'_>> {
        let payload = match &self.close {
            _ if !self.closed => return None,
            None => &[][..],
            Some(payload) => &payload.bytes[..payload.came.into()],
        };
        Some(match payload.split_first_chunk() {
            None => Close { code: None, reason: "" },
            Some((code, reason)) => Close {
                code: Some(u16::from_be_bytes(*code)),
                reason: str::from_utf8(reason).unwrap_or_default(),
            },
        })
    }

    /// Messages that have passed, each counted with its last byte.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Messages of which at least a head has passed: what `messages_left` is about.
    pub fn begun(&self) -> u64 {
        self.messages + u64::from(self.open)
    }

    /// Bytes of payload of messages that have passed; those of control frames do not count.
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// Bytes that come next and need no look: what is left of a payload, except a Close's. After a breach
    /// there is no end of them.
    pub fn payload_left(&self) -> u64 {
        match self.frame {
            _ if self.breach.is_some() => u64::MAX,
            Frame::Close => 0,
            Frame::Part | Frame::Last | Frame::Control => self.left,
        }
    }

    /// So many bytes went by without being shown, at most [`Follower::payload_left`].
    pub fn skip(&mut self, count: u64) {
        if self.breach.is_none() {
            self.payload_passes(count.min(self.payload_left()));
        }
    }

    /// Between messages, in a direction that goes on.
    fn is_plain(&self) -> bool {
        !self.open && self.is_at_boundary()
    }

    /// Passes messages that came whole and in one frame, as most do.
    fn pass_whole_messages(&mut self, bytes: &[u8], watch: &Watch, last_message: u64) -> usize {
        let key = usize::from(self.mask_bit >> 5);
        let most = watch.max_frame.unwrap_or(u64::MAX).min(watch.max_message.unwrap_or(u64::MAX));
        let (mut at, mut messages, mut payload) = (0, self.messages, self.payload);
        while let Some([first, second]) = bytes[at..].first_chunk() {
            // A wrong mask bit makes this greater than any length.
            let (head, length) = match second ^ self.mask_bit {
                short @ ..126 => (2 + key, usize::from(short)),
                126 => match bytes[at + 2..].first_chunk().map(|length| u16::from_be_bytes(*length)) {
                    Some(length @ 126..) => (4 + key, usize::from(length)),
                    _ => break,
                },
                _ => break,
            };
            let is_message = matches!(first & 0x8f, 0x81 | 0x82);
            let end = at + head + length;
            if !is_message || end > bytes.len() {
                break;
            }
            if length as u64 > most || messages >= last_message {
                break;
            }
            at = end;
            messages += 1;
            payload += length as u64;
        }
        (self.messages, self.payload) = (messages, payload);
        at
    }

    /// Gives how many of `bytes`, which are not none, pass next. Apart, so that whole messages do not pay for it.
    #[inline(never)]
    fn follow_further(&mut self, bytes: &[u8], watch: &Watch, last_message: u64) -> Result<usize, Then> {
        if self.breach.is_some() {
            Ok(bytes.len())
        } else if self.left > 0 {
            Ok(self.go_on(bytes))
        } else if self.came > 0 {
            Ok(self.enter_further(bytes))
        } else {
            self.enter(bytes, watch, last_message)
        }
    }

    /// Passes what there is of the present frame's payload.
    fn go_on(&mut self, bytes: &[u8]) -> usize {
        let count = self.left.min(bytes.len() as u64);
        if let (Frame::Close, Some(close)) = (self.frame, &mut self.close) {
            close.extend(&bytes[..count as usize]);
        }
        self.payload_passes(count);
        count as usize
    }

    fn payload_passes(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        self.left -= count;
        if matches!(self.frame, Frame::Part | Frame::Last) {
            self.payload = self.payload.saturating_add(count);
        }
        if self.left == 0 {
            self.end_frame();
        }
    }

    fn end_frame(&mut self) {
        match self.frame {
            Frame::Part | Frame::Control => {}
            Frame::Last => {
                self.messages += 1;
                self.open = false;
            }
            Frame::Close => self.closed = true,
        }
    }

    /// Reads the head at the start of `bytes` and gives how many of them pass.
    fn enter(&mut self, bytes: &[u8], watch: &Watch, last_message: u64) -> Result<usize, Then> {
        if let Some(pong) = watch.pong {
            self.look_for_pong(pong, bytes)?;
        }
        match Head::read(bytes) {
            Ok(Some((head, size))) => {
                match self.broken_by(&head) {
                    Some(breach) => self.breach = Some(breach),
                    None => {
                        self.measure(&head, watch, last_message)?;
                        self.begin_frame(&head);
                    }
                }
                Ok(size)
            }
            Ok(None) if watch.has_limits() => Err(Then::Undecided),
            Ok(None) => Ok(self.enter_further(bytes)),
            Err(error) => {
                self.breach = Some(Breach::Head(error));
                Ok(bytes.len())
            }
        }
    }

    /// Goes on with a head that passes in parts.
    fn enter_further(&mut self, bytes: &[u8]) -> usize {
        let came = usize::from(self.came);
        let taken = bytes.len().min(MAX_HEAD - came);
        self.head[came..][..taken].copy_from_slice(&bytes[..taken]);
        self.came = 0;
        match Head::read(&self.head[..came + taken]) {
            Ok(None) => {
                self.came = (came + taken) as u8;
                taken
            }
            Ok(Some((head, size))) => {
                match self.broken_by(&head) {
                    Some(breach) => self.breach = Some(breach),
                    None => self.begin_frame(&head),
                }
                size - came
            }
            Err(error) => {
                self.breach = Some(Breach::Head(error));
                taken
            }
        }
    }

    /// `Err` if `bytes` begin with that pong or may do so.
    fn look_for_pong(&self, pong: &[u8; PING_PAYLOAD], bytes: &[u8]) -> Result<(), Then> {
        if bytes[0] != 0x8a {
            return Ok(());
        }
        let head = [0x8a, self.mask_bit | PING_PAYLOAD as u8];
        let payload_at = 2 + usize::from(self.mask_bit >> 5);
        let mut shown = [0; 2 + 4 + PING_PAYLOAD];
        let count = bytes.len().min(payload_at + PING_PAYLOAD);
        shown[..count].copy_from_slice(&bytes[..count]);
        if let ([_, _, a, b, c, d, payload @ ..], 6) = (&mut shown, payload_at) {
            mask(payload, [*a, *b, *c, *d], 0);
        }
        let payload = shown.get(payload_at..count).unwrap_or_default();
        match head.starts_with(&shown[..count.min(2)]) && pong.starts_with(payload) {
            false => Ok(()),
            true if payload.len() == PING_PAYLOAD => Err(Then::Pong(count)),
            true => Err(Then::Undecided),
        }
    }

    /// What a head breaks, here.
    fn broken_by(&self, head: &Head) -> Option<Breach> {
        if let Some(violation) = head.violation() {
            return Some(Breach::Violation(violation));
        }
        match (head.mask, self.mask_bit) {
            (None, 0) | (Some(_), 1..) => {}
            (None, _) => return Some(Breach::NotMasked),
            (Some(_), _) => return Some(Breach::Masked),
        }
        match head.opcode {
            opcode if opcode.is_control() => None,
            _ if self.closed => Some(Breach::DataAfterClose),
            Opcode::CONTINUATION => (!self.open).then_some(Breach::NothingToContinue),
            _ => self.open.then_some(Breach::MessageInMessage),
        }
    }

    /// Holds a head against the limits.
    fn measure(&self, head: &Head, watch: &Watch, last_message: u64) -> Result<(), Then> {
        if head.opcode.is_control() {
            return Ok(());
        }
        if watch.max_frame.is_some_and(|most| head.length > most) {
            return Err(Then::Over(Excess::Frame { length: head.length }));
        }
        let length = self.message_with(head);
        if watch.max_message.is_some_and(|most| length > most) {
            return Err(Then::Over(Excess::Message { length }));
        }
        // An open message is not among them yet, so its continuations never wait.
        match self.messages >= last_message {
            true => Err(Then::Pause),
            false => Ok(()),
        }
    }

    /// Bytes announced for the message a head belongs to, those of this head included.
    fn message_with(&self, head: &Head) -> u64 {
        let before = if self.open { self.message } else { 0 };
        before.saturating_add(head.length)
    }

    /// Passes a head that breaks nothing.
    fn begin_frame(&mut self, head: &Head) {
        self.left = head.length;
        if !head.opcode.is_control() {
            self.message = self.message_with(head);
            self.open = true;
        }
        self.frame = match head.opcode {
            // What a second Close says concerns nobody.
            Opcode::CLOSE if !self.closed => Frame::Close,
            opcode if opcode.is_control() => Frame::Control,
            _ if head.fin => Frame::Last,
            _ => Frame::Part,
        };
        if self.left == 0 {
            self.end_frame();
        } else if self.frame == Frame::Close {
            let key = head.mask.unwrap_or_default();
            self.close = Some(Box::new(ClosePayload { key, came: 0, bytes: [0; close::MAX_PAYLOAD] }));
        }
    }
}

impl ClosePayload {
    fn extend(&mut self, bytes: &[u8]) {
        let came = usize::from(self.came);
        let place = &mut self.bytes[came..][..bytes.len()];
        place.copy_from_slice(bytes);
        mask(place, self.key, came as u64);
        self.came += bytes.len() as u8;
    }
}

impl Watch<'_> {
    /// Something may be refused or have to wait by what its head says.
    fn has_limits(&self) -> bool {
        self.max_frame.is_some() || self.max_message.is_some() || self.messages_left.is_some()
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Breach::Head(error) => return error.fmt(f),
            Breach::Violation(violation) => return violation.fmt(f),
            Breach::NotMasked => "frame of a client that is not masked",
            Breach::Masked => "masked frame of a server",
            Breach::NothingToContinue => "continuation of no message",
            Breach::MessageInMessage => "message begins inside an unfinished one",
            Breach::DataAfterClose => "data behind a close frame",
        })
    }
}
