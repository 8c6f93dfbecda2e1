//! One direction of a tunnel: bytes from a source to a sink, as they are.

use std::io;

use crate::net::Pipe;
use crate::websocket::frame::MAX_HEAD;

use super::follower::{Excess, Then, Watch};
use super::frames::Lane;
use super::rules::{Over, Rate, Unit};
use super::side::Came;
use super::{Side, Socket, Why};

/// Reads in one direction before other tunnels of the worker get their turn.
const READS_PER_TURN: u32 = 8;

/// The same in bytes, read or moved without being read.
const BYTES_PER_TURN: u64 = 512 * 1024;

/// Bytes at once for which a way around copying them pays.
const WORTHWHILE: u64 = 16 * 1024;

/// What one direction keeps between turns. While the sink takes what comes, that is two counters.
#[derive(Default)]
pub(super) struct Flow {
    /// What the sink did not take yet; nothing is read while there is any, so it never grows beyond what is
    /// read at once and a frame or two of ours. Mostly there is none, and a pointer is all that idles.
    held: Option<Box<Held>>,
    /// Bytes read.
    pub received: u64,
    /// Bytes the sink took, with those that were there from the start.
    pub sent: u64,
}

/// What came of moving bytes without copying them.
enum Spliced {
    Bytes(u64),
    Over(Turn),
    /// It does not pay, or cannot be done: they are to be read.
    Not,
}

#[derive(Default)]
struct Held {
    /// Goes first.
    pipe: Option<Pipe>,
    bytes: Vec<u8>,
    /// How many of them the sink has taken.
    taken: usize,
}

/// How far a direction got.
#[derive(Debug)]
pub(super) enum Turn {
    /// The source has nothing more for now, and the sink has all of it.
    Idle,
    /// The sink takes no more for now.
    Blocked,
    /// There may be more at once.
    Unfinished,
    /// The source is faster than it may be: it is not listened to before this moment.
    Delayed(u64),
    /// The source gives no more, and the sink has all of it.
    Ended(Why),
    /// The sink failed.
    Broken(Why),
    /// The next frame of the source is too long. Everything before it has gone on, if only to be held.
    Over(Excess),
    /// The source is faster than it may be, and that is not suffered.
    TooFast,
}

/// What a direction is held to where its frames are followed.
pub(super) struct Terms<'a> {
    pub lane: &'a mut Lane,
    /// Sizes, and what the pong to a ping of ours carries.
    pub watch: Watch<'a>,
    pub rate: Option<&'a Rate>,
    /// The sink is told of the end, which needs the end of a frame.
    pub tells: bool,
    pub now: u64,
}

impl Flow {
    pub fn new(early: Vec<u8>) -> Flow {
        let held = (!early.is_empty()).then(|| Box::new(Held { bytes: early, ..Held::default() }));
        Flow { held, ..Flow::default() }
    }

    /// Changes when a byte moves.
    pub fn total(&self) -> u64 {
        self.received + self.sent
    }

    pub fn is_blocked(&self) -> bool {
        self.held.is_some()
    }

    /// There is nothing to be moved, as most often in one direction while something moves in the other.
    pub fn rests<S: Socket>(&self, from: &Side<S>, lane: Option<&Lane>) -> bool {
        let waits = lane.is_some_and(|lane| !lane.unseen.is_empty());
        self.held.is_none() && !from.is_readable() && !waits
    }

    /// Moves what can be moved now, through `buffer`.
    pub fn turn<S: Socket>(
        &mut self,
        from: &mut Side<S>,
        to: &mut Side<S>,
        buffer: &mut [u8],
        terms: Option<Terms>,
    ) -> Turn {
        let turn = match self.release(to) {
            Ok(true) => self.go_on(from, to, buffer, terms),
            Ok(false) => Ok(Turn::Blocked),
            Err(error) => Err(error),
        };
        turn.unwrap_or_else(|error| Turn::Broken(Why::WriteFailed(error)))
    }

