//! Joins two byte streams until one of them ends.
//!
//! Knows nothing of HTTP, of configuration, of who the two sides are. When a tunnel ends is what nginx's
//! `ngx_http_upstream_process_upgraded` says, save that a side whose connection broke still gets its last
//! words delivered. Start at [`relay`].

mod bytes;
mod closing;
mod ending;
mod follower;
mod limits;
mod relay;
mod rules;

pub use closing::{Closing, Who, Why};
pub use ending::{Begun, Ending};
pub use follower::{Breach, Close, Excess, Follower, PING_PAYLOAD, Step, Then, Watch};
pub use limits::{Limit, Limits};
pub use relay::{Relay, Side, relay};
pub use rules::{FrameRules, MaxSize, Over, Ping, Rate, Rules, Sides, Unit};

#[cfg(test)]
mod follower_tests;
#[cfg(test)]
mod tests;
