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
use super::words::{self, Kind, Token};
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
    /// A `{` is missing before this word of the statement.
    OpenBefore { word: u32 },
    /// This `{` should be a `;`.
    End,
}

/// The changes to make, each with the statement it is about (or the number of statements, for the
/// end of the text), in order; and the statement at which too many of them are needed to go on.
pub(super) fn repairs(
    text: &Text,
    statements: &Statements,
    outer: Option<&[u8]>,
    hints: &dyn Hints,
) -> (Vec<(u32, Repair)>, Option<usize>) {
    let mut looks: Vec<Seen> = Vec::with_capacity(statements.list.len());
    let looking = Looking { text, statements, lines: Lines::new(text) };
    looks.extend(statements.list.iter().map(|statement| looking.at(statement, 0)));
    looking.split(&mut looks);
    let count = statements.list.len();
    let mut readings = Readings::new(&looks, count, outer, hints);
    let mut read = 0;
    while read < count && readings.live[0].changes < MAX_MISTAKES as u32 {
        readings.read(read);
        read += 1;
    }
    (readings.cheapest(read), (read < count).then_some(read))
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
    /// Where it goes on in another line.
    split: Option<Split>,
}

#[derive(Clone, Copy)]
struct Split {
    /// The first word on another line.
    word: u32,
    /// What the statement would look like that begins there, behind all that was seen.
    rest: u32,
}

/// Looks at statements.
struct Looking<'a> {
    text: &'a Text,
    statements: &'a Statements,
    lines: Lines<'a>,
}

