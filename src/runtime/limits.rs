//! How many files the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to `worker_rlimit_nofile`, or to whatever the process may give itself: a tunnel
/// takes two descriptors, and the usual 1,024 are soon gone. Gives back what holds now.
pub fn raise_open_files(wanted: Option<u64>) -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let current = wanted.or(limit.maximum);
    let maximum = match (wanted, limit.maximum) {
        (Some(wanted), Some(maximum)) => Some(maximum.max(wanted)),
        (_, maximum) => maximum,
    };
    if setrlimit(Resource::Nofile, Rlimit { current, maximum }).is_err() {
        // More than is allowed was asked for: what is allowed is better than nothing.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    getrlimit(Resource::Nofile).current
}
