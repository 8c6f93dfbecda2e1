//! The white space between the pieces of a text.

use super::pieces::{Kind, Piece};
use crate::syntax::{BYTE_ORDER_MARK, MAX_BYTES, Note, note};

/// How many spaces a block adds.
const INDENT: usize = 4;

/// Writes the pieces of `text` in their order; `None` if that is more than is read.
pub(super) fn write(text: &[u8], pieces: &[Piece]) -> Option<Vec<u8>> {
    let mut writer = Writer {
        text,
        out: Vec::with_capacity(text.len() + text.len() / 4),
        depth: 0,
        inside: false,
        fresh: false,
        last: None,
    };
    writer.byte_order_mark();
    for (piece, exempted) in pieces.iter().zip(exempted(text, pieces)) {
        writer.piece(*piece, exempted);
        if writer.out.len() as u64 > MAX_BYTES {
            return None;
        }
    }
    if writer.last.is_some() {
        writer.out.push(b'\n');
    }
    Some(writer.out)
}

/// Which pieces share their line with an exemption at its end. It is about all that stands on the line, and has to
/// stay so.
fn exempted(text: &[u8], pieces: &[Piece]) -> Vec<bool> {
    let mut exempted = vec![false; pieces.len()];
    for (at, piece) in pieces.iter().enumerate() {
        if piece.kind != Kind::Comment || !matches!(note(piece.bytes(text)), Some(Note::Allow { .. })) {
            continue;
        }
        let before = &text[..piece.start as usize];
        let line = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let here = pieces[..at].iter().rev().take_while(|piece| piece.end as usize > line).count();
        exempted[at - here..at].fill(true);
    }
    exempted
}

/// What stands between two pieces.
enum Gap {
    Nothing,
    Space,
    Line {
        /// Behind an empty line.
        apart: bool,
        depth: usize,
    },
}

struct Writer<'a> {
    text: &'a [u8],
    out: Vec<u8>,
    /// How many blocks are open.
    depth: usize,
    /// Whether a directive has begun that has not ended.
    inside: bool,
    /// Whether of a block nothing but the line of its `{` is written.
    fresh: bool,
    last: Option<Piece>,
}

impl Writer<'_> {
    /// nginx takes the mark for a part of the first word, or for a word if white space follows; so it stays either.
    fn byte_order_mark(&mut self) {
        let Some(behind) = self.text.strip_prefix(BYTE_ORDER_MARK) else { return };
        self.out.extend(BYTE_ORDER_MARK);
        if matches!(behind, [b' ' | b'\t' | b'\r' | b'\n', ..]) {
            self.out.push(b'\n');
        }
    }

    fn piece(&mut self, piece: Piece, exempted: bool) {
        if piece.kind == Kind::Close {
            self.depth = self.depth.saturating_sub(1);
        }
        let gap = self.gap(piece, exempted);
        self.fresh = match (piece.kind, &gap) {
            (Kind::Comment, Gap::Space) => self.fresh,
            (kind, _) => kind == Kind::Open,
        };
        match gap {
            Gap::Nothing => {}
            Gap::Space => self.out.push(b' '),
            Gap::Line { apart, depth } => {
                self.out.extend(if apart { &b"\n\n"[..] } else { b"\n" });
                self.out.resize(self.out.len() + depth * INDENT, b' ');
            }
        }
        self.out.extend(piece.bytes(self.text));
        self.inside = match piece.kind {
            Kind::Word => true,
            Kind::End | Kind::Open | Kind::Close | Kind::Lua => false,
            Kind::Comment => self.inside,
        };
        self.depth += (piece.kind == Kind::Open) as usize;
        self.last = Some(piece);
    }

    fn gap(&self, piece: Piece, exempted: bool) -> Gap {
        let Some(last) = self.last else { return self.first_gap(piece) };
        let between = &self.text[last.end as usize..piece.start as usize];
        let lines = between.iter().filter(|byte| **byte == b'\n').count();
        match (last.kind, piece.kind) {
            (_, Kind::Comment) if lines == 0 => Gap::Space,
            // The parenthesis that ends an `if` may stand right behind a quote.
            (Kind::Word, Kind::Word) if between.is_empty() => Gap::Nothing,
            (Kind::Word, Kind::Word) if lines == 0 => Gap::Space,
            (Kind::Word, Kind::End) => Gap::Nothing,
            (Kind::Open, Kind::Close) if lines == 0 || !exempted => Gap::Nothing,
            (Kind::Word, Kind::Open | Kind::Lua) => Gap::Space,
            _ if lines == 0 && exempted => Gap::Space,
            (_, Kind::Word | Kind::Comment) => {
                Gap::Line { apart: lines > 1 && !self.fresh, depth: self.depth + self.inside as usize }
            }
            (_, Kind::End | Kind::Open | Kind::Lua | Kind::Close) => {
                Gap::Line { apart: false, depth: self.depth }
            }
        }
    }

    /// A word that begins with the bytes of a byte-order mark would be none any more as the first thing in the text.
    fn first_gap(&self, piece: Piece) -> Gap {
        let is_like_a_mark = self.out.is_empty() && piece.bytes(self.text).starts_with(BYTE_ORDER_MARK);
        if is_like_a_mark { Gap::Line { apart: false, depth: 0 } } else { Gap::Nothing }
    }
}
