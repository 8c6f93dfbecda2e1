//! How long a tunnel waits for its peers.

use std::time::Duration;

use crate::source::Place;

/// A length of time, and where the configuration asks for it; nowhere if it is a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub after: Duration,
    pub place: Option<Place>,
}

/// One clock measures all three: any byte that moves, in either direction, starts it anew. In nginx a
/// talkative client keeps a silent upstream open past `proxy_read_timeout`, and so it does here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `proxy_read_timeout`: nothing moved, and the upstream was listened to.
    pub read: Limit,
    /// `proxy_send_timeout`: the upstream does not take what is there for it.
    pub send_upstream: Limit,
    /// `send_timeout`: the client does not take what is there for it.
    pub send_client: Limit,
}

impl From<Duration> for Limit {
    fn from(after: Duration) -> Limit {
        Limit { after, place: None }
    }
}

/// nginx's defaults: 60 seconds each.
impl Default for Limits {
    fn default() -> Limits {
        let minute = || Limit::from(Duration::from_secs(60));
        Limits { read: minute(), send_upstream: minute(), send_client: minute() }
    }
}
