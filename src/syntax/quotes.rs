//! Quotes that are open where they should not be: which one was meant to be closed earlier.

use bstr::BStr;

use super::Shape;
use super::statements::{BRACE, Cutter, Statement, What};
use super::words::{Kind, Token, is_space};
use crate::diagnostics::Diagnostic;

impl Cutter<'_> {
    /// nginx stumbled because a quote is open. Finds the quote that was meant to be closed earlier,
    /// and goes on reading behind its line.
    ///
    /// `stumbled` is the byte right behind a closing quote that should not be there.
    pub(super) fn blame_a_quote(&mut self, found: String, stumbled: Option<u32>) {
        let Some(at) = self.open_quote() else {
            return self.missing_space(found, stumbled);
        };
        self.rewind(at);
        let token = self.done.words[at];
        let end = self.words_end(token.start);
        let quote = &self.bytes[token.start as usize..token.start as usize + 1];
        let mut blamed = Diagnostic::error("open-quote", self.span(token.start..end), found)
            .here(format!("the quote {} that opens here is not closed on this line", BStr::new(quote)))
            .help("close the quote, or remove it");
        if let Some(stumbled) = stumbled {
            blamed = blamed.also(self.span(stumbled..stumbled + 1), "nginx stumbles only here");
        }
        self.mistakes.push(blamed);
        if self.is_stray(at, end) {
            self.done.words.truncate(at);
            self.quotes_from = at;
            self.at = token.start + 1;
            return;
        }
        self.done.words[at] = Token { end, ..token };
        self.quotes_from = at + 1;
        self.at = end;
    }

    /// Whether the quote with which a word begins stands there by mistake, and what follows up to
    /// `end` is several words: as one word it would be refused, as several it would not.
    fn is_stray(&self, at: usize, end: u32) -> bool {
        if at <= self.first_word {
            return false;
        }
        let name = self.meaning(self.done.words[self.first_word]);
        let block = self.block();
        let inside = &self.bytes[self.done.words[at].start as usize + 1..end as usize];
        let words = inside.split(|byte| is_space(*byte)).filter(|word| !word.is_empty()).count();
        let opens =
            self.bytes.get(end as usize..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{"));
        let refused =
            |args| self.hints.is_refused(&Shape { block: block.as_deref(), name: &name, args, opens });
        let before = at - self.first_word;
        words > 1 && refused(before) && !refused(before - 1 + words)
    }

    /// `"a"b`: what follows the quote, up to the end of the line, is taken for a word of its own.
    fn missing_space(&mut self, found: String, stumbled: Option<u32>) {
        self.quotes_from = self.done.words.len();
        let Some(stumbled) = stumbled else {
            let token = self.done.words[self.quotes_from - 1];
            let blamed = Diagnostic::error("open-quote", self.span(token.start..token.start + 1), found)
                .here("the quote that opens here is never closed");
            return self.mistakes.push(blamed);
        };
        let end = self.words_end(stumbled);
        self.done.words.push(Token { kind: Kind::Word(None), start: stumbled, end });
        self.quotes_from = self.done.words.len();
        self.at = end;
        let span = self.span(stumbled..stumbled + 1);
        let blamed = Diagnostic::error("unexpected", span, found)
            .here("a quoted word ends right before this; a space, \";\" or \"{\" has to follow")
            .help("separate the words by a space, or escape the quote inside the word by a backslash");
        self.mistakes.push(blamed);
    }

    /// Which of the last quoted words over several lines was meant to end on its first line: the
    /// earliest that looks like it, or the last one if it did not end at all.
    fn open_quote(&self) -> Option<usize> {
        let from = self.quotes_from.max(self.done.words.len().saturating_sub(MAX_WORDS_BACK));
        let last = self.done.words.len() - 1;
        let mut found = None;
        for at in (from..=last).rev() {
            let word = self.done.words[at];
            if !matches!(word.kind, Kind::Word(Some(_)) | Kind::OpenQuote(_)) || self.on_one_line(word) {
                continue;
            }
            if self.looks_open(word) {
                found = Some(at);
            }
        }
        let unclosed = matches!(self.done.words[last].kind, Kind::OpenQuote(_));
        found.or((unclosed || !self.on_one_line(self.done.words[last])).then_some(last))
    }

    /// A quoted word whose first line ends as a statement does, and whose second line starts as one.
    fn looks_open(&self, word: Token) -> bool {
        let Some(end) = self.statement_end(word.start) else { return false };
        let Some(next) = self.lines.next_written(self.lines.of(word.start)) else { return true };
        let shape = matches!(self.lines.first_byte(next), b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'}' | b'#' | b'$' | b'~' | b'"' | b'\'' | b'/' | b'0'..=b'9' | b'.' | b'*');
        let same_block = self.lines.indent_of(next) <= self.lines.indent(word.start);
        shape && (same_block || self.bytes[end as usize] == b'{')
    }

    fn on_one_line(&self, word: Token) -> bool {
        !self.bytes[word.start as usize..word.end as usize].contains(&b'\n')
    }

    /// The `;` or `{` that ends a statement on the line of `from`, quotes disregarded: behind it
    /// the line ends, or a comment or a `}` follows.
    fn statement_end(&self, from: u32) -> Option<u32> {
        let line = self.rest_of_line(from);
        let ends = |at: &usize| {
            let behind = line[at + 1..].trim_ascii_start();
            matches!(line[*at], b';' | b'{') && matches!(behind.first(), None | Some(b'#' | b'}'))
        };
        (1..line.len()).find(ends).map(|at| from + at as u32)
    }

    /// Where the words of a line end, quotes disregarded.
    pub(super) fn words_end(&self, from: u32) -> u32 {
        let line = self.rest_of_line(from);
        let end = self.statement_end(from).map_or(line.len(), |end| (end - from) as usize);
        from + line[..end].trim_ascii_end().len().max(1) as u32
    }

    pub(super) fn rest_of_line(&self, from: u32) -> &[u8] {
        let rest = &self.bytes[from as usize..];
        rest.split(|byte| *byte == b'\n').next().unwrap_or(rest)
    }

    /// Forgets all that was read behind the word at `at`.
    fn rewind(&mut self, at: usize) {
        let behind = |statement: &Statement| match statement.what {
            What::Comment => statement.end.start > self.done.words[at].start,
            _ => statement.words.end as usize > at || statement.end.start > self.done.words[at].start,
        };
        let keep = self.done.list.iter().rposition(|statement| !behind(statement)).map_or(0, |last| last + 1);
        self.first_word = match self.done.list[keep..].iter().find(|s| s.what != What::Comment) {
            Some(statement) => statement.words.start as usize,
            None => self.first_word,
        };
        self.done.list.truncate(keep);
        self.done.words.truncate(at + 1);
        self.reopen();
        let start = self.done.words[at].start;
        while self
            .mistakes
            .last()
            .is_some_and(|last| last.span().file == self.file && last.span().start > start)
        {
            self.mistakes.pop();
        }
    }

    /// Finds out again which blocks are open.
    fn reopen(&mut self) {
        self.open.clear();
        for statement in &self.done.list {
            match statement.what {
                What::Open => self
                    .open
                    .push(self.done.words.get(statement.words.start as usize).copied().unwrap_or(BRACE)),
                What::Close => drop(self.open.pop()),
                What::Simple | What::Lua | What::Comment => {}
            }
        }
    }
}

/// How many words back an open quote is looked for.
const MAX_WORDS_BACK: usize = 64;
