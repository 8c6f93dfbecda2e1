//! Where a request goes, and the head it goes with.

use std::borrow::Cow;
use std::sync::Arc;

use crate::features::error_log::Level;
use crate::features::proxy::{Fixed, HttpVersion, Pass, Target, pass};
use crate::features::resolver;
use crate::features::upstream::{self as rows, Upstream};
use crate::http1::{Framing, escape};
use crate::upstream::{Endpoint, Group};

use super::answer::Reply;
use super::life::Exchange;
use super::report::Shown;
use super::route::Event;
use super::worker::Computed;

/// Where a request goes.
pub struct Destination<'c> {
    pub group: Arc<Group>,
    /// What it means, unless the address was computed.
    pub upstream: Option<&'c Upstream>,
    /// What takes the place of the location's name in the URI, or all of it where it was computed.
    pub uri: Option<Cow<'c, [u8]>>,
    computed: bool,
    /// The text of `proxy_pass`, where it is known while reading: for `proxy_redirect default`.
    pub text: Option<&'c [u8]>,
}

impl<'c> Exchange<'c> {
    /// Finds out where a location sends the request.
    pub async fn destination(&mut self, pass: &'c Pass) -> Result<Destination<'c>, Reply> {
        let computed = match &pass.target {
            Target::Fixed(Fixed { group, host, port, uri, text }) => {
                let upstream = &mut self.request.upstream;
                upstream.host.clear();
                upstream.host.extend_from_slice(host);
                upstream.port.clear();
                upstream.port.extend_from_slice(port);
                return Ok(Destination {
                    group: self.live.groups[*group].clone(),
                    upstream: Some(&self.live.model.http.groups[*group]),
                    uri: uri.as_deref().map(Cow::Borrowed),
                    computed: false,
                    text: Some(text),
                });
            }
            Target::Computed(template) => template,
        };
        let mut url = Vec::new();
        computed.render(self.request, &mut url);
        self.computed(&url).await.map_err(|why| {
            self.report(Level::Error, format_args!("{why} in \"{}\"", Shown(&url)));
            Reply::Status(500)
        })
    }

    /// The destination of a `proxy_pass` with variables.
    async fn computed(&mut self, url: &[u8]) -> Result<Destination<'c>, &'static str> {
        let rest = pass::strip_http(url).ok_or("invalid URL prefix")?;
        let url = pass::split(rest);
        let authority = String::from_utf8_lossy(url.authority).into_owned();
        let is_path = authority.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("unix:"));
        let (host, port) = match is_path {
            true => (&authority[..], None),
            false => crate::features::listen::split_port(&authority).ok_or("invalid host")?,
        };
        let port = match port {
            None => None,
            Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0).ok_or("invalid port")?),
        };
        if host.is_empty() {
            return Err("no host");
        }
        let (shown_host, shown_port) = rows::host_and_port(url.authority, 80);
        self.request.upstream.host = shown_host.into_vec();
        self.request.upstream.port = shown_port.into_vec();
        let (group, upstream) = match self.live.group(host, port) {
            Some(at) => (self.live.groups[at].clone(), Some(&self.live.model.http.groups[at])),
            None => (self.worker.computed_group(host, port, &self.settings.resolver), None),
        };
        let uri = match url.uri {
            b"" => None,
            [b'?', ..] => Some(Cow::Owned([b"/", url.uri].concat())),
            uri => Some(Cow::Owned(uri.to_vec())),
        };
        Ok(Destination { group, upstream, uri, computed: true, text: None })
    }

    /// Writes the head that goes upstream; true where it asks for another protocol as the client does.
    pub fn request_head(&mut self, destination: &Destination<'_>, out: &mut Vec<u8>) -> bool {
        let proxy = &self.settings.proxy;
        match &proxy.method {
            Some(method) => {
                method.render(self.request, out);
                escape::keep_one_word(out, 0);
            }
            None => out.extend_from_slice(self.request.method_name()),
        }
        out.push(b' ');
        let start = out.len();
        self.request_uri(destination, out);
        escape::keep_one_word(out, start);
        let tokens = &self.settings.tokens;
        if tokens.taken(self.request).is_some_and(|taken| taken.from_target(out, start)) {
            self.note(|_| Event::TokenStays { from: "target" });
        }
        self.request.upstream.uri.clear();
        self.request.upstream.uri.extend_from_slice(&out[start..]);
        out.extend_from_slice(match proxy.http_version.value {
            HttpVersion::Http10 => b" HTTP/1.0\r\n",
            HttpVersion::Http11 => b" HTTP/1.1\r\n",
        });
        let start = out.len();
        let framing = if proxy.pass_body { self.body.framing() } else { self.unpassed_framing() };
        proxy.request_headers.write(self.request, framing, proxy.pass_headers.value, out);
        // A line may have used the one among the subprotocols just now.
        if tokens.taken(self.request).is_some_and(|taken| taken.from_lines(out, start)) {
            self.note(|_| Event::TokenStays { from: "headers" });
        }
        let upgrade = proxy.request_headers.may_ask_for_upgrade() && self.asks_for_upgrade(&out[start..]);
        out.extend_from_slice(b"\r\n");
        upgrade
    }

    /// nginx announces the client's length though it keeps the body back; a chunked one has none.
    fn unpassed_framing(&self) -> Framing {
        match self.body.framing() {
            Framing::Length(length) => Framing::Length(length),
            _ => Framing::None,
        }
    }

    /// The target, as `ngx_http_proxy_create_request` makes it.
    fn request_uri(&mut self, destination: &Destination<'_>, out: &mut Vec<u8>) {
        let request = &*self.request;
        let target = &request.target;
        match &destination.uri {
            Some(uri) if destination.computed => return out.extend_from_slice(uri),
            None if target.unparsed_is_valid => return out.extend_from_slice(request.head.target()),
            _ => {}
        }
        let replaced = match &destination.uri {
            Some(uri) if request.location_valid => {
                out.extend_from_slice(uri);
                self.live.model.http.location(self.location).prefix.min(target.path.len())
            }
            _ => 0,
        };
        let path = &target.path[replaced..];
        if target.quoted || request.internal {
            escape::escape_uri(path, out);
        } else {
            out.extend_from_slice(path);
        }
        if !target.args.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&target.args);
        }
    }
}

impl super::Worker {
    /// A group for an address that a request has named, kept for the next that does.
    fn computed_group(&self, host: &str, port: Option<u16>, names: &resolver::Settings) -> Arc<Group> {
        let address = Computed { host: host.into(), port, servers: names.servers.clone() };
        self.computed.borrow_mut().find(address, |Computed { host, port, servers }| {
            let (host, number) = (host.to_string(), port.unwrap_or(80));
            let endpoint = rows::known(&host, number)
                .map_or_else(|| Endpoint::Name { host: host.clone(), port: number }, Endpoint::Known);
            let mut spec = rows::implicit(host, *port, endpoint);
            spec.servers.iter_mut().for_each(|server| server.resolve = servers.is_some());
            spec
        })
    }
}
