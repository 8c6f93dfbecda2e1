//! Goes through the tree, block by block: the catalogue judges each directive, features set theirs.
//!
//! What a block says is written down first; what then holds in it is resolved when its parent is
//! known whole, since a directive may stand behind the block that inherits it.

use crate::diagnostics::Diagnostic;
use crate::directive::form::Kind as Form;
use crate::directive::variables::Protocol;
use crate::directive::{Context, Known, Row, Seen, Serve, examine};
use crate::features::location::{self, Methods};
use crate::features::rewrite::{self, Line, Step};
use crate::features::{Build, Call, NOT_SERVED, REGISTER, Written, checked, upstream};
use crate::source::Span;
use crate::syntax::{Body, Directive, NodeId, Tree};

use super::locations::Kind;
use super::mark;

/// What is written in a `location` or an `if`.
pub struct RawLocation {
    pub kind: Kind,
    pub name: Vec<u8>,
    pub span: Span,
    /// The directive without its block.
    pub head: Span,
    /// See [`mark::text`].
    pub text: u64,
    // Large, and handed around.
    pub written: Box<Written>,
    pub inner: Vec<RawLocation>,
    /// The blocks of its `if`s, in the order of its steps.
    pub ifs: Vec<RawLocation>,
    /// Its `limit_except`.
    pub except: Option<Box<RawExcept>>,
}

/// What is written in a `limit_except`.
pub struct RawExcept {
    /// The methods that it is not for.
    pub methods: Methods,
    pub location: RawLocation,
}

impl RawLocation {
    /// A block that takes over within a location.
    fn unnamed(directive: &Directive, written: Box<Written>) -> RawLocation {
        RawLocation {
            kind: Kind::Unnamed,
            name: Vec::new(),
            span: directive.name.span,
            head: directive.head(),
            // The block around it has it in its own.
            text: 0,
            written,
            inner: Vec::new(),
            ifs: Vec::new(),
            except: None,
        }
    }
}

/// What is written in a `server`.
pub struct RawServer {
    pub span: Span,
    /// Of what stands outside of its locations: see [`mark::text`].
    pub text: u64,
    pub written: Box<Written>,
    pub locations: Vec<RawLocation>,
    pub ifs: Vec<RawLocation>,
}

/// What is written in `http`.
#[derive(Default)]
pub struct RawHttp {
    pub written: Written,
    pub servers: Vec<RawServer>,
}

/// What is written on the outermost level.
#[derive(Default)]
pub struct RawMain {
    pub written: Written,
    pub events: Written,
    pub has_events: bool,
    pub has_http: bool,
    pub http: RawHttp,
}

/// A block being read: where it is and what goes into it.
struct Level<'r> {
    context: Context,
    written: &'r mut Written,
    /// Where the blocks inside it go.
    inner: Inner<'r>,
}

enum Inner<'r> {
    Main {
        events: &'r mut Written,
        has_events: &'r mut bool,
        has_http: &'r mut bool,
        http: &'r mut RawHttp,
    },
    Http(&'r mut Vec<RawServer>),
    Locations {
        outer: Option<&'r Outer<'r>>,
        locations: &'r mut Vec<RawLocation>,
        ifs: &'r mut Vec<RawLocation>,
        except: &'r mut Option<Box<RawExcept>>,
    },
    /// Blocks that stand here are only checked.
    None,
}

/// The location that another stands in, for nginx's rules about that.
struct Outer<'r> {
    kind: &'r Kind,
    name: &'r [u8],
}

/// Walks a configuration, or a part of one that begins in `context`.
pub struct Walk<'a> {
    pub tree: &'a Tree,
    pub build: Build<'a>,
}

