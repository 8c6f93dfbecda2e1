//! `websocket_origins`: from which pages browsers may open WebSockets (RFC 6455 section 10.2).
//!
//! A browser sends a site's cookies along with a handshake whichever page opens it, and no rule of CORS
//! holds for WebSockets: only the `Origin` tells one's own page from a stranger's. Browsers always send it, and
//! no script can write it. So a handshake without one comes from no browser and is let through: it carries
//! nobody's cookies but its sender's.

use std::fmt;
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::features::Call;
use crate::http1::validate_host;
use crate::request::Pattern;
use crate::source::Place;

/// The origins that are allowed, and where that was said.
#[derive(Debug)]
pub struct Origins {
    allowed: Box<[Allowed]>,
    pub place: Place,
}

#[derive(Debug)]
enum Allowed {
    /// `same`: the page came from the host that the handshake goes to.
    Same,
    /// `null`: a page without an origin that is shown to others, such as a sandboxed frame or a file.
    Null,
    /// `https://example.com`, `https://*.example.com`.
    Site { scheme: Box<[u8]>, host: HostName, port: Option<u16> },
    /// `~^https://[a-z]+\.example\.com$`
    Pattern { pattern: Pattern, text: Box<[u8]> },
}

#[derive(Debug)]
enum HostName {
    Exact(Box<[u8]>),
    /// `*.example.com`, kept as `.example.com`: any name below it.
    Below(Box<[u8]>),
    /// `.example.com`: the name itself, too, as in `server_name`.
    AtOrBelow(Box<[u8]>),
}

impl Origins {
    /// Whether a page of this origin may open a WebSocket to `host`, the request's `Host`, over a connection
    /// with or without TLS.
    pub fn allow(&self, origin: &[u8], host: Option<&[u8]>, tls: bool) -> bool {
        if origin == b"null" {
            return self.allowed.iter().any(|allowed| matches!(allowed, Allowed::Null));
        }
        // What is not an origin as browsers write it is nobody's, whatever a pattern makes of it.
        let Some(page) = Origin::read(origin) else { return false };
        self.allowed.iter().any(|allowed| match allowed {
            Allowed::Same => host.is_some_and(|host| page.is_same(host, tls)),
            Allowed::Null => false,
            Allowed::Site { scheme, host, port } => page.is_of(scheme, host, *port),
            Allowed::Pattern { pattern, .. } => pattern.is_match(origin),
        })
    }
}

