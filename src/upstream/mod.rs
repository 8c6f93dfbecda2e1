//! Groups of peers: who is asked next, and who has failed lately.
//!
//! Knows nothing of HTTP. Start at [`Group::pick`]; whoever was picked is given back through
//! [`Group::release`]. A group is two ranks of peers, the backups being asked where no other can be; a method
//! (`method/`, one file each) chooses within a rank.

mod group;
mod health;
mod heap;
mod lineage;
mod method;
mod names;
mod peer;
mod rank;
mod round;
mod sessions;
mod sid;
mod spec;
mod times;
mod trace;
mod turns;

pub use group::{Checkable, Group, NoPeer, Outcome, Picked};
pub use health::{Health, Noted, Rules};
pub use names::{Asking, Failed, Found, Looked};
pub use peer::PeerId;
pub use round::{Round, Wish};
pub use sessions::{Room, SessionKey, SessionZone, Sessions};
pub use sid::{LONGEST_ROUTE, Sid};
pub use spec::{Endpoint, GroupSpec, Keepalive, MOST_RING_WEIGHT, Method, ServerSpec, TimeTo};
pub use trace::{By, Number, Step, Trace};

#[cfg(test)]
mod tests;

#[cfg(test)]
mod health_tests;

#[cfg(test)]
mod sid_tests;

#[cfg(test)]
mod least_time_tests;

#[cfg(test)]
mod turns_tests;
