//! Counts by key, shared by all workers: how quickly requests come ([`Rates`]), and how many there are at
//! once ([`Connections`]).
//!
//! A zone holds as many keys as nginx would have room for in one of its size (`room`), and takes no more
//! memory than that. What a key is, what comes of a request that is one too many, and who asks is not known
//! here. Start at [`judge`] and [`Connections::enter`].

mod connections;
mod key;
mod rates;
#[cfg(test)]
mod rates_tests;
mod room;
mod table;

pub use connections::{Connections, Counted, Entry, LONGEST_CONNECTION_KEY};
pub use rates::{LONGEST_RATE_KEY, Limit, Rates, Verdict, judge};