/// What is allowed, as it was written.
impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, allowed) in self.allowed.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { " " })?;
            match allowed {
                Allowed::Same => f.write_str("same")?,
                Allowed::Null => f.write_str("null")?,
                Allowed::Pattern { text, .. } => write!(f, "~{}", String::from_utf8_lossy(text))?,
                Allowed::Site { scheme, host, port } => {
                    let (star, name) = match host {
                        HostName::Exact(name) | HostName::AtOrBelow(name) => ("", name),
                        HostName::Below(name) => ("*", name),
                    };
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    write!(f, "{}://{star}{}", text(scheme), text(name))?;
                    if let Some(port) = port.filter(|port| Some(*port) != default_port(scheme)) {
                        write!(f, ":{port}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// An origin as browsers write it (RFC 6454 section 6.2): a scheme, a host and a port, and nothing else. A list
/// of several, a user before the host or a path behind it is none.
#[derive(Debug, PartialEq, Eq)]
struct Origin<'a> {
    scheme: &'a [u8],
    /// Without a trailing dot: with and without one it is the same host.
    host: &'a [u8],
    /// The scheme's own where none is written.
    port: Option<u16>,
}

impl<'a> Origin<'a> {
    fn read(origin: &'a [u8]) -> Option<Origin<'a>> {
        let (scheme, rest) = split_scheme(origin)?;
        let (host, port) = split_port(rest)?;
        let named = is_name(host);
        // `file://` is a whole origin to some browsers; the web's schemes have a host.
        let whole = if host.is_empty() { !is_web(scheme) } else { named || is_literal(host) };
        let host = host.strip_suffix(b".").unwrap_or(host);
        whole.then_some(Origin { scheme, host, port: port.or(default_port(scheme)) })
    }

    /// Whether `host`, a request's `Host`, is where this page came from.
    ///
    /// Over TLS a page has to have come over TLS, too. Without, a page of `https` is of the same host
    /// all the same: no browser lets such a page open a WebSocket without TLS, so it went to whoever unwraps
    /// TLS in front of us.
    fn is_same(&self, host: &[u8], tls: bool) -> bool {
        let Some(asked) = validate_host(host) else { return false };
        let scheme_fits =
            self.scheme.eq_ignore_ascii_case(b"https") || !tls && self.scheme.eq_ignore_ascii_case(b"http");
        scheme_fits
            && self.host.eq_ignore_ascii_case(asked.name)
            && self.port == asked.port.or(default_port(self.scheme))
    }

    fn is_of(&self, scheme: &[u8], host: &HostName, port: Option<u16>) -> bool {
        let below = |name: &[u8]| {
            let start = self.host.len().checked_sub(name.len()).filter(|start| *start > 0);
            start.is_some_and(|start| self.host[start..].eq_ignore_ascii_case(name))
        };
        let host_fits = match host {
            HostName::Exact(name) => self.host.eq_ignore_ascii_case(name),
            HostName::Below(name) => below(name),
            HostName::AtOrBelow(name) => below(name) || self.host.eq_ignore_ascii_case(&name[1..]),
        };
        host_fits && self.scheme.eq_ignore_ascii_case(scheme) && self.port == port
    }
}

/// `scheme://rest` (RFC 3986 section 3.1).
fn split_scheme(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte))?;
    let rest = text[end..].strip_prefix(b"://")?;
    text[0].is_ascii_alphabetic().then_some((&text[..end], rest))
}

/// `host[:port]`; a port is written without leading zeros, and never empty.
fn split_port(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let from = if text.starts_with(b"[") { text.iter().position(|byte| *byte == b']')? } else { 0 };
    let Some(colon) = text[from..].iter().position(|byte| *byte == b':') else { return Some((text, None)) };
    let (host, digits) = (&text[..from + colon], &text[from + colon + 1..]);
    let plain = !digits.is_empty() && !digits.starts_with(b"0") && digits.iter().all(u8::is_ascii_digit);
    let port = std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()?;
    Some((host, Some(port)))
}

/// Labels parted by dots, with a dot behind them or not; `_` is common inside of companies.
fn is_name(host: &[u8]) -> bool {
    let is_byte = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let host = host.strip_suffix(b".").unwrap_or(host);
    host.split(|byte| *byte == b'.').all(|label| !label.is_empty() && label.iter().all(is_byte))
}

/// `[::1]`
fn is_literal(host: &[u8]) -> bool {
    let inside = host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let inside = inside.and_then(|inside| std::str::from_utf8(inside).ok());
    inside.is_some_and(|inside| inside.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_web(scheme: &[u8]) -> bool {
    default_port(scheme).is_some()
}

fn default_port(scheme: &[u8]) -> Option<u16> {
    let named = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    if named("https") {
        Some(443)
    } else if named("http") {
        Some(80)
    } else {
        None
    }
}

/// `same | null | origin ...` or `off`. `None` where it cannot be read, which was said: a line that is wrong in
/// part does not allow the rest.
pub fn read(call: &mut Call) -> Option<Option<Arc<Origins>>> {
    if call.args().len() == 1 && call.arg(0) == b"off" {
        return Some(None);
    }
    let mut allowed: Vec<Option<Allowed>> = Vec::new();
    for at in 0..call.args().len() {
        allowed.push(allowed_one(call, at));
    }
    let allowed = allowed.into_iter().collect::<Option<Box<[Allowed]>>>()?;
    Some(Some(Arc::new(Origins { allowed, place: call.place() })))
}

fn allowed_one(call: &mut Call, at: usize) -> Option<Allowed> {
    let word = call.arg(at);
    let site = match word {
        b"same" => return Some(Allowed::Same),
        b"null" => return Some(Allowed::Null),
        [b'~', ..] => return pattern(call, at),
        _ => site(word),
    };
    let wrong = |(here, help): (&str, String)| {
        let message = format!("invalid origin \"{}\"", call.text(at));
        let finding = Diagnostic::error("invalid-value", call.span(at), message).here(here);
        if help.is_empty() { finding } else { finding.help(help) }
    };
    match site.map_err(wrong) {
        Ok(site) => Some(site),
        Err(finding) => {
            call.say(finding);
            None
        }
    }
}

/// `~…`, whatever the case: browsers write origins in lower case. `~*…` means the same.
fn pattern(call: &mut Call, at: usize) -> Option<Allowed> {
    let text = &call.arg(at)[1..];
    let expression = text.strip_prefix(b"*").unwrap_or(text);
    let span = call.span(at);
    if expression.is_empty() {
        call.error(at, "invalid-regex", format!("empty regex in \"{}\"", call.text(at)));
        return None;
    }
    let pattern = call.pattern(expression, true, span)?;
    if !(expression.starts_with(b"^") && expression.ends_with(b"$")) {
        let message = format!("the pattern \"{}\" may match a part of a stranger's origin", call.text(at));
        let finding = Diagnostic::warning("open-pattern", span, message).help(
            "begin it with ^ and end it with $, or https://example.com.stranger.example is let in, too",
        );
        call.say(finding);
    }
    Some(Allowed::Pattern { pattern, text: text.into() })
}

/// A site by its scheme and name; or what is wrong with it, and what to do.
fn site(word: &[u8]) -> Result<Allowed, (&'static str, String)> {
    const EXPECTED: &str =
        "expected \"same\", \"null\", \"https://example.com\", \"https://*.example.com\" or \"~^https://…$\"";
    let text = String::from_utf8_lossy(word);
    match word {
        b"off" => return Err(("\"off\" allows every origin and stands alone", String::new())),
        b"*" | b"any" | b"all" => return Err((EXPECTED, "write \"off\" to allow every origin".into())),
        b"none" | b"blocked" => {
            let help = "a handshake without an Origin comes from no browser and is always let through";
            return Err((EXPECTED, help.into()));
        }
        _ => {}
    }
    if !word.is_ascii() {
        let help = "browsers send names like bücher.example as xn--bcher-kva.example";
        return Err(("a name is written as browsers send it, in ASCII", help.into()));
    }
    let Some((scheme, rest)) = split_scheme(word) else {
        let help = if word.contains(&b'.') {
            format!("write the scheme, too: \"https://{text}\"")
        } else {
            String::new()
        };
        return Err((EXPECTED, help));
    };
    let named = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    if named("ws") || named("wss") {
        let page = if named("ws") { "http" } else { "https" };
        let help = format!("write \"{page}://{}\"", String::from_utf8_lossy(rest));
        return Err(("an origin is that of the page, not of the WebSocket", help));
    }
    if let Some(slash) = rest.iter().position(|byte| b"/?#".contains(byte)) {
        let help = format!("write \"{}\"", &text[..scheme.len() + 3 + slash]);
        return Err(("an origin has no path: it is a scheme, a host and perhaps a port", help));
    }
    let invalid_port = ("expected a port from 1 to 65535 behind the \":\"", String::new());
    let (host, port) = split_port(rest).filter(|(_, port)| *port != Some(0)).ok_or(invalid_port)?;
    let host = host_name(host, scheme)?;
    let port = port.or(default_port(scheme));
    Ok(Allowed::Site { scheme: scheme.to_ascii_lowercase().into(), host, port })
}

fn host_name(host: &[u8], scheme: &[u8]) -> Result<HostName, (&'static str, String)> {
    let host = host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase();
    let name = host.strip_prefix(b"*").filter(|rest| rest.starts_with(b".")).unwrap_or(&host);
    if name.contains(&b'*') {
        let help = "for anything else write a pattern: \"~^https://app-[a-z]+\\.example\\.com$\"";
        return Err(("a \"*\" may only be the first part of a name", help.into()));
    }
    let whole = match name {
        b"" => !is_web(scheme),
        _ => is_name(name.strip_prefix(b".").unwrap_or(name)) || is_literal(name),
    };
    match (name, host.len() > name.len()) {
        _ if !whole => Err(("the host is no name and no address", String::new())),
        (name, true) => Ok(HostName::Below(name.into())),
        ([b'.', ..], false) => Ok(HostName::AtOrBelow(name.into())),
        (name, false) => Ok(HostName::Exact(name.into())),
    }
}

#[cfg(test)]
#[path = "origins_tests.rs"]
mod tests;
