//! Directives of our own about WebSockets: `websocket_proxy`, `websocket_echo`, what a tunnel keeps to and
//! who may have one.
//!
//! Rows and settings are here. `arguments.rs` reads sides and rates, `rules.rs` makes of the settings what a
//! tunnel is given, `origins.rs` and `protocols.rs` judge handshakes, `variables.rs` has what logs can show.

mod arguments;
mod origins;
mod protocols;
mod rules;
mod variables;

use std::sync::Arc;
use std::time::Duration;

use crate::directive::Context;
use crate::request::Request;
use crate::tunnel::{Limit, MaxSize, Rate, Sides};

use super::{Call, Feature, Row, Set};

pub use origins::Origins;
pub use protocols::{Protocols, is_protocol_byte};
pub use rules::rules;
pub use variables::{ROWS as VARIABLES, is_told_at_the_end, needs_frames};

pub static FEATURE: Feature<Written> =
    Feature { name: "websocket", contexts: Context::IN_HTTP, rows: ROWS, at: |w| &mut w.websocket };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "websocket_close_notify",
        doc: "Whether a side that loses the other is told why by a Close frame; off is byte for byte nginx.",
        set: |w, call| w.close_notify = Some(call.flag(0)),
    },
    Row {
        name: "websocket_echo",
        doc: "Answers WebSockets here and sends every message back: a backend for trying things out.",
        set: |w, _| w.echo = true,
    },
    Row {
        name: "websocket_max_frame_size",
        doc: "The largest frame that a side may send; more ends the tunnel with 1009. 0 is no limit.",
        set: |w, call| w.max_frame = Some(arguments::max_size(call)),
    },
    Row {
        name: "websocket_max_lifetime",
        doc: "How old a tunnel may become, however busy it is; it ends with 1001 then. 0 is no limit.",
        set: |w, call| {
            let limit = Limit { after: call.time(0), place: Some(call.place()) };
            w.max_lifetime = Some(Some(limit).filter(|limit| !limit.after.is_zero()));
        },
    },
    Row {
        name: "websocket_max_message_size",
        doc: "The largest message that a side may send, all of its frames together; more ends the tunnel \
with 1009. 0 is no limit.",
        set: |w, call| w.max_message = Some(arguments::max_size(call)),
    },
    Row {
        name: "websocket_message_rate",
        doc: "How many messages or bytes a side may send in a second or a minute. Who sends more is read \
from more slowly (delay) or loses the tunnel with 1008 (close).",
        set: |w, call| w.rate = arguments::rate(call).or(w.rate.take()),
    },
    Row {
        name: "websocket_origins",
        doc: "From which pages browsers may open WebSockets: same is this host's own. Others are answered 403.",
        set: |w, call| w.origins = origins::read(call),
    },
    Row {
        name: "websocket_ping_interval",
        doc: "How long a side may be silent before it is sent a ping. 0 sends none.",
        set: |w, call| {
            let to = arguments::sides(call.arg(1)).unwrap_or(Sides::Both);
            w.ping = Some(Some((call.set_time(0), to)).filter(|(interval, _)| !interval.value.is_zero()));
        },
    },
    Row {
        name: "websocket_ping_timeout",
        doc: "How long a side may take to say anything after a ping before it counts as gone.",
        set: ping_timeout,
    },
    Row {
        name: "websocket_protocols",
        doc: "Which subprotocols may be spoken. A handshake that offers none of them is answered 403.",
        set: |w, call| w.protocols = protocols::read(call),
    },
    Row {
        name: "websocket_proxy",
        doc: "The whole recipe in one line: HTTP/1.1 upstream, Upgrade and Connection for true WebSocket \
handshakes only, the client's Host, X-Forwarded-For and X-Forwarded-Proto. What proxy_set_header says of \
one of these goes before.",
        set: |w, call| w.proxy = Some(call.flag(0)),
    },
    Row {
        name: "websocket_reload",
        doc: "What a reload means to tunnels: keep spares those whose server and location are unchanged from \
worker_shutdown_timeout, close ends those whose location or upstream is gone even without it.",
        set: |w, call| {
            let close = call.arg(0).eq_ignore_ascii_case(b"close");
            w.reload = Some(if close { Reload::Close } else { Reload::Keep });
        },
    },
    Row {
        name: "websocket_token_expiry",
        doc: "Whether a tunnel ends when the token that let it in has expired, and how long after; it ends with \
4401 then.",
        set: |w, call| w.token_expiry = arguments::token_expiry(call).or(w.token_expiry.take()),
    },
];

