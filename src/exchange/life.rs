//! The life of a request: the page where its fate is decided, top to bottom.

use std::rc::Rc;
use std::sync::Arc;

use crate::features::Settings;
use crate::features::client::Lingering;
use crate::features::error_log::Level;
use crate::http1::escape;
use crate::model::{Content, Found, LocationId, Seen, ServerId};
use crate::net::now;
use crate::request::Request;

use super::answer::{Done, Reply};
use super::body::Body;
use super::connection::Client;
use super::live::Live;
use super::report::{Shown, report};
use super::route::{Event, captured};
use super::subrequest::Audience;
use super::worker::Worker;

/// How often a request may be sent back to the search for a location (`NGX_HTTP_MAX_URI_CHANGES`).
const MAX_URI_CHANGES: u32 = 10;

/// A request on its way, and all it needs.
pub struct Exchange<'c> {
    pub worker: &'c Rc<Worker>,
    pub live: &'c Arc<Live>,
    pub client: &'c mut Client,
    pub request: &'c mut Request,
    pub body: Body,
    pub server: ServerId,
    pub location: LocationId,
    /// What holds now: the server's or the location's.
    pub settings: &'c Arc<Settings>,
    pub keep_alive: bool,
    pub lingering: Lingering,
    /// A rewrite has changed the URI, so that another location may be right.
    pub uri_changed: bool,
    uri_changes: u32,
    /// An error page is being made for what this location answered.
    error_page: Option<LocationId>,
    /// That location, or one an error page led to, has `recursive_error_pages off`: another error has
    /// nginx's own page.
    last_page: bool,
    /// Header lines of an upstream that go out with the answer of another location.
    pub carried: Vec<u8>,
    /// The status that an error page is to be sent with.
    pub status_override: Option<u16>,
    pub audience: Audience,
}

/// Where a request enters the phases.
enum Stage {
    /// At the server's rewrites.
    Server,
    /// At a location that is already known.
    Location(LocationId),
}

