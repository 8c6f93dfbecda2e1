//! `ngx_core_module` and `ngx_events_module`: the process.

use std::path::PathBuf;
use std::time::Duration;

use crate::directive::Context;

use super::{Call, Feature, Row, Set};

pub static FEATURE: Feature<Written> =
    Feature { name: "core", contexts: Context::MAIN.or(Context::EVENTS), rows: ROWS, at: |w| &mut w.core };

const ROWS: &[Row<Written>] = &[
    Row {
        name: "daemon",
        doc: "Whether to go to the background. Off unless written, where nginx has it on.",
        set: |w, call| w.daemon = Some(call.flag(0)),
    },
    Row {
        name: "pid",
        doc: "The file that holds the process's number, once it listens.",
        set: |w, call| w.pid = Some(pid(call)),
    },
    Row {
        name: "user",
        doc: "Whom nginx's workers run as. wsproxy is one process and stays who started it.",
        set: |w, call| w.user = Some(Set { value: call.text(0), place: Some(call.place()) }),
    },
    Row {
        name: "worker_connections",
        doc: "How many connections of clients a worker may hold at once, tunnels among them.",
        set: |w, call| w.worker_connections = Some(call.number(0) as usize),
    },
    Row {
        name: "worker_processes",
        doc: "How many workers to run: threads here, processes in nginx.",
        set: worker_processes,
    },
    Row {
        name: "worker_rlimit_nofile",
        doc: "How many files, sockets among them, the process may have open.",
        set: |w, call| w.rlimit_nofile = Some(call.number(0)),
    },
    Row {
        name: "worker_shutdown_timeout",
        doc: "How long a graceful stop waits for connections before it closes them.",
        set: |w, call| w.shutdown_timeout = Some(call.set_time(0)),
    },
];

/// What the outermost level and `events` say.
#[derive(Default)]
pub struct Written {
    pub daemon: Option<bool>,
    pub pid: Option<PathBuf>,
    pub user: Option<Set<String>>,
    pub worker_processes: Option<Workers>,
    pub worker_connections: Option<usize>,
    pub rlimit_nofile: Option<u64>,
    pub shutdown_timeout: Option<Set<Duration>>,
}

/// `worker_processes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    Auto,
    Number(usize),
}

/// What holds for the process.
#[derive(Clone, Debug)]
pub struct Settings {
    pub daemon: bool,
    /// `None` where no file is wanted.
    pub pid: Option<PathBuf>,
    pub user: Option<Set<String>>,
    pub workers: Workers,
    pub worker_connections: usize,
    pub rlimit_nofile: Option<u64>,
    pub shutdown_timeout: Option<Set<Duration>>,
}

impl Written {
    /// What the outermost level (`self`) and the `events` block say together.
    pub fn resolve(self, events: Written) -> Settings {
        Settings {
            daemon: self.daemon.unwrap_or(false),
            pid: self.pid,
            user: self.user,
            workers: self.worker_processes.unwrap_or(Workers::Number(1)),
            worker_connections: events.worker_connections.unwrap_or(512),
            rlimit_nofile: self.rlimit_nofile,
            shutdown_timeout: self.shutdown_timeout.filter(|timeout| !timeout.value.is_zero()),
        }
    }
}

fn pid(call: &mut Call) -> PathBuf {
    call.prefixed(call.arg(0))
}

fn worker_processes(written: &mut Written, call: &mut Call) {
    written.worker_processes = Some(match call.arg(0) {
        b"auto" => Workers::Auto,
        _ => Workers::Number(call.number(0) as usize),
    });
    if written.worker_processes == Some(Workers::Number(0)) {
        // nginx starts no worker then and serves nothing; one is surely what was meant.
        call.warning(0, "no-workers", "\"worker_processes 0\" would serve nothing; one worker is run");
        written.worker_processes = Some(Workers::Number(1));
    }
}