/// `websocket_ping_timeout` where nothing says otherwise.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// `websocket_reload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// A tunnel whose server and location are unchanged is spared from `worker_shutdown_timeout`.
    Keep,
    /// A tunnel whose location or upstream is gone is closed with 1012, with or without the timeout.
    Close,
}

/// What a block says; an inner `None` is a limit that is taken away.
#[derive(Default)]
pub struct Written {
    proxy: Option<bool>,
    pub echo: bool,
    close_notify: Option<bool>,
    ping: Option<Option<(Set<Duration>, Sides)>>,
    ping_timeout: Option<Set<Duration>>,
    max_frame: Option<Option<MaxSize>>,
    max_message: Option<Option<MaxSize>>,
    max_lifetime: Option<Option<Limit>>,
    rate: Option<Option<Rate>>,
    origins: Option<Option<Arc<Origins>>>,
    protocols: Option<Option<Arc<Protocols>>>,
    reload: Option<Reload>,
    token_expiry: Option<Option<Limit>>,
}

#[derive(Clone, Debug)]
pub struct Settings {
    pub proxy: bool,
    close_notify: bool,
    /// How long a side may be silent, and which.
    ping: Option<(Set<Duration>, Sides)>,
    ping_timeout: Set<Duration>,
    max_frame: Option<MaxSize>,
    max_message: Option<MaxSize>,
    max_lifetime: Option<Limit>,
    rate: Option<Rate>,
    /// Whose pages may open WebSockets; all where nothing is said.
    pub origins: Option<Arc<Origins>>,
    /// Which subprotocols may be spoken; any where nothing is said.
    pub protocols: Option<Arc<Protocols>>,
    /// `None`: tunnels run on, and for no longer than `worker_shutdown_timeout` if that is set.
    pub reload: Option<Reload>,
    /// How long a tunnel outlives its token; `None` is for as long as it likes.
    pub token_expiry: Option<Limit>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            proxy: false,
            close_notify: true,
            ping: None,
            ping_timeout: Set::default_of(PING_TIMEOUT),
            max_frame: None,
            max_message: None,
            max_lifetime: None,
            rate: None,
            origins: None,
            protocols: None,
            reload: None,
            token_expiry: Some(Limit::from(Duration::ZERO)),
        }
    }
}

impl Settings {
    /// A side that loses the other is told why.
    pub fn tells_why(&self) -> bool {
        self.close_notify
    }

    /// A silent side is asked whether it is still there.
    pub fn pings(&self) -> bool {
        self.ping.is_some()
    }
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        fn own<T: Clone>(own: &Option<T>, outer: &T) -> T {
            own.as_ref().unwrap_or(outer).clone()
        }
        Settings {
            proxy: own(&self.proxy, &outer.proxy),
            close_notify: own(&self.close_notify, &outer.close_notify),
            ping: own(&self.ping, &outer.ping),
            ping_timeout: own(&self.ping_timeout, &outer.ping_timeout),
            max_frame: own(&self.max_frame, &outer.max_frame),
            max_message: own(&self.max_message, &outer.max_message),
            max_lifetime: own(&self.max_lifetime, &outer.max_lifetime),
            rate: own(&self.rate, &outer.rate),
            origins: own(&self.origins, &outer.origins),
            protocols: own(&self.protocols, &outer.protocols),
            reload: self.reload.or(outer.reload),
            token_expiry: own(&self.token_expiry, &outer.token_expiry),
        }
    }
}

fn ping_timeout(written: &mut Written, call: &mut Call) {
    if call.time(0).is_zero() {
        let message = "\"websocket_ping_timeout\" must be longer than 0";
        return call.error(0, "invalid-value", message);
    }
    written.ping_timeout = Some(call.set_time(0));
}

/// `$http_upgrade`: what the client wants to switch to, where that is a WebSocket.
///
/// nginx hands on whatever a client writes there, `h2c` too, and with it a way around every rule of
/// the location. A location for another protocol names it in its `proxy_set_header Upgrade`.
pub fn http_upgrade(request: &Request, out: &mut Vec<u8>) -> bool {
    let value = request.head.headers.first(crate::http1::Known::Upgrade);
    let value = value.filter(|_| request.websocket.is_some());
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}
