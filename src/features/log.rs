//! `access_log` and `log_format`: a line for each request.

use std::sync::Arc;
use std::time::Duration;

use crate::directive::{Context, values};
use crate::request::{Piece, Request, Template, Variables};

use super::{Call, Feature, Row, websocket};

pub static FEATURE: Feature<Written> =
    Feature { name: "log", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.log };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "access_log",
        doc: "A file and a format for a line about each request, or `off`.",
        set: access_log,
    },
    Row {
        name: "log_format",
        doc: "Names a format: text with variables, and how they are escaped.",
        set: log_format,
    },
];

/// nginx's format of this name.
const COMBINED: &[u8] = b"$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
\"$http_referer\" \"$http_user_agent\"";

#[derive(Default)]
pub struct Written {
    logs: Option<Vec<AccessLog>>,
}

/// One `access_log`.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// Absolute or under the prefix; may hold variables.
    pub path: Template,
    pub format: Arc<LogFormat>,
    /// Bytes that may wait before they are written; 0 writes each line at once.
    pub buffer: usize,
    /// How long they may wait.
    pub flush: Option<Duration>,
    /// The line is written unless this is empty or `0`.
    pub condition: Option<Template>,
}

/// A `log_format`.
#[derive(Debug, Default)]
pub struct LogFormat {
    pub text: Template,
    pub escape: Escape,
    /// It shows what only a look at a tunnel's frames tells.
    counts_frames: bool,
}

/// How variables are written into a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// `"`, `\` and bytes outside printable ASCII as `\xHH`; nothing is `-`.
    #[default]
    Default,
    Json,
    None,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub logs: Arc<[AccessLog]>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { logs: Arc::from([]) }
    }
}

impl Settings {
    /// nginx's default: `logs/access.log` in the combined format.
    pub fn combined(prefix: &std::path::Path, variables: &mut Variables) -> Settings {
        use std::os::unix::ffi::OsStrExt;
        let path = Template::literal(prefix.join("logs/access.log").as_os_str().as_bytes());
        let format = Arc::new(LogFormat::combined(variables));
        Settings { logs: [AccessLog { path, format, buffer: 0, flush: None, condition: None }].into() }
    }
}

impl Settings {
    /// Whether a log shows what only a look at a tunnel's frames tells.
    pub fn counts_frames(&self) -> bool {
        self.logs.iter().any(|log| log.format.counts_frames)
    }
}

impl LogFormat {
    pub fn combined(variables: &mut Variables) -> LogFormat {
        let text = Template::read(COMBINED, variables, |_, _| {}).unwrap_or_default();
        LogFormat { text, escape: Escape::Default, counts_frames: false }
    }

    /// Appends the line for a request, without its line end.
    pub fn render(&self, request: &Request, out: &mut Vec<u8>) {
        for piece in self.text.pieces() {
            self.piece(piece, request, out);
        }
    }

    /// Appends one piece of the line.
    pub fn piece(&self, piece: &Piece, request: &Request, out: &mut Vec<u8>) {
        let id = match piece {
            Piece::Text(text) => return out.extend_from_slice(text),
            Piece::Capture(number) => {
                let start = out.len();
                out.extend_from_slice(request.captures.borrow().get(*number as usize));
                return request.mask(out, start);
            }
            Piece::Variable(id) => id,
        };
        let start = out.len();
        let found = request.variable(*id, out);
        if !found {
            out.truncate(start);
            if self.escape == Escape::Default {
                out.push(b'-');
            }
            return;
        }
        request.mask(out, start);
        if out[start..].iter().any(|byte| self.escape.escapes(*byte)) {
            let value = out.split_off(start);
            self.escape.write(&value, out);
        }
    }
}

impl Escape {
    fn escapes(self, byte: u8) -> bool {
        match self {
            Escape::Default => byte == b'"' || byte == b'\\' || !(0x20..0x7f).contains(&byte),
            Escape::Json => byte == b'"' || byte == b'\\' || byte < 0x20,
            Escape::None => false,
        }
    }

    /// Appends a value as this way has it.
    pub fn write(self, value: &[u8], out: &mut Vec<u8>) {
        use std::io::Write;
        for byte in value {
            match (self, *byte) {
                (_, byte) if !self.escapes(byte) => out.push(byte),
                (Escape::Default, byte) => {
                    // Writing to a Vec cannot fail.
                    let _ = write!(out, "\\x{byte:02X}");
                }
                (_, b'\n') => out.extend_from_slice(b"\\n"),
                (_, b'\r') => out.extend_from_slice(b"\\r"),
                (_, b'\t') => out.extend_from_slice(b"\\t"),
                (_, 0x08) => out.extend_from_slice(b"\\b"),
                (_, 0x0c) => out.extend_from_slice(b"\\f"),
                (_, byte @ (b'"' | b'\\')) => out.extend_from_slice(&[b'\\', byte]),
                (_, byte) => {
                    let _ = write!(out, "\\u{byte:04X}");
                }
            }
        }
    }
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        match &self.logs {
            None => outer.clone(),
            Some(logs) => Settings { logs: logs.clone().into() },
        }
    }
}

