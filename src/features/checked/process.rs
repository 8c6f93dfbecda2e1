//! `worker_cpu_affinity`, `thread_pool` and other lines about the process.

use std::collections::HashSet;

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};

use super::{Build, Call, Check, Whole, span_of, text};

pub const CHECKS: &[Check] = &[
    Check { name: "thread_pool", contexts: Context::MAIN, check: thread_pool },
    Check { name: "use", contexts: Context::EVENTS, check: event_method },
    Check { name: "worker_cpu_affinity", contexts: Context::MAIN, check: worker_cpu_affinity },
];

/// How many processors a mask may name (`CPU_SETSIZE`).
const PROCESSORS: usize = 1024;

fn worker_cpu_affinity(call: &mut Call) {
    let first = usize::from(call.arg(0) == b"auto");
    if first == 1 && call.args().len() > 2 {
        let message = "invalid number of arguments in \"worker_cpu_affinity\" directive";
        return call.error(2, "wrong-arguments", message);
    }
    for at in first..call.args().len() {
        let mask = call.arg(at);
        if mask.len() > PROCESSORS {
            let message = format!("\"worker_cpu_affinity\" supports up to {PROCESSORS} CPUs only");
            return call.error(at, "invalid-value", message);
        }
        let wrong = mask.iter().rev().find(|byte| !matches!(byte, b'0' | b'1' | b' '));
        if let Some(byte) = wrong {
            let message = format!("invalid character \"{}\" in \"worker_cpu_affinity\"", text(&[*byte]));
            call.error(at, "invalid-value", message);
        }
    }
}

/// The methods nginx has on Linux.
const METHODS: [&[u8]; 3] = [b"epoll", b"poll", b"select"];

fn event_method(call: &mut Call) {
    if !METHODS.contains(&call.arg(0)) {
        let message = format!("invalid event type \"{}\"", call.text(0));
        let finding = Diagnostic::error("invalid-value", call.span(0), message);
        call.say(finding.help("on Linux: epoll, poll or select"));
    }
}

fn thread_pool(call: &mut Call) {
    let name = call.arg(0);
    if !call.args()[1..].iter().any(|word| word.value.starts_with(b"threads=")) {
        call.error(0, "missing-parameter", "\"thread_pool\" must have \"threads\" parameter");
    }
    let same = call.earlier().find(|other| other.args.first().is_some_and(|word| word.value == name));
    if let Some(earlier) = same.map(|other| other.name.span) {
        let message = format!("duplicate thread pool \"{}\"", text(name));
        let finding = Diagnostic::error("duplicate-directive", call.span(0), message);
        call.say(finding.also(earlier, "the earlier one"));
    }
}

/// Pools that `aio` asks for and nobody makes, and more sockets than connections.
pub fn afterwards(whole: &Whole, build: &mut Build) {
    if build.options.fragment {
        return;
    }
    let pools: Vec<&[u8]> = whole
        .tree
        .items(None)
        .filter(|line| line.is("thread_pool"))
        .filter_map(|line| Some(&line.args.first()?.value[..]))
        .collect();
    for block in whole.within(Context::IN_HTTP) {
        let Some(word) = whole.own(block, "aio").and_then(|line| line.args.first()) else { continue };
        let Some(pool) = word.value.strip_prefix(b"threads=").filter(|pool| !pool.contains(&b'$')) else {
            continue;
        };
        if pool != b"default" && !pools.contains(&pool) {
            let message = format!("unknown thread pool \"{}\"", text(pool));
            let finding = Diagnostic::error("unknown-thread-pool", word.span, message);
            build
                .diagnostics
                .push(finding.help(format!("\"thread_pool {} threads=32;\" would make it", text(pool))));
        }
    }
    connections(whole, build);
}

fn connections(whole: &Whole, build: &mut Build) {
    let line = whole.within(Context::EVENTS).find_map(|events| whole.own(events, "worker_connections"));
    let Some(line) = line else { return };
    let Some(connections) = line.args.first().and_then(|word| values::number(&word.value)) else { return };
    let servers = whole.within(Context::SERVER.or(Context::STREAM_SERVER).or(Context::MAIL_SERVER)).flatten();
    let listens = servers.flat_map(|server| whole.tree.items(Some(server))).filter(|line| line.is("listen"));
    let addresses: HashSet<&[u8]> =
        listens.filter_map(|listen| Some(&listen.args.first()?.value[..])).collect();
    let sockets = addresses.len() as u64;
    if connections < sockets + 1 && sockets > 0 {
        let message =
            format!("{connections} worker_connections are not enough for {sockets} listening sockets");
        build.diagnostics.push(Diagnostic::error("too-few-connections", span_of(line, 0), message));
    }
}
