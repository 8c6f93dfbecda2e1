//! `ngx_http_proxy_module`: requests that are passed on.
//!
//! `pass.rs` reads where to, `headers.rs` what the upstream is told, `redirect.rs` how its
//! redirects are mended; the passing itself is `exchange/forward.rs`.

pub mod headers;
pub mod pass;
pub mod redirect;
mod retry;

use std::sync::Arc;
use std::time::Duration;

use crate::directive::Context;
use crate::request::{Template, Variable};

use super::{Call, Feature, Row, Set};
use headers::{RequestHeaders, SetHeader};

pub use pass::{Fixed, Pass, Target};
pub use redirect::Redirects;
pub use retry::NextUpstream;

pub static FEATURE: Feature<Written> =
    Feature { name: "proxy", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.proxy };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "proxy_buffer_size",
        doc: "The largest head an upstream's answer may have.",
        set: |w, call| w.buffer_size = Some(call.size(0) as usize),
    },
    Row {
        name: "proxy_connect_timeout",
        doc: "How long connecting to one peer may take.",
        set: |w, call| w.connect_timeout = Some(call.set_time(0)),
    },
    Row {
        name: "proxy_hide_header",
        doc: "A header of the upstream's answer that the client does not get.",
        set: |w, call| w.hidden.push(call.arg(0).to_ascii_lowercase().into()),
    },
    Row {
        name: "proxy_http_version",
        doc: "The version spoken to the upstream: 1.0 or 1.1.",
        set: http_version,
    },
    Row {
        name: "proxy_ignore_client_abort",
        doc: "Whether an upstream's answer is waited for though the client has gone.",
        set: |w, call| w.ignore_client_abort = Some(call.flag(0)),
    },
    Row {
        name: "proxy_ignore_headers",
        doc: "Headers of an answer that are not followed: X-Accel-Redirect; the others steer caches and rates.",
        set: |w, call| {
            let redirect = |word: &crate::syntax::Word| word.value.eq_ignore_ascii_case(b"x-accel-redirect");
            w.ignores_redirect = Some(call.args().iter().any(redirect));
        },
    },
    Row {
        name: "proxy_intercept_errors",
        doc: "Whether error_page answers in place of an upstream's statuses from 300 on.",
        set: |w, call| w.intercept_errors = Some(call.flag(0)),
    },
    Row {
        name: "proxy_method",
        doc: "The method the upstream is asked with.",
        set: |w, call| w.method = Some(Some(call.template(0))),
    },
    Row {
        name: "proxy_next_upstream",
        doc: "What makes another peer be tried: error, timeout, statuses, non_idempotent, or off.",
        set: |w, call| w.next_upstream = retry::read(call),
    },
    Row {
        name: "proxy_next_upstream_timeout",
        doc: "How long peers may be tried in all; 0 is no limit.",
        set: |w, call| w.next_upstream_timeout = Some(call.time(0)),
    },
    Row {
        name: "proxy_next_upstream_tries",
        doc: "How many peers may be tried; 0 is no limit.",
        set: |w, call| w.next_upstream_tries = Some(call.number(0) as usize),
    },
    Row {
        name: "proxy_pass",
        doc: "Where requests go: an address, an upstream's name, a URI.",
        set: pass::set,
    },
    Row {
        name: "proxy_pass_header",
        doc: "A header of the upstream's answer that would be hidden and is not.",
        set: |w, call| w.passed.push(call.arg(0).to_ascii_lowercase().into()),
    },
    Row {
        name: "proxy_pass_request_body",
        doc: "Whether the upstream gets the request's body.",
        set: |w, call| w.pass_body = Some(call.flag(0)),
    },
    Row {
        name: "proxy_pass_request_headers",
        doc: "Whether the upstream gets the request's headers.",
        set: |w, call| w.pass_headers = Some(call.set_flag(0)),
    },
    Row {
        name: "proxy_pass_trailers",
        doc: "Whether the client gets the trailers of an upstream's answer.",
        set: |w, call| w.pass_trailers = Some(call.flag(0)),
    },
    Row {
        name: "proxy_read_timeout",
        doc: "How long an upstream may be silent. In a tunnel, how long both sides may be.",
        set: |w, call| w.read_timeout = Some(call.set_time(0)),
    },
    Row {
        name: "proxy_redirect",
        doc: "How Location and Refresh of an upstream are changed.",
        set: redirect::set,
    },
    Row {
        name: "proxy_send_timeout",
        doc: "How long a write to the upstream may wait for room.",
        set: |w, call| w.send_timeout = Some(call.set_time(0)),
    },
    Row {
        name: "proxy_set_header",
        doc: "A header the upstream gets. A block with one of its own forgets all outer ones.",
        set: |w, call| {
            let value = call.template(1);
            w.set_headers.push(SetHeader { name: call.arg(0).into(), value, place: Some(call.place()) });
        },
    },
];

