//! One question to one peer: how it is (`health_check`).
//!
//! Goes by the settings of the location that asks: its `proxy_set_header` lines and its timeouts. Two limits are
//! tighter than nginx's. A whole answer has to be there within `proxy_read_timeout`, so that a peer which sends a byte
//! now and then holds up no check; and within [`LONGEST`], since where WebSockets pass that may be hours.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::features::Settings;
use crate::features::health::{self, HealthCheck, Kind, matching};
use crate::features::proxy::{HttpVersion, Target};
use crate::http1::response::ParsedResponse;
use crate::http1::{
    BodyDecoder, Framing, HeadLimits, RequestParser, ResponseHead, Trailers, framing, parse_response, target,
    write_field,
};
use crate::model::{Content, Http};
use crate::net::{self, Address, Stream, numbered};
use crate::request::{Request, Try, Variables};
use crate::upstream::Rules;
use crate::websocket::frame;
use crate::websocket::handshake::{self, Accept, Wish};

use super::Live;
use super::io::fill;
use super::pool::is_quiet;

/// How long a peer may take to answer, whatever `proxy_read_timeout` says.
const LONGEST: Duration = Duration::from_secs(60);

/// How long a peer whose handshake has passed may take to answer our Close, before the connection is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// One `health_check`, and all it takes to ask by it.
pub struct Probe {
    pub check: HealthCheck,
    /// By index, as the model's groups.
    pub group: usize,
    pub settings: Arc<Settings>,
    variables: Arc<Variables>,
    /// Whom the question says it is for where a location passes on what a client has said.
    host: Box<[u8]>,
    /// `$server_name`.
    server_name: Arc<[u8]>,
    /// `$proxy_host` and `$proxy_port`.
    proxy_host: Box<[u8]>,
    proxy_port: Box<[u8]>,
}

/// A connection, which may be kept for the next question.
pub struct Line {
    stream: Stream,
    opened: Instant,
}

/// Why a peer did not pass.
#[derive(Debug)]
pub enum Trouble {
    /// No answer came, or none that can be understood: what happened, and what was being done.
    Failed { message: String, doing: &'static str },
    /// An answer did not pass a test; what it was.
    Test { failed: health::Failed, status: String },
    /// A WebSocket's 101 that is none.
    Handshake(String),
}

impl Trouble {
    fn failed(doing: &'static str, message: impl fmt::Display) -> Trouble {
        Trouble::Failed { message: message.to_string(), doing }
    }

    /// A limit was reached.
    fn late(doing: &'static str) -> Trouble {
        Trouble::failed(doing, "upstream timed out (110: Connection timed out)")
    }

    fn test(failed: health::Failed, head: &ResponseHead) -> Trouble {
        Trouble::Test { failed, status: super::report::Shown(head.status_line()).to_string() }
    }

    /// What was being done, as nginx's log has it behind "while".
    pub fn doing(&self) -> Cow<'static, str> {
        match self {
            Trouble::Failed { doing, .. } => (*doing).into(),
            Trouble::Test { failed, .. } => format!("checking {failed}").into(),
            Trouble::Handshake(_) => "checking WebSocket handshake".into(),
        }
    }

    /// What of the answer was not as it should be; nothing where there was none.
    pub fn answer(&self) -> Option<&str> {
        match self {
            Trouble::Failed { .. } => None,
            Trouble::Test { status, .. } => Some(status),
            Trouble::Handshake(why) => Some(why),
        }
    }
}

const CONNECTING: &str = "connecting to upstream";
const SENDING: &str = "sending request to upstream";
const READING_HEAD: &str = "reading response header from upstream";
const READING: &str = "reading upstream";

/// What is sent, and what is to come for it.
struct Question {
    bytes: Vec<u8>,
    wish: Option<Wish>,
}

#[derive(Default)]
struct Answer {
    head: ResponseHead,
    body: Vec<u8>,
    /// The connection can have another question.
    is_over: bool,
}

impl Probe {
    /// The checks of a configuration.
    pub fn all(live: &Live) -> Vec<Probe> {
        let http = &live.model.http;
        (0..http.locations.len()).filter_map(|location| Probe::of(http, location)).collect()
    }

