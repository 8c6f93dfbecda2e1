//! One direction of a tunnel: bytes from a source to a sink, as they are.

use std::io;

use super::side::Came;
use super::{Side, Socket, Why};

/// Reads in one direction before other tunnels of the worker get their turn.
const READS_PER_TURN: u32 = 8;

/// What one direction keeps between turns. While the sink takes what comes, that is two counters.
#[derive(Default)]
pub(super) struct Flow {
    /// What the sink did not take yet; nothing is read while there is any, so it never grows beyond what is
    /// read at once. Mostly there is none, and a pointer is all that idles.
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
    /// The source gives no more, and the sink has all of it.
    Ended(Why),
    /// The sink failed.
    Broken(Why),
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

    /// Moves what can be moved now, through `buffer`.
    pub fn turn<S: Socket>(&mut self, from: &mut Side<S>, to: &mut Side<S>, buffer: &mut [u8]) -> Turn {
        match self.carry(from, to, buffer) {
            Ok(turn) => turn,
            Err(error) => Turn::Broken(Why::WriteFailed(error)),
        }
    }

    /// An error is the sink's.
    fn carry<S: Socket>(
        &mut self,
        from: &mut Side<S>,
        to: &mut Side<S>,
        buffer: &mut [u8],
    ) -> io::Result<Turn> {
        if self.held.is_some() && !self.release(to)? {
            return Ok(Turn::Blocked);
        }
        for _ in 0..READS_PER_TURN {
            match from.read(buffer) {
                Came::Nothing => return Ok(Turn::Idle),
                Came::End(None) => return Ok(Turn::Ended(Why::Eof)),
                Came::End(Some(error)) => return Ok(Turn::Ended(Why::ReadFailed(error))),
                Came::Bytes(count) => {
                    self.received += count as u64;
                    if !self.put(to, &buffer[..count])? {
                        return Ok(Turn::Blocked);
                    }
                }
            }
        }
        Ok(Turn::Unfinished)
    }

    /// Gives bytes to the sink; what it does not take is held. False if there is any.
    fn put<S: Socket>(&mut self, to: &mut Side<S>, bytes: &[u8]) -> io::Result<bool> {
        let taken = to.write(bytes)?;
        self.sent += taken as u64;
        if taken == bytes.len() {
            return Ok(true);
        }
        self.held = Some(Box::new(Held { bytes: bytes[taken..].to_vec(), taken: 0 }));
        Ok(false)
    }

    /// Gives the sink what is held, and its memory back when all is gone. False if there is still some.
    fn release<S: Socket>(&mut self, to: &mut Side<S>) -> io::Result<bool> {
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