/// Variables of the module.
pub const VARIABLES: &[Variable] = &[
    Variable { name: "proxy_host", get: |request, out| some(&request.upstream.host, out) },
    Variable { name: "proxy_port", get: |request, out| some(&request.upstream.port, out) },
    Variable { name: "proxy_add_x_forwarded_for", get: headers::add_x_forwarded_for },
];

fn some(value: &[u8], out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value);
    !value.is_empty()
}

#[derive(Default)]
pub struct Written {
    pub pass: Option<Pass>,
    buffer_size: Option<usize>,
    connect_timeout: Option<Set<Duration>>,
    hidden: Vec<Box<[u8]>>,
    http_version: Option<Set<HttpVersion>>,
    ignore_client_abort: Option<bool>,
    ignores_redirect: Option<bool>,
    intercept_errors: Option<bool>,
    method: Option<Option<Template>>,
    next_upstream: Option<NextUpstream>,
    next_upstream_timeout: Option<Duration>,
    next_upstream_tries: Option<usize>,
    passed: Vec<Box<[u8]>>,
    pass_body: Option<bool>,
    pass_headers: Option<Set<bool>>,
    pass_trailers: Option<bool>,
    read_timeout: Option<Set<Duration>>,
    pub(super) redirects: Option<Redirects>,
    send_timeout: Option<Set<Duration>>,
    set_headers: Vec<SetHeader>,
}

/// `proxy_http_version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpVersion {
    Http10,
    Http11,
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes.
    pub buffer_size: usize,
    pub connect_timeout: Set<Duration>,
    hidden: Arc<[Box<[u8]>]>,
    passed: Arc<[Box<[u8]>]>,
    /// What of an answer does not reach the client.
    pub unwanted: Arc<headers::Unwanted>,
    pub http_version: Set<HttpVersion>,
    pub ignore_client_abort: bool,
    /// `X-Accel-Redirect` is not followed.
    pub ignores_redirect: bool,
    pub intercept_errors: bool,
    pub method: Option<Template>,
    pub next_upstream: NextUpstream,
    /// Zero is no limit.
    pub next_upstream_timeout: Duration,
    /// Zero is no limit.
    pub next_upstream_tries: usize,
    pub pass_body: bool,
    pub pass_headers: Set<bool>,
    pub pass_trailers: bool,
    pub read_timeout: Set<Duration>,
    pub redirects: Redirects,
    pub send_timeout: Set<Duration>,
    /// The `proxy_set_header` lines that hold.
    pub set_headers: Arc<[SetHeader]>,
    /// Those of outer blocks that hold no more, because a block inside them has lines of its own.
    pub voided_headers: Arc<[SetHeader]>,
    recipe: Arc<headers::Recipe>,
    /// What the upstream is told.
    pub request_headers: Arc<RequestHeaders>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings::of(Arc::default())
    }
}

impl Settings {
    /// nginx's defaults; the recipe is made of variables, which a configuration has to name first.
    pub fn of(recipe: Arc<headers::Recipe>) -> Settings {
        let minute = Set::default_of(Duration::from_secs(60));
        Settings {
            buffer_size: 4096,
            connect_timeout: minute.clone(),
            hidden: Arc::from([]),
            passed: Arc::from([]),
            unwanted: Arc::new(headers::Unwanted::new(&[], &[])),
            http_version: Set::default_of(HttpVersion::Http11),
            ignore_client_abort: false,
            ignores_redirect: false,
            intercept_errors: false,
            method: None,
            next_upstream: NextUpstream::default(),
            next_upstream_timeout: Duration::ZERO,
            next_upstream_tries: 0,
            pass_body: true,
            pass_headers: Set::default_of(true),
            pass_trailers: false,
            read_timeout: minute.clone(),
            redirects: Redirects::Default,
            send_timeout: minute,
            set_headers: Arc::from([]),
            voided_headers: Arc::from([]),
            request_headers: Arc::new(RequestHeaders::new(&[], &recipe, false)),
            recipe,
        }
    }
}

