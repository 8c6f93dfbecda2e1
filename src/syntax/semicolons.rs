//! Statements without a `;`: where it was forgotten.

use bstr::{BStr, ByteSlice};

use super::Shape;
use super::statements::{Cutter, What};
use super::words::{self, Kind, Token};
use crate::diagnostics::{Diagnostic, Edit, Fix};

impl Cutter<'_> {
    pub(super) fn semicolon(&mut self, token: Token) {
        if let Some(found) = self.swallowed() {
            let behind = self.last_directive();
            self.missing_semicolons(Some(found));
            self.done.words.extend(behind);
        }
        self.end(What::Simple, token.start..token.end);
    }

    /// `root /srv` and on the next line `index a.html;`: nginx takes the second line for more
    /// arguments of the first. What it says, if it is sure to refuse them.
    fn swallowed(&mut self) -> Option<String> {
        let words = &self.done.words[self.first_word..];
        let (first, last) = (words[0], words[words.len() - 1]);
        if !self.bytes[first.start as usize..last.start as usize].contains(&b'\n') {
            return None;
        }
        let ends = 1 + words[1..].iter().position(|word| self.starts_directive(first, *word))?;
        if let Some(found) = self.doubts.and_then(|doubts| doubts.found(first.start)) {
            return Some(found.into());
        }
        let name = self.meaning(first);
        let block = self.block();
        let shape = |args| Shape { block: block.as_deref(), name: &name, args, opens: false };
        let sure = self.hints.is_refused(&shape(words.len() - 1)) && !self.hints.is_refused(&shape(ends - 1));
        if !sure {
            self.maybe_swallowed(name.as_bstr(), ends);
        }
        sure.then(|| format!("invalid number of arguments in \"{name}\" directive"))
    }

    /// nginx takes the line for arguments and may be right to; it does not look so.
    fn maybe_swallowed(&mut self, name: &BStr, ends: usize) {
        let words = &self.done.words[self.first_word..];
        let is_data = self.block().is_some_and(|block| self.hints.holds_data(&block));
        if is_data || !self.hints.knows_names() {
            return;
        }
        let (last, swallowed) = (words[ends - 1].end, words[ends]);
        let message = format!("\"{}\" is read as an argument of \"{name}\"", self.meaning(swallowed));
        let found = Diagnostic::warning("swallowed-directive", self.span(last..last), message)
            .here("is a \";\" missing here?")
            .also(self.span(swallowed.start..swallowed.end), "this looks like a directive of its own")
            .fix(self.end_here(last, false));
        self.mistakes.push(found);
    }

    fn end_here(&self, at: u32, safe: bool) -> Fix {
        let edits = vec![Edit { span: self.span(at..at), text: ";".into() }];
        Fix { title: "end the directive".into(), safe, edits }
    }

    /// Takes away the words of the last of several directives.
    fn last_directive(&mut self) -> Vec<Token> {
        let first = self.done.words[self.first_word];
        let words = &self.done.words[self.first_word..];
        let at = words[1..]
            .iter()
            .rposition(|word| self.starts_directive(first, *word))
            .map_or(words.len(), |at| at + 1);
        self.done.words.split_off(self.first_word + at)
    }

    /// `listen 80` and on the next line `location / {`: no simple directive has a block, so a `;`
    /// is missing, if the line below starts with a directive that has one.
    pub(super) fn swallowed_before_block(&mut self) {
        let words = &self.done.words[self.first_word..];
        let name = self.meaning(words[0]);
        let refused = |from: usize, to: usize, opens: bool| {
            let name = self.meaning(words[from]);
            self.hints.is_refused(&Shape { block: None, name: &name, args: to - from - 1, opens })
        };
        let end = words.len();
        if !refused(0, end, true) {
            return;
        }
        let starts_block = |at: &usize| {
            self.lines.is_first(words[*at].start)
                && !refused(*at, end, true)
                && self.hints.is_directive(&self.meaning(words[*at]))
        };
        let Some(at) = (1..end).rev().find(starts_block) else { return };
        // What is no simple directive either lacks its `{`, which is for `blocks` to find.
        if self.hints.knows_names() && refused(0, self.first_end(), false) {
            return;
        }
        let behind = self.done.words.split_off(self.first_word + at);
        let found = format!("directive \"{name}\" is not terminated by \";\"");
        self.missing_semicolons(Some(found));
        self.done.words.extend(behind);
    }

    /// How many words the first of the directives has that were read as one.
    fn first_end(&self) -> usize {
        let words = &self.done.words[self.first_word..];
        let next = words[1..].iter().position(|word| self.starts_directive(words[0], *word));
        next.map_or(words.len(), |next| next + 1)
    }

    /// The words that were read need a `;`, or several: one where each directive ends.
    pub(super) fn missing_semicolons(&mut self, found: Option<String>) {
        let words = self.done.words.split_off(self.first_word);
        let directives = words.chunk_by(|_, word| !self.starts_directive(words[0], *word));
        let ended: Vec<Vec<Token>> = directives.map(<[Token]>::to_vec).collect();
        // Where the text breaks off, more than a `;` may be missing.
        let goes_on = found.is_some();
        for words in ended {
            let last = words[words.len() - 1].end;
            let name = words::meaning(self.written(words[0]), None);
            self.done.words.extend(words);
            let message = found.clone().unwrap_or_else(|| self.end_of_text());
            let missing = Diagnostic::error("missing-semicolon", self.span(last..last), message)
                .here(format!("a \";\" is missing behind the last argument of \"{name}\""))
                .fix(self.end_here(last, goes_on));
            self.mistakes.push(missing);
            self.end(What::Simple, last..last);
        }
    }

    /// Whether a word looks like the start of a directive of its own: the first on its line, as far
    /// to the right as the directive `first` begins (if that is the first on its line, too), and named
    /// like one.
    fn starts_directive(&self, first: Token, word: Token) -> bool {
        matches!(word.kind, Kind::Word(_))
            && self.lines.is_first(word.start)
            && (!self.lines.is_first(first.start)
                || self.lines.indent(word.start) == self.lines.indent(first.start))
            && (self.hints.is_directive(&self.meaning(word))
                || self.block().is_some_and(|block| self.hints.holds_data(&block)))
    }
}