    /// Moves bytes, and follows the frames they make where there are terms. An error is the sink's.
    fn go_on<S: Socket>(
        &mut self,
        from: &mut Side<S>,
        to: &mut Side<S>,
        buffer: &mut [u8],
        mut terms: Option<Terms>,
    ) -> io::Result<Turn> {
        let before = self.received;
        for _ in 0..READS_PER_TURN {
            if self.received - before >= BYTES_PER_TURN {
                break;
            }
            let most = terms.as_ref().map_or(u64::MAX, Terms::unlooked);
            let turn = match (self.splice(from, to, most)?, &mut terms) {
                (Spliced::Over(turn), _) => Some(turn),
                (Spliced::Bytes(_), None) => None,
                (Spliced::Bytes(count), Some(terms)) => {
                    terms.lane.follower.skip(count);
                    None
                }
                (Spliced::Not, None) => self.carry(from, to, buffer)?,
                (Spliced::Not, Some(terms)) => self.show(from, to, buffer, terms)?,
            };
            if let Some(turn) = turn {
                return Ok(turn);
            }
            if self.is_blocked() {
                return Ok(Turn::Blocked);
            }
            if !from.is_readable() {
                return Ok(Turn::Idle);
            }
        }
        Ok(Turn::Unfinished)
    }

    /// Reads, and passes it on without a look. Something if this is all for now.
    #[inline]
    fn carry<S: Socket>(
        &mut self,
        from: &mut Side<S>,
        to: &mut Side<S>,
        buffer: &mut [u8],
    ) -> io::Result<Option<Turn>> {
        let count = match self.read(from, buffer) {
            Ok(count) => count,
            Err(turn) => return Ok(Some(turn)),
        };
        self.put(to, &buffer[..count])?;
        from.is_bulky = count == buffer.len();
        Ok(None)
    }

    /// Reads, and passes what frames allow. Something if this is all for now.
    fn show<S: Socket>(
        &mut self,
        from: &mut Side<S>,
        to: &mut Side<S>,
        buffer: &mut [u8],
        terms: &mut Terms,
    ) -> io::Result<Option<Turn>> {
        if terms.lane.is_waiting() {
            if let Some(turn) = terms.pausing() {
                return Ok(Some(turn));
            }
            let waited = std::mem::take(&mut terms.lane.unseen);
            return self.pass(to, &waited, terms);
        }
        let before = terms.lane.unseen.len();
        // Where the last message went around the buffer, a head is all that is wanted of the next.
        let head_only = from.is_bulky && before == 0 && terms.lane.follower.is_at_boundary();
        let room = match terms.room(buffer.len() - before) {
            Ok(room) if head_only => room.min(MAX_HEAD),
            Ok(room) => room,
            Err(turn) => return Ok(Some(turn)),
        };
        let came = match self.read(from, &mut buffer[before..][..room]) {
            Ok(came) => came,
            Err(Turn::Ended(why)) => return self.pass_rest(to, buffer, terms, why).map(Some),
            Err(turn) => return Ok(Some(turn)),
        };
        let count = before + came;
        from.is_bulky = head_only || count == buffer.len();
        terms.lane.take_unseen(buffer);
        if !terms.affords(came) {
            // The rest of a frame may be among it.
            terms.lane.keep(&buffer[..count], false);
            return Ok(Some(Turn::TooFast));
        }
        let passed = self.pass(to, &buffer[..count], terms);
        if head_only {
            from.is_bulky = terms.lane.follower.payload_left() >= WORTHWHILE;
        }
        passed
    }

    /// Moves at most `most` bytes without copying them, where so many come at once that it pays.
    #[inline]
    fn splice<S: Socket>(&mut self, from: &mut Side<S>, to: &mut Side<S>, most: u64) -> io::Result<Spliced> {
        match S::SPLICES && from.is_bulky && most >= WORTHWHILE {
            true => self.splice_bulk(from, to, most),
            false => Ok(Spliced::Not),
        }
    }