impl Written {
    pub fn over(&self, outer: &Settings, websocket: bool, outer_websocket: bool) -> Settings {
        let time = |own: &Option<Set<Duration>>, outer: &Set<Duration>| own.as_ref().unwrap_or(outer).clone();
        let list = |own: &[Box<[u8]>], outer: &Arc<[Box<[u8]>]>| match own {
            [] => outer.clone(),
            own => own.into(),
        };
        let (hidden, passed) = (list(&self.hidden, &outer.hidden), list(&self.passed, &outer.passed));
        let unwanted = match self.hidden.is_empty() && self.passed.is_empty() {
            true => outer.unwanted.clone(),
            false => Arc::new(headers::Unwanted::new(&hidden, &passed)),
        };
        // All or nothing: one proxy_set_header here, and none of the outer ones holds.
        let set_headers: Arc<[SetHeader]> = match &self.set_headers[..] {
            [] => outer.set_headers.clone(),
            own => own.into(),
        };
        let voided_headers = match self.set_headers.is_empty() || outer.set_headers.is_empty() {
            true => outer.voided_headers.clone(),
            false => outer.set_headers.clone(),
        };
        let request_headers = match self.set_headers.is_empty() && websocket == outer_websocket {
            true => outer.request_headers.clone(),
            false => Arc::new(RequestHeaders::new(&set_headers, &outer.recipe, websocket)),
        };
        let http_version = self.http_version.clone().unwrap_or_else(|| match websocket {
            true => Set::default_of(HttpVersion::Http11),
            false => outer.http_version.clone(),
        });
        Settings {
            buffer_size: self.buffer_size.unwrap_or(outer.buffer_size),
            connect_timeout: time(&self.connect_timeout, &outer.connect_timeout),
            hidden,
            passed,
            unwanted,
            http_version,
            ignore_client_abort: self.ignore_client_abort.unwrap_or(outer.ignore_client_abort),
            ignores_redirect: self.ignores_redirect.unwrap_or(outer.ignores_redirect),
            intercept_errors: self.intercept_errors.unwrap_or(outer.intercept_errors),
            method: self.method.as_ref().unwrap_or(&outer.method).clone(),
            next_upstream: self.next_upstream.unwrap_or(outer.next_upstream),
            next_upstream_timeout: self.next_upstream_timeout.unwrap_or(outer.next_upstream_timeout),
            next_upstream_tries: self.next_upstream_tries.unwrap_or(outer.next_upstream_tries),
            pass_body: self.pass_body.unwrap_or(outer.pass_body),
            pass_headers: self.pass_headers.as_ref().unwrap_or(&outer.pass_headers).clone(),
            pass_trailers: self.pass_trailers.unwrap_or(outer.pass_trailers),
            read_timeout: time(&self.read_timeout, &outer.read_timeout),
            redirects: self.redirects.as_ref().unwrap_or(&outer.redirects).clone(),
            send_timeout: time(&self.send_timeout, &outer.send_timeout),
            set_headers,
            voided_headers,
            recipe: outer.recipe.clone(),
            request_headers,
        }
    }
}

impl Settings {
    /// Whether a client's WebSocket handshake goes on to the upstream as one.
    pub fn carries_websockets(&self) -> bool {
        self.http_version.value == HttpVersion::Http11 && self.request_headers.sends_upgrade()
    }
}

fn http_version(written: &mut Written, call: &mut Call) {
    let value = match call.arg(0) {
        b"1.0" => HttpVersion::Http10,
        b"1.1" => HttpVersion::Http11,
        _ => return call.not_served(0, "HTTP/2 to an upstream"),
    };
    written.http_version = Some(Set { value, place: Some(call.place()) });
}
