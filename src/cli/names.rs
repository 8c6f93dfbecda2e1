//! Looks up the names of hosts that a configuration needs, within a moment.

use std::collections::HashMap;
use std::net::ToSocketAddrs;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::diagnostics::{DependsOn, Diagnostic};
use crate::features::checked::Host;

/// How long all the answers together are waited for. Whose does not come is not spoken of: a slow
/// name server says nothing about the configuration.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How many names are asked for at once, and how many at all.
const AT_ONCE: usize = 16;
const AT_MOST: usize = 256;

/// Findings about names that do not resolve on this machine.
pub fn unresolved(hosts: Vec<Host>) -> Vec<Diagnostic> {
    let mut names: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(AT_MOST);
    findings(hosts, &look_up(names, |name| (name, 0).to_socket_addrs().is_ok(), PATIENCE))
}

fn findings(hosts: Vec<Host>, resolves: &HashMap<String, bool>) -> Vec<Diagnostic> {
    let failed = hosts.into_iter().filter(|host| resolves.get(&host.name) == Some(&false));
    let finding = |host: Host| {
        let message = match host.of {
            "listen" => format!("host not found in \"{}\" of the \"listen\" directive", host.name),
            of => format!("host not found in {of} \"{}\"", host.name),
        };
        Diagnostic::warning("unresolved-host", host.span, message)
            .here("does not resolve on this machine")
            .depends_on(DependsOn::Resolver)
    };
    failed.map(finding).collect()
}

/// Which of the names resolve; those without an answer in time are left out. A thread that waits
/// for an answer ends with the process.
fn look_up(names: Vec<String>, resolve: fn(&str) -> bool, patience: Duration) -> HashMap<String, bool> {
    let deadline = Instant::now() + patience;
    let (answers, answered) = mpsc::channel();
    let share = names.len().div_ceil(AT_ONCE).max(1);
    for part in names.chunks(share) {
        let (part, answers) = (part.to_vec(), answers.clone());
        thread::spawn(move || {
            for name in part {
                let resolves = resolve(&name);
                if answers.send((name, resolves)).is_err() {
                    return;
                }
            }
        });
    }
    drop(answers);
    let mut known = HashMap::new();
    while let Ok((name, resolves)) = answered.recv_timeout(deadline.saturating_duration_since(Instant::now()))
    {
        known.insert(name, resolves);
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_gathered_and_silence_is_left_out() {
        let names = ["a", "nobody"].map(str::to_owned).to_vec();
        let known = look_up(names, |name| name != "nobody", Duration::from_secs(3600));
        assert_eq!((known.get("a"), known.get("nobody")), (Some(&true), Some(&false)));
        let never = |_: &str| loop {
            thread::park();
        };
        assert!(look_up(vec!["silent".to_owned()], never, Duration::ZERO).is_empty());
    }
}
