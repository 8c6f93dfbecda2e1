//! What a server holds when nobody is there.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::a_moment;
use super::memory::memory;

/// How long a server may take to let go of what has ended.
const SETTLING: Duration = Duration::from_secs(30);

/// So long nothing has to change for something to be settled.
const STILL: Duration = Duration::from_secs(1);

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub descriptors: usize,
    /// Bytes that it has to itself.
    pub memory: u64,
}

impl Standing {
    fn of(pid: u32) -> Standing {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        Standing { descriptors, memory: memory(pid) }
    }
}

/// Once no more descriptors are open than expected, and as many for a while; or after all patience.
pub async fn settled(pid: u32, expected: Option<usize>) -> Standing {
    let begun = Instant::now();
    let mut standing = Standing::of(pid);
    let mut since = Instant::now();
    while begun.elapsed() < SETTLING {
        a_moment().await;
        let now = Standing::of(pid);
        if now.descriptors != standing.descriptors {
            since = Instant::now();
        }
        standing = now;
        let as_expected = expected.is_none_or(|expected| standing.descriptors <= expected);
        if as_expected && since.elapsed() >= STILL {
            break;
        }
    }
    standing
}

/// How many tunnels the access log tells of, once it tells of `expected`; or after all patience.
pub async fn logged(access_log: &Path, expected: u64) -> io::Result<u64> {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(access_log)?;
        let count = text.lines().filter(|line| line.starts_with("101 ")).count() as u64;
        if count >= expected || begun.elapsed() > SETTLING {
            return Ok(count);
        }
        a_moment().await;
    }
}
