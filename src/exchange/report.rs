//! What went wrong, told in nginx's manner: a message, and whose request it was about.

use std::fmt::{self, Write};

use crate::features::error_log::{Level, Settings};
use crate::net::{Address, Host};
use crate::request::Request;

/// Bytes of a request line or a host that a message shows.
const SHOWN: usize = 512;

/// Bytes of most contexts, so that they are written without growing.
const CONTEXT: usize = 256;

/// Tells about a request: `message, client: …, server: …, request: "…", host: "…"`.
pub fn report(settings: &Settings, level: Level, request: &Request, message: impl fmt::Display) {
    if level < settings.lowest {
        return;
    }
    let context = Context { request };
    let number = request.connection.number;
    if request.hides() {
        let message = masked(request, &message.to_string());
        return tell(settings, level, number, format_args!("{message}{context}"));
    }
    tell(settings, level, number, format_args!("{message}{context}"));
}

/// A message without what logs must not show. Whatever a peer has sent stands between quotes in it, and there
/// alone it is looked for: a token must not blank out our own words.
fn masked(request: &Request, message: &str) -> String {
    let mut text = Vec::with_capacity(message.len());
    for (at, part) in message.split('"').enumerate() {
        if at > 0 {
            text.push(b'"');
        }
        let start = text.len();
        text.extend_from_slice(part.as_bytes());
        if at % 2 == 1 {
            request.mask(&mut text, start);
        }
    }
    String::from_utf8_lossy(&text).into_owned()
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
    let mut text = String::with_capacity(CONTEXT);
    // Writing to a String cannot fail.
    let _ = write!(text, "{}", Context { request });
    text
}

struct Context<'a> {
    request: &'a Request,
}

impl fmt::Display for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.request;
        write!(f, ", client: {}", Host(&request.connection.peer))?;
        write!(f, ", server: {}", Shown(&request.server_name))?;
        if !request.head.line().is_empty() {
            write!(f, ", request: \"{}\"", Masked(request, request.head.line()))?;
        }
        if request.sub {
            write!(f, ", subrequest: \"{}\"", Masked(request, &request.target.path))?;
        }
        if let Some(tried) = request.upstream.tries.last() {
            let target = Masked(request, &request.upstream.uri);
            match &tried.unpicked {
                None => {
                    // As in an URL of `proxy_pass`, a socket's path ends at a colon.
                    let end = if matches!(tried.peer, Address::Unix(_)) { ":" } else { "" };
                    write!(f, ", upstream: \"http://{}{end}{target}\"", tried.peer)?;
                }
                Some(group) => write!(f, ", upstream: \"http://{}{target}\"", Shown(group))?,
            }
        }
        if let Some(host) = request.head.headers.first(crate::http1::Known::Host) {
            write!(f, ", host: \"{}\"", Masked(request, host))?;
        }
        Ok(())
    }
}

/// Bytes of a request, without what logs must not show of it.
struct Masked<'a>(&'a Request, &'a [u8]);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Masked(request, bytes) = *self;
        if !request.hides() {
            return Shown(bytes).fmt(f);
        }
        let mut bytes = bytes.to_vec();
        request.mask(&mut bytes, 0);
        Shown(&bytes).fmt(f)
    }
}

/// Bytes of a peer, so that they cannot pass for a line of the log.
pub struct Shown<'a>(pub &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = &self.0[..self.0.len().min(SHOWN)];
        // Nearly always there is nothing to escape, and this is written for every tunnel.
        if cut.len() == self.0.len()
            && cut.iter().all(|byte| matches!(byte, b' '..=b'~' if *byte != b'"'))
            && let Ok(plain) = str::from_utf8(cut)
        {
            return f.write_str(plain);
        }
        for chunk in cut.utf8_chunks() {
            let mut parts =
                chunk.valid().split_inclusive(|letter: char| letter == '"' || letter.is_control());
            parts.try_for_each(|part| match part.chars().next_back() {
                Some(last) if last == '"' || last.is_control() => {
                    f.write_str(&part[..part.len() - last.len_utf8()])?;
                    write!(f, "\\x{:02X}", u32::from(last))
                }
                _ => f.write_str(part),
            })?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02X}"))?;
        }
        if cut.len() < self.0.len() { f.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Variables;

    #[test]
    fn a_token_is_masked_in_what_a_peer_has_sent_and_our_words_stay() {
        let request = Request::new(Variables::default().into());
        request.hide(b"access forbidden by rule");
        request.hide(b"a-secret-of-twenty-bytes");
        let message = "access forbidden by rule: \"/ws?t=a-secret-of-twenty-bytes\" is \"a-secret-of-twen…\"";
        let shown = "access forbidden by rule: \"/ws?t=***\" is \"***…\"";
        assert_eq!(masked(&request, message), shown);
    }

    #[test]
    fn what_a_peer_sent_cannot_pass_for_a_line_of_the_log() {
        assert_eq!(Shown(b"GET /a?b HTTP/1.1").to_string(), "GET /a?b HTTP/1.1");
        assert_eq!(Shown(b"a\"b\n\"c\x7f").to_string(), "a\\x22b\\x0A\\x22c\\x7F");
        assert_eq!(Shown("grüße\u{85}".as_bytes()).to_string(), "grüße\\x85");
        assert_eq!(Shown(b"\xffa\"").to_string(), "\\xFFa\\x22");
        assert_eq!(Shown(&[b'a'; 600]).to_string(), format!("{}…", "a".repeat(SHOWN)));
    }
}
