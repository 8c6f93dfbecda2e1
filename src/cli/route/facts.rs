//! What a request came by, line by line: a kind, a place, a sentence, and the same as fields for JSON.

use std::time::Duration;

use bstr::ByteSlice;
use serde_json::{Map, Value, json};

use crate::exchange::route::{Captured, Course, Event, Upstream};
use crate::features::Set;
use crate::model::{Content, Found, Http, LocationId, Matched, Model, Seen};
use crate::net::Host;
use crate::source::{Place, Span};
use crate::syntax::{Directive, Tree};

use super::asking::Request;

pub type Facts = Map<String, Value>;

/// One line.
struct Line {
    kind: &'static str,
    place: Option<Place>,
    text: String,
    facts: Facts,
}

/// The whole answer.
pub struct Report<'t> {
    pub(super) tree: &'t Tree,
    lines: Vec<Line>,
    server: String,
    location: String,
    end: Option<String>,
}

pub(super) fn facts<const N: usize>(pairs: [(&str, Value); N]) -> Facts {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(super) fn text_of(bytes: &[u8]) -> String {
    bytes.to_str_lossy().into_owned()
}

fn uri(path: &[u8], args: &[u8]) -> String {
    let mark = if args.is_empty() { "" } else { "?" };
    format!("{}{mark}{}", text_of(path), text_of(args))
}

/// `, $1 = "a"`
fn captured(captures: &Captured) -> String {
    let one = |(at, text): (usize, &Vec<u8>)| format!(", ${} = \"{}\"", at + 1, text_of(text));
    captures.iter().enumerate().map(one).collect()
}

fn listed(captures: &Captured) -> Value {
    captures.iter().map(|text| text_of(text)).collect()
}

impl<'t> Report<'t> {
    pub fn new(tree: &'t Tree) -> Report<'t> {
        Report { tree, lines: Vec::new(), server: String::new(), location: String::new(), end: None }
    }

    pub fn line(&mut self, kind: &'static str, place: Option<Place>, text: impl Into<String>, facts: Facts) {
        self.lines.push(Line { kind, place, text: text.into(), facts });
    }

    pub(super) fn at(&mut self, kind: &'static str, span: Span, text: impl Into<String>, facts: Facts) {
        let place = self.tree.sources.place(span);
        self.line(kind, Some(place), text, facts);
    }

    /// A directive as it is written, on one line.
    pub(super) fn written(&self, span: Span) -> String {
        let text = self.tree.sources.bytes(span).to_str_lossy();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub fn request(&mut self, request: &Request, model: &Model) {
        let told = format!("{} from {}", request.line, request.from());
        let own = facts([("request", request.line.clone().into()), ("client", request.from().into())]);
        self.line("request", None, told, own);
        if request.tls {
            let told = "wsproxy does not serve TLS: taken as it comes from whoever ends TLS in front of it";
            self.line("tls", None, told, Facts::new());
        }
        let listener = &model.http.listeners[request.listener];
        let address = listener.address.to_string();
        let told = format!("{address}: {}", request.why);
        let own = facts([("address", address.into()), ("why", request.why.clone().into())]);
        self.line("listener", Some(listener.place.clone()), told, own);
    }

    pub fn course(&mut self, course: &Course, model: &Model) {
        for event in &course.events {
            self.event(event, &model.http);
        }
        if self.end.is_none() {
            self.answer(&course.answer);
        }
    }

    fn event(&mut self, event: &Event, http: &Http) {
        match event {
            Event::Server { server, matched, captures } => self.server(http, *server, *matched, captures),
            Event::Handshake(Ok(())) => {
                let own = facts([("handshake", true.into())]);
                self.line("websocket", None, "a WebSocket handshake as RFC 6455 wants it", own);
            }
            Event::Handshake(Err(why)) => {
                let own = facts([("handshake", false.into()), ("why", why.clone().into())]);
                self.line("websocket", None, format!("not a WebSocket handshake: {why}"), own);
            }
            Event::RealIp(client) => {
                let client = Host(client).to_string();
                let told = format!("from here on the client is {client}: real_ip_header");
                self.line("client", None, told, facts([("client", client.into())]));
            }
            Event::Set { span, value } => {
                let value = text_of(value);
                let told = format!("{}: \"{value}\"", self.written(*span));
                self.at("set", *span, told, facts([("value", value.into())]));
            }
            Event::Rewrite { span, before, after, captures } => {
                let (written, before) = (self.written(*span), text_of(before));
                let after = after.as_ref().map(|(path, args)| uri(path, args));
                let told = match &after {
                    Some(after) => format!("{written}: {before} -> {after}{}", captured(captures)),
                    None => format!("{written}: does not match {before}"),
                };
                let matched = after.is_some().into();
                let own = [("matched", matched), ("before", before.into()), ("after", after.into())];
                let mut own = facts(own);
                own.insert("captures".into(), listed(captures));
                self.at("rewrite", *span, told, own);
            }
            Event::If { span, holds, captures } => {
                let how = if *holds { "holds" } else { "does not hold" };
                let told = format!("{}: {how}{}", self.written(*span), captured(captures));
                let own = facts([("holds", (*holds).into()), ("captures", listed(captures))]);
                self.at("if", *span, told, own);
            }
            Event::Break { span } => self.at("break", *span, "break: no more steps here", Facts::new()),
            Event::Return { span, status } => {
                let told = self.written(*span);
                self.at("return", *span, told, facts([("status", (*status).into())]));
            }
            Event::Search { uri, seen, found, captures } => self.search(http, uri, seen, *found, captures),
            Event::Limited { directive, zone, key, value, counts } => {
                let (zone, key, value) = (text_of(zone), text_of(key), value.escape_ascii().to_string());
                let told = match (counts, value.is_empty()) {
                    (true, _) => format!("counts in zone \"{zone}\" as {key} = \"{value}\""),
                    (false, true) => format!("does not count in zone \"{zone}\": {key} is empty"),
                    (false, false) => format!("does not count in zone \"{zone}\": {key} is too long"),
                };
                let own = [("directive", (*directive).into()), ("counts", (*counts).into())];
                let mut own = facts(own);
                own.extend(facts([("zone", zone.into()), ("key", key.into()), ("value", value.into())]));
                self.line("limit", None, format!("{directive} {told}"), own);
            }
            Event::Judged { directive, place, allowed } => {
                let told = match (directive.starts_with("websocket_"), *allowed) {
                    (true, true) => "allows the handshake",
                    (true, false) => "forbids the handshake",
                    (false, true) => "lets it in",
                    (false, false) => "refuses it",
                };
                let own = facts([("directive", (*directive).into()), ("allowed", (*allowed).into())]);
                self.line("access", Some(place.clone()), format!("{directive} {told}"), own);
            }
            Event::AuthRequest { uri } => {
                let uri = text_of(uri);
                let told = format!("auth_request asks {uri} inside, and is taken to let it in");
                let own = facts([("directive", "auth_request".into()), ("uri", uri.into())]);
                self.line("access", None, told, own);
            }
            Event::AuthJwt { place } => {
                let told =
                    "auth_jwt would have to ask for keys, and is taken to find the token good".to_owned();
                let own = facts([("directive", "auth_jwt".into())]);
                self.line("access", Some(place.clone()), told, own);
            }
            Event::TokenStays { from } => {
                let told = format!("taken out of the {from}: websocket_pass_tokens is off");
                self.line("token", None, told, facts([("from", (*from).into())]));
            }
            Event::ErrorPage { span, status, target } => {
                let target = text_of(target);
                let told = format!("{}: {status} is answered by {target}", self.written(*span));
                let own = facts([("status", (*status).into()), ("target", target.into())]);
                self.at("error_page", *span, told, own);
            }
            Event::Except(id) => {
                let location = http.location(*id);
                let told = format!("{}: holds for this method", self.written(location.span));
                self.at("methods", location.span, told, Facts::new());
            }
            Event::Named(id) => {
                let location = http.location(*id);
                self.location = self.written(location.span);
                let told = format!("{} takes over", self.location);
                self.at("location", location.span, told, facts([("why", "named".into())]));
            }
            Event::Inside { path, args } => {
                let to = uri(path, args);
                let told = format!("begins again inside with {to}");
                self.line("redirect", None, told, facts([("uri", to.into())]));
            }
            Event::Content { location } => self.content(http, *location),
            Event::File { path } => {
                let path = text_of(path);
                self.line("file", None, path.clone(), facts([("path", path.into())]));
            }
            Event::Upstream(upstream) => self.upstream(upstream),
            Event::Told(level, message) => {
                let told = format!("[{}] {message}", level.name());
                let own = facts([("level", level.name().into()), ("message", message.clone().into())]);
                self.line("log", None, told, own);
            }
        }
    }

    fn server(&mut self, http: &Http, server: usize, matched: Matched, captures: &Captured) {
        let named = |span: Span| self.written(span);
        let (how, told) = match matched {
            Matched::Exact(span) if http.server(server).span == span => {
                ("exact", "has no server_name, and the request no host".to_owned())
            }
            Matched::Exact(span) => ("exact", format!("server_name {} is the host", named(span))),
            Matched::Head(span) | Matched::Tail(span) => {
                ("wildcard", format!("server_name {} fits the host, the longest that does", named(span)))
            }
            Matched::Pattern(span, at) => {
                let captures = captured(captures);
                ("regex", format!("server_name {} is pattern {} and matches{captures}", named(span), at + 1))
            }
            Matched::Default => ("default", "the listener's default: no server_name is the host".to_owned()),
        };
        self.server = text_of(&http.server(server).name);
        let place = match matched {
            Matched::Exact(span) | Matched::Head(span) | Matched::Tail(span) | Matched::Pattern(span, _) => {
                span
            }
            Matched::Default => http.server(server).span,
        };
        let server_place = http.server(server).place.to_string();
        let own = facts([
            ("match", how.into()),
            ("server_name", self.server.clone().into()),
            ("server", server_place.into()),
            ("captures", listed(captures)),
        ]);
        self.at("server", place, told, own);
    }

    fn search(&mut self, http: &Http, uri: &[u8], seen: &[Seen], found: Option<Found>, captures: &Captured) {
        let uri = text_of(uri);
        let (id, slash) = match found {
            Some(Found::Location(id)) => (id, false),
            Some(Found::AddSlash(id)) => (id, true),
            None => {
                self.location = "no location".into();
                let own = facts([("uri", uri.clone().into()), ("why", "none".into())]);
                return self.line(
                    "location",
                    None,
                    format!("none fits {uri}: the server itself answers"),
                    own,
                );
            }
        };
        let missed = seen.iter().filter(|one| matches!(one, Seen::Missed(_))).count();
        let (kind, mut why) = match seen.iter().rev().find(|one| !matches!(one, Seen::Missed(_))) {
            _ if slash => ("slash", format!("{uri} is its name without the slash: 301 to there")),
            Some(Seen::Exact(_)) => ("exact", format!("is {uri}")),
            Some(Seen::First(_)) => (
                "regex",
                format!("pattern {} in order, the first that matches{}", missed + 1, captured(captures)),
            ),
            Some(Seen::Silenced(_)) => {
                ("prefix-only", "the longest prefix, and ^~ asks no patterns".to_owned())
            }
            _ if missed > 0 => ("prefix", format!("the longest prefix; none of {missed} patterns matches")),
            _ => ("prefix", "the longest prefix".to_owned()),
        };
        let mut beaten: Vec<LocationId> = seen
            .iter()
            .filter_map(|one| if let Seen::Longest(id) = one { Some(*id) } else { None })
            .collect();
        let shorter = |id: &LocationId| {
            let levels = http.servers.iter().map(|server| &server.locations);
            let levels = levels.chain(http.locations.iter().map(|location| &location.locations));
            levels.flat_map(|level| level.shorter_than(*id).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        beaten.extend(beaten.iter().flat_map(shorter).collect::<Vec<_>>());
        beaten.retain(|other| *other != id);
        let beaten: Vec<String> = beaten
            .iter()
            .map(|id| format!("{} ({})", self.written(http.location(*id).span), http.location(*id).place))
            .collect();
        if !beaten.is_empty() {
            why.push_str(&format!("; before {}", beaten.join(", ")));
        }
        let span = http.location(id).span;
        self.location = self.written(span);
        let told = format!("{}: {why}", self.location);
        let own = facts([
            ("uri", uri.into()),
            ("why", kind.into()),
            ("location", self.location.clone().into()),
            ("patterns_missed", missed.into()),
            ("before", beaten.into()),
            ("captures", listed(captures)),
        ]);
        self.at("location", span, told, own);
    }

    fn content(&mut self, http: &Http, id: LocationId) {
        let location = http.location(id);
        let (content, told) = match &location.content {
            Content::Pass(_) => return,
            Content::Echo => ("echo", "websocket_echo answers here"),
            Content::Files => ("files", "files answer"),
        };
        let own = facts([("content", content.into())]);
        self.line("content", Some(location.place.clone()), told, own);
    }

    fn upstream(&mut self, upstream: &Upstream) {
        let head = text_of(&upstream.head);
        let request_line = head.lines().next().unwrap_or_default().to_owned();
        let name = upstream.group.spec.name.to_string();
        let told = format!("{}: group {name}", upstream.pass.target);
        self.line(
            "proxy_pass",
            Some(upstream.pass.place.clone()),
            told,
            facts([("group", name.clone().into())]),
        );
        let block = self.block(&upstream.group.spec.host);
        self.method(block, upstream);
        self.peers(block, upstream);
        let headers = head.lines().skip(1).filter(|line| !line.is_empty()).collect::<Vec<_>>();
        let own = facts([("line", request_line.clone().into()), ("headers", json!(headers))]);
        self.line("sent", None, request_line.clone(), own);
        for header in headers.iter().filter(|header| is_telling(header)) {
            let (name, value) = header.split_once(": ").unwrap_or((header, ""));
            let mut set = upstream.settings.proxy.set_headers.iter();
            let set = set.find(|set| set.name.eq_ignore_ascii_case(name.as_bytes()));
            let place = set.and_then(|set| set.place.clone());
            let own = facts([("name", name.into()), ("value", value.into())]);
            self.line("header", place, header.to_string(), own);
        }
        self.websocket(upstream);
        self.timeouts(upstream);
        let peer = upstream.peers.first().map(|peer| &upstream.group.spec.servers[peer.server].text);
        self.end = Some(match peer {
            Some(peer) if *peer == name => format!("{peer} gets {request_line}"),
            Some(peer) => format!("{peer} of {name} gets {request_line}"),
            None => format!("502: no peer of {name} can be asked"),
        });
    }

    /// The `upstream` block of a group.
    fn block(&self, host: &str) -> Option<&'t Directive> {
        let tree = self.tree;
        let http = tree.items(None).find(|directive| directive.is("http"))?;
        let is_it = |directive: &&Directive| {
            directive.is("upstream")
                && directive.args.first().is_some_and(|name| name.value.eq_ignore_ascii_case(host.as_bytes()))
        };
        tree.items(Some(http.id)).find(is_it)
    }

    fn websocket(&mut self, upstream: &Upstream) {
        if !upstream.websocket {
            return;
        }
        let told = match (&upstream.kept_back, upstream.upgrade) {
            (_, true) => "the upstream is asked for the WebSocket".to_owned(),
            (Some(why), false) => why.clone(),
            (None, false) => "the upstream is not asked for the WebSocket".to_owned(),
        };
        let own = facts([("upgrade", upstream.upgrade.into())]);
        self.line("upgrade", None, told, own);
    }

    fn timeouts(&mut self, upstream: &Upstream) {
        let (proxy, tunnel) = (&upstream.settings.proxy, &upstream.settings.tunnel);
        let mut timeout = |name: &str, after: Duration, place: &Option<Place>| {
            let shown = humantime::format_duration(after).to_string();
            let default = if place.is_none() { ", by default" } else { "" };
            let own = facts([("directive", name.into()), ("seconds", json!(after.as_secs_f64()))]);
            self.line("timeout", place.clone(), format!("{name} {shown}{default}"), own);
        };
        let set = |set: &Set<Duration>| (set.value, set.place.clone());
        let (value, place) = set(&proxy.connect_timeout);
        timeout("proxy_connect_timeout", value, &place);
        if !upstream.upgrade {
            for (name, one) in
                [("proxy_read_timeout", &proxy.read_timeout), ("proxy_send_timeout", &proxy.send_timeout)]
            {
                let (value, place) = set(one);
                timeout(name, value, &place);
            }
            return;
        }
        timeout("proxy_read_timeout", tunnel.read.after, &tunnel.read.place);
        timeout("proxy_send_timeout", tunnel.send_upstream.after, &tunnel.send_upstream.place);
        timeout("send_timeout", tunnel.send_client.after, &tunnel.send_client.place);
        if let Some(limit) = &tunnel.max_lifetime {
            timeout("websocket_max_lifetime", limit.after, &limit.place);
        }
        if let Some(limit) = tunnel.token_expiry.as_ref().filter(|limit| limit.place.is_some()) {
            timeout("websocket_token_expiry", limit.after, &limit.place);
        }
        if let Some(ping) = tunnel.frames.as_ref().and_then(|frames| frames.ping.as_ref()) {
            timeout("websocket_ping_interval", ping.interval.after, &ping.interval.place);
            timeout("websocket_ping_timeout", ping.timeout.after, &ping.timeout.place);
        }
    }

    /// What is answered from here: the status line and where it redirects to.
    fn answer(&mut self, answer: &[u8]) {
        let text = text_of(answer);
        // What is said before the answer itself.
        let text = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&text);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.lines().next().unwrap_or_default().strip_prefix("HTTP/1.1 ").unwrap_or_default();
        if status.is_empty() {
            self.line("answer", None, "none: the connection is closed", facts([("status", Value::Null)]));
            self.end = Some("the connection is closed without an answer".into());
            return;
        }
        let location = head.lines().find_map(|line| line.strip_prefix("Location: ")).map(str::to_owned);
        let told = match &location {
            Some(location) => format!("{status}, Location: {location}"),
            None => status.to_owned(),
        };
        let number = status.get(..3).and_then(|number| number.parse::<u16>().ok());
        let body = body.chars().take(BODY).collect::<String>();
        let own = facts([("status", number.into()), ("location", location.into()), ("body", body.into())]);
        self.line("answer", None, told.clone(), own);
        self.end = Some(format!("answered here: {told}"));
    }

    fn summary(&self) -> String {
        let server = if self.server.is_empty() { "a server without a name" } else { &self.server };
        let location = if self.location.is_empty() { "no location" } else { &self.location };
        format!("{server}, {location}: {}", self.end.as_deref().unwrap_or_default())
    }

    pub fn text(&self) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let here = format!("{}/", here.display());
        let place = |line: &Line| line.place.as_ref().map(ToString::to_string).unwrap_or_else(|| "-".into());
        let places: Vec<String> = self.lines.iter().map(|line| place(line).replacen(&here, "", 1)).collect();
        let width = places.iter().map(String::len).max().unwrap_or_default();
        let rows = self.lines.iter().zip(&places);
        let rows = rows.map(|(line, place)| {
            format!("{:<10} {place:<width$}  {}\n", line.kind, line.text.escape_debug_controls())
        });
        rows.collect::<String>() + &format!("=> {}\n", self.summary())
    }

    pub fn json(&self) -> String {
        let step = |line: &Line| {
            let mut step = line.facts.clone();
            step.insert("kind".into(), line.kind.into());
            step.insert("text".into(), line.text.clone().into());
            step.insert("file".into(), line.place.as_ref().map(|place| place.file.to_string()).into());
            step.insert("at".into(), line.place.as_ref().map(|place| place.line).into());
            Value::Object(step)
        };
        let steps: Vec<Value> = self.lines.iter().map(step).collect();
        let whole = json!({ "summary": self.summary(), "steps": steps });
        format!("{whole:#}\n")
    }
}

/// How much of a body is shown.
const BODY: usize = 200;

/// Whether a header says where a request goes or what it switches to.
fn is_telling(header: &str) -> bool {
    let name = header.split(':').next().unwrap_or_default();
    ["Host", "Upgrade", "Connection"].iter().any(|telling| name.eq_ignore_ascii_case(telling))
}

trait Controls {
    fn escape_debug_controls(&self) -> String;
}

/// A request may hold what a terminal would obey.
impl Controls for str {
    fn escape_debug_controls(&self) -> String {
        let one = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        self.chars().map(one).collect()
    }
}
