//! Text to [`Tree`]: the configuration as it is written, every word with its span.
//!
//! Knows no directive but `include` (and that `geo` reads it differently), and the suffix
//! `_by_lua_block`. A text that nginx accepts is read as nginx reads it; a text that it refuses is
//! read as it was most likely meant, and each mistake is told. The grammar is `grammar/nginx.ebnf`.
//!
//! Start at [`load`], or at [`understand`] to have mistakes of form found that only show in what
//! directives mean. `words` cuts the text, `statements` finds where one ends (with `semicolons` and
//! `quotes` where it does not), `blocks` pairs the braces (with `repair` where they do not pair),
//! `include` puts it all into the tree. `doubts` reads again what makes no sense, `explain` leaves
//! out what follows from a mistake told already. `cursor` looks at a text that is being written.

mod blocks;
mod comments;
mod cursor;
mod doubts;
mod explain;
mod include;
mod lines;
mod lua;
mod quotes;
mod repair;
mod semicolons;
mod statements;
mod words;

use std::fmt;

use bstr::BString;

use crate::source::{Sources, Span};

pub use blocks::MAX_DEPTH;
pub use comments::{Note, note};
pub use cursor::{Cursor, cursor};
pub use doubts::understand;
pub use include::{MAX_BYTES, MAX_INCLUDES, Reader, load, load_text};
pub use statements::{BUFFER, BYTE_ORDER_MARK, MAX_MISTAKES};

/// Names one directive of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// A configuration as it is written, with everything it includes.
#[derive(Debug, Default)]
pub struct Tree {
    pub sources: Sources,
    /// Every directive, each behind the block it stands in: no recursion to build or to free.
    nodes: Vec<Directive>,
    roots: Vec<NodeId>,
    pub comments: Vec<Comment>,
}

/// A directive: simple, with a block, or with the text of a `*_by_lua_block`.
#[derive(Debug)]
pub struct Directive {
    pub id: NodeId,
    /// The directive whose block this stands in; for the first level of an included file, the
    /// `include` itself.
    pub parent: Option<NodeId>,
    pub name: Word,
    pub args: Vec<Word>,
    pub body: Body,
    /// From the name to the `;` or the `}`.
    pub span: Span,
    /// Written as `# wsproxy: name args;`, where nginx does not see it.
    pub from_comment: bool,
}

/// What follows a directive's last argument.
#[derive(Debug)]
pub enum Body {
    /// A `;`.
    None,
    /// `{ … }`; the spans are the braces'. `close` is empty where the brace is missing.
    Block { open: Span, close: Span, items: Vec<NodeId> },
    /// `;`, and the directive was an `include`: what the files held, in order.
    Included(Vec<NodeId>),
    /// The text between the braces of a `*_by_lua_block`.
    Lua(Span),
}

/// A word, without its quotes and with its escapes resolved as nginx does.
#[derive(Clone, Debug)]
pub struct Word {
    pub value: BString,
    /// As written, quotes included.
    pub span: Span,
    pub quote: Option<Quote>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quote {
    Single,
    Double,
}

impl Quote {
    pub fn byte(self) -> u8 {
        match self {
            Quote::Single => b'\'',
            Quote::Double => b'"',
        }
    }
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Quote::Single { "'" } else { "\"" })
    }
}

/// A comment, from its `#` to the end of the line.
#[derive(Clone, Copy, Debug)]
pub struct Comment {
    pub span: Span,
}

impl Comment {
    /// What it says to wsproxy, if it is addressed to it.
    pub fn note<'a>(&self, sources: &'a Sources) -> Option<Note<'a>> {
        note(sources.bytes(self.span))
    }
}

/// What somebody who knows directives can tell about a text that is known to be wrong, so that the
/// mistake is found where it was made. What is accepted never depends on it.
pub trait Hints {
    /// Whether there is a directive of this name.
    fn is_directive(&self, name: &[u8]) -> bool;

    /// Whether [`Hints::is_directive`] knows, and does not guess.
    fn knows_names(&self) -> bool;

    /// Whether the block of this name holds lines of data instead of directives.
    fn holds_data(&self, block: &[u8]) -> bool;

    /// Whether nginx is sure to refuse a directive of this shape; `false` where in doubt.
    fn is_refused(&self, shape: &Shape) -> bool;
}

/// What a directive looks like from afar.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// The name of the block it stands in; `None` if that is not known, or the outermost level.
    pub block: Option<&'a [u8]>,
    pub name: &'a [u8],
    /// How many arguments it has.
    pub args: usize,
    /// Whether it has a block.
    pub opens: bool,
}

/// Knows nothing but what names of directives look like.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHints;

impl Hints for NoHints {
    fn is_directive(&self, name: &[u8]) -> bool {
        name.len() > 1
            && name.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'0'..=b'9'))
    }

    fn knows_names(&self) -> bool {
        false
    }

    fn holds_data(&self, _: &[u8]) -> bool {
        false
    }

    fn is_refused(&self, _: &Shape) -> bool {
        false
    }
}

impl Tree {
    pub fn get(&self, id: NodeId) -> &Directive {
        &self.nodes[id.0 as usize]
    }

    /// Every directive, each behind the block it stands in.
    pub fn all(&self) -> impl Iterator<Item = &Directive> {
        self.nodes.iter()
    }

    /// The directives of the outermost level as written: an `include` is one directive.
    pub fn roots(&self) -> &[NodeId] {
        &self.roots
    }

    /// The directives of a block (or of the outermost level, for `None`) as nginx sees them: an
    /// `include` is followed by what it includes.
    pub fn items(&self, block: Option<NodeId>) -> Items<'_> {
        let items = match block {
            None => &self.roots[..],
            Some(id) => self.get(id).items(),
        };
        Items { tree: self, stack: vec![items.iter()] }
    }

    /// The block that a directive stands in, as nginx sees it: past any `include`.
    pub fn block_of(&self, id: NodeId) -> Option<NodeId> {
        let mut at = self.get(id).parent;
        while let Some(parent) = at {
            if !matches!(self.get(parent).body, Body::Included(_)) {
                return at;
            }
            at = self.get(parent).parent;
        }
        None
    }
}

impl Directive {
    /// The directive without its block: from its name to its last argument.
    pub fn head(&self) -> Span {
        self.args.last().map_or(self.name.span, |last| self.name.span.to(last.span))
    }

    /// What stands in its block or in the files it includes, as written.
    pub fn items(&self) -> &[NodeId] {
        match &self.body {
            Body::Block { items, .. } | Body::Included(items) => items,
            Body::None | Body::Lua(_) => &[],
        }
    }

    pub fn is(&self, name: &str) -> bool {
        self.name.value == name
    }
}

/// See [`Tree::items`].
pub struct Items<'a> {
    tree: &'a Tree,
    stack: Vec<std::slice::Iter<'a, NodeId>>,
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a Directive;

    fn next(&mut self) -> Option<&'a Directive> {
        loop {
            let Some(id) = self.stack.last_mut()?.next() else {
                self.stack.pop();
                continue;
            };
            let directive = self.tree.get(*id);
            if let Body::Included(items) = &directive.body {
                self.stack.push(items.iter());
            }
            return Some(directive);
        }
    }
}
