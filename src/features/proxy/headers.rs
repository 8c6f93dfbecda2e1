//! What an upstream is told of a request, and what of its answer the client is not told.

use crate::http1::{Framing, Known, KnownSet, connection, write_field, write_number};
use crate::request::{Request, Template, Variables, write_rendered};
use crate::source::Place;

/// One `proxy_set_header`.
#[derive(Clone, Debug)]
pub struct SetHeader {
    pub name: Box<[u8]>,
    pub value: Template,
    /// Its line; `None` for what nobody wrote.
    pub place: Option<Place>,
}

impl SetHeader {
    /// Asks for another protocol by `websocket_proxy`: no request that is made inside does.
    fn is_of_a_switch(&self) -> bool {
        let is = |name: &[u8]| self.name.eq_ignore_ascii_case(name);
        self.place.is_none() && (is(b"upgrade") || is(b"connection"))
    }
}

/// What is set unless a location says otherwise; made once for a configuration.
#[derive(Debug, Default)]
pub struct Recipe {
    default: Vec<SetHeader>,
    /// What `websocket_proxy on` adds.
    websocket: Vec<SetHeader>,
}

/// nginx's `ngx_http_proxy_headers`: an empty value leaves the client's header out. The length of
/// the body and its coding are written by whoever writes the body.
const DEFAULT: &[(&str, &str)] = &[
    ("Host", "$proxy_host"),
    ("Connection", ""),
    ("TE", ""),
    ("Keep-Alive", ""),
    ("Expect", ""),
    ("Upgrade", ""),
    ("Proxy-Connection", ""),
];

const WEBSOCKET: &[(&str, &str)] = &[
    ("Host", "$http_host"),
    ("Upgrade", "$http_upgrade"),
    ("Connection", "$websocket_connection"),
    ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
    ("X-Forwarded-Proto", "$scheme"),
];

impl Recipe {
    pub fn new(variables: &mut Variables) -> Recipe {
        let mut read = |rows: &[(&str, &str)]| {
            let mut row = |(name, value): &(&str, &str)| SetHeader {
                name: name.as_bytes().into(),
                value: Template::read(value.as_bytes(), variables, |_, _| {}).unwrap_or_default(),
                place: None,
            };
            rows.iter().map(&mut row).collect()
        };
        Recipe { default: read(DEFAULT), websocket: read(WEBSOCKET) }
    }
}

/// The headers of a request as a location sends it on.
#[derive(Debug)]
pub struct RequestHeaders {
    /// In nginx's order: those the location sets, then the defaults it does not override. What is
    /// never sent (an empty text) is only in `replaced`.
    lines: Vec<SetHeader>,
    /// The client's headers that do not go on.
    replaced: Names,
    /// The location writes `Content-Length` or `Transfer-Encoding` itself, or leaves it out.
    sets_length: bool,
    sets_coding: bool,
    may_ask_for_upgrade: bool,
}

impl RequestHeaders {
    pub fn new(set: &[SetHeader], recipe: &Recipe, websocket: bool) -> RequestHeaders {
        let mut all: Vec<&SetHeader> = set.iter().collect();
        let more = if websocket { &recipe.websocket[..] } else { &[] };
        for header in more.iter().chain(&recipe.default) {
            if !all.iter().any(|earlier| earlier.name.eq_ignore_ascii_case(&header.name)) {
                all.push(header);
            }
        }
        let mut replaced = Names::of(all.iter().map(|header| &*header.name));
        let sets = |known: Known| replaced.has(known, b"");
        let (sets_length, sets_coding) = (sets(Known::ContentLength), sets(Known::TransferEncoding));
        replaced.known.add(Known::ContentLength);
        replaced.known.add(Known::TransferEncoding);
        let sent = |header: &&&SetHeader| header.value.as_literal() != Some(b"");
        let lines: Vec<SetHeader> = all.iter().filter(sent).map(|header| (*header).clone()).collect();
        let may_ask_for_upgrade = lines
            .iter()
            .any(|header| header.name.eq_ignore_ascii_case(b"upgrade") || header.name.contains(&b'\n'));
        RequestHeaders { lines, replaced, sets_length, sets_coding, may_ask_for_upgrade }
    }