    fn of(http: &Http, location: usize) -> Option<Probe> {
        let server = http.servers.iter().find(|server| server.own.contains(&location))?;
        let location = http.location(location);
        let (Some(check), Content::Pass(pass)) = (&location.health, &location.content) else { return None };
        let Target::Fixed(fixed) = &pass.target else { return None };
        let host = if is_host(&server.name) { (*server.name).into() } else { fixed.host.clone() };
        Some(Probe {
            check: check.clone(),
            group: fixed.group,
            settings: location.settings.clone(),
            variables: http.variables.clone(),
            host,
            server_name: server.name.clone(),
            proxy_host: fixed.host.clone(),
            proxy_port: fixed.port.clone(),
        })
    }

    pub fn rules(&self) -> Rules {
        let HealthCheck { fails, passes, mandatory, persistent, .. } = self.check;
        Rules { fails, passes, mandatory, persistent }
    }

    /// Asks a peer, through a connection that was kept if there is one that still stands; gives it back if it can be
    /// asked through again.
    pub async fn ask(&self, peer: &Address, kept: Option<Line>) -> (Result<(), Trouble>, Option<Line>) {
        let question = self.question(peer);
        if let Some(mut line) = kept.filter(|line| self.may_go_on(line)) {
            // A peer may close what it has kept at any time: that says nothing about it.
            if let Ok(answer) = self.answer(&mut line, &question).await {
                return self.end(peer, &question, answer, line).await;
            }
        }
        let answered = match self.connect(peer).await {
            Ok(mut line) => self.answer(&mut line, &question).await.map(|answer| (answer, line)),
            Err(trouble) => Err(trouble),
        };
        match answered {
            Ok((answer, line)) => self.end(peer, &question, answer, line).await,
            Err(trouble) => (Err(trouble), None),
        }
    }

    fn may_go_on(&self, line: &Line) -> bool {
        let limit = self.check.keepalive_time;
        limit.is_some_and(|limit| line.opened.elapsed() < limit) && is_quiet(&line.stream)
    }

    async fn connect(&self, peer: &Address) -> Result<Line, Trouble> {
        let address = match (peer, self.check.port) {
            (Address::Ip(address), Some(port)) => {
                let mut address = *address;
                address.set_port(port);
                Address::Ip(address)
            }
            (peer, _) => peer.clone(),
        };
        let limit = self.settings.proxy.connect_timeout.value;
        let connected = timeout(limit, net::connect(&address, None)).await;
        let stream = connected.map_err(|_| Trouble::late(CONNECTING))?.map_err(|error| {
            let to = if address.is_unix() { format!(" to {address}") } else { String::new() };
            Trouble::failed(CONNECTING, format_args!("connect(){to} failed ({})", numbered(&error)))
        })?;
        // A socket that cannot be told so is slower for small writes, and works.
        let _ = stream.set_nodelay();
        Ok(Line { stream, opened: Instant::now() })
    }

    async fn answer(&self, line: &mut Line, question: &Question) -> Result<Answer, Trouble> {
        let proxy = &self.settings.proxy;
        let sent = timeout(proxy.send_timeout.value, line.stream.write_all(&question.bytes)).await;
        sent.map_err(|_| Trouble::late(SENDING))?.map_err(|error| {
            Trouble::failed(SENDING, format_args!("writev() failed ({})", numbered(&error)))
        })?;
        let deadline = Instant::now() + proxy.read_timeout.value.min(LONGEST);
        let mut buffer = Vec::new();
        let mut answer = Answer::default();
        let head = timeout_at(deadline, self.read_head(line, &mut buffer, &mut answer.head)).await;
        head.map_err(|_| Trouble::late(READING_HEAD))??;
        if answer.head.status != 101 && (self.check.wants_body() || self.check.keepalive_time.is_some()) {
            let body = timeout_at(deadline, read_body(line, &mut buffer, &mut answer)).await;
            body.map_err(|_| Trouble::late(READING))??;
        }
        Ok(answer)
    }

