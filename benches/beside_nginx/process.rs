//! How long a process and its children have worked.

use std::fs;
use std::time::Duration;

use super::memory::family;

/// Processor time, user and system together, of a process and its children so far.
pub fn processor_time(pid: u32) -> Duration {
    family(pid).into_iter().flat_map(threads).map(thread_time).sum()
}

/// The `/proc` directory of each thread.
fn threads(pid: u32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path().to_string_lossy().into_owned()).collect()
}

/// The first number of `schedstat`: nanoseconds on a processor, where `stat` counts hundredths of a second.
fn thread_time(directory: String) -> Duration {
    let schedstat = fs::read_to_string(format!("{directory}/schedstat")).unwrap_or_default();
    let nanoseconds = schedstat.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
