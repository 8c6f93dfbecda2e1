//! The log lines of a request that goes on as a tunnel: written now but for what only its end tells.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::features::Settings;
use crate::features::error_log::{self, Level};
use crate::features::log::{AccessLog, Escape};
use crate::features::variables::seconds;
use crate::net::wall_clock;
use crate::request::{Piece, Request, Source, VariableId, Variables, clock};
use crate::tunnel::{Closing, FrameCounts, Who, Why};

use super::live::Live;
use super::log::{LogFiles, append_once, computed_path, is_wanted};
use super::report::{context, tell};

/// What is told when a tunnel has ended. It holds no configuration but the log's own lines.
pub struct Finale {
    files: Arc<LogFiles>,
    logs: Arc<[AccessLog]>,
    lines: Box<[Line]>,
    error_log: error_log::Settings,
    context: Box<str>,
    number: u64,
    connection_started: Instant,
    request_started: Instant,
    try_began: Option<Instant>,
    /// Bytes of the head, which the client's count begins with.
    head_sent: u64,
    sent: u64,
    upstream_sent: u64,
    upstream_received: u64,
}

/// A line with gaps.
struct Line {
    /// Index of its log.
    log: usize,
    /// Where it goes, if its log's name has variables.
    path: Option<Box<[u8]>>,
    text: Box<[u8]>,
    gaps: Box<[(u32, Late)]>,
}

/// What only the end of a tunnel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    BodyBytesSent,
    BytesSent,
    ConnectionTime,
    Msec,
    RequestCompletion,
    RequestTime,
    TimeIso8601,
    TimeLocal,
    UpstreamBytesReceived,
    UpstreamBytesSent,
    UpstreamResponseTime,
    WebSocket(Told),
}

/// What a tunnel itself tells when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    BytesReceived,
    BytesSent,
    CloseCode,
    CloseDirective,
    CloseReason,
    ClosedBy,
    Lifetime,
    MessagesReceived,
    MessagesSent,
}

impl Late {
    /// `None` for a variable that has its value already: of these names, ours may be a configuration's own.
    fn of(id: VariableId, variables: &Variables) -> Option<Late> {
        let Source::Row(row) = variables.source(id) else { return None };
        Some(match row.name.as_bytes() {
            b"body_bytes_sent" => Late::BodyBytesSent,
            b"bytes_sent" => Late::BytesSent,
            b"connection_time" => Late::ConnectionTime,
            b"msec" => Late::Msec,
            b"request_completion" => Late::RequestCompletion,
            b"request_time" => Late::RequestTime,
            b"time_iso8601" => Late::TimeIso8601,
            b"time_local" => Late::TimeLocal,
            b"upstream_bytes_received" => Late::UpstreamBytesReceived,
            b"upstream_bytes_sent" => Late::UpstreamBytesSent,
            b"upstream_response_time" => Late::UpstreamResponseTime,
            b"websocket_bytes_received" => Late::WebSocket(Told::BytesReceived),
            b"websocket_bytes_sent" => Late::WebSocket(Told::BytesSent),
            b"websocket_close_code" => Late::WebSocket(Told::CloseCode),
            b"websocket_close_directive" => Late::WebSocket(Told::CloseDirective),
            b"websocket_close_reason" => Late::WebSocket(Told::CloseReason),
            b"websocket_closed_by" => Late::WebSocket(Told::ClosedBy),
            b"websocket_lifetime" => Late::WebSocket(Told::Lifetime),
            b"websocket_messages_received" => Late::WebSocket(Told::MessagesReceived),
            b"websocket_messages_sent" => Late::WebSocket(Told::MessagesSent),
            _ => return None,
        })
    }

    /// Whether it is a list of tries, of which only the last one is open.
    fn is_list(self) -> bool {
        matches!(self, Late::UpstreamBytesReceived | Late::UpstreamBytesSent | Late::UpstreamResponseTime)
    }
}

