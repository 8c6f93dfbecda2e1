//! What the system knows of a process and its children.

use std::fs;
use std::time::Duration;

/// Processor time, user and system together, of a process and its children so far.
pub fn processor_time(pid: u32) -> Duration {
    family(pid).into_iter().flat_map(threads).map(thread_time).sum()
}

/// Bytes of memory that a process and its children have to themselves.
pub fn memory(pid: u32) -> u64 {
    family(pid).into_iter().map(private_memory).sum()
}

fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_ascii_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(pid).chain(children.flat_map(family)).collect()
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

fn private_memory(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kibibytes = |name: &str| -> u64 {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    };
    1024 * (kibibytes("Private_Clean:") + kibibytes("Private_Dirty:"))
}
