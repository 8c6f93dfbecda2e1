//! What `ngx_http_core_module` says of the client's side: heads, bodies, timeouts, limits.

use std::time::Duration;

use crate::directive::Context;
use crate::http1::HeadLimits;

use super::{Call, Feature, Row, Set};

pub static FEATURE: Feature<Written> = Feature {
    name: "client",
    contexts: Context::HTTP.or(Context::SERVER).or(Context::LOCATION).or(Context::IF_LOCATION),
    rows: ROWS,
    at: |w| &mut w.client,
};

const ROWS: &[Row<Written>] = &[
    Row {
        name: "absolute_redirect",
        doc: "Whether a redirect names scheme and host.",
        set: |w, call| w.absolute_redirect = Some(call.flag(0)),
    },
    Row {
        name: "client_body_buffer_size",
        doc: "How much of a request's body is kept for another upstream, should one fail.",
        set: |w, call| w.body_buffer_size = Some(call.size(0) as usize),
    },
    Row {
        name: "client_body_timeout",
        doc: "How long to wait for the next bytes of a request's body.",
        set: |w, call| w.body_timeout = Some(call.set_time(0)),
    },
    Row {
        name: "client_header_buffer_size",
        doc: "How much of a head is read before the large buffers are asked for.",
        set: |w, call| w.header_buffer_size = Some(call.size(0) as usize),
    },
    Row {
        name: "client_header_timeout",
        doc: "How long a head may take from its first byte to its last.",
        set: |w, call| w.header_timeout = Some(call.set_time(0)),
    },
    Row {
        name: "client_max_body_size",
        doc: "The largest body that is taken; more is answered 413. 0 is no limit.",
        set: |w, call| w.max_body_size = Some(call.size(0)),
    },
    Row {
        name: "ignore_invalid_headers",
        doc: "Whether a header with an odd name is left out rather than passed on.",
        set: |w, call| w.ignore_invalid_headers = Some(call.flag(0)),
    },
    Row {
        name: "keepalive_requests",
        doc: "How many requests one connection may make.",
        set: |w, call| w.keepalive_requests = Some(call.number(0)),
    },
    Row {
        name: "keepalive_time",
        doc: "How long a connection may go on making requests.",
        set: |w, call| w.keepalive_time = Some(call.time(0)),
    },
    Row {
        name: "keepalive_timeout",
        doc: "How long a connection may wait for its next request; the second time is told to the client.",
        set: |w, call| {
            w.keepalive_timeout = Some(call.set_time(0));
            w.keepalive_header = Some(call.args().get(1).map(|_| call.time(1)));
        },
    },
    Row {
        name: "large_client_header_buffers",
        doc: "Number and size of the buffers for large heads: one line must fit one buffer.",
        set: |w, call| w.large_buffers = Some((call.number(0) as usize, call.size(1) as usize)),
    },
    Row {
        name: "lingering_close",
        doc: "Whether to read on for a while before a connection with unread data is closed.",
        set: |w, call| {
            w.lingering_close = Some(match call.arg(0) {
                b"off" => Lingering::Off,
                b"always" => Lingering::Always,
                _ => Lingering::On,
            })
        },
    },
    Row {
        name: "lingering_time",
        doc: "How long lingering may take in all.",
        set: |w, call| w.lingering_time = Some(call.time(0)),
    },
    Row {
        name: "lingering_timeout",
        doc: "How long lingering waits for more.",
        set: |w, call| w.lingering_timeout = Some(call.time(0)),
    },
    Row {
        name: "max_headers",
        doc: "How many headers a request may have.",
        set: |w, call| w.max_headers = Some(call.number(0) as usize),
    },
    Row {
        name: "merge_slashes",
        doc: "Whether several slashes in a URI count as one.",
        set: |w, call| w.merge_slashes = Some(call.flag(0)),
    },
    Row {
        name: "port_in_redirect",
        doc: "Whether an absolute redirect names the port.",
        set: |w, call| w.port_in_redirect = Some(call.flag(0)),
    },
    Row {
        name: "send_timeout",
        doc: "How long a write to the client may wait for room.",
        set: |w, call| w.send_timeout = Some(call.set_time(0)),
    },
    Row {
        name: "server_name_in_redirect",
        doc: "Whether an absolute redirect names the first server_name instead of the host asked for.",
        set: |w, call| w.server_name_in_redirect = Some(call.flag(0)),
    },
    Row { name: "server_tokens", doc: "Whether Server and error pages say the version.", set: server_tokens },
    Row {
        name: "tcp_nodelay",
        doc: "Whether small writes go out at once.",
        set: |w, call| w.tcp_nodelay = Some(call.flag(0)),
    },
    Row {
        name: "underscores_in_headers",
        doc: "Whether a header's name may have underscores.",
        set: |w, call| w.underscores_in_headers = Some(call.flag(0)),
    },
];

/// `lingering_close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lingering {
    Off,
    On,
    Always,
}

/// `server_tokens`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tokens {
    Off,
    On,
    /// As `On`: a build has no name of its own.
    Build,
}