fn access_log(written: &mut Written, call: &mut Call) {
    let logs = written.logs.get_or_insert_default();
    if call.arg(0) == b"off" {
        logs.clear();
        if call.args().len() > 1 {
            let message = format!("invalid parameter \"{}\"", call.text(1));
            call.error(1, "invalid-parameter", message);
        }
        return;
    }
    let path = call.arg(0);
    if path.starts_with(b"syslog:") {
        return call.not_served(0, "an access log to syslog");
    }
    let path = call.prefixed_template(0);
    let Some(format) = format(call) else { return };
    let mut log = AccessLog { path, format, buffer: 0, flush: None, condition: None };
    for at in 2..call.args().len() {
        parameter(&mut log, call, at);
    }
    if log.flush.is_some() && log.buffer == 0 {
        let message = format!("no buffer is defined for access_log \"{}\"", call.text(0));
        return call.error(0, "invalid-parameter", message);
    }
    logs.push(log);
}

fn format(call: &mut Call) -> Option<Arc<LogFormat>> {
    let name = match call.args().get(1) {
        None => &b"combined"[..],
        Some(word) => &word.value[..],
    };
    if let Some(format) = call.build.log_formats.get(name) {
        return Some(format.clone());
    }
    if name == b"combined" {
        return Some(Arc::new(LogFormat::combined(&mut call.build.variables)));
    }
    if call.build.options.fragment {
        return Some(Arc::default());
    }
    let message = format!("unknown log format \"{}\"", String::from_utf8_lossy(name));
    let known = call.build.log_formats.keys().map(|name| String::from_utf8_lossy(name).into_owned());
    let known = crate::directive::form::either(known.chain(["combined".to_owned()]));
    let finding = crate::diagnostics::Diagnostic::error("unknown-log-format", call.span(1), message)
        .help(format!("a log_format has to stand before its use; so far there is {known}"));
    call.say(finding);
    None
}

fn parameter(log: &mut AccessLog, call: &mut Call, at: usize) {
    let word = call.arg(at);
    let invalid = |call: &mut Call, message: String| call.error(at, "invalid-parameter", message);
    let text = call.text(at);
    if let Some(size) = word.strip_prefix(b"buffer=") {
        match values::size(size).filter(|size| *size > 0) {
            Some(size) => log.buffer = size as usize,
            None => invalid(call, format!("invalid buffer size \"{}\"", String::from_utf8_lossy(size))),
        }
    } else if let Some(time) = word.strip_prefix(b"flush=") {
        match values::time(time).filter(|time| !time.is_zero()) {
            Some(time) => log.flush = Some(time),
            None => invalid(call, format!("invalid flush time \"{}\"", String::from_utf8_lossy(time))),
        }
    } else if word == b"gzip" || word.starts_with(b"gzip=") {
        let level = word.strip_prefix(b"gzip=").map_or(Some(1), values::number);
        match level.filter(|level| (1..=9).contains(level)) {
            Some(_) => call.not_served(at, "a compressed access log"),
            None => {
                invalid(call, format!("invalid compression level \"{}\"", text.trim_start_matches("gzip=")))
            }
        }
    } else if let Some(condition) = word.strip_prefix(b"if=") {
        let span = call.span(at);
        log.condition = Some(call.template_of(condition, span, 3));
    } else {
        invalid(call, format!("invalid parameter \"{text}\""));
    }
}

fn log_format(_: &mut Written, call: &mut Call) {
    let name = call.arg(0);
    if name == b"combined" || call.build.log_formats.contains_key(name) {
        let message = format!("duplicate \"log_format\" name \"{}\"", call.text(0));
        return call.error(0, "duplicate-log-format", message);
    }
    let (escape, first) = match call.arg(1).strip_prefix(b"escape=") {
        None => (Escape::Default, 1),
        Some(b"default") => (Escape::Default, 2),
        Some(b"json") => (Escape::Json, 2),
        Some(b"none") => (Escape::None, 2),
        Some(other) => {
            let message = format!("unknown log format escaping \"{}\"", String::from_utf8_lossy(other));
            return call.error(1, "invalid-value", message);
        }
    };
    let mut pieces = Vec::new();
    for at in first..call.args().len() {
        pieces.extend(call.template(at).pieces().iter().cloned());
    }
    let shows = |piece: &Piece| match piece {
        Piece::Variable(id) => websocket::needs_frames(call.build.variables.name(*id)),
        Piece::Text(_) | Piece::Capture(_) => false,
    };
    let counts_frames = pieces.iter().any(shows);
    let format = LogFormat { text: Template::from_pieces(pieces), escape, counts_frames };
    call.build.log_formats.insert(name.to_vec(), Arc::new(format));
}
