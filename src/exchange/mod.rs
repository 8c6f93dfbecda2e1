//! Requests and their replies: from a connection's first byte to the line in the access log.
//!
//! `connection` reads heads, `life` is the page where a request's fate is decided, `preaccess` and `access` ask at
//! the door, `destination` finds where a request goes on to and `forward` asks upstreams, `subrequest` makes requests
//! within requests, `upgrade` makes tunnels, `answer` answers from here. What moves beside a `Model` is in `live` (for
//! all workers) and `worker` (for one).

mod accel;
mod access;
mod answer;
mod body;
mod conditions;
mod connection;
mod destination;
mod download;
mod echo;
mod expiry;
mod files;
mod finale;
mod forward;
mod head;
mod introduction;
mod io;
mod keys;
mod life;
mod limit_zones;
mod live;
mod log;
mod names;
mod pool;
mod preaccess;
mod probe;
mod realip;
mod relay;
mod report;
pub mod route;
mod script;
mod settle;
mod sticky;
mod subrequest;
mod unopened;
mod upgrade;
mod upload;
mod worker;

pub use connection::{Accepted, serve};
pub use keys::{Landed, Source};
pub use live::{Live, LiveError};
pub use log::{LogFiles, open_log};
pub use names::tell_looked;
pub use probe::{Line, Probe, Trouble};
pub use report::{report, tell};
pub use worker::{Drain, Permit, Shared, Worker};
