//! The process: sockets, workers, signals, logs.
//!
//! One thread controls, the others are workers: each a thread with a runtime of its own, which
//! nothing leaves. Start at [`serve()`].

mod control;
mod crew;
mod daemon;
mod errors;
mod health;
mod inherit;
mod keys;
mod limits;
mod listeners;
mod log;
mod names;
mod pid;
mod seen;
mod signals;
mod upgrade;
mod watch;
mod workers;

pub use control::{Loaded, Loader, Startup, serve};
pub use daemon::{READY, is_daemon};
pub use errors::StartError;
pub use limits::Shortage;
pub use log::{LogFormat, Logs};
pub use pid::{Signal, send};