impl<'a> Walk<'a> {
    /// Reads everything from the outermost level on.
    pub fn read(&mut self, context: Context) -> RawMain {
        let mut main = RawMain::default();
        let RawMain { written, events, has_events, has_http, http } = &mut main;
        match context {
            Context::HTTP => {
                let inner = Inner::Http(&mut http.servers);
                self.block(None, Level { context, written: &mut http.written, inner });
            }
            Context::SERVER => self.server(None, &mut http.servers),
            Context::LOCATION => {
                let (mut locations, mut ifs, mut except) = (Vec::new(), Vec::new(), None);
                let inner = Inner::Locations {
                    outer: None,
                    locations: &mut locations,
                    ifs: &mut ifs,
                    except: &mut except,
                };
                self.block(None, Level { context, written: &mut http.written, inner });
            }
            Context::MAIN => {
                let inner = Inner::Main { events, has_events, has_http, http };
                self.block(None, Level { context, written, inner });
            }
            data if Context::DATA.contains(data) => {}
            _ => self.block(None, Level { context, written, inner: Inner::None }),
        }
        main
    }

    fn block(&mut self, block: Option<NodeId>, mut level: Level) {
        let mut seen = Seen::default();
        let tree = self.tree;
        for directive in tree.items(block) {
            let found = &mut self.build.diagnostics;
            let Some(known) = examine(tree, directive.id, level.context, &mut seen, found) else {
                continue;
            };
            match known.inner {
                Some(inner) if !Context::DATA.contains(inner) => {
                    self.inner(directive, &known, inner, &mut level)
                }
                _ => self.simple(directive, &known, &mut level),
            }
        }
    }

    /// A directive that ends in a `;`, or whose block is data.
    fn simple(&mut self, directive: &'a Directive, known: &Known, level: &mut Level) {
        if directive.is("include") || !known.sound {
            return;
        }
        let mut call = Call { tree: self.tree, directive, context: level.context, build: &mut self.build };
        let ours = REGISTER.iter().filter(|feature| feature.contexts().meets(level.context));
        for feature in ours {
            if feature.set(level.written, &mut call) {
                return;
            }
        }
        unserved(&mut call, known);
    }

    /// A directive with a block of directives.
    fn inner(&mut self, directive: &'a Directive, known: &Known, inner: Context, level: &mut Level) {
        let block = Some(directive.id);
        match (&mut level.inner, inner) {
            (Inner::Main { events, has_events, .. }, Context::EVENTS) => {
                **has_events = true;
                self.block(block, Level { context: inner, written: events, inner: Inner::None });
            }
            (Inner::Main { has_http, http, .. }, Context::HTTP) => {
                **has_http = true;
                let servers = Inner::Http(&mut http.servers);
                self.block(block, Level { context: inner, written: &mut http.written, inner: servers });
            }
            (Inner::Http(servers), Context::SERVER) => self.server(block, servers),
            (Inner::Http(_), Context::UPSTREAM) => self.upstream(directive, known),
            (Inner::Locations { outer, locations, .. }, Context::LOCATION) => {
                let found = self.location(directive, *outer, known.sound);
                locations.extend(found);
            }
            (Inner::Locations { ifs, .. }, Context::IF_SERVER | Context::IF_LOCATION) => {
                let then = ifs.len();
                let (condition, found) = self.if_block(directive, inner, level.context);
                ifs.push(found);
                if let Some(condition) = condition {
                    let step = Step::If { condition: condition.into(), then };
                    level.written.rewrite.script.push(Line { step, span: directive.head() });
                }
            }
            (Inner::Locations { except, .. }, Context::LIMIT_EXCEPT) => {
                **except = Some(Box::new(self.limit_except(directive, inner, level.context)));
            }
            (_, inner) => {
                let context = level.context;
                let mut call = Call { tree: self.tree, directive, context, build: &mut self.build };
                unserved(&mut call, known);
                let mut unused = Written::default();
                self.block(block, Level { context: inner, written: &mut unused, inner: Inner::None });
            }
        }
    }

