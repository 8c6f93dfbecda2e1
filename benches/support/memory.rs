//! How much memory a process and its children have.

use std::fs;

/// Bytes of memory that a process and its children have to themselves.
pub fn memory(pid: u32) -> u64 {
    family(pid).into_iter().map(private_memory).sum()
}

/// A process and all that came of it.
pub fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_ascii_whitespace().filter_map(|child| child.parse().ok());
    std::iter::once(pid).chain(children.flat_map(family)).collect()
}

fn private_memory(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kibibytes = |name: &str| -> u64 {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
    };
    1024 * (kibibytes("Private_Clean:") + kibibytes("Private_Dirty:"))
}
