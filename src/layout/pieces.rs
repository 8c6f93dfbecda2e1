//! What a text is made of, white space left out.

use crate::source::Span;
use crate::syntax::{Body, Tree, Word};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
    /// `{ … }` around a text in Lua.
    Lua,
    Comment,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub kind: Kind,
    pub start: u32,
    pub end: u32,
}

impl Piece {
    fn new(kind: Kind, span: Span) -> Piece {
        Piece { kind, start: span.start, end: span.end }
    }

    /// What is kept of it: a comment loses the white space at its end.
    pub fn bytes(self, text: &[u8]) -> &[u8] {
        let written = &text[self.start as usize..self.end as usize];
        let space = written.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
        if self.kind == Kind::Comment { &written[..written.len() - space] } else { written }
    }
}

/// The pieces of a text that was read without mistakes, in its order.
pub(super) fn of(tree: &Tree) -> Vec<Piece> {
    let mut pieces: Vec<Piece> =
        tree.comments.iter().map(|comment| Piece::new(Kind::Comment, comment.span)).collect();
    let mut blocks = vec![tree.roots()];
    while let Some(items) = blocks.pop() {
        // Directives in comments are parts of these.
        for directive in items.iter().map(|id| tree.get(*id)).filter(|directive| !directive.from_comment) {
            let word = |word: &Word| Piece::new(Kind::Word, word.span);
            pieces.push(word(&directive.name));
            pieces.extend(directive.args.iter().map(word));
            let end = directive.span.after();
            match &directive.body {
                Body::None | Body::Included(_) => {
                    pieces.push(Piece { kind: Kind::End, start: end.start.saturating_sub(1), end: end.end });
                }
                Body::Lua(code) => {
                    let start = code.start.saturating_sub(1);
                    pieces.push(Piece { kind: Kind::Lua, start, end: end.end });
                }
                Body::Block { open, close, items } => {
                    pieces.extend([Piece::new(Kind::Open, *open), Piece::new(Kind::Close, *close)]);
                    blocks.push(items);
                }
            }
        }
    }
    pieces.sort_unstable_by_key(|piece| piece.start);
    pieces
}
