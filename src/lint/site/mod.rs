//! A configuration as rules look at it: every block with what is in effect in it.
//!
//! [`Site`] has the blocks, a [`Block`] what stands in it and what it inherits; `listens` says which servers share an
//! address, `pieces` takes texts apart at their variables, `values` knows what these may come to, `proxied` what goes to
//! upstreams, `handshakes` what becomes of a WebSocket's there, `routes` who answers a path.

mod block;
mod condition;
mod handshakes;
mod listens;
mod muddle;
mod pieces;
mod proxied;
mod routes;
mod values;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::OnceLock;

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, catalogue};
use crate::features::Options;
use crate::model::Model;
use crate::syntax::{Directive, NodeId, Tree};

use super::rule::Version;

pub use block::{Block, LocationName, Modifier};
pub use condition::{Condition, Operator};
pub use handshakes::{Handshake, ONE_ONE_BY_DEFAULT, Way, has_upgrade};
pub use listens::{Address, Addresses, Listen};
pub use muddle::Muddled;
pub use pieces::{Piece, named_groups, pieces};
pub use proxied::{Headers, PASSES, Pass};
pub use routes::Patterns;
pub use values::{ANYTHING, Origin};

/// A configuration, resolved for rules.
pub struct Site<'a> {
    pub tree: &'a Tree,
    /// What wsproxy makes of it: routing, groups, what is served.
    pub model: &'a Model,
    /// The nginx it is written for.
    pub target: Version,
    /// Whether somebody has named it; if nobody has it is the newest, and an older one may be meant as well.
    pub is_target_named: bool,
    /// Whether it is part of a configuration of which the rest is not seen: what stands around it, and what stands
    /// beside it, may be written elsewhere.
    pub fragment: bool,
    /// Outermost first, in the order in which they are written.
    blocks: Vec<Held<'a>>,
    /// By the directive whose block it is; `None` is the outermost level.
    numbers: HashMap<Option<NodeId>, usize>,
    /// The first `upstream` of each name, in lower case.
    upstreams: HashMap<Vec<u8>, usize>,
    /// What gives each variable its value, by its name in lower case.
    variables: values::Givers<'a>,
    /// Blocks into which something is included that cannot be read.
    unseen: HashSet<usize>,
    /// Made when it is first asked for.
    handshakes: OnceLock<Vec<handshakes::Kept>>,
}

/// A block of directives.
struct Held<'a> {
    directive: Option<&'a Directive>,
    context: Context,
    parent: Option<usize>,
    children: Vec<usize>,
    /// What stands in it, as written.
    items: Vec<&'a Directive>,
    /// The same by name, those of one name in the order in which they are written.
    by_name: Vec<&'a Directive>,
    /// Each name and where its directives are in `by_name`: so few that they are found by looking at each.
    names: Vec<(&'a [u8], Range<usize>)>,
}

impl<'a> Site<'a> {
    /// `mistakes` are those that reading has found.
    pub fn new(
        tree: &'a Tree,
        model: &'a Model,
        options: &Options,
        mistakes: &[Diagnostic],
        target: Option<Version>,
    ) -> Site<'a> {
        let mut site = Site {
            tree,
            model,
            target: target.unwrap_or(Version::NEWEST),
            is_target_named: target.is_some(),
            fragment: options.fragment,
            blocks: vec![Held::new(tree, None, options.context, None)],
            numbers: HashMap::from([(None, 0)]),
            upstreams: HashMap::new(),
            variables: values::Givers::default(),
            unseen: HashSet::new(),
            handshakes: OnceLock::new(),
        };
        let mut next = 0;
        while next < site.blocks.len() {
            for at in 0..site.blocks[next].items.len() {
                let (directive, context) = (site.blocks[next].items[at], site.blocks[next].context);
                let row = catalogue::in_context(&directive.name.value, context);
                let inner = row.and_then(|row| row.inner(context));
                if let Some(inner) = inner.filter(|inner| !Context::DATA.meets(*inner)) {
                    let number = site.blocks.len();
                    site.blocks.push(Held::new(tree, Some(directive), inner, Some(next)));
                    site.blocks[next].children.push(number);
                    site.numbers.insert(Some(directive.id), number);
                }
            }
            next += 1;
        }
        site.unseen = muddle::unseen(&site.blocks, mistakes);
        site.upstreams = proxied::upstreams(&site.blocks);
        site.variables = values::Givers::of(&site);
        site
    }

    /// The outermost level.
    pub fn root(&self) -> Block<'_> {
        Block::new(self, 0)
    }

    /// Every block, those around others first.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        (0..self.blocks.len()).map(|at| Block::new(self, at))
    }

    /// Every block of these contexts.
    pub fn within(&self, contexts: Context) -> impl Iterator<Item = Block<'_>> {
        self.blocks().filter(move |block| contexts.meets(block.context()))
    }

    /// Every `server` of `http`.
    pub fn servers(&self) -> impl Iterator<Item = Block<'_>> {
        self.within(Context::SERVER)
    }

    /// Every `location`, those inside of others too.
    pub fn locations(&self) -> impl Iterator<Item = Block<'_>> {
        self.within(Context::LOCATION)
    }

    /// The `http` block, where there is one: the outermost level of a part that belongs into it.
    pub fn http(&self) -> Option<Block<'_>> {
        self.within(Context::HTTP).next()
    }

    /// Every directive of these names that stands in a block of these contexts.
    pub fn all<'s>(&'s self, names: &'s [&'s str]) -> impl Iterator<Item = (Block<'s>, &'s Directive)> {
        self.blocks().flat_map(move |block| {
            names
                .iter()
                .flat_map(move |name| block.own(name).iter().map(move |directive| (block, *directive)))
        })
    }

    /// The block that a directive stands in, if it is one of directives.
    pub fn block_of(&self, directive: &Directive) -> Option<Block<'_>> {
        let number = self.numbers.get(&self.tree.block_of(directive.id))?;
        Some(Block::new(self, *number))
    }

    /// The block that a directive opens, if it is one of directives.
    pub fn block(&self, directive: &Directive) -> Option<Block<'_>> {
        self.numbers.get(&Some(directive.id)).map(|number| Block::new(self, *number))
    }

    /// Whether everything of a context is seen: what is not there is nowhere. A part that belongs into `http` shows
    /// its servers whole, but for what the lines around it in `nginx.conf` say.
    pub fn sees(&self, context: Context) -> bool {
        !self.fragment || self.blocks.iter().any(|block| block.parent.is_some() && block.context == context)
    }
}

impl<'a> Held<'a> {
    fn new(
        tree: &'a Tree,
        directive: Option<&'a Directive>,
        context: Context,
        parent: Option<usize>,
    ) -> Held<'a> {
        let items: Vec<&Directive> = tree.items(directive.map(|directive| directive.id)).collect();
        let mut by_name = items.clone();
        by_name.sort_by(|one, other| one.name.value.cmp(&other.name.value));
        let mut names: Vec<(&[u8], Range<usize>)> = Vec::new();
        for same in by_name.chunk_by(|one, other| one.name.value == other.name.value) {
            let from = names.last().map_or(0, |(_, range)| range.end);
            names.push((&same[0].name.value, from..from + same.len()));
        }
        Held { directive, context, parent, children: Vec::new(), items, by_name, names }
    }

    /// The directives of a name.
    fn named(&self, name: &[u8]) -> &[&'a Directive] {
        let found = self.names.iter().find(|(known, _)| *known == name);
        found.map_or(&[], |(_, range)| &self.by_name[range.clone()])
    }
}