    #[cold]
    fn splice_bulk<S: Socket>(
        &mut self,
        from: &mut Side<S>,
        to: &mut Side<S>,
        most: u64,
    ) -> io::Result<Spliced> {
        let Some(mut pipe) = Pipe::borrow() else { return Ok(Spliced::Not) };
        let count = match from.splice_into(&mut pipe, most) {
            Came::Nothing => return Ok(Spliced::Over(Turn::Idle)),
            Came::End(None) => return Ok(Spliced::Over(Turn::Ended(Why::Eof))),
            // Not every system can do this with every socket; a socket that failed says so again when read.
            Came::End(Some(_)) => {
                from.is_bulky = false;
                return Ok(Spliced::Not);
            }
            Came::Bytes(count) => count as u64,
        };
        self.received += count;
        from.is_bulky = count >= WORTHWHILE;
        self.sent += to.splice_from(&mut pipe)? as u64;
        if !pipe.is_empty() {
            self.held = Some(Box::new(Held { pipe: Some(pipe), ..Held::default() }));
        }
        Ok(Spliced::Bytes(count))
    }

    /// Passes bytes on as far as they may go. Something if that is not to their end.
    fn pass<S: Socket>(
        &mut self,
        to: &mut Side<S>,
        bytes: &[u8],
        terms: &mut Terms,
    ) -> io::Result<Option<Turn>> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let watch = Watch { messages_left: terms.messages_left(), ..terms.watch };
            let begun = terms.lane.follower.begun();
            let step = terms.lane.follower.follow(rest, &watch);
            if watch.messages_left.is_some() {
                terms.lane.take(terms.lane.follower.begun() - begun);
            }
            self.put(to, &rest[..step.pass])?;
            at += step.pass;
            match step.then {
                Then::All => break,
                Then::Pong(length) => at += length,
                Then::Undecided => {
                    terms.lane.keep(&bytes[at..], true);
                    break;
                }
                Then::Over(excess) => return Ok(Some(Turn::Over(excess))),
                Then::Pause => {
                    terms.lane.keep(&bytes[at..], false);
                    return Ok(Some(terms.pause()));
                }
            }
        }
        Ok(None)
    }

    /// Passes what was kept back in the hope of more, when no more is to come.
    fn pass_rest<S: Socket>(
        &mut self,
        to: &mut Side<S>,
        buffer: &mut [u8],
        terms: &mut Terms,
        why: Why,
    ) -> io::Result<Turn> {
        let count = terms.lane.take_unseen(buffer);
        if terms.tells {
            // The beginning of a head is of no use to anyone, and a Close could not go behind it.
            return Ok(Turn::Ended(why));
        }
        let rest = &buffer[..count];
        // With nothing to watch for all of it passes.
        let _ = terms.lane.follower.follow(rest, &Watch::default());
        // The source says once more that it has ended, when the sink has taken this.
        Ok(if self.put(to, rest)? { Turn::Ended(why) } else { Turn::Blocked })
    }

    /// Reads, or says why nothing came.
    fn read<S: Socket>(&mut self, from: &mut Side<S>, buffer: &mut [u8]) -> Result<usize, Turn> {
        match from.read(buffer) {
            Came::Nothing => Err(Turn::Idle),
            Came::End(None) => Err(Turn::Ended(Why::Eof)),
            Came::End(Some(error)) => Err(Turn::Ended(Why::ReadFailed(error))),
            Came::Bytes(count) => {
                self.received += count as u64;
                Ok(count)
            }
        }
    }

    /// Gives bytes to the sink; what it does not take is held. False if there is any.
    pub fn put<S: Socket>(&mut self, to: &mut Side<S>, bytes: &[u8]) -> io::Result<bool> {
        self.put_by(to, bytes, Side::write)
    }

    /// The same for the last bytes of all, behind which the sink is told of the end at once.
    pub fn put_last<S: Socket>(&mut self, to: &mut Side<S>, bytes: &[u8]) -> io::Result<bool> {
        self.put_by(to, bytes, Side::write_last)
    }

    #[inline]
    fn put_by<S: Socket>(
        &mut self,
        to: &mut Side<S>,
        bytes: &[u8],
        write: impl Fn(&mut Side<S>, &[u8]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        if let Some(held) = &mut self.held {
            held.bytes.extend_from_slice(bytes);
            return Ok(false);
        }
        if bytes.is_empty() {
            return Ok(true);
        }
        let taken = write(to, bytes)?;
        self.sent += taken as u64;
        if taken == bytes.len() {
            return Ok(true);
        }
        self.held = Some(Box::new(Held { bytes: bytes[taken..].to_vec(), ..Held::default() }));
        Ok(false)
    }

    /// Gives the sink what is held, and its memory back when all is gone. False if there is still some.
    pub fn release<S: Socket>(&mut self, to: &mut Side<S>) -> io::Result<bool> {
        let Some(held) = &mut self.held else { return Ok(true) };
        if let Some(pipe) = &mut held.pipe {
            self.sent += to.splice_from(pipe)? as u64;
            if !pipe.is_empty() {
                return Ok(false);
            }
            held.pipe = None;
        }
        let taken = to.write(&held.bytes[held.taken..])?;
        self.sent += taken as u64;
        held.taken += taken;
        let all = held.taken == held.bytes.len();
        if all {
            self.held = None;
        }
        Ok(all)
    }
}

