//! Braces that do not pair: which reading of the text comes nearest to how it looks.
//!
//! Asked only about texts that nginx refuses. Every reading that adds a `}`, leaves one out, or
//! takes a `;` for a `{` has a cost, and so has all that looks odd in it: a line that is not as far
//! to the right as its block asks for, a directive that has no place in its block. The cheapest few
//! readings are carried from statement to statement; the cheapest at the end tells where the
//! mistakes are.

use std::collections::HashMap;

use super::lines::Lines;
use super::statements::{MAX_MISTAKES, Statement, Statements, What};
use super::words::{self, Kind};
use super::{Hints, Shape};
use crate::source::Text;

/// A change that makes braces pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// The block opened by the statement `opener` ends before this statement.
    CloseBefore { opener: u32 },
    /// This `}` is one too many.
    Drop,
    /// This `;` should be a `{`.
    Open,
}

/// The changes to make, each with the statement it is about (or the number of statements, for the
/// end of the text), in order; and the statement at which too many of them are needed to go on.
pub(super) fn repairs(
    text: &Text,
    statements: &Statements,
    outer: Option<&[u8]>,
    hints: &dyn Hints,
) -> (Vec<(u32, Repair)>, Option<usize>) {
    let lines = Lines::new(text);
    let seen: Vec<Seen> =
        statements.list.iter().map(|statement| Seen::new(text, statements, statement, lines)).collect();
    let mut readings = Readings::new(&seen, outer, hints);
    let mut read = 0;
    while read < seen.len() && readings.live[0].changes < MAX_MISTAKES as u32 {
        readings.read(read);
        read += 1;
    }
    (readings.cheapest(read), (read < seen.len()).then_some(read))
}

/// What a reading costs, in units of oddness.
mod cost {
    /// A change to the text.
    pub const CHANGE: u32 = 10;
    /// Leaving out a `}` that does not begin its line and closes a block begun on another.
    pub const DROP_WITHIN_LINE: u32 = 7;
    /// Taking a `;` for a `{` where nginx would want a block.
    pub const OPEN_WHERE_WANTED: u32 = 5;
    /// A directive where nginx is sure to refuse it.
    pub const REFUSED: u32 = 6;
    /// A line that is not as far to the right as those before it in its block.
    pub const UNEVEN: u32 = 2;
    /// A line in a block that is not farther to the right than the block begins.
    pub const OUTSIDE: u32 = 3;
    /// A `}` that begins its line, but not where its block's line begins.
    pub const CLOSE_UNEVEN: u32 = 4;
    /// A `}` within a line that closes a block begun on another.
    pub const CLOSE_WITHIN_LINE: u32 = 3;
}

/// Readings carried along.
const BEAM: usize = 16;
/// The same for a text of very many statements.
const BEAM_LARGE: usize = 4;
const LARGE: usize = 50_000;

/// Blocks that may be ended before one statement.
const CLOSED_AT_ONCE: usize = 8;

/// What a statement looks like.
struct Seen {
    what: What,
    name: bstr::BString,
    args: usize,
    line: u32,
    indent: u32,
    /// Nothing stands before it on its line.
    first: bool,
}

impl Seen {
    fn new(text: &Text, statements: &Statements, statement: &Statement, lines: Lines) -> Seen {
        let start = statements.start(statement);
        let words = statements.words(statement);
        let name = words.first().map(|word| {
            let quote = if let Kind::Word(quote) = word.kind { quote } else { None };
            words::meaning(&text.bytes[word.start as usize..word.end as usize], quote)
        });
        Seen {
            what: statement.what,
            name: name.unwrap_or_default(),
            args: words.len().saturating_sub(1),
            line: lines.of(start),
            indent: lines.indent(start),
            first: lines.is_first(start),
        }
    }
}

/// An open block of a reading; readings share what is below.
#[derive(Clone, Copy)]
struct Frame {
    below: u32,
    opener: u32,
    /// How far to the right the first line in it begins.
    inside: Option<u32>,
    /// Tells stacks apart.
    hash: u64,
}

#[derive(Clone, Copy)]
struct Reading {
    cost: u32,
    top: u32,
    /// The last change, in `Readings::changes`.
    changed: u32,
    /// How many changes.
    changes: u32,
    /// The sum of the statements they are about.
    late: u64,
}

/// Whether a line is not as far to the right as the lines of a block are, or its first line is.
fn is_outside(statement: &Seen, opener: &Seen, frame: Frame) -> bool {
    statement.indent <= opener.indent || frame.inside.is_some_and(|inside| statement.indent < inside)
}