    fn server(&mut self, block: Option<NodeId>, servers: &mut Vec<RawServer>) {
        let (mut written, mut locations, mut ifs) = (Box::<Written>::default(), Vec::new(), Vec::new());
        // No `limit_except` stands there: that was said.
        let except = &mut None;
        let inner = Inner::Locations { outer: None, locations: &mut locations, ifs: &mut ifs, except };
        self.block(block, Level { context: Context::SERVER, written: &mut written, inner });
        let Some(span) = block.map(|id| self.tree.get(id).name.span).or_else(|| self.first_span()) else {
            return;
        };
        let text = mark::text(self.tree, block, |directive| !directive.is("location"));
        servers.push(RawServer { span, text, written, locations, ifs });
    }

    /// Something to point at in a fragment.
    fn first_span(&self) -> Option<Span> {
        self.tree.items(None).next().map(|directive| directive.name.span)
    }

    fn upstream(&mut self, directive: &'a Directive, known: &Known) {
        let mut written = Written::default();
        let level = Level { context: Context::UPSTREAM, written: &mut written, inner: Inner::None };
        self.block(Some(directive.id), level);
        if known.sound {
            let context = Context::HTTP;
            let mut call = Call { tree: self.tree, directive, context, build: &mut self.build };
            upstream::define(&mut call, written.upstream, written.resolver);
        }
    }

    fn if_block(
        &mut self,
        directive: &'a Directive,
        inner: Context,
        context: Context,
    ) -> (Option<rewrite::Condition>, RawLocation) {
        let mut call = Call { tree: self.tree, directive, context, build: &mut self.build };
        let condition = rewrite::condition(&mut call);
        let mut written = Box::<Written>::default();
        self.block(Some(directive.id), Level { context: inner, written: &mut written, inner: Inner::None });
        (condition, RawLocation::unnamed(directive, written))
    }

    fn limit_except(&mut self, directive: &'a Directive, inner: Context, context: Context) -> RawExcept {
        let mut call = Call { tree: self.tree, directive, context, build: &mut self.build };
        let methods = location::methods(&mut call);
        let mut written = Box::<Written>::default();
        self.block(Some(directive.id), Level { context: inner, written: &mut written, inner: Inner::None });
        RawExcept { methods, location: RawLocation::unnamed(directive, written) }
    }

    fn location(
        &mut self,
        directive: &'a Directive,
        outer: Option<&Outer>,
        sound: bool,
    ) -> Option<RawLocation> {
        let context = Context::LOCATION;
        let mut call = Call { tree: self.tree, directive, context, build: &mut self.build };
        let named = if sound { location_name(&mut call, outer) } else { None };
        // What is inside is looked at though the location itself is wrong.
        let (kind, name) = named.clone().unwrap_or((Kind::Prefix, Vec::new()));
        let (mut written, mut locations, mut ifs) = (Box::<Written>::default(), Vec::new(), Vec::new());
        let this = Outer { kind: &kind, name: &name };
        let outer = named.is_some().then_some(&this);
        let mut except = None;
        let inner = Inner::Locations { outer, locations: &mut locations, ifs: &mut ifs, except: &mut except };
        self.block(Some(directive.id), Level { context, written: &mut written, inner });
        let span = directive.args.last().map_or(directive.name.span, |word| word.span);
        let text = mark::text(self.tree, Some(directive.id), |_| true);
        let (head, inner) = (directive.head(), locations);
        named.map(|(kind, name)| RawLocation { kind, name, span, head, text, written, inner, ifs, except })
    }
}