#[derive(Default)]
pub struct Written {
    absolute_redirect: Option<bool>,
    body_buffer_size: Option<usize>,
    body_timeout: Option<Set<Duration>>,
    header_buffer_size: Option<usize>,
    header_timeout: Option<Set<Duration>>,
    max_body_size: Option<u64>,
    ignore_invalid_headers: Option<bool>,
    keepalive_requests: Option<u64>,
    keepalive_time: Option<Duration>,
    keepalive_timeout: Option<Set<Duration>>,
    keepalive_header: Option<Option<Duration>>,
    large_buffers: Option<(usize, usize)>,
    lingering_close: Option<Lingering>,
    lingering_time: Option<Duration>,
    lingering_timeout: Option<Duration>,
    max_headers: Option<usize>,
    merge_slashes: Option<bool>,
    port_in_redirect: Option<bool>,
    send_timeout: Option<Set<Duration>>,
    server_name_in_redirect: Option<bool>,
    server_tokens: Option<Tokens>,
    tcp_nodelay: Option<bool>,
    underscores_in_headers: Option<bool>,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub absolute_redirect: bool,
    /// Bytes of a body that are kept until an upstream has answered.
    pub body_buffer_size: usize,
    pub body_timeout: Set<Duration>,
    pub header_timeout: Set<Duration>,
    /// 0 is no limit.
    pub max_body_size: u64,
    pub head_limits: HeadLimits,
    pub keepalive_requests: u64,
    pub keepalive_time: Duration,
    pub keepalive_timeout: Set<Duration>,
    /// What `Keep-Alive: timeout=` says, if anything.
    pub keepalive_header: Option<Duration>,
    pub lingering_close: Lingering,
    pub lingering_time: Duration,
    pub lingering_timeout: Duration,
    pub merge_slashes: bool,
    pub port_in_redirect: bool,
    pub send_timeout: Set<Duration>,
    pub server_name_in_redirect: bool,
    pub server_tokens: Tokens,
    pub tcp_nodelay: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        let minute = Duration::from_secs(60);
        Settings {
            absolute_redirect: true,
            body_buffer_size: 16 * 1024,
            body_timeout: Set::default_of(minute),
            header_timeout: Set::default_of(minute),
            max_body_size: 1024 * 1024,
            head_limits: HeadLimits::default(),
            keepalive_requests: 1000,
            keepalive_time: Duration::from_secs(3600),
            keepalive_timeout: Set::default_of(Duration::from_secs(75)),
            keepalive_header: None,
            lingering_close: Lingering::On,
            lingering_time: Duration::from_secs(30),
            lingering_timeout: Duration::from_secs(5),
            merge_slashes: true,
            port_in_redirect: true,
            send_timeout: Set::default_of(minute),
            server_name_in_redirect: false,
            server_tokens: Tokens::On,
            tcp_nodelay: true,
        }
    }
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        let limits = &outer.head_limits;
        let (large_count, large_size) = self.large_buffers.unwrap_or((limits.large_count, limits.large_size));
        let time = |own: &Option<Set<Duration>>, outer: &Set<Duration>| own.as_ref().unwrap_or(outer).clone();
        Settings {
            absolute_redirect: self.absolute_redirect.unwrap_or(outer.absolute_redirect),
            body_buffer_size: self.body_buffer_size.unwrap_or(outer.body_buffer_size),
            body_timeout: time(&self.body_timeout, &outer.body_timeout),
            header_timeout: time(&self.header_timeout, &outer.header_timeout),
            max_body_size: self.max_body_size.unwrap_or(outer.max_body_size),
            head_limits: HeadLimits {
                client_header_buffer_size: self
                    .header_buffer_size
                    .unwrap_or(limits.client_header_buffer_size),
                large_count,
                large_size,
                max_headers: self.max_headers.unwrap_or(limits.max_headers),
                ignore_invalid_headers: self.ignore_invalid_headers.unwrap_or(limits.ignore_invalid_headers),
                underscores_in_headers: self.underscores_in_headers.unwrap_or(limits.underscores_in_headers),
            },
            keepalive_requests: self.keepalive_requests.unwrap_or(outer.keepalive_requests),
            keepalive_time: self.keepalive_time.unwrap_or(outer.keepalive_time),
            keepalive_timeout: time(&self.keepalive_timeout, &outer.keepalive_timeout),
            keepalive_header: self.keepalive_header.unwrap_or(outer.keepalive_header),
            lingering_close: self.lingering_close.unwrap_or(outer.lingering_close),
            lingering_time: self.lingering_time.unwrap_or(outer.lingering_time),
            lingering_timeout: self.lingering_timeout.unwrap_or(outer.lingering_timeout),
            merge_slashes: self.merge_slashes.unwrap_or(outer.merge_slashes),
            port_in_redirect: self.port_in_redirect.unwrap_or(outer.port_in_redirect),
            send_timeout: time(&self.send_timeout, &outer.send_timeout),
            server_name_in_redirect: self.server_name_in_redirect.unwrap_or(outer.server_name_in_redirect),
            server_tokens: self.server_tokens.unwrap_or(outer.server_tokens),
            tcp_nodelay: self.tcp_nodelay.unwrap_or(outer.tcp_nodelay),
        }
    }
}

fn server_tokens(written: &mut Written, call: &mut Call) {
    written.server_tokens = Some(match call.arg(0) {
        b"on" => Tokens::On,
        b"off" => Tokens::Off,
        b"build" => Tokens::Build,
        _ => return,
    });
}