impl Terms<'_> {
    /// How many bytes come next that nobody looks at.
    fn unlooked(&self) -> u64 {
        let counted = self.rate.is_some_and(|rate| rate.unit == Unit::Bytes);
        if counted || !self.lane.unseen.is_empty() { 0 } else { self.lane.follower.payload_left() }
    }

    /// How many of `most` bytes may be read now.
    fn room(&mut self, most: usize) -> Result<usize, Turn> {
        let Some(rate) = self.rate.filter(|rate| rate.unit == Unit::Bytes) else { return Ok(most) };
        match (self.lane.units(rate, self.now), rate.over) {
            // Whether there is one byte too many is seen when it has come.
            (units, Over::Close) => Ok(most.min(usize::try_from(units).unwrap_or(most).saturating_add(1))),
            (0, Over::Delay) => Err(self.pause()),
            (units, Over::Delay) => Ok(most.min(usize::try_from(units).unwrap_or(most))),
        }
    }

    /// Takes bytes that were read out of the bucket. False if that was more than may be.
    fn affords(&mut self, bytes: usize) -> bool {
        let Some(rate) = self.rate.filter(|rate| rate.unit == Unit::Bytes) else { return true };
        let had = self.lane.units(rate, self.now);
        self.lane.take(bytes as u64);
        had >= bytes as u64
    }

    /// How many messages may begin now, where they are counted.
    fn messages_left(&mut self) -> Option<u64> {
        let rate = self.rate.filter(|rate| rate.unit == Unit::Messages)?;
        Some(self.lane.units(rate, self.now))
    }

    /// Takes what came before the first turn: frames like those that come later.
    pub fn begin(self, early: Vec<u8>) {
        if let Some(rate) = self.rate.filter(|rate| rate.unit == Unit::Bytes) {
            self.lane.units(rate, self.now);
            self.lane.take(early.len() as u64);
        }
        self.lane.unseen = early;
    }

    /// What becomes of the source if nothing of what waits may go on yet.
    fn pausing(&mut self) -> Option<Turn> {
        let rate = self.rate?;
        let may_not = match rate.unit {
            Unit::Messages => self.lane.units(rate, self.now) == 0,
            // They were taken out of the bucket when they came.
            Unit::Bytes => self.lane.owes(rate, self.now),
        };
        may_not.then(|| self.pause())
    }

    /// What becomes of a source that is too fast.
    fn pause(&self) -> Turn {
        match self.rate {
            Some(rate) if rate.over == Over::Delay => Turn::Delayed(self.lane.refilled(rate, self.now)),
            _ => Turn::TooFast,
        }
    }
}