impl<'c> Exchange<'c> {
    pub fn new(
        worker: &'c Rc<Worker>,
        live: &'c Arc<Live>,
        client: &'c mut Client,
        request: &'c mut Request,
        server: ServerId,
    ) -> Exchange<'c> {
        let body = Body::new(&request.head);
        let settings = &live.model.http.server(server).settings;
        Exchange {
            worker,
            client,
            body,
            server,
            location: live.model.http.server(server).root,
            keep_alive: request.head.keep_alive(),
            lingering: settings.client.lingering_close,
            uri_changed: false,
            uri_changes: MAX_URI_CHANGES + 1,
            error_page: None,
            last_page: false,
            carried: Vec::new(),
            status_override: None,
            audience: Audience::Client,
            settings,
            request,
            live,
        }
    }

    /// Has whoever asked for a request's course know what it came by.
    pub fn note(&self, event: impl FnOnce(&Request) -> Event) {
        if let Some(recorder) = &self.worker.recorder {
            recorder.add(event(self.request));
        }
    }

    /// Takes the request through the phases until it is answered.
    pub async fn live(&mut self) -> Done {
        if !self.request.sub {
            self.real_ip();
        }
        let mut stage = Stage::Server;
        loop {
            let reply = match self.phases(stage).await {
                Ok(()) => match self.content().await {
                    Ok(done) => return done,
                    Err(reply) => reply,
                },
                Err(reply) => reply,
            };
            stage = match self.instead(reply) {
                Ok(stage) => stage,
                Err(reply) => return self.reply(reply).await,
            };
        }
    }

    /// Answers a head that could not be read.
    pub async fn refuse(&mut self, status: u16) -> Done {
        self.keep_alive = false;
        match self.instead(Reply::Status(status)) {
            Ok(stage) => {
                let outcome = match self.phases(stage).await {
                    Ok(()) => self.content().await,
                    Err(reply) => Err(reply),
                };
                match outcome {
                    Ok(done) => done,
                    Err(reply) => self.reply(reply).await,
                }
            }
            Err(reply) => self.reply(reply).await,
        }
    }

    /// Everything before the content: rewrites, location, limits, access.
    async fn phases(&mut self, stage: Stage) -> Result<(), Reply> {
        match stage {
            Stage::Server => {
                self.server_rewrites()?;
                self.find_location()?;
            }
            Stage::Location(location) => self.enter(location),
        }
        loop {
            self.limit_body()?;
            self.uri_changed = false;
            let live = self.live;
            self.run(&live.model.http.location(self.location).script)?;
            if !self.uri_changed {
                self.preaccess().await?;
                return self.access().await;
            }
            self.count_change()?;
            self.find_location()?;
        }
    }

    fn server_rewrites(&mut self) -> Result<(), Reply> {
        let live = self.live;
        let server = live.model.http.server(self.server);
        self.settings = &server.settings;
        self.location = server.root;
        self.set_root();
        self.run(&server.script)?;
        Ok(())
    }

    fn find_location(&mut self) -> Result<(), Reply> {
        let http = &self.live.model.http;
        let server = http.server(self.server);
        let mut seen = Vec::new();
        let recorder = &self.worker.recorder;
        let mut see = |one| {
            if recorder.is_some() {
                seen.push(one);
            }
        };
        let found = server.locations.find(http, self.request, &self.request.target.path, &mut see);
        self.note(|request| {
            let matched = seen.iter().any(|one| matches!(one, Seen::First(_)));
            let captures = if matched { captured(request) } else { Vec::new() };
            Event::Search { uri: request.target.path.clone(), seen, found, captures }
        });
        match found {
            None => self.enter(server.root),
            Some(Found::Location(id)) => {
                let location = http.location(id);
                if location.internal && !self.request.internal {
                    self.enter(id);
                    return Err(Reply::Status(404));
                }
                self.enter(id);
            }
            Some(Found::AddSlash(id)) => {
                self.enter(id);
                let mut address = Vec::new();
                escape::escape_uri(&http.location(id).name, &mut address);
                if !self.request.target.args.is_empty() {
                    address.push(b'?');
                    address.extend_from_slice(&self.request.target.args);
                }
                return Err(Reply::Redirect(301, address));
            }
        }
        Ok(())
    }

    /// Has a location's settings hold from now on, or those of its `limit_except`
    /// (`ngx_http_update_location_config`).
    pub fn enter(&mut self, location: LocationId) {
        let http = &self.live.model.http;
        let except =
            http.location(location).except.filter(|except| !except.methods.has(self.request.method()));
        self.location = except.map_or(location, |except| except.location);
        if except.is_some() {
            self.note(|_| Event::Except(self.location));
        }
        self.settings = &http.location(self.location).settings;
        self.set_root();
        let client = &self.settings.client;
        let request = &self.request.connection;
        let spent = request.requests >= client.keepalive_requests
            || client.keepalive_timeout.value.is_zero()
            || now().duration_since(request.started) > client.keepalive_time;
        if spent {
            self.keep_alive = false;
        }
        self.lingering = client.lingering_close;
    }

    fn limit_body(&mut self) -> Result<(), Reply> {
        if self.body.unwanted {
            return Ok(());
        }
        let most = self.settings.client.max_body_size;
        self.body.most = if most == 0 { u64::MAX } else { most };
        let Some(length) = self.body.length().filter(|length| *length > self.body.most) else {
            return Ok(());
        };
        // It is discarded, and a page that answers in its place is not about its length.
        self.body.unwanted = true;
        self.report(Level::Error, format_args!("client intended to send too large body: {length} bytes"));
        Err(Reply::Status(413))
    }

    fn count_change(&mut self) -> Result<(), Reply> {
        self.uri_changes -= 1;
        if self.uri_changes > 0 {
            return Ok(());
        }
        let uri = self.request.target.path.clone();
        let message = format!("rewrite or internal redirection cycle while processing \"{}\"", Shown(&uri));
        self.report(Level::Error, format_args!("{message}"));
        Err(Reply::Status(500))
    }

    async fn content(&mut self) -> Result<Done, Reply> {
        let live = self.live;
        self.note(|_| Event::Content { location: self.location });
        match &live.model.http.location(self.location).content {
            Content::Pass(pass) => self.forward(pass).await,
            Content::Echo => self.echo().await,
            Content::Files => self.file().await,
        }
    }

    /// Where a reply sends the request instead: an error page, or another URI.
    fn instead(&mut self, reply: Reply) -> Result<Stage, Reply> {
        if let Reply::Inside { path, args } = reply {
            self.count_change()?;
            self.note(|_| Event::Inside { path: path.clone(), args: args.clone() });
            self.redirect_inside(path, args);
            return Ok(Stage::Server);
        }
        if let Reply::Named(name) = reply {
            self.count_change()?;
            return self.named(&name);
        }
        let status = match &reply {
            Reply::Status(status) | Reply::Redirect(status, _) => *status,
            _ => return Err(reply),
        };
        self.forget_persistence(status);
        if self.last_page {
            return Err(reply);
        }
        let settings = self.settings;
        let Some(page) = settings.error_page.page(status) else { return Err(reply) };
        self.error_page.get_or_insert(self.location);
        self.last_page = !settings.error_page.recursive;
        self.count_change()?;
        self.status_override = match page.overwrite {
            None => Some(status),
            Some(0) => None,
            Some(other) => Some(other),
        };
        // What the page's own variables show as `$status`.
        self.request.reply.status = self.status_override.unwrap_or(0);
        let mut target = Vec::new();
        page.target.render(self.request, &mut target);
        self.note(|_| Event::ErrorPage { span: page.span, status, target: target.clone() });
        match target.first() {
            Some(b'/') => {
                let (path, args) = match page.target.as_literal() {
                    Some(_) => (target, page.args.to_vec()),
                    None => split_args(target),
                };
                // A page is got, whatever it takes the place of; a HEAD stays one.
                self.request.method_is_get = true;
                self.redirect_inside(path, args);
                Ok(Stage::Server)
            }
            Some(b'@') => self.named(&target),
            _ => {
                let redirects = |status: &u16| matches!(status, 301 | 302 | 303 | 307 | 308);
                let redirect = page.overwrite.filter(redirects).unwrap_or(302);
                self.status_override = None;
                Err(Reply::Redirect(redirect, target))
            }
        }
    }

    /// `ngx_http_internal_redirect`: another URI. The method stays: `limit_except` may have a say there.
    fn redirect_inside(&mut self, path: Vec<u8>, args: Vec<u8>) {
        self.settings.tokens.leave(self.request);
        self.request.target.path = path;
        self.request.target.args = args;
        self.request.target.unparsed_is_valid = false;
        self.request.internal = true;
        self.request.location_valid = true;
        self.request.captures.get_mut().clear();
        self.forget_token();
    }

    /// `ngx_http_named_location`.
    fn named(&mut self, name: &[u8]) -> Result<Stage, Reply> {
        self.request.internal = true;
        self.settings.tokens.leave(self.request);
        self.forget_token();
        match self.live.model.http.server(self.server).named.get(name) {
            Some(location) => {
                self.note(|_| Event::Named(*location));
                Ok(Stage::Location(*location))
            }
            None => {
                let message = format!("could not find named location \"{}\"", Shown(name));
                self.report(Level::Error, format_args!("{message}"));
                Err(Reply::Status(500))
            }
        }
    }

    /// Another location judges anew whether the token is good. One that was made inside shows the token of the
    /// request it is made for.
    fn forget_token(&mut self) {
        if !self.request.sub {
            self.request.jwt = None;
        }
    }

    /// The location that had the first say, whatever error page took its place.
    pub fn first_location(&self) -> LocationId {
        self.error_page.unwrap_or(self.location)
    }

    pub fn report(&self, level: Level, message: std::fmt::Arguments) {
        self.note(|_| Event::Told(level, message.to_string()));
        if level < self.settings.error_log.lowest {
            return;
        }
        self.settings.tokens.hide(self.request);
        report(&self.settings.error_log, level, self.request, message);
    }
}

/// Takes the arguments off a target.
pub fn split_args(mut target: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    match target.iter().position(|byte| *byte == b'?') {
        None => (target, Vec::new()),
        Some(mark) => {
            let args = target.split_off(mark + 1);
            target.pop();
            (target, args)
        }
    }
}
