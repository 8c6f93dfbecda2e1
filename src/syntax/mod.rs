//! Text to [`Tree`]: the configuration as it is written, every word with its span.
//!
//! Knows no directive but `include`, and the suffix `_by_lua_block`. Start at [`load`].

use bstr::BString;

use crate::source::{Sources, Span};

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

/// A comment, from its `#` to the end of the line.
#[derive(Clone, Copy, Debug)]
pub struct Comment {
    pub span: Span,
}

impl Tree {
    pub fn get(&self, id: NodeId) -> &Directive {
        &self.nodes[id.0 as usize]
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