    async fn read_head(
        &self,
        line: &mut Line,
        buffer: &mut Vec<u8>,
        head: &mut ResponseHead,
    ) -> Result<(), Trouble> {
        loop {
            match parse_response(buffer, self.settings.proxy.buffer_size, head) {
                Ok(ParsedResponse::Head(length)) => {
                    buffer.drain(..length);
                    if !(100..200).contains(&head.status) || head.status == 101 {
                        return Ok(());
                    }
                }
                Ok(ParsedResponse::Partial) => {
                    if read(line, buffer, READING_HEAD).await? == 0 {
                        return Err(cut(READING_HEAD));
                    }
                }
                Ok(ParsedResponse::Http09) => {
                    return Err(Trouble::failed(READING_HEAD, "upstream sent no valid HTTP/1.0 header"));
                }
                Err(error) => return Err(Trouble::failed(READING_HEAD, error)),
            }
        }
    }

    /// Judges an answer, and leaves its connection in peace.
    async fn end(
        &self,
        peer: &Address,
        question: &Question,
        answer: Answer,
        mut line: Line,
    ) -> (Result<(), Trouble>, Option<Line>) {
        let (is_open, is_over) = (answer.head.status == 101 && question.wish.is_some(), answer.is_over);
        let judged = self.judge(peer, question, answer);
        if is_open {
            say_goodbye(&mut line).await;
        }
        let stays = is_over && self.check.keepalive_time.is_some();
        (judged, stays.then_some(line))
    }

    fn judge(&self, peer: &Address, question: &Question, answer: Answer) -> Result<(), Trouble> {
        let Answer { head, body, .. } = answer;
        let mut request = self.request(peer);
        let status = head.status;
        request.upstream.head = head;
        request.upstream.answered = true;
        request.upstream.push(Try { status, ..Try::new(peer.clone()) });
        let head = &request.upstream.head;
        self.check
            .judge(status, &head.headers, &body, &request)
            .map_err(|failed| Trouble::test(failed, head))?;
        let Some(wish) = question.wish.as_ref().filter(|_| status == 101) else { return Ok(()) };
        let lines = head.headers.iter().map(|(name, value, _)| (name, value));
        match handshake::granted(wish, status, lines) {
            Err(why) => Err(Trouble::Handshake(why.to_string())),
            Ok(grant) if grant.accept != Accept::Right => {
                let odd = grant.oddities().next().unwrap_or_default();
                Err(Trouble::Handshake(format!("101 {odd}")))
            }
            Ok(_) => Ok(()),
        }
    }

    /// A request as the location's lines are written from: most of its variables are empty.
    fn request(&self, peer: &Address) -> Request {
        let mut request = Request::new(self.variables.clone());
        request.server_name = self.server_name.clone();
        request.upstream.host.extend_from_slice(&self.proxy_host);
        request.upstream.port.extend_from_slice(&self.proxy_port);
        let mut text = b"GET ".to_vec();
        text.extend_from_slice(&self.check.uri);
        text.extend_from_slice(b" HTTP/1.1\r\n");
        write_field(b"Host", &self.host, &mut text);
        if self.check.kind == Kind::WebSocket {
            write_field(b"Upgrade", b"websocket", &mut text);
            write_field(b"Connection", b"Upgrade", &mut text);
            write_field(b"Sec-WebSocket-Version", b"13", &mut text);
            write_field(b"Sec-WebSocket-Key", key().as_bytes(), &mut text);
        }
        text.extend_from_slice(b"\r\n");
        // What a line may say was seen to when it was read; without a head, variables are empty.
        let _ = RequestParser::new().parse(&text, &HeadLimits::default(), &mut request.head);
        let _ = target::normalise(&self.check.uri, true, &mut request.target);
        request.websocket = super::unopened::wish(&request.head).ok();
        request.connection.local = peer.clone();
        request
    }

