//! Tokens to statements: `name args ;`, `name args {`, `}`. Knows no nesting.
//!
//! A text that nginx accepts is cut exactly as nginx cuts it. Where a text cannot be accepted, this
//! finds the place where the writer went wrong (an open quote, a forgotten `;`) and goes on from
//! there as if it had been written right.

use std::ops::Range;

use bstr::BStr;

use super::doubts::Doubts;
use super::lines::Lines;
use super::words::{self, Kind, Token, is_space};
use super::{Hints, Quote, lua};
use crate::diagnostics::Diagnostic;
use crate::source::{FileId, Span, Text};

/// What nginx reads a file through: no word, with the delimiter behind it, may be longer.
/// (`NGX_CONF_BUFFER` in ngx_conf_file.c)
pub const BUFFER: usize = 4096;

/// Mistakes in one file after which the rest of it is not read.
pub const MAX_MISTAKES: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Words and a `;`.
    Simple,
    /// Words and a `{`; without words where they are missing.
    Open,
    /// A `}`.
    Close,
    /// Words and `{ … }` around a text in Lua.
    Lua,
    /// A comment; its place is `end`.
    Comment,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub what: What,
    /// Which of [`Statements::words`].
    pub words: Range<u32>,
    /// The bytes of the `;`, of the brace or of the braces around Lua; empty where it is missing.
    pub end: Range<u32>,
}

/// A text cut into statements.
#[derive(Debug, Default)]
pub(super) struct Statements {
    pub list: Vec<Statement>,
    pub words: Vec<Token>,
}

impl Statements {
    pub fn words(&self, statement: &Statement) -> &[Token] {
        &self.words[statement.words.start as usize..statement.words.end as usize]
    }

    /// The first byte of a statement.
    pub fn start(&self, statement: &Statement) -> u32 {
        self.words(statement).first().map_or(statement.end.start, |word| word.start)
    }
}

/// How a text is to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum From {
    File,
    /// A file that another includes.
    Included,
    /// The text of `-g`: words of any length, no blocks.
    CommandLine,
}

/// What is known of a text before it is read.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The block in which it is included.
    pub outer: Option<&'a [u8]>,
    pub hints: &'a dyn Hints,
    pub doubts: Option<&'a Doubts>,
}

/// `configuration`: cuts a text into statements; `mistakes` gets what nginx would refuse.
pub(super) fn cut(
    text: &Text,
    file: FileId,
    from: From,
    known: Known,
    mistakes: &mut Vec<Diagnostic>,
) -> Statements {
    let mut cutter = Cutter {
        bytes: &text.bytes,
        lines: Lines::new(text),
        file,
        from,
        outer: known.outer,
        hints: known.hints,
        doubts: known.doubts,
        mistakes,
        done: Statements::default(),
        first_word: 0,
        open: Vec::new(),
        quotes_from: 0,
        at: 0,
    };
    cutter.run();
    cutter.done
}

/// A text on its way into statements. What is known of a missing `;` is in `semicolons`, of an open
/// quote in `quotes`.
pub(super) struct Cutter<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) lines: Lines<'a>,
    pub(super) file: FileId,
    pub(super) from: From,
    pub(super) outer: Option<&'a [u8]>,
    pub(super) hints: &'a dyn Hints,
    pub(super) doubts: Option<&'a Doubts>,
    pub(super) mistakes: &'a mut Vec<Diagnostic>,
    pub(super) done: Statements,
    /// The first word of the statement that is being read.
    pub(super) first_word: usize,
    /// The names of the blocks that are open.
    pub(super) open: Vec<Token>,
    /// Words before this one are not blamed for an open quote any more.
    pub(super) quotes_from: usize,
    pub(super) at: u32,
}

