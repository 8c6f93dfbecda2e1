//! What variables may come to.

use std::collections::{BTreeSet, HashMap};

use bstr::BString;

use crate::directive::variables::{Protocol, VariableRow};
use crate::syntax::{Directive, Word};

use super::pieces::{Piece, named_groups, pieces};
use super::{Block, Site};

/// What gives a variable its value.
#[derive(Clone, Copy)]
pub enum Origin<'a> {
    /// nginx itself: `$uri`, `$http_upgrade`.
    Builtin(&'static VariableRow),
    /// A `map`, which looks at `input`.
    Map { directive: &'a Directive, input: &'a Word },
    /// A `set`.
    Set { directive: &'a Directive, value: &'a Word },
    /// A named group of a pattern, which this word is.
    Capture { directive: &'a Directive, pattern: &'a Word },
    /// Something else that gives values: `geo`, `split_clients`, `auth_request_set`, a module's own.
    Other(&'a Directive),
}

/// What gives each variable its value, by its name in lower case.
#[derive(Default)]
pub(super) struct Givers<'a>(HashMap<Vec<u8>, Given<'a>>);

/// What gives one variable its value.
#[derive(Default)]
struct Given<'a> {
    all: Vec<Origin<'a>>,
    /// The same by the number of the server it stands in; `None` is what stands in none.
    by_server: HashMap<Option<usize>, Vec<Origin<'a>>>,
    /// Those of them that are no `set`.
    elsewhere: Vec<Origin<'a>>,
    /// What `set` makes of it, by the number of the server it stands in: what another server sets is nothing to
    /// this one.
    sets: HashMap<Option<usize>, Vec<&'a Word>>,
    /// The same by the number of the location.
    in_locations: HashMap<usize, Sets<'a>>,
}

/// What a location makes of a variable, the `if` blocks in it as well.
#[derive(Default)]
struct Sets<'a> {
    values: Vec<&'a Word>,
    /// Whether one of them is in no `if`: then every request that comes here has it set here.
    always: bool,
}

/// Where a variable is asked for.
#[derive(Clone, Copy)]
struct Scope {
    server: Option<usize>,
    location: Option<usize>,
}

impl Scope {
    fn of(block: Block<'_>) -> Scope {
        let number = |block: Option<Block<'_>>| block.map(|block| block.at);
        Scope { server: number(block.server()), location: number(block.location()) }
    }
}

/// Directives that give the variable named by their first argument a value.
const FIRST: [&str; 9] = [
    "set",
    "auth_request_set",
    "perl_set",
    "js_set",
    "js_var",
    "set_by_lua",
    "set_by_lua_file",
    "set_by_lua_block",
    "auth_jwt_claim_set",
];
/// Blocks that give the variable named by their last argument a value.
const LAST: [&str; 3] = ["map", "geo", "split_clients"];
/// Directives with patterns whose named groups are variables.
const PATTERNS: [&str; 5] = ["location", "server_name", "if", "rewrite", "map"];

impl<'a> Givers<'a> {
    pub(super) fn of(site: &Site<'a>) -> Givers<'a> {
        let mut givers = Givers::default();
        for block in site.blocks() {
            for directive in site.blocks[block.at].items.iter().copied() {
                givers.add(site, directive, block);
            }
        }
        givers
    }

    fn add(&mut self, site: &Site<'a>, directive: &'a Directive, block: Block<'_>) {
        let name = &directive.name.value;
        if FIRST.iter().any(|known| name == known)
            && let Some(variable) = directive.args.first()
        {
            let origin = match &directive.args[..] {
                [_, value] if directive.is("set") => Origin::Set { directive, value },
                _ => Origin::Other(directive),
            };
            self.give(&variable.value, origin, block);
        } else if LAST.iter().any(|known| name == known)
            && let Some(variable) = directive.args.last()
        {
            let origin = match &directive.args[..] {
                [input, _] if directive.is("map") => Origin::Map { directive, input },
                _ => Origin::Other(directive),
            };
            self.give(&variable.value, origin, block);
        }
        if PATTERNS.iter().any(|known| name == known) {
            let keys =
                site.tree.items(Some(directive.id)).filter(|_| directive.is("map")).map(|row| &row.name);
            for word in directive.args.iter().chain(keys) {
                for group in named_groups(&word.value) {
                    self.give(group, Origin::Capture { directive, pattern: word }, block);
                }
            }
        }
    }

    fn give(&mut self, variable: &[u8], origin: Origin<'a>, block: Block<'_>) {
        let name = variable.strip_prefix(b"$").unwrap_or(variable);
        let given = self.0.entry(name.to_ascii_lowercase()).or_default();
        given.all.push(origin);
        let scope = Scope::of(block);
        given.by_server.entry(scope.server).or_default().push(origin);
        match origin {
            Origin::Set { value, .. } => {
                given.sets.entry(scope.server).or_default().push(value);
                if let Some(location) = scope.location {
                    let sets = given.in_locations.entry(location).or_default();
                    sets.values.push(value);
                    sets.always |= location == block.at;
                }
            }
            _ => given.elsewhere.push(origin),
        }
    }
}

/// How many values are gathered before a variable is taken for one that may be anything.
const MOST: usize = 64;
/// How many variables may stand for one another.
const DEEPEST: usize = 8;

impl<'a> Site<'a> {
    /// Everything that gives the variable of this name a value; empty if nobody is known to.
    pub fn origins(&self, name: &[u8]) -> Vec<Origin<'_>> {
        let name = name.to_ascii_lowercase();
        match self.variables.0.get(&name) {
            Some(given) => given.all.clone(),
            None => Protocol::Http.find(&name).map(Origin::Builtin).into_iter().collect(),
        }
    }

