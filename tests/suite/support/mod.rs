//! What black-box tests stand on: a server of either kind, an upstream that follows a script, a
//! client that sends exact bytes. Nothing here uses wsproxy's own code: whoever judges must not lean
//! on the judged.

pub mod client;
pub mod dns;
pub mod escape;
pub mod handshake;
pub mod message;
pub mod origin;
pub mod server;
pub mod stream;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for something that has to happen. It decides only how late a failure is
/// reported; no test passes or fails by being quicker or slower than this.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Waits for something that comes by and by.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "never came: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// What `tests/run` installs, beside the directory the binaries are built into.
pub fn tool(path: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_wsproxy")).ancestors().nth(2).expect("target/profile/binary");
    let tool = target.join("tools").join(path);
    assert!(tool.exists(), "{} is missing: `tests/run` installs it", tool.display());
    tool
}