impl Cutter<'_> {
    fn run(&mut self) {
        self.strange_bytes();
        let limit = self.mistakes.len() + MAX_MISTAKES;
        while let Some(token) = words::token(self.bytes, self.at) {
            self.at = token.end;
            self.take(token);
            if self.mistakes.len() >= limit {
                return self.give_up();
            }
        }
        if self.pending() {
            self.missing_semicolons(None);
        }
    }

    /// A byte-order mark, and a NUL.
    fn strange_bytes(&mut self) {
        if self.bytes.starts_with(BYTE_ORDER_MARK) {
            let message =
                "the file begins with a byte-order mark, which nginx takes for a part of the first word";
            let span = self.span(0..BYTE_ORDER_MARK.len() as u32);
            let found = match self.from {
                // Inside of a map the first word may be anything, so nginx may well accept it.
                From::Included => Diagnostic::warning("byte-order-mark", span, message),
                From::File | From::CommandLine => {
                    self.at = span.end;
                    Diagnostic::error("byte-order-mark", span, message)
                }
            };
            self.mistakes.push(found.help("save the file as UTF-8 without byte-order mark"));
        }
        if let Some(at) = self.bytes.iter().position(|byte| *byte == 0) {
            let span = self.span(at as u32..at as u32 + 1);
            let found = Diagnostic::warning("nul", span, "a NUL byte")
                .note("nginx reads it as a part of a word, and then mostly takes the word to end there");
            self.mistakes.push(found);
        }
    }

    /// `item`
    fn take(&mut self, token: Token) {
        match token.kind {
            Kind::Comment => self.comment(token),
            Kind::Semicolon if !self.pending() => self.unexpected(token, ";"),
            Kind::Semicolon => self.semicolon(token),
            Kind::Open => self.open(token),
            Kind::Close => self.close(token),
            Kind::Word(quote) => self.word(token, quote),
            Kind::OpenQuote(quote) => {
                self.done.words.push(token);
                let found = match self.bytes.len() - (token.start as usize + 1) > BUFFER
                    && self.from != From::CommandLine
                {
                    true => format!("too long parameter, probably missing terminating \"{quote}\" character"),
                    false => self.end_of_text(),
                };
                self.blame_a_quote(found, None);
            }
        }
    }

    pub(super) fn pending(&self) -> bool {
        self.done.words.len() > self.first_word
    }

    /// `directive`: all that was read since the last one.
    pub(super) fn end(&mut self, what: What, end: Range<u32>) {
        match what {
            What::Open => {
                self.open.push(self.done.words.get(self.first_word).copied().unwrap_or(BRACE));
            }
            What::Close => drop(self.open.pop()),
            What::Simple | What::Lua | What::Comment => {}
        }
        let words = self.first_word as u32..self.done.words.len() as u32;
        self.first_word = self.done.words.len();
        // Where the `;` is missing, comments may have been read that stand behind the last word.
        let behind =
            |statement: &Statement| statement.what == What::Comment && statement.end.start >= end.start;
        let at = self.done.list.iter().rposition(|statement| !behind(statement)).map_or(0, |last| last + 1);
        self.done.list.insert(at, Statement { what, words, end });
    }

    fn comment(&mut self, token: Token) {
        let empty = self.first_word as u32..self.first_word as u32;
        self.done.list.push(Statement { what: What::Comment, words: empty, end: token.start..token.end });
        if self.too_long(token.start, token.end) {
            self.started_too_long(token);
        }
    }

    /// `words`: a word ended, and with it what nginx keeps in its buffer.
    fn word(&mut self, token: Token, quote: Option<Quote>) {
        self.done.words.push(token);
        let next = self.bytes.get(token.end as usize).copied();
        let space = next.is_some_and(is_space) as u32;
        let Some(quote) = quote else {
            if self.too_long(token.start, token.end + space) {
                self.started_too_long(token);
            }
            return;
        };
        if self.too_long(token.start + 1, token.end - 1) {
            let found = format!("too long parameter, probably missing terminating \"{quote}\" character");
            return self.blame_a_quote(found, None);
        }
        if self.too_long(token.start + 1, token.end + space) {
            self.started_too_long(token);
        }
        // `delimiter`, or the parenthesis that ends an `if`.
        if let Some(byte) = next.filter(|byte| !is_space(*byte) && !matches!(byte, b';' | b'{' | b')')) {
            let found = format!("unexpected \"{}\"", BStr::new(&[byte]));
            self.blame_a_quote(found, Some(token.end));
        }
    }

    /// Whether nginx runs out of buffer: it began to keep bytes at `start` and still does when it
    /// wants the byte at `last`.
    pub(super) fn too_long(&self, start: u32, last: u32) -> bool {
        let limit = start as usize + BUFFER;
        self.from != From::CommandLine && last as usize >= limit && self.bytes.len() > limit
    }

    fn started_too_long(&mut self, token: Token) {
        let inside = token.start + matches!(token.kind, Kind::Word(Some(_))) as u32;
        let begin = &self.bytes[inside as usize..inside as usize + 10];
        let message = format!("too long parameter \"{}...\" started", BStr::new(begin));
        let what = if token.kind == Kind::Comment { "comment" } else { "word" };
        let found = Diagnostic::error("too-long-parameter", self.span(token.start..inside + 10), message)
            .here(format!("this {what} has {} bytes", token.end - token.start))
            .note(format!("nginx reads through a buffer of {BUFFER} bytes, and a {what} has to fit into it"));
        self.mistakes.push(found);
    }

    fn unexpected(&mut self, token: Token, what: &str) {
        let found = Diagnostic::error(
            "unexpected",
            self.span(token.start..token.end),
            format!("unexpected \"{what}\""),
        );
        let found = match what {
            ";" => found.here("there is no directive for it to end").help("remove it"),
            _ => found.here("there is no directive whose block it could open"),
        };
        self.mistakes.push(found);
    }

    /// `block` or `lua block`
    fn open(&mut self, token: Token) {
        if self.from == From::CommandLine {
            let message = "block directives are not supported in -g option";
            let span = self.span(token.start..token.end);
            self.mistakes.push(Diagnostic::error("block-on-command-line", span, message));
            self.at = self.bytes.len() as u32;
            self.done.words.truncate(self.first_word);
            return;
        }
        if let Some(end) = self.placeholder_end(token.start) {
            return self.placeholder(token.start..end);
        }
        if !self.pending() {
            if self.ended_too_early(token) {
                return;
            }
            self.unexpected(token, "{");
            return self.end(What::Open, token.start..token.end);
        }
        self.swallowed_before_block();
        let name = self.done.words[self.first_word];
        if !self.meaning(name).ends_with(b"_by_lua_block") {
            return self.end(What::Open, token.start..token.end);
        }
        let end = lua::block_end(self.bytes, token.end).unwrap_or_else(|| self.unclosed_lua(token));
        self.at = end;
        self.end(What::Lua, token.start..end);
    }

    /// `location /; {`: the block belongs to the directive that the `;` ends, which is one too many.
    fn ended_too_early(&mut self, brace: Token) -> bool {
        let Some(last) = self.done.list.last_mut().filter(|last| last.what == What::Simple) else {
            return false;
        };
        let between = &self.bytes[last.end.end as usize..brace.start as usize];
        if last.end.is_empty() || !between.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            return false;
        }
        let semicolon = std::mem::replace(&mut last.end, brace.start..brace.end);
        last.what = What::Open;
        let name = self.done.words[last.words.start as usize];
        self.open.push(name);
        let span = self.span(semicolon);
        let found = Diagnostic::error("unexpected", span, "unexpected \"{\"")
            .here(format!("this ends \"{}\", whose block follows", self.meaning(name)))
            .also(self.span(brace.start..brace.end), "nginx stumbles only here")
            .help("remove the \";\"");
        self.mistakes.push(found);
        true
    }

    /// `{{ name }}` and `{% if … %}`, which whoever fills in templates has left here. nginx refuses the
    /// second brace, as no block has a block without a name.
    fn placeholder_end(&self, start: u32) -> Option<u32> {
        let close: &[u8] = match self.bytes.get(start as usize..start as usize + 2)? {
            b"{{" => b"}}",
            b"{%" => b"%}",
            _ => return None,
        };
        let near = &self.bytes[start as usize..self.bytes.len().min(start as usize + LONGEST_PLACEHOLDER)];
        let line = near.split(|byte| *byte == b'\n').next().unwrap_or(near);
        line.windows(2).position(|window| window == close).map(|at| start + at as u32 + 2)
    }

    fn placeholder(&mut self, range: Range<u32>) {
        let message = match self.done.words.get(self.first_word) {
            Some(name) => format!("directive \"{}\" is not terminated by \";\"", self.meaning(*name)),
            None => "unexpected \"{\"".into(),
        };
        let found = Diagnostic::error("placeholder", self.span(range.clone()), message)
            .here("this placeholder was not filled in")
            .help("have the template rendered first, and check what comes out");
        self.mistakes.push(found);
        self.at = range.end;
        let is_word =
            self.pending() || self.bytes.get(range.end as usize).is_some_and(|byte| !is_space(*byte));
        if is_word {
            self.done.words.push(Token { kind: Kind::Word(None), start: range.start, end: range.end });
        }
    }

    fn close(&mut self, token: Token) {
        if self.pending() {
            self.missing_semicolons(Some("unexpected \"}\"".into()));
        }
        self.end(What::Close, token.start..token.end);
    }

    /// The name of the block in which is being read.
    pub(super) fn block(&self) -> Option<Vec<u8>> {
        self.open.last().map(|name| self.meaning(*name).into()).or(self.outer.map(<[u8]>::to_vec))
    }

    pub(super) fn end_of_text(&self) -> String {
        match self.from {
            From::File | From::Included => "unexpected end of file, expecting \";\" or \"}\"".into(),
            From::CommandLine => "unexpected end of parameter, expecting \";\"".into(),
        }
    }

    fn unclosed_lua(&mut self, open: Token) -> u32 {
        let end = self.lines.end_of_block(open.start).unwrap_or(self.bytes.len() as u32);
        let message = "unexpected end of file, expecting \"}\"";
        let found = Diagnostic::error("missing-brace", self.span(open.start..open.end), message)
            .here("the Lua code that begins here is never closed")
            .note("braces inside Lua strings and comments do not count");
        self.mistakes.push(found);
        end
    }

    fn give_up(&mut self) {
        self.mistakes.push(too_many(self.span(self.at..self.at)));
        self.done.words.truncate(self.first_word);
    }

    pub(super) fn meaning(&self, word: Token) -> bstr::BString {
        let quote = match word.kind {
            Kind::Word(quote) => quote,
            Kind::OpenQuote(quote) => Some(quote),
            _ => None,
        };
        words::meaning(self.written(word), quote)
    }

    pub(super) fn written(&self, word: Token) -> &[u8] {
        &self.bytes[word.start as usize..word.end as usize]
    }

    pub(super) fn span(&self, range: Range<u32>) -> Span {
        Span { file: self.file, start: range.start, end: range.end }
    }
}

/// What is said where reading ends because of [`MAX_MISTAKES`].
pub(super) fn too_many(at: Span) -> Diagnostic {
    Diagnostic::error("too-many-mistakes", at, "too many mistakes: the rest of the file is not read")
}

/// How far the end of a placeholder is looked for.
const LONGEST_PLACEHOLDER: usize = 256;

/// Stands for the name of a block that has none.
pub(super) const BRACE: Token = Token { kind: Kind::Open, start: 0, end: 0 };

/// What some editors put in front of a text.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
