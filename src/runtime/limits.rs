//! How many files the process may have open.

use std::fmt;
use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::features::core::Settings;

/// A socket to the client and one to the upstream.
const PER_TUNNEL: u64 = 2;

/// Listeners, logs, what a worker polls with, connections that are kept: what is open besides tunnels.
const BESIDES: u64 = 200;

/// Linux's own, where it does not tell.
const NR_OPEN: u64 = 1 << 20;

/// The process may not open as many files as its configuration asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Shortage {
    asked: Asked,
    wanted: u64,
    allowed: u64,
    /// `fs.nr_open`: nobody may have more, whatever his limits say.
    nr_open: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// `worker_rlimit_nofile`.
    Files,
    /// `worker_connections` of so many workers.
    Connections { workers: usize, connections: usize },
}

/// Raises the limit to `worker_rlimit_nofile`, or to what `worker_connections` may need, or else to whatever
/// the process may give itself: a tunnel takes two descriptors, and the usual 1,024 are soon gone. Tells when
/// the system allows less.
pub fn raise_open_files(main: &Settings, workers: usize) -> Option<Shortage> {
    let nr_open = fs::read_to_string("/proc/sys/fs/nr_open");
    let nr_open = nr_open.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(NR_OPEN);
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(nr_open);
    let needed = needed(workers, main.worker_connections);
    let wanted = main.rlimit_nofile.unwrap_or(needed.max(hard));
    // Who may not raise the hard limit goes up to it: less than was asked for is better than nothing.
    let _ = [wanted, wanted.min(nr_open), wanted.min(hard)].into_iter().find(|files| set(*files, hard));
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(nr_open);
    let shortage = |asked, wanted| Some(Shortage { asked, wanted, allowed, nr_open });
    match main.rlimit_nofile {
        Some(files) if files > allowed => shortage(Asked::Files, files),
        // Whoever gives the process fewer files than its workers may need knows why.
        Some(_) => None,
        None if needed > allowed => {
            shortage(Asked::Connections { workers, connections: main.worker_connections }, needed)
        }
        None => None,
    }
}

fn set(files: u64, hard: u64) -> bool {
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: Some(hard.max(files)) }).is_ok()
}

fn needed(workers: usize, connections: usize) -> u64 {
    (workers as u64).saturating_mul(connections as u64).saturating_mul(PER_TUNNEL).saturating_add(BESIDES)
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shortage { asked, wanted, allowed, nr_open } = self;
        match asked {
            Asked::Files => write!(f, "\"worker_rlimit_nofile {wanted}\" is more than is allowed")?,
            Asked::Connections { workers, connections } => {
                let workers =
                    if *workers == 1 { "one worker".to_owned() } else { format!("{workers} workers") };
                write!(
                    f,
                    "{workers} with {connections} \"worker_connections\" may need {wanted} open files"
                )?;
            }
        }
        let tunnels = allowed.saturating_sub(BESIDES) / PER_TUNNEL;
        write!(
            f,
            ": this process may have {allowed}, which is about {tunnels} tunnels; for more, start it behind \
             \"ulimit -n {wanted}\", with \"LimitNOFILE={wanted}\" in its systemd unit or with \
             \"docker run --ulimit nofile={wanted}\""
        )?;
        if wanted > nr_open {
            write!(f, ", and first \"sysctl fs.nr_open={wanted}\" (it is {nr_open})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_says_what_to_do() {
        let asked = Asked::Connections { workers: 4, connections: 65536 };
        let shortage = Shortage { asked, wanted: 524_488, allowed: 20_000, nr_open: NR_OPEN };
        assert_eq!(
            shortage.to_string(),
            "4 workers with 65536 \"worker_connections\" may need 524488 open files: this process may have \
             20000, which is about 9900 tunnels; for more, start it behind \"ulimit -n 524488\", with \
             \"LimitNOFILE=524488\" in its systemd unit or with \"docker run --ulimit nofile=524488\""
        );
    }

    #[test]
    fn beyond_the_systems_own_limit_that_one_is_named() {
        let shortage = Shortage { asked: Asked::Files, wanted: 2_000_000, allowed: 1024, nr_open: NR_OPEN };
        let said = shortage.to_string();
        assert!(said.starts_with("\"worker_rlimit_nofile 2000000\" is more than is allowed: "), "{said}");
        assert!(said.ends_with("first \"sysctl fs.nr_open=2000000\" (it is 1048576)"), "{said}");
    }

    #[test]
    fn two_files_for_each_tunnel_and_some_more() {
        assert_eq!(needed(2, 1000), 4_000 + BESIDES);
        assert_eq!(needed(usize::MAX, usize::MAX), u64::MAX);
    }
}
