//! Tree to Model.

use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::features::listen::ServerName;
use crate::features::rewrite::{Line, Step};
use crate::features::{Build, Options, Settings, files, health, log, proxy, tokens};
use crate::source::Files;
use crate::syntax::Tree;

use super::listeners::{Listening, gather};
use super::locations::{Kind, Locations};
use super::mark::Mark;
use super::walk::{RawHttp, RawLocation, RawMain, RawServer, Walk};
use super::{Content, Except, Http, Location, LocationId, Model, Server, finish};

/// Reads what a tree means. There always is a model: what was wrong is left out of it, and said.
pub fn read(tree: &Tree, files: &dyn Files, options: &Options) -> (Model, Vec<Diagnostic>) {
    let mut build = Build {
        files,
        options,
        diagnostics: Vec::new(),
        variables: Default::default(),
        mentions: Vec::new(),
        log_formats: Default::default(),
        upstreams: Default::default(),
        matches: Default::default(),
        zones: Default::default(),
        limit_conn: Default::default(),
        limit_req: Default::default(),
    };
    let defaults = defaults(&mut build);
    let mut walk = Walk { tree, build };
    let main = walk.read(options.context);
    let mut build = walk.build;
    finish::finish(&mut build, tree, &main);
    let RawMain { written, events, http, .. } = main;
    let error_log = written.error_log.over(&Default::default());
    let defaults = Settings { error_log: error_log.clone(), ..defaults };
    let mut assembly = Assembly { tree, matches: &build.matches, http: Http::default(), found: Vec::new() };
    assembly.http(http, &defaults);
    let Assembly { mut http, found, .. } = assembly;
    build.diagnostics.extend(found);
    http.variables = Arc::new(build.variables);
    http.limit_conn = build.limit_conn.zones;
    http.limit_req = build.limit_req.zones;
    http.tokens = tokens::Settings::of_all(http.locations.iter().map(|location| &location.settings.tokens));
    http.groups = build.upstreams.groups(&http.settings.resolver);
    (Model { main: written.core.resolve(events.core), error_log, http }, build.diagnostics)
}

/// nginx's defaults, those that need names of variables or the prefix included.
fn defaults(build: &mut Build) -> Settings {
    let recipe = proxy::headers::Recipe::new(&mut build.variables);
    Settings {
        proxy: proxy::Settings::of(Arc::new(recipe)),
        log: log::Settings::combined(&build.options.prefix, &mut build.variables),
        files: files::Settings::under(&build.options.prefix),
        ..Settings::default()
    }
}

/// Whether it is known while reading whose servers are asked.
fn is_fixed(content: &Content) -> bool {
    matches!(content, Content::Pass(pass) if matches!(pass.target, proxy::Target::Fixed(_)))
}

struct Assembly<'a> {
    tree: &'a Tree,
    matches: &'a health::Matches,
    http: Http,
    found: Vec<Diagnostic>,
}

/// What an `if` takes from the block around it where it says nothing else.
struct Around {
    content: Content,
    /// The bytes of the URI that the block stands for.
    prefix: usize,
}

impl Default for Around {
    fn default() -> Around {
        Around { content: Content::Files, prefix: 0 }
    }
}

