//! What went wrong, told in nginx's manner: a message, and whose request it was about.

use std::fmt;

use crate::features::error_log::{Level, Settings};
use crate::request::Request;

/// Bytes of a request line or a host that a message shows.
const SHOWN: usize = 512;

/// Tells about a request: `message, client: …, server: …, request: "…", host: "…"`.
pub fn report(settings: &Settings, level: Level, request: &Request, message: impl fmt::Display) {
    if level < settings.lowest {
        return;
    }
    let context = Context { request };
    tell(settings, level, request.connection.number, format_args!("{message}{context}"));
}

/// Tells something in the log of `settings`; `connection` 0 is none.
pub fn tell(settings: &Settings, level: Level, connection: u64, message: fmt::Arguments) {
    if level < settings.lowest {
        return;
    }
    // tracing knows fewer levels than nginx: the field says which it was.
    macro_rules! event {
        ($level:expr) => {
            tracing::event!($level, log = settings.id, level = level.name(), connection, "{message}")
        };
    }
    match level {
        Level::Debug => event!(tracing::Level::DEBUG),
        Level::Info | Level::Notice => event!(tracing::Level::INFO),
        Level::Warn => event!(tracing::Level::WARN),
        Level::Error | Level::Crit | Level::Alert | Level::Emerg => event!(tracing::Level::ERROR),
    }
}

/// Whose request something was about, as [`report`] puts it behind a message.
pub fn context(request: &Request) -> String {
    Context { request }.to_string()
}

struct Context<'a> {
    request: &'a Request,
}

impl fmt::Display for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.request;
        let peer = match &request.connection.peer {
            crate::net::Address::Ip(address) => address.ip().to_string(),
            other => other.to_string(),
        };
        write!(f, ", client: {peer}, server: {}", Shown(&request.server_name))?;
        if !request.head.line().is_empty() {
            write!(f, ", request: \"{}\"", Shown(request.head.line()))?;
        }
        if let Some(tried) = request.upstream.tries.last() {
            let target = Shown(request.head.target());
            match &tried.unpicked {
                None => write!(f, ", upstream: \"http://{}{target}\"", tried.peer)?,
                Some(group) => write!(f, ", upstream: \"http://{}{target}\"", Shown(group))?,
            }
        }
        if let Some(host) = request.head.headers.first(crate::http1::Known::Host) {
            write!(f, ", host: \"{}\"", Shown(host))?;
        }
        Ok(())
    }
}

/// Bytes of a peer, so that they cannot pass for a line of the log.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = &self.0[..self.0.len().min(SHOWN)];
        for chunk in cut.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '"' => f.write_str("\\x22")?,
                    letter if letter.is_control() => write!(f, "\\x{:02X}", u32::from(letter))?,
                    letter => write!(f, "{letter}")?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02X}"))?;
        }
        if cut.len() < self.0.len() { f.write_str("…") } else { Ok(()) }
    }
}