impl Finale {
    /// Takes from a request whatever its log lines need.
    pub fn new(live: &Live, request: &Request, settings: &Settings) -> Finale {
        settings.tokens.hide(request);
        let logs = settings.log.logs.clone();
        let wanted = logs.iter().enumerate().filter(|(_, log)| is_wanted(log, request));
        let lines = wanted.map(|(at, log)| Line::new(at, log, request)).collect();
        let tried = request.upstream.tries.last();
        Finale {
            files: live.logs.clone(),
            lines,
            logs,
            error_log: settings.error_log.clone(),
            context: context(request).into(),
            number: request.connection.number,
            connection_started: request.connection.started,
            request_started: request.started,
            try_began: tried.map(|tried| tried.began),
            head_sent: request.reply.head_sent,
            sent: request.reply.sent,
            upstream_sent: tried.map_or(0, |tried| tried.sent),
            upstream_received: tried.map_or(0, |tried| tried.received),
        }
    }

    /// Adds what passed through the tunnel.
    pub fn count(&mut self, closing: &Closing) {
        self.sent += closing.sent_to_client;
        self.upstream_sent += closing.sent_to_upstream;
        self.upstream_received += closing.received_from_upstream;
    }

    /// The same for a WebSocket that was answered here.
    pub fn count_sent(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// Says why the tunnel ended: in short where it ended as WebSockets are meant to, with all that may help
    /// where it did not.
    pub fn tell(&self, closing: &Closing) {
        let level = match &closing.why {
            Why::Close if closing.is_normal() => Level::Info,
            // Bytes that nobody has looked at: they may have ended as they were meant to.
            Why::Eof | Why::ReadFailed(_) | Why::WriteFailed(_) if closing.frames.is_none() => Level::Info,
            Why::Close | Why::Eof | Why::ReadFailed(_) | Why::WriteFailed(_) => Level::Notice,
            Why::Drained(_) => Level::Notice,
            Why::ReadTimeout | Why::SendTimeout | Why::PingTimeout | Why::Lifetime => Level::Warn,
            Why::TooBig(_) | Why::TooFast | Why::TokenExpired => Level::Warn,
            Why::Refused(_) => Level::Error,
            Why::Panicked => Level::Alert,
        };
        self.say(level, format_args!("tunnel ended: {closing}{}", closing.passed()));
    }

    /// Tells something about the request that began this.
    pub fn say(&self, level: Level, message: std::fmt::Arguments) {
        let context = &self.context;
        tell(&self.error_log, level, self.number, format_args!("{message}{context}"));
    }

    /// Writes the lines, with what the tunnel tells if there was one.
    pub fn write(&self, closing: Option<&Closing>) {
        let mut line = Vec::new();
        for unfinished in &self.lines {
            line.clear();
            let log = &self.logs[unfinished.log];
            unfinished.finish(|late, out| self.late(late, closing, log.format.escape, out), &mut line);
            line.push(b'\n');
            match (&unfinished.path, log.path.as_literal()) {
                (None, Some(path)) => self.files.append(path, log.buffer, &line),
                (Some(path), _) => append_once(path, &line),
                (None, None) => {}
            }
        }
    }

    fn late(&self, late: Late, closing: Option<&Closing>, escape: Escape, out: &mut Vec<u8>) {
        let number = |value: u64, out: &mut Vec<u8>| {
            // Writing to a Vec cannot fail.
            let _ = write!(out, "{value}");
        };
        let time = |value: Duration, out: &mut Vec<u8>| {
            seconds(value, out);
        };
        let text = |value: Option<Cow<str>>, out: &mut Vec<u8>| match value {
            Some(value) => escape.write(value.as_bytes(), out),
            None if escape == Escape::Default => out.push(b'-'),
            None => {}
        };
        match late {
            Late::BodyBytesSent => number(self.sent.saturating_sub(self.head_sent), out),
            Late::BytesSent => number(self.sent, out),
            Late::ConnectionTime => time(self.connection_started.elapsed(), out),
            Late::Msec => time(wall_clock(), out),
            Late::RequestCompletion => text(closing.is_none_or(is_complete).then(|| "OK".into()), out),
            Late::RequestTime => time(self.request_started.elapsed(), out),
            Late::TimeIso8601 => out.extend_from_slice(clock::now().iso8601.as_bytes()),
            Late::TimeLocal => out.extend_from_slice(clock::now().local.as_bytes()),
            Late::UpstreamBytesReceived => number(self.upstream_received, out),
            Late::UpstreamBytesSent => number(self.upstream_sent, out),
            Late::UpstreamResponseTime => match self.try_began {
                Some(began) => time(began.elapsed(), out),
                None => out.push(b'-'),
            },
            Late::WebSocket(told) => text(closing.and_then(|closing| told.of(closing)), out),
        }
    }
}

impl Told {
    /// Its value; none for what nobody has looked at, or what never came.
    fn of(self, closing: &Closing) -> Option<Cow<'_, str>> {
        let frames = closing.frames.as_ref();
        let close = || frames?.close.as_ref();
        let count = |of: fn(&FrameCounts) -> u64| Some(of(frames?).to_string().into());
        match self {
            Told::BytesReceived => count(|frames| frames.payload_from_client),
            Told::BytesSent => count(|frames| frames.payload_from_upstream),
            Told::MessagesReceived => count(|frames| frames.messages_from_client),
            Told::MessagesSent => count(|frames| frames.messages_from_upstream),
            Told::CloseCode => Some(close()?.code?.to_string().into()),
            Told::CloseReason => Some(&*close()?.reason).filter(|reason| !reason.is_empty()).map(Cow::from),
            Told::CloseDirective => closing.directive().map(Cow::from),
            Told::ClosedBy => Some(closed_by(closing).to_string().into()),
            Told::Lifetime => {
                let mut text = Vec::new();
                seconds(closing.lasted, &mut text);
                String::from_utf8(text).ok().map(Cow::from)
            }
        }
    }
}