    /// The same without what stands in other servers than this block.
    pub fn origins_in(&self, block: Block<'_>, name: &[u8]) -> Vec<Origin<'_>> {
        let name = name.to_ascii_lowercase();
        let Some(given) = self.variables.0.get(&name) else {
            return Protocol::Http.find(&name).map(Origin::Builtin).into_iter().collect();
        };
        let server = Scope::of(block).server;
        let own = server.and_then(|server| given.by_server.get(&Some(server)));
        given.by_server.get(&None).into_iter().chain(own).flatten().copied().collect()
    }

    /// The variables that directives give values, by name in lower case, each with the first that does.
    pub fn given(&self) -> impl Iterator<Item = (&[u8], &Directive)> {
        self.variables.0.iter().filter_map(|(name, origins)| match origins.all.first()? {
            Origin::Builtin(_) => None,
            Origin::Map { directive, .. }
            | Origin::Set { directive, .. }
            | Origin::Capture { directive, .. }
            | Origin::Other(directive) => Some((&name[..], *directive)),
        })
    }

    /// The rows of a `map`: key and value. Parameters such as `hostnames` and `volatile` are left out.
    pub fn rows(&self, map: &'a Directive) -> impl Iterator<Item = (&'a Word, &'a Word)> {
        let rows = self.tree.items(Some(map.id)).filter(|row| !row.is("include"));
        rows.filter_map(|row| Some((&row.name, row.args.first()?)))
    }

    /// Everything that a text may come to in this block; `None` where it may be anything. In order, without
    /// doubles.
    pub fn possible(&self, block: Block<'_>, text: &[u8]) -> Option<BTreeSet<BString>> {
        let all = self.outlines(block, text);
        all.iter().all(|value| !value.contains(&ANYTHING)).then_some(all)
    }

    /// Everything that a text may look like in this block: as [`Site::possible`], with [`ANYTHING`] where nobody
    /// knows what stands there.
    pub fn outlines(&self, block: Block<'_>, text: &[u8]) -> BTreeSet<BString> {
        self.outlines_within(Scope::of(block), text, DEEPEST, &mut HashMap::new())
    }

    fn outlines_within(
        &self,
        scope: Scope,
        text: &[u8],
        depth: usize,
        known: &mut Outlines,
    ) -> BTreeSet<BString> {
        let mut all = BTreeSet::from([BString::default()]);
        for piece in pieces(text) {
            let next = match piece {
                Piece::Text(text) => BTreeSet::from([BString::from(text)]),
                Piece::Capture(_) => anything(),
                Piece::Variable(name) if depth > 0 => self.variable(scope, name, depth - 1, known),
                Piece::Variable(_) => anything(),
            };
            if all.len() * next.len() > MOST {
                return anything();
            }
            let join = |start: &BString, end: &BString| BString::from([&start[..], &end[..]].concat());
            all = all.iter().flat_map(|start| next.iter().map(move |end| join(start, end))).collect();
        }
        all
    }

    /// Each variable is looked into once: one that leads back to itself may be anything.
    fn variable(&self, scope: Scope, name: &[u8], depth: usize, known: &mut Outlines) -> BTreeSet<BString> {
        let name = name.to_ascii_lowercase();
        let Some(given) = self.variables.0.get(&name) else { return builtin(&name) };
        if let Some(known) = known.get(&name) {
            return known.clone();
        }
        known.insert(name.clone(), anything());
        let mut all = BTreeSet::new();
        let here = scope.location.and_then(|location| given.in_locations.get(&location));
        let sets = match here.filter(|sets| sets.always) {
            Some(sets) => Some(&sets.values),
            None => given.sets.get(&scope.server),
        };
        for value in sets.into_iter().flatten() {
            all.extend(self.outlines_within(scope, &value.value, depth, known));
        }
        for origin in &given.elsewhere {
            match origin {
                Origin::Map { directive, .. } => {
                    let rows: Vec<(&Word, &Word)> = self.rows(directive).collect();
                    if !rows.iter().any(|(key, _)| key.value == "default" && key.quote.is_none()) {
                        all.insert(BString::default());
                    }
                    for (_, value) in rows {
                        all.extend(self.outlines_within(scope, &value.value, depth, known));
                    }
                }
                _ => all.extend(anything()),
            }
        }
        let all = if all.is_empty() || all.len() > MOST { anything() } else { all };
        known.insert(name, all.clone());
        all
    }
}

/// What is known of variables already, by their names in lower case.
type Outlines = HashMap<Vec<u8>, BTreeSet<BString>>;

/// Stands in [`Site::outlines`] for what may be any text. No value of a configuration has it.
pub const ANYTHING: u8 = 0;

fn anything() -> BTreeSet<BString> {
    BTreeSet::from([BString::from(vec![ANYTHING])])
}

/// What one of nginx's own variables may look like.
fn builtin(name: &[u8]) -> BTreeSet<BString> {
    let known: &[&str] = match name {
        b"scheme" => &["http", "https"],
        b"is_args" => &["", "?"],
        b"request_uri" | b"uri" | b"document_uri" => &["/\0"],
        _ => return anything(),
    };
    known.iter().map(|value| BString::from(*value)).collect()
}
