//! How a tunnel ended.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::source::Place;

use super::{Excess, Limit, MaxSize, Rules};

/// The end of a tunnel: whose doing it was, and what passed until then.
#[derive(Debug)]
pub struct Closing {
    pub who: Who,
    pub why: Why,
    /// Where the configuration says so, if a limit of it did this.
    pub place: Option<Place>,
    /// Bytes read from the client by the tunnel; those handed over as `early` are its maker's to count.
    pub received_from_client: u64,
    /// Bytes the client took, early ones of the upstream included.
    pub sent_to_client: u64,
    /// Bytes read from the upstream by the tunnel; those handed over as `early` are its maker's to count.
    pub received_from_upstream: u64,
    /// Bytes the upstream took, early ones of the client included.
    pub sent_to_upstream: u64,
    /// What that limit is, if it is one of time.
    pub limit: Option<Duration>,
    /// From the first moment to the one when it was clear that it is over.
    pub lasted: Duration,
    /// Since the last byte moved.
    pub idle: Duration,
    /// What the frames tell, where they were followed.
    pub frames: Option<FrameCounts>,
}

/// What passed, in messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameCounts {
    pub messages_from_client: u64,
    pub messages_from_upstream: u64,
    /// Bytes of payload, as they stood on the wire.
    pub payload_from_client: u64,
    pub payload_from_upstream: u64,
    /// What was broken about the framing of the client or of the upstream.
    pub breach: Option<(Who, super::Breach)>,
    /// The Close frame that came first; ours if none came.
    pub close: Option<SeenClose>,
}

/// A Close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenClose {
    /// `None` if it had none.
    pub code: Option<u16>,
    /// Empty if it had none, or none in UTF-8.
    pub reason: Box<str>,
}

/// Whose doing the end was. A limit is the doing of the side that was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Client,
    Upstream,
    Proxy,
}

#[derive(Debug)]
pub enum Why {
    /// A Close frame of that side.
    Close,
    /// That side sent its last byte, and the other has it.
    Eof,
    /// Reading from that side failed, mostly because it reset the connection.
    ReadFailed(io::Error),
    /// Writing to that side failed.
    WriteFailed(io::Error),
    /// `proxy_read_timeout`.
    ReadTimeout,
    /// `proxy_send_timeout` or `send_timeout`, by side.
    SendTimeout,
    /// `websocket_ping_timeout`.
    PingTimeout,
    /// `websocket_max_lifetime`.
    Lifetime,
    /// `websocket_token_expiry`.
    TokenExpired,
    /// `websocket_max_frame_size` or `websocket_max_message_size`.
    TooBig(Excess),
    /// `websocket_message_rate`.
    TooFast,
    /// The tunnel was asked to end.
    Drained(Drained),
    /// The system does not let its events be waited for.
    Refused(io::Error),
    /// A bug of ours.
    Panicked,
}

/// Why a tunnel is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// The process stops.
    Stopping,
    /// `worker_shutdown_timeout` after a reload.
    Reloaded,
    /// Its location or its upstream is gone after a reload.
    Removed,
}

impl Default for Closing {
    fn default() -> Closing {
        Closing {
            who: Who::Proxy,
            why: Why::Eof,
            place: None,
            limit: None,
            received_from_client: 0,
            sent_to_client: 0,
            received_from_upstream: 0,
            sent_to_upstream: 0,
            lasted: Duration::ZERO,
            idle: Duration::ZERO,
            frames: None,
        }
    }
}

impl Closing {
    /// The end of a tunnel that could not begin.
    pub fn stillborn(error: io::Error) -> Closing {
        Closing { why: Why::Refused(error), ..Closing::default() }
    }

    /// The directive that decided.
    pub fn directive(&self) -> Option<&'static str> {
        self.why.directive(self.who)
    }

    /// What passed until then, to be put behind the reason.
    pub fn passed(&self) -> impl fmt::Display {
        Passed(self)
    }

    /// Whether it ended as WebSockets are meant to: by a Close that says that all is well.
    pub fn is_normal(&self) -> bool {
        let close = self.frames.as_ref().and_then(|frames| frames.close.as_ref());
        matches!(self.why, Why::Close)
            && close.is_none_or(|close| matches!(close.code, None | Some(1000 | 1001)))
    }
}

impl Why {
    /// A side went, or fell silent: what happens behind a Close frame, and does not count any more then.
    pub(super) fn follows_a_close(&self) -> bool {
        use Why::{Eof, PingTimeout, ReadFailed, ReadTimeout, SendTimeout, WriteFailed};
        matches!(self, Eof | ReadFailed(_) | WriteFailed(_) | ReadTimeout | SendTimeout | PingTimeout)
    }

