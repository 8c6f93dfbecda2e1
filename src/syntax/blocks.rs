//! Statements to statements whose braces pair.
//!
//! Where nginx finds every `{` closed and every `}` opened, nothing changes. Where it does not,
//! [`super::repair`] is asked what was meant, and each change is one mistake told.

use super::lines::Lines;
use super::repair::{self, Repair};
use super::statements::{self, Known, MAX_MISTAKES, Statement, Statements, What};
use super::words;
use crate::diagnostics::{Diagnostic, Edit, Fix};
use crate::source::{FileId, Span, Text};

/// Makes the braces of a text pair; `outer` is the block in which the text is included.
pub(super) fn pair(
    text: &Text,
    file: FileId,
    known: Known,
    statements: &mut Statements,
    mistakes: &mut Vec<Diagnostic>,
) {
    let Balance { paired, too_deep } = balance(statements);
    if let Some(at) = too_deep {
        return cut_off(file, at, statements, mistakes);
    }
    if paired && !known.doubts.is_some_and(|doubts| doubts.braces) {
        return;
    }
    let (repairs, stopped) = repair::repairs(text, statements, known.outer, known.hints);
    if let Some(at) = stopped {
        let end = statements.list[at].end.start;
        mistakes.push(statements::too_many(Span { file, start: end, end }));
        statements.list.truncate(at);
    }
    let telling = Telling { text, lines: Lines::new(text), file, statements };
    let before = mistakes.iter().rev().take_while(|mistake| mistake.span().file == file).count();
    let told = repairs.iter().take(MAX_MISTAKES.saturating_sub(before));
    // Of blocks that end behind the same statement the outer one ends last.
    let mut floor = 0;
    let told: Vec<Diagnostic> = told
        .map(|(at, repair)| {
            let mistake = telling.tell(*at as usize, *repair, floor);
            floor = floor.max(mistake.span().start);
            mistake
        })
        .collect();
    let closes = told.iter().map(|found| found.span().start).collect::<Vec<_>>();
    mistakes.extend(told);
    apply(statements, &repairs, &closes);
}

/// How deep blocks may stand in one another, all includes together. nginx has no limit of its own;
/// whoever walks the tree calls itself once per level.
pub const MAX_DEPTH: usize = 1_200;

struct Balance {
    paired: bool,
    /// The first statement that stands deeper than [`MAX_DEPTH`].
    too_deep: Option<usize>,
}

fn balance(statements: &Statements) -> Balance {
    let mut depth = 0usize;
    let mut paired = true;
    for (at, statement) in statements.list.iter().enumerate() {
        match statement.what {
            What::Open => depth += 1,
            What::Close if depth == 0 => paired = false,
            What::Close => depth -= 1,
            What::Simple | What::Lua | What::Comment => {}
        }
        if depth > MAX_DEPTH {
            return Balance { paired, too_deep: Some(at) };
        }
    }
    Balance { paired: paired && depth == 0, too_deep: None }
}

fn cut_off(file: FileId, at: usize, statements: &mut Statements, mistakes: &mut Vec<Diagnostic>) {
    let end = statements.list[at].end.clone();
    mistakes.push(too_deep(Span { file, start: end.start, end: end.end }));
    statements.list.truncate(at);
    let mut depth = 0usize;
    for statement in &statements.list {
        match statement.what {
            What::Open => depth += 1,
            What::Close => depth = depth.saturating_sub(1),
            What::Simple | What::Lua | What::Comment => {}
        }
    }
    statements.list.extend(std::iter::repeat_n(missing_close(end.start), depth));
}

/// What is said where a block stands too deep.
pub(super) fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error("too-deep", span, format!("blocks are nested more than {MAX_DEPTH} levels deep"))
        .here("nothing is read from here on")
        .note("nginx has no such limit, but needs stack for each level; so does wsproxy")
}

fn missing_close(at: u32) -> Statement {
    Statement { what: What::Close, words: 0..0, end: at..at }
}

/// Makes the changes; `places` is where each was told, and so where a `}` is thought to stand.
fn apply(statements: &mut Statements, repairs: &[(u32, Repair)], places: &[u32]) {
    let mut changed = Vec::with_capacity(statements.list.len() + repairs.len());
    let mut repairs = repairs.iter().enumerate().peekable();
    for (at, statement) in statements.list.iter().enumerate() {
        let mut kept = vec![statement.clone()];
        while let Some((nth, (_, repair))) = repairs.next_if(|(_, (about, _))| *about as usize == at) {
            match repair {
                Repair::CloseBefore { .. } => {
                    close(&mut changed, places.get(nth).copied().unwrap_or(statements.start(statement)))
                }
                Repair::Drop => kept.clear(),
                Repair::Open => kept = vec![Statement { what: What::Open, ..statement.clone() }],
                Repair::End => kept = vec![Statement { what: What::Simple, ..statement.clone() }],
                Repair::OpenBefore { word } => kept = opened(statements, statement, *word).into(),
            }
        }
        changed.extend(kept);
    }
    let end = statements.list.iter().map(|statement| statement.end.end).max().unwrap_or(0);
    repairs.for_each(|(nth, _)| close(&mut changed, places.get(nth).copied().unwrap_or(end)));
    statements.list = changed;
}

/// A block without its `{`, and the statement that begins with its first word.
fn opened(statements: &Statements, statement: &Statement, word: u32) -> [Statement; 2] {
    let first = statement.words.start + word;
    let end = statements.words[first as usize - 1].end;
    let block = Statement { what: What::Open, words: statement.words.start..first, end: end..end };
    [block, Statement { words: first..statement.words.end, ..statement.clone() }]
}

