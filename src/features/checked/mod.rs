//! What nginx checks of directives that wsproxy does not serve, beyond what their catalogue rows say.
//!
//! One file per subject, with its rows; a module that comes to be served takes its rows along into
//! its feature. Some things can only be said when the whole configuration is known: those are the
//! functions of `AFTERWARDS`.

pub mod address;
mod auth_jwt;
mod browser;
mod buffers;
mod cache;
mod charset;
mod cookies;
mod deprecated;
mod expires;
mod files;
mod gateways;
mod geo;
mod hashes;
mod health;
mod hosts;
mod images;
mod limits;
mod links;
mod locations;
mod machine;
mod mail;
mod passwords;
mod process;
mod referer;
pub mod resolver;
mod secure_link;
mod sockets;
mod split_clients;
mod ssl;
mod stream;
mod substitute;
mod syslog;
mod upstream_tls;
mod users;
mod websocket;

use std::collections::HashMap;

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, catalogue};
use crate::source::Span;
use crate::syntax::{Directive, NodeId, Tree};

pub use hosts::{Host, hosts};
pub use ssl::canonical;

use super::zones::PAGE;
use super::{Build, Call};

/// What nginx checks of one directive when it reads it.
pub struct Check {
    pub name: &'static str,
    pub contexts: Context,
    pub check: fn(&mut Call),
}

/// Every check, subject by subject.
static REGISTER: &[&[Check]] = &[
    browser::CHECKS,
    cache::CHECKS,
    charset::CHECKS,
    cookies::CHECKS,
    expires::CHECKS,
    files::CHECKS,
    gateways::CHECKS,
    geo::CHECKS,
    images::CHECKS,
    limits::CHECKS,
    links::CHECKS,
    mail::CHECKS,
    process::CHECKS,
    resolver::CHECKS,
    split_clients::CHECKS,
    ssl::CHECKS,
    stream::CHECKS,
    substitute::CHECKS,
];

/// What can be said when everything is read, in the order in which nginx comes to it.
static AFTERWARDS: &[fn(&Whole, &mut Build)] = &[
    gateways::afterwards,
    buffers::afterwards,
    cache::afterwards,
    secure_link::afterwards,
    ssl::afterwards,
    stream::afterwards,
    mail::afterwards,
    upstream_tls::afterwards,
    referer::afterwards,
    charset::afterwards,
    process::afterwards,
    users::afterwards,
    machine::afterwards,
    passwords::afterwards,
    deprecated::afterwards,
    locations::afterwards,
    syslog::afterwards,
    hashes::afterwards,
    limits::afterwards,
    websocket::afterwards,
    health::afterwards,
    auth_jwt::afterwards,
];

/// Checks a directive that stands where it may and whose arguments have the form of its row.
pub fn check(call: &mut Call) {
    let of_it = |check: &&Check| call.directive.is(check.name) && check.contexts.meets(call.context);
    if let Some(check) = REGISTER.iter().copied().flatten().find(of_it) {
        (check.check)(call);
    }
}

/// Checks what several directives say together.
pub fn afterwards(tree: &Tree, build: &mut Build) {
    let whole = Whole::of(tree, build.options.context);
    for check in AFTERWARDS {
        check(&whole, build);
    }
}

/// Whether a place stands in a line of `http` that every server replaces by lines of its own, so that
/// nginx never comes to read what is in it.
pub fn is_unused(tree: &Tree, build: &Build, place: Span) -> bool {
    let http = match build.options.context {
        Context::HTTP => None,
        _ => match tree.items(None).find(|directive| directive.is("http")) {
            Some(http) => Some(http.id),
            None => return false,
        },
    };
    let covers = |line: &&Directive| {
        line.span.file == place.file && line.span.start <= place.start && place.end <= line.span.end
    };
    let line = tree.items(http).filter(|line| INHERITED_WHOLE.iter().any(|name| line.is(name))).find(covers);
    let Some(line) = line else { return false };
    let mut servers = tree.items(http).filter(|directive| directive.is("server"));
    servers.all(|server| tree.items(Some(server.id)).any(|own| own.name.value == line.name.value))
}

/// The lists of values that are compiled where they are in effect, not where they are written.
const INHERITED_WHOLE: [&str; 5] =
    ["fastcgi_param", "grpc_set_header", "proxy_set_header", "scgi_param", "uwsgi_param"];

impl<'a> Call<'a, '_> {
    /// The directives of this name that stand before this one in its block.
    pub(super) fn earlier(&self) -> impl Iterator<Item = &'a Directive> {
        let (tree, id) = (self.tree, self.directive.id);
        let name = &self.directive.name.value;
        tree.items(tree.block_of(id))
            .take_while(move |other| other.id != id)
            .filter(move |other| other.name.value == *name)
    }

    /// What a block of data holds.
    fn lines(&self) -> impl Iterator<Item = &'a Directive> {
        self.tree.items(Some(self.directive.id))
    }
}

impl Build<'_> {
    /// Says what several blocks have in common once.
    fn say_once(&mut self, finding: Diagnostic) {
        let said = |other: &Diagnostic| other.code == finding.code && other.span() == finding.span();
        if !self.diagnostics.iter().any(said) {
            self.diagnostics.push(finding);
        }
    }
}

/// A configuration read to its end: its blocks of directives and what stands in them.
pub struct Whole<'a> {
    tree: &'a Tree,
    /// Outermost first; `None` is the outermost level.
    blocks: Vec<(Option<NodeId>, Context)>,
    /// The last directive of each name in each block: so few that they are found by looking at each.
    last: HashMap<Option<NodeId>, Vec<&'a Directive>>,
}

impl<'a> Whole<'a> {
    /// A tree whose outermost level stands in `context`.
    fn of(tree: &'a Tree, context: Context) -> Whole<'a> {
        let mut whole = Whole { tree, blocks: vec![(None, context)], last: HashMap::new() };
        let mut next = 0;
        while let Some((block, context)) = whole.blocks.get(next).copied() {
            next += 1;
            let mut last: Vec<&Directive> = Vec::new();
            for directive in tree.items(block) {
                match last.iter_mut().find(|other| other.name.value == directive.name.value) {
                    Some(earlier) => *earlier = directive,
                    None => last.push(directive),
                }
                let row = catalogue::in_context(&directive.name.value, context);
                let inner = row.and_then(|row| row.inner(context));
                if let Some(inner) = inner.filter(|inner| !Context::DATA.meets(*inner)) {
                    whole.blocks.push((Some(directive.id), inner));
                }
            }
            whole.last.insert(block, last);
        }
        whole
    }

    fn within(&self, contexts: Context) -> impl Iterator<Item = Option<NodeId>> {
        self.blocks.iter().filter(move |(_, context)| contexts.meets(*context)).map(|(block, _)| *block)
    }

    /// The directive of this name that stands in a block itself: the last, if there are several.
    fn own(&self, block: Option<NodeId>, name: &str) -> Option<&'a Directive> {
        self.last.get(&block)?.iter().find(|directive| directive.is(name)).copied()
    }

    /// The directive of this name that is in effect in a block: its own, or that of the nearest
    /// block around it that has one.
    fn in_effect(&self, block: Option<NodeId>, name: &str) -> Option<&'a Directive> {
        let mut at = block;
        loop {
            if let Some(found) = self.own(at, name) {
                return Some(found);
            }
            at = self.tree.block_of(at?);
        }
    }
}

/// Where a directive's argument stands, or its name where there is none.
fn span_of(directive: &Directive, at: usize) -> Span {
    directive.args.get(at).unwrap_or(&directive.name).span
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