impl Assembly<'_> {
    fn http(&mut self, raw: RawHttp, defaults: &Settings) {
        let settings = Settings::of(&raw.written, defaults);
        let mut names = Vec::new();
        let mut listens = Vec::new();
        for mut server in raw.servers {
            let mut own = std::mem::take(&mut server.written.listen);
            if own.names.is_empty() {
                own.names.push((ServerName::Exact(Box::default()), server.span));
            }
            if own.listens.is_empty() {
                own.listens.push(own.default_listen(server.span, self.tree.sources.place(server.span)));
            }
            server.written.referer.answers_for(&own.names);
            let name = own.names[0].0.text();
            let mark = Mark::of_server(&own.listens, &own.names, server.text);
            self.server(server, &settings, Arc::from(name), mark);
            names.push(own.names);
            listens.push(own.listens);
        }
        let servers = names.iter().zip(&listens).enumerate();
        let servers: Vec<Listening> =
            servers.map(|(server, (names, listens))| Listening { server, listens, names }).collect();
        self.http.listeners = gather(&servers, &mut self.found);
        self.http.settings = Arc::new(settings);
    }

    fn server(&mut self, raw: RawServer, outer: &Settings, name: Arc<[u8]>, mark: Mark) {
        let settings = Settings::of(&raw.written, outer);
        let place = self.tree.sources.place(raw.span);
        // What holds in a server outside of its locations is a location without a name.
        let root = RawLocation {
            kind: Kind::Unnamed,
            name: Vec::new(),
            span: raw.span,
            head: raw.span,
            text: 0,
            written: Box::default(),
            inner: Vec::new(),
            ifs: Vec::new(),
            except: None,
        };
        let around = Around::default();
        let first = self.http.locations.len();
        let root = self.location(root, &settings, &around, mark);
        let mut script = raw.written.rewrite.script;
        self.ifs(&mut script, raw.ifs, &settings, &around, mark);
        let ids = self.locations(raw.locations, &settings, mark);
        let is_named = |id: &&LocationId| matches!(self.http.locations[**id].kind, Kind::Named);
        let named = ids.iter().filter(is_named);
        let named = named.map(|id| (self.http.locations[*id].name[..].into(), *id)).collect();
        self.http.servers.push(Server {
            name,
            settings: Arc::new(settings),
            script: script.into(),
            root,
            locations: Locations::new(ids.into_iter(), &self.http.locations),
            own: first..self.http.locations.len(),
            named,
            place,
            span: raw.span,
        });
    }

    /// Locations of one level; of two that are the same the first stays.
    fn locations(&mut self, raw: Vec<RawLocation>, outer: &Settings, above: Mark) -> Vec<LocationId> {
        let duplicates = finish::duplicate_locations(&raw);
        let mut ids = Vec::new();
        for (at, raw) in raw.into_iter().enumerate() {
            let span = raw.span;
            let name = String::from_utf8_lossy(&raw.name).into_owned();
            let mark = above.within(&raw.kind, &raw.name, at, raw.text);
            let id = self.location(raw, outer, &Around::default(), mark);
            match duplicates.get(&at) {
                None => ids.push(id),
                Some(earlier) => {
                    let message = format!("duplicate location \"{name}\"");
                    let finding = Diagnostic::error("duplicate-location", span, message);
                    self.found.push(finding.also(*earlier, "the earlier one"));
                }
            }
        }
        ids
    }

    fn location(
        &mut self,
        mut raw: RawLocation,
        outer: &Settings,
        around: &Around,
        mark: Mark,
    ) -> LocationId {
        if !matches!(raw.kind, Kind::Pattern(_) | Kind::Named) {
            raw.written.files.alias_for(raw.name.len());
        }
        let settings = Settings::of(&raw.written, outer);
        let content = match raw.written.proxy.pass.take() {
            Some(pass) => Content::Pass(Arc::new(pass)),
            None if raw.written.websocket.echo => Content::Echo,
            None => around.content.clone(),
        };
        let health = std::mem::take(&mut raw.written.health).resolve(self.matches);
        let health = health.filter(|_| is_fixed(&content));
        let prefix = match raw.kind {
            Kind::Pattern(_) | Kind::Named => 0,
            Kind::Unnamed => around.prefix,
            Kind::Prefix | Kind::PrefixOnly | Kind::Exact => raw.name.len(),
        };
        let within = Around { content: content.clone(), prefix };
        let mut script = std::mem::take(&mut raw.written.rewrite.script);
        self.ifs(&mut script, raw.ifs, &settings, &within, mark);
        let except = raw.except.map(|except| {
            // There is one at most, and `if`s are counted from 0.
            let mark = mark.within(&Kind::Unnamed, b"", usize::MAX, 0);
            let location = self.location(except.location, &settings, &within, mark);
            Except { methods: except.methods, location }
        });
        let ids = self.locations(raw.inner, &settings, mark);
        let locations = Locations::new(ids.into_iter(), &self.http.locations);
        self.http.locations.push(Location {
            kind: raw.kind,
            name: raw.name.into(),
            prefix,
            settings: Arc::new(settings),
            script: script.into(),
            content,
            internal: raw.written.location.internal,
            health,
            except,
            locations,
            place: self.tree.sources.place(raw.span),
            span: raw.head,
            mark,
        });
        self.http.locations.len() - 1
    }

    /// Makes a location of each `if`, which answers as the block around it does unless it says
    /// otherwise, and points the steps at them.
    fn ifs(
        &mut self,
        script: &mut [Line],
        raw: Vec<RawLocation>,
        outer: &Settings,
        around: &Around,
        above: Mark,
    ) {
        let location = |(at, raw): (usize, RawLocation)| {
            let mark = above.within(&raw.kind, &raw.name, at, raw.text);
            self.location(raw, outer, around, mark)
        };
        let ids: Vec<LocationId> = raw.into_iter().enumerate().map(location).collect();
        for line in script {
            if let Step::If { then, .. } = &mut line.step {
                *then = ids[*then];
            }
        }
    }
}
