//! What a tunnel keeps to, from its first byte to its last.

use std::time::Duration;

use crate::source::Place;

use super::{Limit, Who};

/// What a location asks of its tunnels. A tunnel keeps the rules it began with.
///
/// One clock measures the first three: any byte that moves, in either direction, starts it anew. In nginx a
/// talkative client keeps a silent upstream open past `proxy_read_timeout`, and so it does here.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// `proxy_read_timeout`: nothing moved, and the upstream was listened to.
    pub read: Limit,
    /// `proxy_send_timeout`: the upstream does not take what is there for it.
    pub send_upstream: Limit,
    /// `send_timeout`: the client does not take what is there for it.
    pub send_client: Limit,
    /// `websocket_max_lifetime`: so old may a tunnel become, however busy it is.
    pub max_lifetime: Option<Limit>,
    /// `websocket_token_expiry`: how long a tunnel outlives the token that let it in; `None` is for as long as it
    /// likes.
    pub token_expiry: Option<Limit>,
    /// What is asked of frames. Where nothing is, the tunnel carries bytes and looks at none.
    pub frames: Option<FrameRules>,
}

/// What is asked of a WebSocket's frames (RFC 6455 section 5). Where nothing of it is, they are counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameRules {
    /// `websocket_close_notify`: a side that loses the other is told so by a Close frame.
    pub close_notify: bool,
    /// `websocket_ping_interval`, `websocket_ping_timeout`.
    pub ping: Option<Ping>,
    /// `websocket_max_frame_size`.
    pub max_frame: Option<MaxSize>,
    /// `websocket_max_message_size`: all frames of a message together.
    pub max_message: Option<MaxSize>,
    /// `websocket_message_rate`.
    pub rate: Option<Rate>,
}

/// nginx's defaults, 60 seconds each, and those of ours: who loses the other side is told so, and a tunnel does not
/// outlive its token.
impl Default for Rules {
    fn default() -> Rules {
        let minute = || Limit::from(Duration::from_secs(60));
        Rules {
            read: minute(),
            send_upstream: minute(),
            send_client: minute(),
            max_lifetime: None,
            token_expiry: Some(Limit::from(Duration::ZERO)),
            frames: Some(FrameRules { close_notify: true, ..FrameRules::default() }),
        }
    }
}

/// Pings of our own towards a side that has been silent.
#[derive(Clone, Debug, PartialEq)]
pub struct Ping {
    pub to: Sides,
    /// How long a side may be silent before it is asked.
    pub interval: Limit,
    /// How long it may take to say anything then.
    pub timeout: Limit,
}

/// Bytes of payload as they stand on the wire: a compressed message counts with its compressed size.
#[derive(Clone, Debug, PartialEq)]
pub struct MaxSize {
    pub bytes: u64,
    /// Whose frames are measured.
    pub of: Sides,
    pub place: Option<Place>,
}

/// A bucket that fills at a steady rate.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    pub unit: Unit,
    /// So many units flow in for each `per`.
    pub count: u64,
    pub per: Duration,
    /// As many units as the bucket holds, so many may come at once.
    pub burst: u64,
    pub over: Over,
    /// Whose messages are counted.
    pub of: Sides,
    pub place: Option<Place>,
}

/// What a rate counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Messages,
    /// All bytes, heads of frames included.
    Bytes,
}

/// What happens to who is faster than a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// It is not read from until the bucket has filled.
    Delay,
    /// The tunnel ends with 1008.
    Close,
}

/// Which side of a tunnel something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sides {
    Client,
    Upstream,
    Both,
}

impl Sides {
    pub fn has(self, who: Who) -> bool {
        match self {
            Sides::Client => who == Who::Client,
            Sides::Upstream => who == Who::Upstream,
            Sides::Both => who != Who::Proxy,
        }
    }
}
