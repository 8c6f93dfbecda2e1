//! Joins two sockets until one of them ends.
//!
//! Knows nothing of HTTP, of configuration, of who the two sides are. [`Tunnel`] is the machine: it moves
//! what can be moved, is told what time it is, and never waits. [`Tunnels`] is what waits: all tunnels of a
//! worker, no task and no timer for any of them. When a tunnel ends is what nginx's
//! `ngx_http_upstream_process_upgraded` says, save that a side whose connection broke still gets its last
//! words delivered.

mod closing;
mod deadlines;
mod ending;
mod flow;
mod follower;
mod frames;
mod limits;
mod machine;
mod parting;
mod reactor;
mod rules;
mod side;

pub use closing::{Closing, Drained, FrameCounts, SeenClose, Who, Why};
pub use ending::{Begun, Ending};
pub use follower::{Breach, Close, Excess, Follower, PING_PAYLOAD, Step, Then, Watch};
pub use limits::Limit;
pub use machine::{Next, Tunnel};
pub use reactor::{Owner, Tunnels};
pub use rules::{FrameRules, MaxSize, Over, Ping, Rate, Rules, Sides, Unit};
pub use side::{Opened, Side, Socket};

#[cfg(test)]
mod expiry_tests;
#[cfg(test)]
mod follower_tests;
#[cfg(test)]
mod frames_tests;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod tests;
