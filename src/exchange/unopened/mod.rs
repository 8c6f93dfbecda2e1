//! WebSockets that were asked for and did not open: a line in the error log that says what to do.
//!
//! Here the facts are gathered, for requests alone that ask for a WebSocket. `sent` reads what the upstream
//! was asked, `passing` finds what a location kept back, `answers` says what an upstream's answer means,
//! `redirect` what a redirect is about, `missed` what is wrong with a handshake, `here` what happened where no
//! upstream was asked.

mod answers;
mod here;
mod missed;
mod passing;
mod redirect;
mod sent;

use std::fmt::{self, Display};

use crate::features::error_log::Level;
use crate::features::rewrite::{self, Step, Then};
use crate::http1::{Framing, Known, RequestHead, Version};
use crate::model::Content;
use crate::source::Place;
use crate::websocket::handshake::{self, NotGranted, WhyNot, Wish};

use super::answer::Done;
use super::forward::Failure;
use super::life::Exchange;
use super::report::Shown;

use answers::{Answer, Credentials, From, Waited};
use here::{Here, What};
use missed::Missed;
use passing::{KeptBack, Line};
use sent::Sent;

/// Letters of a value of somebody else's that a message shows.
const BRIEF: usize = 80;

/// Whether a request asks for a WebSocket.
pub fn wish(head: &RequestHead) -> Result<Wish, WhyNot<'_>> {
    let has_body = !matches!(head.framing(), Framing::None | Framing::Length(0));
    let headers = head.headers.iter().map(|(name, value, _)| (name, value));
    handshake::wish(head.method_name(), head.version() == Version::Http11, has_body, headers)
}

