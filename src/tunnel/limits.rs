//! How long something is waited for.

use std::time::Duration;

use crate::source::Place;

/// A length of time, and where the configuration asks for it; nowhere if it is a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub after: Duration,
    pub place: Option<Place>,
}

impl From<Duration> for Limit {
    fn from(after: Duration) -> Limit {
        Limit { after, place: None }
    }
}