    /// Nothing more can be said to the side that did this. One that is only silent may wake up, and then
    /// finds out why it is alone.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Why::Eof | Why::ReadFailed(_) | Why::WriteFailed(_) | Why::SendTimeout)
    }

    pub(super) fn directive(&self, who: Who) -> Option<&'static str> {
        Some(match self {
            Why::ReadTimeout => "proxy_read_timeout",
            Why::SendTimeout if who == Who::Client => "send_timeout",
            Why::SendTimeout => "proxy_send_timeout",
            Why::PingTimeout => "websocket_ping_timeout",
            Why::Lifetime => "websocket_max_lifetime",
            Why::TokenExpired => "websocket_token_expiry",
            Why::TooBig(Excess::Frame { .. }) => "websocket_max_frame_size",
            Why::TooBig(Excess::Message { .. }) => "websocket_max_message_size",
            Why::TooFast => "websocket_message_rate",
            Why::Drained(Drained::Reloaded) => "worker_shutdown_timeout",
            Why::Drained(Drained::Removed) => "websocket_reload",
            _ => return None,
        })
    }

    /// The length of time that was waited for.
    pub(super) fn limit(&self, who: Who, rules: &Rules) -> Option<Duration> {
        Some(match self {
            Why::ReadTimeout => rules.read.after,
            Why::SendTimeout if who == Who::Client => rules.send_client.after,
            Why::SendTimeout => rules.send_upstream.after,
            Why::PingTimeout => rules.frames.as_ref()?.ping.as_ref()?.timeout.after,
            Why::Lifetime => rules.max_lifetime.as_ref()?.after,
            _ => return None,
        })
    }

    /// Where the configuration sets the limit that ended the tunnel.
    pub(super) fn place(&self, who: Who, rules: &Rules) -> Option<Place> {
        let frames = rules.frames.as_ref();
        let place = |limit: &Limit| limit.place.clone();
        let size_place = |size: &Option<MaxSize>| size.as_ref().and_then(|size| size.place.clone());
        match self {
            Why::ReadTimeout => place(&rules.read),
            Why::SendTimeout if who == Who::Client => place(&rules.send_client),
            Why::SendTimeout => place(&rules.send_upstream),
            Why::PingTimeout => frames?.ping.as_ref().and_then(|ping| place(&ping.timeout)),
            Why::Lifetime => rules.max_lifetime.as_ref().and_then(place),
            Why::TokenExpired => rules.token_expiry.as_ref().and_then(place),
            Why::TooBig(Excess::Frame { .. }) => size_place(&frames?.max_frame),
            Why::TooBig(Excess::Message { .. }) => size_place(&frames?.max_message),
            Why::TooFast => frames?.rate.as_ref()?.place.clone(),
            _ => None,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Who::Client => "client",
            Who::Upstream => "upstream",
            Who::Proxy => "proxy",
        })
    }
}

/// `idle for 60s: proxy_read_timeout, site.conf:12`
impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (who, limit) = (self.who, self.limit.unwrap_or_default());
        match &self.why {
            Why::Close => self.close(f)?,
            Why::Eof if self.frames.is_some() => write!(f, "{who} closed the connection without a Close")?,
            Why::Eof => write!(f, "{who} closed")?,
            Why::ReadFailed(error) => write!(f, "reading from {who} failed: {error}")?,
            Why::WriteFailed(error) => write!(f, "writing to {who} failed: {error}")?,
            Why::ReadTimeout => write!(f, "idle for {limit:?}")?,
            Why::SendTimeout => write!(f, "{who} took nothing for {limit:?}")?,
            Why::PingTimeout => write!(f, "{who} did not answer a ping within {limit:?}")?,
            Why::Lifetime => write!(f, "open for {limit:?}")?,
            Why::TokenExpired => f.write_str("token expired")?,
            Why::TooBig(Excess::Frame { length }) => write!(f, "{who} sent a frame of {length} bytes")?,
            Why::TooBig(Excess::Message { length }) => write!(f, "{who} sent a message of {length} bytes")?,
            Why::TooFast => write!(f, "{who} sent too fast")?,
            Why::Drained(Drained::Stopping) => f.write_str("wsproxy stops")?,
            Why::Drained(Drained::Reloaded) => f.write_str("its configuration was replaced")?,
            Why::Drained(Drained::Removed) => f.write_str("its location or upstream was removed")?,
            Why::Refused(error) => write!(f, "its sockets cannot be waited for: {error}")?,
            Why::Panicked => f.write_str("wsproxy has a bug here")?,
        }
        if let Some(directive) = self.directive() {
            write!(f, ": {directive}")?;
        }
        match &self.place {
            Some(place) => write!(f, ", {place}"),
            None => Ok(()),
        }
    }
}

/// `; open for 65s, idle for 60s, 3 messages (12 bytes) from client, no messages from upstream`
struct Passed<'a>(&'a Closing);

impl fmt::Display for Passed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Closing { lasted, idle, frames, .. } = self.0;
        write!(f, "; open for {lasted:?}, idle for {idle:?}")?;
        let Some(frames) = frames else {
            let (up, down) = (self.0.received_from_client, self.0.received_from_upstream);
            return write!(f, ", {up} bytes from client, {down} from upstream");
        };
        for (messages, payload, who) in [
            (frames.messages_from_client, frames.payload_from_client, Who::Client),
            (frames.messages_from_upstream, frames.payload_from_upstream, Who::Upstream),
        ] {
            match (messages, payload) {
                (0, 0) => write!(f, ", no messages from {who}")?,
                (1, _) => write!(f, ", 1 message ({payload} bytes) from {who}")?,
                (_, _) => write!(f, ", {messages} messages ({payload} bytes) from {who}")?,
            }
        }
        match frames.breach {
            Some((who, breach)) => write!(f, "; frames of {who} were not followed to the end: {breach}"),
            None => Ok(()),
        }
    }
}

impl Closing {
    fn close(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.who;
        let close = self.frames.as_ref().and_then(|frames| frames.close.as_ref());
        match close {
            Some(SeenClose { code: Some(code), reason }) if reason.is_empty() => {
                write!(f, "{who} closed with {code}")
            }
            Some(SeenClose { code: Some(code), reason }) => {
                write!(f, "{who} closed with {code} \"{}\"", reason.escape_debug())
            }
            _ => write!(f, "{who} closed"),
        }
    }
}
