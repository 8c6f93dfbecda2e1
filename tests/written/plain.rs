//! All that a tree says, but for where it stands.

use bstr::{BString, ByteSlice};
use wsproxy::syntax::{Body, NodeId, Quote, Tree};

#[derive(Debug, PartialEq)]
pub struct Plain {
    directives: Vec<Directive>,
    /// Each with the number of words that stand before it.
    comments: Vec<(usize, BString)>,
}

#[derive(Debug, PartialEq)]
struct Directive {
    depth: usize,
    /// What they mean, and how they are written.
    words: Vec<(BString, Option<Quote>, BString)>,
    body: Option<BString>,
    from_comment: bool,
}

pub fn plain(tree: &Tree) -> Plain {
    let mut directives = Vec::new();
    let mut starts = Vec::new();
    let mut left: Vec<(usize, NodeId)> = tree.roots().iter().rev().map(|id| (0, *id)).collect();
    while let Some((depth, id)) = left.pop() {
        let directive = tree.get(id);
        left.extend(directive.items().iter().rev().map(|id| (depth + 1, *id)));
        let words: Vec<_> = std::iter::once(&directive.name).chain(&directive.args).collect();
        if !directive.from_comment {
            starts.extend(words.iter().map(|word| word.span.start));
        }
        let written =
            words.iter().map(|word| (word.value.clone(), word.quote, tree.sources.bytes(word.span).into()));
        let body = match &directive.body {
            Body::None | Body::Included(_) => None,
            Body::Block { .. } => Some("{}".into()),
            Body::Lua(code) => Some(tree.sources.bytes(*code).into()),
        };
        directives.push(Directive {
            depth,
            words: written.collect(),
            body,
            from_comment: directive.from_comment,
        });
    }
    starts.sort_unstable();
    let comments = tree.comments.iter().map(|comment| {
        let before = starts.partition_point(|start| *start < comment.span.start);
        (before, tree.sources.bytes(comment.span).trim_end_with(|c| " \t\r".contains(c)).into())
    });
    Plain { directives, comments: comments.collect() }
}
