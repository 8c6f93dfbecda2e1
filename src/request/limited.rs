//! What limits have said of a request, and where it is counted.

use crate::limits::Counted;

/// Once they have said something, they are not asked again: not by an error page, nor by a request that is
/// made inside.
#[derive(Default)]
pub struct Limited {
    /// `$limit_req_status`.
    pub requests: Option<LimitStatus>,
    /// `$limit_conn_status`.
    pub connections: Option<LimitStatus>,
    /// Where it counts until it ends.
    pub counted: Vec<Counted>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitStatus {
    Passed,
    Delayed,
    Rejected,
    DelayedDryRun,
    RejectedDryRun,
}

impl LimitStatus {
    /// As nginx's variables show it.
    pub fn word(self) -> &'static str {
        match self {
            LimitStatus::Passed => "PASSED",
            LimitStatus::Delayed => "DELAYED",
            LimitStatus::Rejected => "REJECTED",
            LimitStatus::DelayedDryRun => "DELAYED_DRY_RUN",
            LimitStatus::RejectedDryRun => "REJECTED_DRY_RUN",
        }
    }
}

impl Limited {
    /// The request has ended, or goes on as something that is counted in its place.
    pub fn forget(&mut self) {
        self.requests = None;
        self.connections = None;
        self.counted.clear();
    }

    /// Hands over what is counted, for as long as what the request has become lasts.
    pub fn hand_over(&mut self) -> Box<[Counted]> {
        self.counted.drain(..).collect()
    }
}
