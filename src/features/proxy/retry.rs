//! `proxy_next_upstream`: what makes another peer be tried.

use crate::features::Call;

/// The conditions, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextUpstream(u16);

const CONDITIONS: &[(&str, NextUpstream)] = &[
    ("error", NextUpstream::ERROR),
    ("timeout", NextUpstream::TIMEOUT),
    ("invalid_header", NextUpstream::INVALID_HEADER),
    ("non_idempotent", NextUpstream::NON_IDEMPOTENT),
    ("http_500", NextUpstream(1 << 4)),
    ("http_502", NextUpstream(1 << 5)),
    ("http_503", NextUpstream(1 << 6)),
    ("http_504", NextUpstream(1 << 7)),
    ("http_403", NextUpstream(1 << 8)),
    ("http_404", NextUpstream(1 << 9)),
    ("http_429", NextUpstream(1 << 10)),
    // Means a cached answer: there is no cache, so it never comes about.
    ("updating", NextUpstream(1 << 11)),
    // Means an address that `proxy_allow_upstream` of NGINX Plus refuses: nothing here does.
    ("denied", NextUpstream(1 << 12)),
    ("off", NextUpstream(1 << 15)),
];

impl NextUpstream {
    pub const ERROR: NextUpstream = NextUpstream(1);
    pub const TIMEOUT: NextUpstream = NextUpstream(1 << 1);
    pub const INVALID_HEADER: NextUpstream = NextUpstream(1 << 2);
    pub const NON_IDEMPOTENT: NextUpstream = NextUpstream(1 << 3);

    /// The condition that is an answer's status, if one is.
    pub fn of_status(status: u16) -> Option<NextUpstream> {
        const STATUSES: [u16; 7] = [500, 502, 503, 504, 403, 404, 429];
        let at = STATUSES.iter().position(|known| *known == status)?;
        Some(NextUpstream(1 << (4 + at)))
    }

    pub fn has(self, condition: NextUpstream) -> bool {
        self.0 & condition.0 != 0 && self.0 & 1 << 15 == 0
    }
}

impl Default for NextUpstream {
    fn default() -> NextUpstream {
        NextUpstream(NextUpstream::ERROR.0 | NextUpstream::TIMEOUT.0)
    }
}

pub fn read(call: &mut Call) -> Option<NextUpstream> {
    let mut all = NextUpstream(0);
    for word in call.args() {
        let (_, condition) = CONDITIONS.iter().find(|(name, _)| word.value == *name)?;
        all.0 |= condition.0;
    }
    Some(all)
}
