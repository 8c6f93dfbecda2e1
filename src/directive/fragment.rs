//! Works out where the text of a file belongs that is only part of a configuration: a file of
//! `server {}` blocks, a snippet of `proxy_*` lines, the lines of a `map`.

use crate::directive::catalogue::in_context;
use crate::directive::{Context, values};
use crate::syntax::{Body, Directive, NodeId, Tree};

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    pub context: Context,
    /// Whether it is a part, so that what it refers to may be defined elsewhere.
    pub fragment: bool,
}

impl Whereabouts {
    /// A whole configuration.
    pub const WHOLE: Whereabouts = Whereabouts { context: Context::MAIN, fragment: false };

    /// A part that belongs into a block of this context.
    pub fn part(context: Context) -> Whereabouts {
        Whereabouts { context, fragment: true }
    }
}

/// How deep blocks are looked into to tell one kind of `server` from another.
const DEPTH: usize = 3;

/// The contexts a part may belong to; of two that fit as well the first is taken.
const PLACES: &[Context] = &[
    Context::HTTP,
    Context::SERVER,
    Context::LOCATION,
    Context::UPSTREAM,
    Context::STREAM,
    Context::STREAM_SERVER,
    Context::STREAM_UPSTREAM,
    Context::MAIN,
    Context::EVENTS,
    Context::MAIL,
    Context::MAIL_SERVER,
    Context::IF_LOCATION,
];

/// Works out where the outermost level of a text stands.
pub fn whereabouts(tree: &Tree) -> Whereabouts {
    let items: Vec<&Directive> = tree.items(None).filter(|item| !item.is("include")).collect();
    let is_block = |item: &&Directive, name: &str| item.is(name) && matches!(item.body, Body::Block { .. });
    let blocks_of_main = ["http", "events", "stream", "mail"];
    if items.iter().any(|item| blocks_of_main.iter().any(|name| is_block(item, name))) {
        return Whereabouts::WHOLE;
    }
    if items.is_empty() {
        return Whereabouts::part(Context::HTTP);
    }
    if let Some(context) = data(&items) {
        return Whereabouts::part(context);
    }
    let scores = PLACES.iter().map(|context| (score(tree, None, *context, 0), *context));
    let best = scores.reduce(|best, next| if next.0 > best.0 { next } else { best });
    Whereabouts::part(best.map_or(Context::HTTP, |(_, context)| context))
}

/// How many directives of a block, and of the blocks in it, fit a context.
fn score(tree: &Tree, block: Option<NodeId>, context: Context, depth: usize) -> usize {
    let fit = |item: &Directive| {
        let Some(row) = in_context(&item.name.value, context) else { return 0 };
        if !row.arity.takes(item.args.len()) || row.block.is_some() != matches!(item.body, Body::Block { .. })
        {
            return 1;
        }
        let inner = match row.inner(context) {
            Some(inner) if depth < DEPTH => score(tree, Some(item.id), inner, depth + 1),
            _ => 0,
        };
        2 + inner
    };
    tree.items(block).filter(|item| !item.is("include")).map(fit).sum()
}

/// The data block whose lines these are, if they are no directives.
fn data(items: &[&Directive]) -> Option<Context> {
    let known = items.iter().filter(|item| !super::catalogue::find(&item.name.value).is_empty()).count();
    let simple = items.iter().all(|item| matches!(item.body, Body::None | Body::Included(_)));
    if known * 4 > items.len() || !simple {
        return None;
    }
    let share =
        |of: &dyn Fn(&Directive) -> bool| items.iter().filter(|item| of(item)).count() * 2 > items.len();
    let name_has = |item: &Directive, byte: u8| item.name.value.contains(&byte);
    let one_value =
        items.iter().all(|item| item.args.len() == 1 || item.is("volatile") || item.is("hostnames"));
    if share(&|item| item.name.value.ends_with(b"%") || item.is("*")) && one_value {
        return Some(Context::SPLIT_CLIENTS);
    }
    if share(&|item| values::cidr(&item.name.value).is_some()) && one_value {
        return Some(Context::GEO);
    }
    if share(&|item| {
        name_has(item, b'/') && !item.name.value.starts_with(b"~") && !item.name.value.starts_with(b"/")
    }) {
        return Some(Context::TYPES);
    }
    let looks_like_key = |item: &Directive| {
        let plain = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'_';
        item.is("default") || item.name.quote.is_some() || !item.name.value.iter().all(plain)
    };
    (share(&looks_like_key) && one_value).then_some(Context::MAP)
}
