//! Workers that run out of descriptors before they run out of connections.

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::{Context, values};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

pub static RULE: Rule = Rule {
    id: "OPS502",
    name: "nofile-too-low",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "worker_rlimit_nofile is lower than worker_connections",
    why: "Each connection, to a client or to an upstream, is a file descriptor, and worker_connections counts both kinds. \
          With fewer descriptors than connections a busy worker cannot accept any more: \"accept4() failed (24: Too many \
          open files)\", and clients wait. Files that are served and logs need some as well.",
    mend: Mend::None,
    examples: examples!("nofile-too-low"),
    check,
};

/// What holds where `worker_connections` is not written.
const CONNECTIONS: u64 = 512;

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let Some(line) = site.root().own_last("worker_rlimit_nofile") else { return };
    let Some(events) = site.within(Context::EVENTS).next().filter(|events| events.is_known()) else { return };
    let Some(files) = line.args.first().and_then(|word| values::number(&word.value)) else { return };
    let written = events.own_last("worker_connections");
    let connections = match written {
        Some(line) => line.args.first().and_then(|word| values::number(&word.value)),
        None => Some(CONNECTIONS),
    };
    let Some(connections) = connections.filter(|connections| files < *connections) else { return };
    let message = format!(
        "worker_rlimit_nofile {files} < worker_connections {connections}: accept() fails before the connections are used up"
    );
    let finding = rule.finding(line.head(), message);
    let finding = match written {
        Some(line) => finding.also(line.head(), "more connections than descriptors"),
        None => finding.note("worker_connections is not written, and is 512 then"),
    };
    found.push(
        finding.help(format!("\"worker_rlimit_nofile {};\" leaves room for files and logs", connections * 2)),
    );
}
