//! What black-box tests stand on: a server of either kind, an upstream that follows a script, a
//! client that sends exact bytes. Nothing here uses wsproxy's own code: whoever judges must not lean
//! on the judged.

pub mod client;
pub mod escape;
pub mod message;
pub mod origin;
pub mod server;
pub mod stream;

use std::time::Duration;

/// How long a test waits for something that has to happen. It decides only how late a failure is
/// reported; no test passes or fails by being quicker or slower than this.
pub const PATIENCE: Duration = Duration::from_secs(15);