    fn question(&self, peer: &Address) -> Question {
        let request = self.request(peer);
        let proxy = &self.settings.proxy;
        let mut bytes = b"GET ".to_vec();
        bytes.extend_from_slice(&self.check.uri);
        let is_handshake = self.check.kind == Kind::WebSocket;
        bytes.extend_from_slice(match proxy.http_version.value {
            HttpVersion::Http10 if !is_handshake => b" HTTP/1.0\r\n",
            _ => b" HTTP/1.1\r\n",
        });
        let mut lines = Vec::new();
        proxy.request_headers.write(&request, Framing::None, is_handshake, &mut lines);
        if is_handshake {
            // Also where the location itself does not pass handshakes on.
            write_field(b"Upgrade", b"websocket", &mut bytes);
            write_field(b"Connection", b"Upgrade", &mut bytes);
        }
        let is_ours =
            |line: &&[u8]| !(is_handshake && (is_named(line, b"upgrade") || is_named(line, b"connection")));
        lines
            .split_inclusive(|byte| *byte == b'\n')
            .filter(is_ours)
            .for_each(|line| bytes.extend_from_slice(line));
        bytes.extend_from_slice(b"\r\n");
        Question { bytes, wish: request.websocket }
    }
}

/// Whether a `server_name` is a name that a client would say.
fn is_host(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphanumeric)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte))
}

fn is_named(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        && line.get(name.len()) == Some(&b':')
}

/// A new `Sec-WebSocket-Key`.
fn key() -> String {
    let mut random = [0; 16];
    // Without randomness it is a poor key, and still one.
    let _ = getrandom::fill(&mut random);
    BASE64.encode(&random)
}

async fn read(line: &mut Line, buffer: &mut Vec<u8>, doing: &'static str) -> Result<usize, Trouble> {
    let read = fill(&mut line.stream, buffer).await;
    read.map_err(|error| Trouble::failed(doing, format_args!("recv() failed ({})", numbered(&error))))
}

fn cut(doing: &'static str) -> Trouble {
    Trouble::failed(doing, "upstream prematurely closed connection")
}

/// Reads a body, and no more of it than is looked at.
async fn read_body(line: &mut Line, buffer: &mut Vec<u8>, answer: &mut Answer) -> Result<(), Trouble> {
    let framing = framing::response_framing(&answer.head, false);
    let framing = framing.map_err(|error| Trouble::failed(READING_HEAD, error))?;
    let mut decoder = BodyDecoder::new(framing, Trailers::Drop);
    loop {
        let decoded = decoder
            .decode(buffer)
            .map_err(|error| Trouble::failed(READING, format_args!("upstream sent {error}")))?;
        answer.body.extend_from_slice(&buffer[decoded.data]);
        buffer.drain(..decoded.consumed);
        if decoder.is_done() {
            answer.is_over = buffer.is_empty() && answer.head.keep_alive();
            return Ok(());
        }
        if answer.body.len() >= matching::MOST_OF_BODY {
            return Ok(());
        }
        if decoded.consumed == 0 && read(line, buffer, READING).await? == 0 {
            return if decoder.ends_at_close() { Ok(()) } else { Err(cut(READING)) };
        }
    }
}

/// Ends a WebSocket as RFC 6455 wants it: with a Close, which the other side answers.
async fn say_goodbye(line: &mut Line) {
    const NORMAL: [u8; 2] = 1000u16.to_be_bytes();
    let mut mask = [0; 4];
    let _ = getrandom::fill(&mut mask);
    let mut payload = NORMAL;
    frame::mask(&mut payload, mask, 0);
    let mut head = [0; frame::MAX_HEAD];
    let length =
        frame::Head::message(frame::Opcode::CLOSE, Some(mask), payload.len() as u64).write(&mut head);
    let close = [&head[..length], &payload].concat();
    let farewell = async {
        line.stream.write_all(&close).await?;
        // Whatever comes is the end of it or goes in front of that; no more of it is kept than is read at once.
        let mut rest = Vec::new();
        while fill(&mut line.stream, &mut rest).await? > 0 {
            rest.clear();
        }
        io::Result::Ok(())
    };
    // The peer has passed: how it takes leave does not matter.
    let _ = timeout(FAREWELL, farewell).await;
}