/// Adds the `}` that is missing at `place`, before the comments that stand behind that place.
fn close(list: &mut Vec<Statement>, place: u32) {
    let behind = |statement: &Statement| statement.what == What::Comment && statement.end.start >= place;
    let at = list.iter().rposition(|statement| !behind(statement)).map_or(0, |last| last + 1);
    list.insert(at, missing_close(place));
}

/// Turns a change into words.
struct Telling<'a> {
    text: &'a Text,
    lines: Lines<'a>,
    file: FileId,
    statements: &'a Statements,
}

impl Telling<'_> {
    fn tell(&self, at: usize, repair: Repair, floor: u32) -> Diagnostic {
        match repair {
            Repair::CloseBefore { opener } => self.missing(at, opener as usize, floor),
            Repair::Drop => self.surplus(at),
            Repair::Open => {
                let end = &self.statements.list[at].end;
                self.not_opened(at, end.start, end.end)
            }
            Repair::OpenBefore { word } => {
                let before = self.statements.words(&self.statements.list[at])[word as usize - 1];
                self.not_opened(at, before.end, before.end)
            }
            Repair::End => self.not_ended(at),
        }
    }

    fn missing(&self, at: usize, opener: usize, floor: u32) -> Diagnostic {
        let block = &self.statements.list[opener];
        let name = self.name(block);
        let place = self.place_of_missing(at, opener).max(floor);
        let indent = self.lines.space_before(self.statements.start(block));
        let line = self.lines.of(place);
        let edit = match self.lines.is_first(place) {
            // On a line of its own, which may have less white space than the block's, or all of it.
            true => format!("{}}}", &indent[(self.lines.space(line) as usize).min(indent.len())..]),
            false => format!("\n{indent}}}"),
        };
        Diagnostic::error("missing-brace", self.span(place, place), "unexpected end of file, expecting \"}\"")
            .here(format!("the block of \"{name}\" should end here"))
            .also(self.span(block.end.start, block.end.end), "and begins here")
            .fix(self.fix("add the missing \"}\"", place, place, edit))
    }

    /// Where the `}` was most likely forgotten or lost: on the line behind what stands in the block,
    /// if that line is free, or else right behind what stands there. A comment that is as far to the
    /// right as what stands in the block does so, too.
    fn place_of_missing(&self, at: usize, opener: usize) -> u32 {
        let inside = self.indent_inside(opener, at);
        let last = self.statements.list[..at].iter().rposition(|s| s.what != What::Comment).unwrap_or(0);
        let next = self.statements.list[at..].iter().find(|s| s.what != What::Comment);
        let next = next.map(|next| self.statements.start(next));
        let to = next.map_or(self.lines.written(), |next| self.lines.of(next));
        let mut end = self.statements.list[last].end.end;
        // A comment may stand between the words of the next statement.
        let before_next = |comment: &&Statement| next.is_none_or(|next| comment.end.start < next);
        for comment in self.statements.list[last + 1..at].iter().filter(before_next) {
            let same_line = self.lines.of(comment.end.start) == self.lines.of(end);
            if same_line || self.lines.indent(comment.end.start) >= inside {
                end = comment.end.end;
            }
        }
        let behind = self.lines.of(end) + 1;
        let free = behind < to && matches!(self.lines.first_byte(behind), b'\n' | b'#');
        if free { self.lines.start(behind) + self.lines.space(behind) } else { end }
    }

    /// How far to the right lines in a block begin: its first one, if that is indented.
    fn indent_inside(&self, opener: usize, end: usize) -> u32 {
        let start = |statement: &Statement| self.statements.start(statement);
        let outside = self.lines.indent(start(&self.statements.list[opener]));
        let first = self.statements.list[opener + 1..end].iter().find(|s| s.what != What::Comment).map(start);
        let first = first.filter(|first| self.lines.is_first(*first)).map(|first| self.lines.indent(first));
        first.filter(|first| *first > outside).unwrap_or(outside + 1)
    }

    fn surplus(&self, at: usize) -> Diagnostic {
        let brace = &self.statements.list[at].end;
        Diagnostic::error("surplus-brace", self.span(brace.start, brace.end), "unexpected \"}\"")
            .here("this \"}\" closes a block that goes on, or none at all")
            .fix(self.fix("remove it", brace.start, brace.end, String::new()))
    }

    fn not_opened(&self, at: usize, start: u32, end: u32) -> Diagnostic {
        let name = self.name(&self.statements.list[at]);
        let space = if self.text.bytes[start as usize - 1] == b' ' { "" } else { " " };
        let message = format!("directive \"{name}\" has no opening \"{{\"");
        Diagnostic::error("missing-open-brace", self.span(start, end), message)
            .here("expected \"{\": what follows is written as its block")
            .fix(self.fix("open the block", start, end, format!("{space}{{")))
    }

    fn not_ended(&self, at: usize) -> Diagnostic {
        let statement = &self.statements.list[at];
        let (start, end) = (statement.end.start, statement.end.end);
        let message = format!("directive \"{}\" is not terminated by \";\"", self.name(statement));
        Diagnostic::error("missing-semicolon", self.span(start, end), message)
            .here("expected \";\"")
            .fix(self.fix("end the directive", start, end, ";".into()))
    }

    fn fix(&self, title: &str, start: u32, end: u32, text: String) -> Fix {
        Fix { title: title.into(), safe: false, edits: vec![Edit { span: self.span(start, end), text }] }
    }

    fn name(&self, statement: &Statement) -> bstr::BString {
        let words = self.statements.words(statement);
        words
            .first()
            .map(|word| words::meaning(&self.text.bytes[word.start as usize..word.end as usize], None))
            .unwrap_or_default()
    }

    fn span(&self, start: u32, end: u32) -> Span {
        Span { file: self.file, start, end }
    }
}