impl Exchange<'_> {
    /// Tells what an upstream's answer means for the WebSocket that was asked for, unless it opens as it
    /// should. `head` is what the upstream was asked, `upgrade` whether that asks for a switch.
    pub fn tell_answer(&self, head: &[u8], upgrade: bool) {
        let status = self.request.upstream.head.status;
        if self.request.sub {
            if status == 101 {
                let message = "connection upgrade in subrequest while reading response header from upstream";
                self.report(Level::Error, format_args!("{message}"));
            }
            return;
        }
        if status != 101 {
            // What an X-Accel-Redirect leads to is answered elsewhere.
            if self.request.websocket.is_some() && self.accel_redirect().is_none() {
                return self.tell_refusal(head, status);
            }
            if self.request.misses_websocket {
                return self.say_missed(
                    Level::Warn,
                    format_args!("; passed on as a plain request, upstream answered {status}"),
                );
            }
            return;
        }
        match (&self.request.websocket, upgrade) {
            (Some(wish), true) => self.tell_oddities(wish),
            (None, true) => {}
            (_, false) => self.tell_switch(head),
        }
    }

    /// A handshake that was answered, and not with a switch.
    fn tell_refusal(&self, head: &[u8], status: u16) {
        let sent = Sent::read(head);
        match self.kept_back(&sent) {
            Some(kept) => {
                let message = format_args!("{kept}; upstream answered {status} to a plain request");
                self.report(Level::Warn, message);
            }
            None => self.report(Level::Warn, format_args!("{}", self.meaning(&sent, status))),
        }
    }

    /// A switch that the upstream was not asked for; the client gets 502.
    fn tell_switch(&self, head: &[u8]) {
        let sent = Sent::read(head);
        let unasked = "upstream switched protocols (101) all the same";
        match self.kept_back(&sent) {
            Some(kept) if self.request.websocket.is_some() => {
                self.report(Level::Error, format_args!("{kept}; {unasked}"));
            }
            _ if self.request.misses_websocket => self.say_missed(Level::Error, format_args!("; {unasked}")),
            _ => {
                let message = "upstream switched protocols (101) though the client asked for no WebSocket";
                self.report(Level::Error, format_args!("{message}"));
            }
        }
    }

    /// A switch that goes to the client as it came, whatever is odd about it.
    fn tell_oddities(&self, wish: &Wish) {
        let headers = self.request.upstream.head.headers.iter().map(|(name, value, _)| (name, value));
        match handshake::granted(wish, 101, headers) {
            Ok(mut grant) => {
                // Where websocket_protocols says which may be spoken, it has its own word for that.
                grant.protocol_offered |= self.settings.websocket.protocols.is_some();
                if let Some(odd) = answers::oddities(&grant) {
                    self.report(Level::Warn, format_args!("{odd}"));
                }
            }
            Err(NotGranted::Upgrade(why)) => {
                let why = cut(why);
                let cure = "the client will close it; mend the upstream";
                self.report(Level::Warn, format_args!("upstream answered 101 with {why}: {cure}"));
            }
            Err(NotGranted::Status(_)) => {}
        }
    }

    /// What stands behind the message about a try that failed: nothing, unless a WebSocket was asked for.
    pub fn handshake_hint(&self, failure: &Failure, head: &[u8]) -> String {
        if self.request.websocket.is_none() || self.request.sub {
            return String::new();
        }
        let connected = self.request.upstream.tries.last().is_some_and(|tried| tried.connected.is_some());
        let proxy = &self.settings.proxy;
        if connected && let Some(kept) = self.kept_back(&Sent::read(head)) {
            return format!(": {kept}");
        }
        let pass = At(self.pass_place());
        match (failure, connected) {
            (Failure::Error(_) | Failure::Stale(_), false) => {
                format!(": no WebSocket opens before something listens where proxy_pass{pass} points")
            }
            (Failure::Error(_) | Failure::Stale(_), true) => {
                format!(
                    ": it closed on a WebSocket handshake; a server that expects TLS where proxy_pass{pass} \
points does so"
                )
            }
            (Failure::Timeout(doing), _) => {
                let waited = match (connected, doing.starts_with("sending")) {
                    (false, _) => Waited("proxy_connect_timeout", &proxy.connect_timeout),
                    (true, true) => Waited("proxy_send_timeout", &proxy.send_timeout),
                    (true, false) => Waited("proxy_read_timeout", &proxy.read_timeout),
                };
                format!(": {waited}")
            }
            (Failure::InvalidHeader(_) | Failure::Status(_) | Failure::Client(_) | Failure::Gone, _) => {
                String::new()
            }
        }
    }

    /// Tells of a WebSocket that was asked for where no upstream is asked.
    pub fn tell_answered_here(&self, done: &Done) {
        let request = &*self.request;
        let opened = matches!(done, Done::Tunnel(_) | Done::Echo(_));
        if request.websocket.is_none() || opened || !request.upstream.tries.is_empty() {
            return;
        }
        let http = &self.live.model.http;
        let id = self.first_location();
        let location = http.location(id);
        let answers = |line: &rewrite::Line| match &line.step {
            Step::Return { .. } => true,
            Step::Rewrite(rewrite) => matches!(rewrite.then, Then::Redirect(_)),
            _ => false,
        };
        let server = http.server(self.server);
        let is_root = id == server.root;
        let script = if is_root { &server.script } else { &location.script };
        let what = match location.content {
            _ if script.iter().any(answers) => What::Itself,
            Content::Files if is_root => What::NoLocation,
            Content::Files => What::Files,
            // What goes wrong on the way to an upstream has its own line.
            Content::Pass(_) | Content::Echo => What::Elsewhere,
        };
        let here = Here {
            status: request.reply.status,
            location: request.reply.header(|name| name.eq_ignore_ascii_case(b"location")),
            uri: request.head.target(),
            what,
            place: &location.place,
        };
        if let Some(message) = here.message() {
            self.report(Level::Warn, format_args!("{message}"));
        }
    }

    /// Tells what is wrong with a request that asks for a WebSocket, if it is one and something is.
    pub fn tell_missed(&self) {
        if self.request.misses_websocket {
            self.say_missed(Level::Warn, format_args!(""));
        }
    }

    fn say_missed(&self, level: Level, behind: fmt::Arguments) {
        if let Err(why) = wish(&self.request.head) {
            self.report(level, format_args!("{}{behind}", Missed(why)));
        }
    }

    /// What the location kept back of a handshake, where the upstream did not get one.
    fn kept_back<'e>(&'e self, sent: &Sent<'e>) -> Option<KeptBack<'e>> {
        let why = sent.wish().err()?;
        let proxy = &self.settings.proxy;
        let line = |name: &'static str, wanted: &'static str| Line {
            name,
            wanted,
            sent: sent.first(name.as_bytes()),
            place: place_of(&proxy.set_headers, name),
            voided: place_of(&proxy.voided_headers, name),
        };
        Some(KeptBack {
            why,
            pass: self.pass_place(),
            lines: [line("Upgrade", "$http_upgrade"), line("Connection", "upgrade")],
            voided_by: proxy.set_headers.first().and_then(|header| header.place.as_ref()),
            http_1_0: proxy.http_version.place.as_ref().filter(|_| !sent.http_1_1),
            headers_off: proxy.pass_headers.place.as_ref().filter(|_| !proxy.pass_headers.value),
        })
    }

    /// The same in words, for a head that is not sent.
    pub fn kept_back_of(&self, head: &[u8]) -> Option<String> {
        self.kept_back(&Sent::read(head)).map(|kept| kept.to_string())
    }

    fn meaning<'e>(&'e self, sent: &Sent<'e>, status: u16) -> Answer<'e> {
        let request = &*self.request;
        let proxy = &self.settings.proxy;
        let line = |name: &str| place_of(&proxy.set_headers, name).map(From::Line);
        let host_from = match self.settings.websocket.proxy {
            true => From::Client,
            false => From::Default,
        };
        let answer = &request.upstream.head.headers;
        Answer {
            status,
            pass: self.pass_place(),
            client_uri: request.head.target(),
            uri: sent.uri,
            host: sent.first(b"host").unwrap_or_default(),
            host_from: line("Host").unwrap_or(host_from),
            origin: sent.first(b"origin"),
            origin_from: line("Origin").unwrap_or(From::Client),
            credentials: Credentials {
                cookie: sent.first(b"cookie").is_some(),
                authorization: sent.first(b"authorization").is_some(),
            },
            location: answer.first(Known::Location),
            versions: answer.first(Known::SecWebSocketVersion),
        }
    }

    fn pass_place(&self) -> Option<&Place> {
        match &self.live.model.http.location(self.location).content {
            Content::Pass(pass) => Some(&pass.place),
            Content::Files | Content::Echo => None,
        }
    }
}

fn place_of<'a>(headers: &'a [crate::features::proxy::headers::SetHeader], name: &str) -> Option<&'a Place> {
    let mut named = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name.as_bytes()));
    named.next()?.place.as_ref()
}

/// ` (site.conf:12)`, if somebody wrote it.
struct At<'a>(Option<&'a Place>);

impl Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |place| write!(f, " ({place})"))
    }
}

/// The beginning of what a peer sent, in quotes.
struct Quoted<'a>(&'a [u8]);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", cut(Shown(self.0)))
    }
}

/// The beginning of a text.
fn cut(text: impl Display) -> String {
    let mut text = text.to_string();
    if let Some((end, _)) = text.char_indices().nth(BRIEF) {
        text.truncate(end);
        text.push('…');
    }
    text
}
