//! One direction of a tunnel: bytes from a source to a sink, as they are.

use std::io;

use super::follower::{Excess, Then, Watch};
use super::frames::Lane;
use super::rules::{Over, Rate, Unit};
use super::side::Came;
use super::{Side, Socket, Why};

/// Reads in one direction before other tunnels of the worker get their turn.
const READS_PER_TURN: u32 = 8;

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

struct Held {
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
    pub now: u64,
}

impl Flow {
    pub fn new(early: Vec<u8>) -> Flow {
        let held = (!early.is_empty()).then(|| Box::new(Held { bytes: early, taken: 0 }));
        Flow { held, ..Flow::default() }
    }

    /// Changes when a byte moves.
    pub fn total(&self) -> u64 {
        self.received + self.sent
    }

    pub fn is_blocked(&self) -> bool {
        self.held.is_some()
    }

    /// Moves what can be moved now, through `buffer`.
    pub fn turn<S: Socket>(
        &mut self,
        from: &mut Side<S>,
        to: &mut Side<S>,
        buffer: &mut [u8],
        terms: Option<Terms>,
    ) -> Turn {
        let turn = match (self.release(to), terms) {
            (Ok(false), _) => Ok(Turn::Blocked),
            (Ok(true), None) => self.carry(from, to, buffer),
            (Ok(true), Some(mut terms)) => self.follow(from, to, buffer, &mut terms),
            (Err(error), _) => Err(error),
        };
        turn.unwrap_or_else(|error| Turn::Broken(Why::WriteFailed(error)))
    }

    /// Moves bytes without a look. An error is the sink's.
    fn carry<S: Socket>(
        &mut self,
        from: &mut Side<S>,
        to: &mut Side<S>,
        buffer: &mut [u8],
    ) -> io::Result<Turn> {
        for _ in 0..READS_PER_TURN {
            let count = match self.read(from, buffer) {
                Ok(count) => count,
                Err(turn) => return Ok(turn),
            };
            if !self.put(to, &buffer[..count])? {
                return Ok(Turn::Blocked);
            }
        }
        Ok(Turn::Unfinished)
    }

    /// Moves bytes and follows the frames they make. An error is the sink's.
    fn follow<S: Socket>(
        &mut self,
        from: &mut Side<S>,
        to: &mut Side<S>,
        buffer: &mut [u8],
        terms: &mut Terms,
    ) -> io::Result<Turn> {
        for _ in 0..READS_PER_TURN {
            let mut count = terms.lane.unseen.len();
            if count == 0 || terms.lane.undecided {
                let room = match terms.room(buffer.len() - count) {
                    Ok(room) => room,
                    Err(turn) => return Ok(turn),
                };
                let came = match self.read(from, &mut buffer[count..][..room]) {
                    Ok(came) => came,
                    Err(Turn::Ended(why)) => return self.pass_rest(to, buffer, terms, why),
                    Err(turn) => return Ok(turn),
                };
                if !terms.affords(came) {
                    return Ok(Turn::TooFast);
                }
                count += came;
            } else if let Some(moment) = terms.is_pausing() {
                return Ok(Turn::Delayed(moment));
            }
            terms.lane.take_unseen(buffer);
            if let Some(turn) = self.pass(to, &buffer[..count], terms)? {
                return Ok(turn);
            }
            if self.is_blocked() {
                return Ok(Turn::Blocked);
            }
        }
        Ok(Turn::Unfinished)
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
        if let Some(held) = &mut self.held {
            held.bytes.extend_from_slice(bytes);
            return Ok(false);
        }
        if bytes.is_empty() {
            return Ok(true);
        }
        let taken = to.write(bytes)?;
        self.sent += taken as u64;
        if taken == bytes.len() {
            return Ok(true);
        }
        self.held = Some(Box::new(Held { bytes: bytes[taken..].to_vec(), taken: 0 }));
        Ok(false)
    }

    /// Gives the sink what is held, and its memory back when all is gone. False if there is still some.
    pub fn release<S: Socket>(&mut self, to: &mut Side<S>) -> io::Result<bool> {
        let Some(held) = &mut self.held else { return Ok(true) };
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

    /// Until when nothing of what was kept may go on.
    fn is_pausing(&mut self) -> Option<u64> {
        let rate = self.rate?;
        (self.lane.units(rate, self.now) == 0).then(|| self.lane.refilled(rate, self.now))
    }

    /// What becomes of a source that is too fast.
    fn pause(&self) -> Turn {
        match self.rate {
            Some(rate) if rate.over == Over::Delay => Turn::Delayed(self.lane.refilled(rate, self.now)),
            _ => Turn::TooFast,
        }
    }
}