/// How a location is written: `ngx_http_core_location`.
fn location_name(call: &mut Call, outer: Option<&Outer>) -> Option<(Kind, Vec<u8>)> {
    let at = call.args().len() - 1;
    let (modifier, name) = match call.args() {
        [modifier, name] => (&modifier.value[..], &name.value[..]),
        [name] => split_modifier(&name.value),
        _ => return None,
    };
    let span = call.span(at);
    let kind = match modifier {
        b"" if name.starts_with(b"@") => Kind::Named,
        b"" => Kind::Prefix,
        b"=" => Kind::Exact,
        b"^~" => Kind::PrefixOnly,
        b"~" | b"~*" => Kind::Pattern(call.pattern(name, modifier == b"~*", span)?),
        other => {
            let message = format!("invalid location modifier \"{}\"", String::from_utf8_lossy(other));
            let finding = Diagnostic::error("invalid-location", call.span(0), message)
                .help("one of =, ~, ~* and ^~, or none");
            call.say(finding);
            return None;
        }
    };
    if let Some(outer) = outer {
        nesting(call, &kind, name, outer, span)?;
    }
    Some((kind, name.to_vec()))
}

/// `=/name` and its like, written without a blank.
fn split_modifier(word: &[u8]) -> (&[u8], &[u8]) {
    let length = match word {
        [b'~', b'*', ..] | [b'^', b'~', ..] => 2,
        [b'=' | b'~', ..] => 1,
        _ => 0,
    };
    word.split_at(length)
}

fn nesting(call: &mut Call, kind: &Kind, name: &[u8], outer: &Outer, span: Span) -> Option<()> {
    let (own, other) = (String::from_utf8_lossy(name), String::from_utf8_lossy(outer.name));
    let message = match (outer.kind, kind) {
        (Kind::Exact, _) => format!("location \"{own}\" cannot be inside the exact location \"{other}\""),
        (Kind::Named, _) => format!("location \"{own}\" cannot be inside the named location \"{other}\""),
        (_, Kind::Named) => format!("named location \"{own}\" can be on the server level only"),
        (_, Kind::Pattern(_)) => return Some(()),
        _ if name.starts_with(outer.name) => return Some(()),
        _ => format!("location \"{own}\" is outside location \"{other}\""),
    };
    call.say(Diagnostic::error("nested-location", span, message));
    None
}

/// A directive that no feature sets: its variables and patterns are looked at all the same.
fn unserved(call: &mut Call, known: &Known) {
    let directive = call.directive;
    if call.context.meets(Context::IN_HTTP) {
        for at in 0..directive.args.len() {
            let kinds = known.row.forms.of(at).map_or(&[][..], |form| &form.kinds[..]);
            for kind in kinds {
                mention(call, at, kind);
            }
        }
    }
    if known.sound {
        checked::check(call);
    }
    let blocks = matches!(directive.body, Body::Block { .. });
    let changes = known.row.serve == Serve::Changes && !says_default(call, known.row);
    if changes || known.row.serve == Serve::Served && !blocks {
        let message = format!("\"{}\" is not served by wsproxy", directive.name.value);
        call.say(Diagnostic::info(NOT_SERVED, directive.name.span, message));
    }
}

/// Whether a directive asks for what holds without it, as `gzip off` does.
fn says_default(call: &Call, row: &Row) -> bool {
    let mut words = row.default.split(' ').filter(|word| !word.is_empty());
    let args = 0..call.directive.args.len();
    !row.default.is_empty()
        && args
            .into_iter()
            .all(|at| words.next().is_some_and(|word| call.arg(at).eq_ignore_ascii_case(word.as_bytes())))
        && words.next().is_none()
}

fn mention(call: &mut Call, at: usize, kind: &Form) {
    match kind {
        Form::Vars | Form::OrVars(_) => {
            call.template(at);
        }
        Form::Uses if call.arg(at).starts_with(b"$") => {
            call.template(at);
        }
        Form::Defines => {
            if let [b'$', name @ ..] = call.arg(at) {
                if Protocol::Http.is_constant(name) {
                    let message = format!("the duplicate \"{}\" variable", String::from_utf8_lossy(name));
                    return call.error(at, "invalid-variable", message);
                }
                call.build.variables.slot(name);
            }
        }
        Form::Regex => {
            let span = call.span(at);
            call.pattern(call.arg(at), false, span);
        }
        _ => {}
    }
}