/// Who ended a tunnel. Where a limit did, it was the proxy, whosever silence or haste it was about.
fn closed_by(closing: &Closing) -> Who {
    match closing.why {
        Why::Close | Why::Eof | Why::ReadFailed(_) | Why::WriteFailed(_) => closing.who,
        _ => Who::Proxy,
    }
}

/// Whether the request was answered to its end. To nginx it was, unless the tunnel ended with an error of
/// `ngx_http_upstream_process_upgraded`'s that closes the client's connection at once.
fn is_complete(closing: &Closing) -> bool {
    match closing.why {
        Why::WriteFailed(_) | Why::Drained(_) | Why::Refused(_) | Why::Panicked => false,
        Why::SendTimeout => closing.who != Who::Client,
        _ => true,
    }
}

impl Line {
    fn new(at: usize, log: &AccessLog, request: &Request) -> Line {
        let (mut text, mut gaps) = (Vec::new(), Vec::new());
        for piece in log.format.text.pieces() {
            let late = match piece {
                Piece::Variable(id) => Late::of(*id, &request.variables),
                Piece::Text(_) | Piece::Capture(_) => None,
            };
            let start = text.len();
            match late {
                None => log.format.piece(piece, request, &mut text),
                Some(late) => {
                    if late.is_list() {
                        log.format.piece(piece, request, &mut text);
                        let open = text[start..].iter().rposition(|byte| *byte == b' ');
                        text.truncate(start + open.map_or(0, |space| space + 1));
                    }
                    gaps.push((text.len() as u32, late));
                }
            }
        }
        let path = log.path.as_literal().is_none().then(|| computed_path(log, request).into());
        Line { log: at, path, text: text.into(), gaps: gaps.into() }
    }

    fn finish(&self, fill: impl Fn(Late, &mut Vec<u8>), out: &mut Vec<u8>) {
        let mut from = 0;
        for (at, late) in &self.gaps {
            let at = *at as usize;
            out.extend_from_slice(&self.text[from..at]);
            fill(*late, out);
            from = at;
        }
        out.extend_from_slice(&self.text[from..]);
    }
}