impl Looking<'_> {
    /// What the part of a statement looks like that begins with its `from`th word.
    fn at(&self, statement: &Statement, from: usize) -> Seen {
        let words = &self.statements.words(statement)[from..];
        let start = words.first().map_or(statement.end.start, |word| word.start);
        let name = words.first().map(|word| {
            let quote = if let Kind::Word(quote) = word.kind { quote } else { None };
            words::meaning(&self.text.bytes[word.start as usize..word.end as usize], quote)
        });
        Seen {
            what: statement.what,
            name: name.unwrap_or_default(),
            args: words.len().saturating_sub(1),
            line: self.lines.of(start),
            indent: self.lines.indent(start),
            first: self.lines.is_first(start),
            split: None,
        }
    }

    /// Statements that go on in another line may be a block without its `{` and what stands first in
    /// it. Adds that to what was seen.
    fn split(&self, seen: &mut Vec<Seen>) {
        for (at, statement) in self.statements.list.iter().enumerate() {
            let words = self.statements.words(statement);
            let Some(last) = words.last().filter(|last| self.lines.of(last.start) > seen[at].line) else {
                continue;
            };
            let begins_line = |word: &Token| self.lines.is_first(word.start) && word.start <= last.start;
            let Some(word) = words.iter().skip(1).position(begins_line).map(|word| word + 1) else {
                continue;
            };
            seen[at].split = Some(Split { word: word as u32, rest: seen.len() as u32 });
            let rest = self.at(statement, word);
            seen.push(rest);
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

/// How a text is indented.
#[derive(Clone, Copy)]
struct Style {
    /// Columns that make no difference: half of what a block is indented by.
    tolerance: u32,
    /// Most blocks are not indented, so that columns tell nothing.
    flat: bool,
}

impl Style {
    fn of(seen: &[Seen]) -> Style {
        let written = || seen.iter().filter(|seen| seen.what != What::Comment);
        let blocks = written()
            .zip(written().skip(1))
            .filter(|(block, inside)| block.what == What::Open && inside.first);
        let mut steps: HashMap<u32, usize> = HashMap::new();
        for (block, inside) in blocks {
            *steps.entry(inside.indent.saturating_sub(block.indent)).or_default() += 1;
        }
        let not = steps.remove(&0).unwrap_or(0);
        let indented: usize = steps.values().sum();
        let usual = steps.iter().max_by_key(|(step, count)| (**count, u32::MAX - **step));
        Style { tolerance: usual.map_or(2, |(step, _)| step / 2), flat: not > indented }
    }

    fn even(self, left: u32, right: u32) -> bool {
        left.abs_diff(right) <= self.tolerance
    }

    /// Whether a line is not as far to the right as the lines of a block are, or its first line is.
    fn is_outside(self, statement: &Seen, opener: &Seen, frame: Frame) -> bool {
        let less = |inside: u32| statement.indent + self.tolerance < inside;
        !self.flat && (statement.indent <= opener.indent || frame.inside.is_some_and(less))
    }
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
    /// The statements, and behind them those that a missing `{` would make.
    seen: &'a [Seen],
    count: usize,
    style: Style,
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
    fn new(seen: &'a [Seen], count: usize, outer: Option<&'a [u8]>, hints: &'a dyn Hints) -> Readings<'a> {
        let root = Frame { below: NONE, opener: NONE, inside: None, hash: 1 };
        let beam = if seen.len() > LARGE { BEAM_LARGE } else { BEAM };
        let live = vec![Reading { cost: 0, top: 0, changed: NONE, changes: 0, late: 0 }];
        Readings {
            seen,
            count,
            style: Style::of(&seen[..count]),
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
                let pushed = self.push(at, placed);
                self.keep(pushed);
                self.open_between(at, statement, reading);
                self.end_instead(at, statement, reading);
            }
            What::Simple | What::Lua => {
                let placed = self.place(statement, statement.what == What::Lua, reading);
                self.keep(placed);
                self.open_instead(at, statement, reading);
                self.open_between(at, statement, reading);
            }
            What::Comment => {}
        }
    }

    /// A `;` that should be a `{`: what follows looks like a block, or nginx would want one.
    fn open_instead(&mut self, at: usize, statement: &Seen, reading: Reading) {
        let as_block = self.refused(statement, true, reading);
        let wanted = self.refused(statement, false, reading) && !as_block;
        if statement.what != What::Simple || as_block || !(wanted || self.is_followed_by_block(at, statement))
        {
            return;
        }
        let cost = if wanted { cost::OPEN_WHERE_WANTED } else { cost::CHANGE };
        let changed = self.change(reading, cost, at, Repair::Open);
        let placed = self.place(statement, true, changed);
        let pushed = self.push(at, placed);
        self.keep(pushed);
    }

    /// A `{` that is missing at the end of a line.
    fn open_between(&mut self, at: usize, statement: &Seen, reading: Reading) {
        let Some(Split { word, rest: at_rest }) = statement.split else { return };
        let rest = &self.seen[at_rest as usize];
        let opens = statement.what == What::Open;
        let outer = Seen { args: word as usize - 1, name: statement.name.clone(), split: None, ..*statement };
        let as_block = self.refused(&outer, true, reading);
        let wanted = self.refused(statement, opens, reading) && !as_block;
        if as_block || !(wanted || rest.indent > statement.indent) {
            return;
        }
        let cost = if wanted { cost::OPEN_WHERE_WANTED } else { cost::CHANGE };
        let changed = self.change(reading, cost, at, Repair::OpenBefore { word });
        let placed = self.place(&outer, true, changed);
        let inside = self.push(at, placed);
        let placed = self.place(rest, opens, inside);
        let placed = if opens { self.push(at_rest as usize, placed) } else { placed };
        self.keep(placed);
    }

    /// A `{` that should be a `;`: nginx would want one, or nothing is farther to the right behind it.
    fn end_instead(&mut self, at: usize, statement: &Seen, reading: Reading) {
        let anywhere = Shape { block: None, name: &statement.name, args: statement.args, opens: true };
        let is_block = self.hints.is_directive(&statement.name) && !self.hints.is_refused(&anywhere);
        let as_simple = self.refused(statement, false, reading);
        let wanted = self.refused(statement, true, reading) && !as_simple;
        if is_block && self.hints.knows_names()
            || as_simple
            || statement.name.is_empty()
            || !wanted && self.is_followed_by_block(at, statement)
        {
            return;
        }
        let cost = if wanted { cost::OPEN_WHERE_WANTED } else { cost::CHANGE };
        let changed = self.change(reading, cost, at, Repair::End);
        let placed = self.place(statement, false, changed);
        self.keep(placed);
    }

    fn is_followed_by_block(&self, at: usize, statement: &Seen) -> bool {
        let next = self.seen[at + 1..self.count].iter().find(|next| next.what != What::Comment);
        next.is_some_and(|next| next.first && next.indent > statement.indent)
    }

    /// The innermost block ends before this statement, if the statement's line looks so.
    fn close_before(&mut self, at: usize, statement: &Seen, reading: Reading) -> Option<Reading> {
        let frame = self.frames[reading.top as usize];
        let opener = self.seen.get(frame.opener as usize)?;
        let outside = statement.first && self.style.is_outside(statement, opener, frame);
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
            true if self.style.flat || self.style.even(statement.indent, opener.indent) => 0,
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
        let outside = opener.is_some_and(|opener| self.style.is_outside(statement, opener, frame));
        let even = match frame.inside {
            Some(inside) => self.style.flat || self.style.even(inside, statement.indent),
            None => !outside || self.is_flat(frame),
        };
        if !even {
            placed.cost += cost::UNEVEN;
        }
        if outside && frame.inside.is_some_and(|inside| !self.style.even(inside, statement.indent)) {
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

    fn push(&mut self, at: usize, reading: Reading) -> Reading {
        let hash =
            (self.frames[reading.top as usize].hash ^ (at as u64 + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.frames.push(Frame {
            below: reading.top,
            opener: at as u32,
            inside: None,
            hash: hash.rotate_left(23),
        });
        Reading { top: self.frames.len() as u32 - 1, ..reading }
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

    /// A change that names a block by its statement, also where the block was made out of one.
    fn of_statement(&self, repair: Repair) -> Repair {
        match repair {
            Repair::CloseBefore { opener } if opener as usize >= self.count => {
                let made = |seen: &Seen| seen.split.is_some_and(|split| split.rest == opener);
                let whole = self.seen.iter().position(made).map_or(opener, |whole| whole as u32);
                Repair::CloseBefore { opener: whole }
            }
            repair => repair,
        }
    }

    /// The changes of the cheapest reading, once its open blocks are closed at `end`, or without
    /// that if it is not the end of the text.
    fn cheapest(mut self, end: usize) -> Vec<(u32, Repair)> {
        let mut ended: Vec<Reading> = Vec::new();
        for mut reading in std::mem::take(&mut self.live) {
            while end == self.count && self.frames[reading.top as usize].opener != NONE {
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
            repairs.push((*statement, self.of_statement(*repair)));
            at = *before;
        }
        repairs.reverse();
        repairs
    }
}