    /// Whether an `Upgrade` may go out.
    pub fn sends_upgrade(&self) -> bool {
        self.lines.iter().any(|header| header.name.eq_ignore_ascii_case(b"upgrade"))
    }

    /// Whether what is written may hold an `Upgrade`: it is a line of the location's, or hides in a name that
    /// is several lines, which nginx takes too. The client's own never goes out.
    pub fn may_ask_for_upgrade(&self) -> bool {
        self.may_ask_for_upgrade
    }

    /// Appends the headers as lines: those the location sets, the body's `framing`, and with
    /// `with_client` the client's own.
    ///
    /// What the client's `Connection` names stays behind (RFC 9110, 7.6.1), unless the location
    /// sets it; nginx lets such headers through.
    pub fn write(&self, request: &Request, framing: Framing, with_client: bool, out: &mut Vec<u8>) {
        for header in self.lines.iter().filter(|header| !request.sub || !header.is_of_a_switch()) {
            write_rendered(&header.name, &header.value, request, out);
        }
        match framing {
            Framing::Length(length) if !self.sets_length => {
                out.extend_from_slice(b"Content-Length: ");
                write_number(length, out);
                out.extend_from_slice(b"\r\n");
            }
            Framing::Chunked if !self.sets_coding => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
            _ => {}
        }
        if !with_client {
            return;
        }
        let headers = &request.head.headers;
        for (name, value, known) in headers.iter() {
            if !self.replaced.has(known, name) && !connection::is_hop_by_hop(headers, name, known) {
                write_field(name, value, out);
            }
        }
    }
}

/// What nginx never hands to a client, unless `proxy_pass_header` names it.
const HIDDEN: &[&str] = &[
    "date",
    "server",
    "x-pad",
    "x-accel-expires",
    "x-accel-redirect",
    "x-accel-limit-rate",
    "x-accel-buffering",
    "x-accel-charset",
];

/// The headers of an answer that do not reach the client.
#[derive(Debug)]
pub struct Unwanted {
    names: Names,
}

impl Unwanted {
    /// nginx's own, without the passed, and with the hidden.
    pub fn new(hidden: &[Box<[u8]>], passed: &[Box<[u8]>]) -> Unwanted {
        let own = HIDDEN.iter().map(|name| name.as_bytes());
        let own = own.filter(|name| !passed.iter().any(|other| **other == **name)).map(Box::from);
        let own = own.collect::<Vec<Box<[u8]>>>();
        Unwanted { names: Names::of(own.iter().chain(hidden).map(|name| &**name)) }
    }

    /// Whether a header is hidden; of a known one the name is not asked for.
    pub fn has(&self, known: Known, name: &[u8]) -> bool {
        self.names.has(known, name)
    }
}

/// Names of headers, whatever their case.
#[derive(Debug, Default)]
struct Names {
    known: KnownSet,
    others: Vec<Box<[u8]>>,
}

impl Names {
    fn of<'a>(names: impl Iterator<Item = &'a [u8]>) -> Names {
        let mut found = Names::default();
        for name in names {
            match Known::of(name) {
                Known::Other => found.others.push(name.into()),
                known => found.known.add(known),
            }
        }
        found
    }

    fn has(&self, known: Known, name: &[u8]) -> bool {
        match known {
            Known::Other => self.others.iter().any(|other| other.eq_ignore_ascii_case(name)),
            known => self.known.has(known),
        }
    }
}

/// `$proxy_add_x_forwarded_for`: what the client sent, and the client.
pub fn add_x_forwarded_for(request: &Request, out: &mut Vec<u8>) -> bool {
    for value in request.head.headers.all(Known::XForwardedFor) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    super::super::variables::remote_addr(request, out)
}
