//! `proxy_pass`: where requests go.

use std::fmt;
use std::sync::Arc;

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::features::{Call, upstream};
use crate::request::Template;
use crate::source::{Place, Span};

use super::Written;

/// One `proxy_pass`.
#[derive(Clone, Debug)]
pub struct Pass {
    pub target: Target,
    pub place: Place,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum Target {
    /// Known while reading.
    Fixed(Fixed),
    /// Known when a request comes.
    Computed(Template),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Fixed(fixed) => f.write_str(&String::from_utf8_lossy(&fixed.text)),
            Target::Computed(_) => f.write_str("an address made of variables"),
        }
    }
}

/// An address without variables.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// The group of peers: an `upstream` block's, or one made for this address.
    pub group: usize,
    /// `$proxy_host` and `$proxy_port`.
    pub host: Box<[u8]>,
    pub port: Box<[u8]>,
    /// The URI that takes the place of the location's name, if one is written.
    pub uri: Option<Arc<[u8]>>,
    /// As written, for `proxy_redirect default`.
    pub text: Arc<[u8]>,
}

/// The parts of `http://host:port/uri`.
pub struct Url<'a> {
    /// Host and port as written, or `unix:/path`.
    pub authority: &'a [u8],
    pub uri: &'a [u8],
}

/// Splits what stands behind the scheme: `unix:/path:/uri` has its URI behind a second colon.
pub fn split(rest: &[u8]) -> Url<'_> {
    if rest.len() > 5 && rest[..5].eq_ignore_ascii_case(b"unix:") {
        let colon = rest[5..].iter().position(|byte| *byte == b':');
        return match colon {
            Some(colon) => Url { authority: &rest[..5 + colon], uri: &rest[5 + colon + 1..] },
            None => Url { authority: rest, uri: b"" },
        };
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    Url { authority: &rest[..end], uri: &rest[end..] }
}

/// What is left behind `http://`; `None` for another scheme.
pub fn strip_http(url: &[u8]) -> Option<&[u8]> {
    (url.len() >= 7 && url[..7].eq_ignore_ascii_case(b"http://")).then(|| &url[7..])
}

/// The same for `https://`.
pub fn strip_https(url: &[u8]) -> Option<&[u8]> {
    (url.len() >= 8 && url[..8].eq_ignore_ascii_case(b"https://")).then(|| &url[8..])
}

pub fn set(written: &mut Written, call: &mut Call) {
    if written.pass.is_some() {
        return call.error(0, "duplicate-directive", "\"proxy_pass\" directive is duplicate");
    }
    let text = call.arg(0);
    let (place, span) = (call.place(), call.span(0));
    if text.contains(&b'$') {
        let template = call.template(0);
        if strip_https(text).is_some() {
            call.not_served(0, "TLS to an upstream");
        }
        written.pass = Some(Pass { target: Target::Computed(template), place, span });
        return;
    }
    let rest = match (strip_http(text), strip_https(text)) {
        (Some(rest), _) => rest,
        (None, Some(rest)) => {
            call.not_served(0, "TLS to an upstream");
            rest
        }
        (None, None) => {
            // A WebSocket begins as a request of HTTP, and `wss` as one of HTTPS.
            let written = call.text(0);
            let (scheme, rest) = written.split_once("://").unwrap_or(("", &written));
            let meant = if scheme.eq_ignore_ascii_case("wss") { "https" } else { "http" };
            let finding = Diagnostic::error("invalid-url", span, "invalid URL prefix")
                .help(format!("write \"proxy_pass {meant}://{rest};\""));
            return call.say(finding);
        }
    };
    let default_port = if strip_http(text).is_some() { 80 } else { 443 };
    let url = split(rest);
    let Some(group) = upstream::refer(call, url.authority, default_port) else { return };
    let uri = match url.uri {
        [] => None,
        [b'?', ..] => Some([b"/", url.uri].concat().into()),
        uri => Some(uri.into()),
    };
    if uri.is_some()
        && let Some(why) = no_uri_here(call)
    {
        let message = "\"proxy_pass\" cannot have URI part in location given by regular expression, \
or inside named location, or inside \"if\" statement, or inside \"limit_except\" block";
        let shown = String::from_utf8_lossy(url.uri).into_owned();
        let finding = Diagnostic::error("proxy-pass-uri", span, message)
            .here(format!("has the URI part \"{shown}\", {why}"))
            .help("leave the URI away, or change the URI with a \"rewrite … break;\" before it");
        return call.say(finding);
    }
    let (host, port) = upstream::host_and_port(url.authority, default_port);
    let target = Target::Fixed(Fixed { group, host, port, uri, text: text.into() });
    written.pass = Some(Pass { target, place, span });
}

/// Why a URI part has nothing to take the place of, where it has not.
fn no_uri_here(call: &Call) -> Option<&'static str> {
    if call.context.meets(Context::IF_LOCATION) {
        return Some("inside an \"if\"");
    }
    if call.context.meets(Context::LIMIT_EXCEPT) {
        return Some("inside a \"limit_except\"");
    }
    let location = call.tree.block_of(call.directive.id).map(|block| call.tree.get(block))?;
    match &location.args[..] {
        [name] if name.value.starts_with(b"@") => Some("in a named location"),
        [name] if name.value.starts_with(b"~") => Some("in a location given by a pattern"),
        [modifier, _] if modifier.value.starts_with(b"~") => Some("in a location given by a pattern"),
        _ => None,
    }
}