impl Reading {
    /// The least is the best.
    fn rank(&self) -> (u32, u64) {
        (self.cost, u64::MAX - self.late)
    }
}

/// No statement, no change.
const NONE: u32 = u32::MAX;

struct Readings<'a> {
    seen: &'a [Seen],
    outer: Option<&'a [u8]>,
    hints: &'a dyn Hints,
    frames: Vec<Frame>,
    /// Each with the one before it.
    changes: Vec<(u32, u32, Repair)>,
    live: Vec<Reading>,
    next: HashMap<u64, Reading>,
    beam: usize,
}

impl<'a> Readings<'a> {
    fn new(seen: &'a [Seen], outer: Option<&'a [u8]>, hints: &'a dyn Hints) -> Readings<'a> {
        let root = Frame { below: NONE, opener: NONE, inside: None, hash: 1 };
        let beam = if seen.len() > LARGE { BEAM_LARGE } else { BEAM };
        let live = vec![Reading { cost: 0, top: 0, changed: NONE, changes: 0, late: 0 }];
        Readings {
            seen,
            outer,
            hints,
            frames: vec![root],
            changes: Vec::new(),
            live,
            next: HashMap::new(),
            beam,
        }
    }

    /// Carries all readings over one statement.
    fn read(&mut self, at: usize) {
        let seen = self.seen;
        let statement = &seen[at];
        if statement.what == What::Comment {
            return;
        }
        for mut reading in std::mem::take(&mut self.live) {
            self.step(at, statement, reading);
            for _ in 0..CLOSED_AT_ONCE {
                let Some(closed) = self.close_before(at, statement, reading) else { break };
                self.step(at, statement, closed);
                reading = closed;
            }
        }
        self.prune();
    }

    fn step(&mut self, at: usize, statement: &Seen, reading: Reading) {
        match statement.what {
            What::Close => {
                self.drop_close(at, statement, reading);
                self.close(statement, reading);
            }
            What::Open => {
                let placed = self.place(statement, true, reading);
                self.push(at, placed);
            }
            What::Simple | What::Lua => {
                let placed = self.place(statement, statement.what == What::Lua, reading);
                self.keep(placed);
                self.open_instead(at, statement, reading);
            }
            What::Comment => {}
        }
    }

    fn open_instead(&mut self, at: usize, statement: &Seen, reading: Reading) {
        let written = self.seen[at + 1..].iter().find(|next| next.what != What::Comment);
        let deeper = written.is_some_and(|next| next.first && next.indent > statement.indent);
        let as_block = self.refused(statement, true, reading);
        let wanted = self.refused(statement, false, reading) && !as_block;
        if statement.what != What::Simple || as_block || !(deeper || wanted) {
            return;
        }
        let cost = if wanted { cost::OPEN_WHERE_WANTED } else { cost::CHANGE };
        let changed = self.change(reading, cost, at, Repair::Open);
        let placed = self.place(statement, true, changed);
        self.push(at, placed);
    }

    /// The innermost block ends before this statement, if the statement's line looks so.
    fn close_before(&mut self, at: usize, statement: &Seen, reading: Reading) -> Option<Reading> {
        let frame = self.frames[reading.top as usize];
        let opener = self.seen.get(frame.opener as usize)?;
        let outside = statement.first && is_outside(statement, opener, frame);
        let refused = || {
            statement.what != What::Close && self.refused(statement, statement.what == What::Open, reading)
        };
        if !(outside || refused()) {
            return None;
        }
        let repair = Repair::CloseBefore { opener: frame.opener };
        Some(Reading { top: frame.below, ..self.change(reading, cost::CHANGE, at, repair) })
    }

    fn drop_close(&mut self, at: usize, statement: &Seen, reading: Reading) {
        let opener = self.seen.get(self.frames[reading.top as usize].opener as usize);
        let within = !statement.first && opener.is_none_or(|opener| opener.line != statement.line);
        let cost = if within { cost::DROP_WITHIN_LINE } else { cost::CHANGE };
        let dropped = self.change(reading, cost, at, Repair::Drop);
        self.keep(dropped);
    }

    fn close(&mut self, statement: &Seen, reading: Reading) {
        let frame = self.frames[reading.top as usize];
        let Some(opener) = self.seen.get(frame.opener as usize) else { return };
        let odd = match statement.first {
            true if statement.indent == opener.indent => 0,
            true => cost::CLOSE_UNEVEN,
            false if statement.line == opener.line => 0,
            false => cost::CLOSE_WITHIN_LINE,
        };
        self.keep(Reading { cost: reading.cost + odd, top: frame.below, ..reading });
    }

    /// Puts a directive into the innermost block.
    fn place(&mut self, statement: &Seen, opens: bool, reading: Reading) -> Reading {
        let mut placed = reading;
        if self.refused(statement, opens, reading) {
            placed.cost += cost::REFUSED;
        }
        if !statement.first {
            return placed;
        }
        let frame = self.frames[reading.top as usize];
        let opener = self.seen.get(frame.opener as usize);
        let outside = opener.is_some_and(|opener| is_outside(statement, opener, frame));
        let even = match frame.inside {
            Some(inside) => inside == statement.indent,
            None => !outside || self.is_flat(frame),
        };
        if !even {
            placed.cost += cost::UNEVEN;
        }
        if outside && frame.inside.is_some_and(|inside| inside != statement.indent) {
            placed.cost += cost::OUTSIDE;
        }
        if frame.inside.is_none() {
            self.frames.push(Frame { inside: Some(statement.indent), ..frame });
            placed.top = self.frames.len() as u32 - 1;
        }
        placed
    }

    /// A block that is not farther to the right than the block around it: nothing is indented here.
    fn is_flat(&self, frame: Frame) -> bool {
        let opener = |frame: Frame| self.seen.get(frame.opener as usize);
        let outer = self.frames.get(frame.below as usize).copied().and_then(opener);
        opener(frame).zip(outer).is_some_and(|(opener, outer)| opener.first && opener.indent <= outer.indent)
    }

    fn push(&mut self, at: usize, reading: Reading) {
        let hash =
            (self.frames[reading.top as usize].hash ^ (at as u64 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.frames.push(Frame {
            below: reading.top,
            opener: at as u32,
            inside: None,
            hash: hash.rotate_left(23),
        });
        self.keep(Reading { top: self.frames.len() as u32 - 1, ..reading });
    }

    fn refused(&self, statement: &Seen, opens: bool, reading: Reading) -> bool {
        if statement.what == What::Lua || statement.name.is_empty() {
            return false;
        }
        let opener = self.seen.get(self.frames[reading.top as usize].opener as usize);
        let block = opener.map_or(self.outer, |opener| Some(&opener.name));
        self.hints.is_refused(&Shape { block, name: &statement.name, args: statement.args, opens })
    }

    fn change(&mut self, reading: Reading, cost: u32, at: usize, repair: Repair) -> Reading {
        self.changes.push((reading.changed, at as u32, repair));
        Reading {
            cost: reading.cost + cost,
            changed: self.changes.len() as u32 - 1,
            changes: reading.changes + 1,
            late: reading.late + at as u64,
            ..reading
        }
    }

    /// Of two readings with the same open blocks the cheaper one goes on, or the one that is changed
    /// later: a block is as long as it can be.
    fn keep(&mut self, reading: Reading) {
        let known = self.next.entry(self.frames[reading.top as usize].hash).or_insert(reading);
        if reading.rank() < known.rank() {
            *known = reading;
        }
    }

    fn prune(&mut self) {
        self.live.extend(self.next.drain().map(|(_, reading)| reading));
        self.live.sort_unstable_by_key(|reading| (reading.rank(), reading.top));
        self.live.truncate(self.beam);
    }

    /// The changes of the cheapest reading, once its open blocks are closed at `end`, or without
    /// that if it is not the end of the text.
    fn cheapest(mut self, end: usize) -> Vec<(u32, Repair)> {
        let mut ended: Vec<Reading> = Vec::new();
        for mut reading in std::mem::take(&mut self.live) {
            while end == self.seen.len() && self.frames[reading.top as usize].opener != NONE {
                let frame = self.frames[reading.top as usize];
                let repair = Repair::CloseBefore { opener: frame.opener };
                reading = Reading { top: frame.below, ..self.change(reading, cost::CHANGE, end, repair) };
            }
            ended.push(reading);
        }
        let mut at =
            ended.iter().min_by_key(|reading| reading.rank()).map_or(NONE, |reading| reading.changed);
        let mut repairs = Vec::new();
        while let Some((before, statement, repair)) = self.changes.get(at as usize) {
            repairs.push((*statement, *repair));
            at = *before;
        }
        repairs.reverse();
        repairs
    }
}
