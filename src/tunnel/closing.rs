//! How a tunnel ended.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::source::Place;

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
    pub lasted: Duration,
    /// Since the last byte moved.
    pub idle: Duration,
}

impl Closing {
    /// The end of a tunnel that could not begin.
    pub fn stillborn(error: io::Error) -> Closing {
        Closing {
            who: Who::Proxy,
            why: Why::Refused(error),
            place: None,
            received_from_client: 0,
            sent_to_client: 0,
            received_from_upstream: 0,
            sent_to_upstream: 0,
            lasted: Duration::ZERO,
            idle: Duration::ZERO,
        }
    }
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
    /// The tunnel was asked to end.
    Drained,
    /// The system does not let its events be waited for.
    Refused(io::Error),
    /// A bug of ours.
    Panicked,
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
        let idle = Duration::from_millis(self.idle.as_millis() as u64);
        match (&self.why, self.who) {
            (Why::Eof, who) => write!(f, "{who} closed")?,
            (Why::ReadFailed(error), who) => write!(f, "reading from {who} failed: {error}")?,
            (Why::WriteFailed(error), who) => write!(f, "writing to {who} failed: {error}")?,
            (Why::ReadTimeout, _) => write!(f, "idle for {idle:?}: proxy_read_timeout")?,
            (Why::SendTimeout, Who::Client) => write!(f, "client took nothing for {idle:?}: send_timeout")?,
            (Why::SendTimeout, who) => write!(f, "{who} took nothing for {idle:?}: proxy_send_timeout")?,
            (Why::Drained, _) => write!(f, "drained")?,
            (Why::Refused(error), _) => write!(f, "its sockets cannot be waited for: {error}")?,
            (Why::Panicked, _) => write!(f, "wsproxy has a bug here")?,
        }
        match &self.place {
            Some(place) => write!(f, ", {place}"),
            None => Ok(()),
        }
    }
}
