//! Another binary takes over (`USR2`, nginx's `ngx_exec_new_binary`): it is started with the sockets that
//! listen, and serves beside this process until this one is told to quit.

use std::env;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, getppid};

use crate::net::{Listening, keep_open};

use super::daemon;
use super::inherit::{SYSTEMD_VARIABLES, VARIABLE};

/// Who was there before this process, and who is to be after it.
pub struct Upgrade {
    program: PathBuf,
    predecessor: Option<Pid>,
    successor: Option<Child>,
}

impl Upgrade {
    /// To be called at the start, while the program's file still has its name.
    pub fn new(predecessor: Option<Pid>) -> Upgrade {
        Upgrade { program: program(), predecessor, successor: None }
    }

    /// Whether a newer binary serves.
    pub fn has_successor(&self) -> bool {
        self.successor.is_some()
    }

    /// Whether the older binary is still there: whoever started this process is its parent still.
    pub fn has_predecessor(&self) -> bool {
        self.predecessor.is_some() && getppid() == self.predecessor
    }

    /// The file that is executed: the one this process was started from, or what has its name by now.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Starts the newer binary with the same arguments; gives back its number.
    pub fn start(&mut self, sockets: &[&Listening]) -> io::Result<u32> {
        let mut command = Command::new(&self.program);
        command.args(env::args_os().skip(1));
        if let Some(name) = env::args_os().next() {
            command.arg0(name);
        }
        command.env_remove(daemon::VARIABLE);
        SYSTEMD_VARIABLES.iter().for_each(|name| {
            command.env_remove(name);
        });
        let numbers = sockets.iter().map(|socket| format!("{};", socket.as_fd().as_raw_fd()));
        command.env(VARIABLE, numbers.collect::<String>());
        let started = keep_all_open(sockets, true).and_then(|()| command.spawn());
        let closed = keep_all_open(sockets, false);
        let child = started?;
        let number = child.id();
        self.successor = Some(child);
        closed.map(|()| number)
    }

    /// The newer binary, if it has ended, and how.
    pub fn ended(&mut self) -> Option<(u32, ExitStatus)> {
        let child = self.successor.as_mut()?;
        let status = child.try_wait().ok()??;
        let number = child.id();
        self.successor = None;
        Some((number, status))
    }
}

fn keep_all_open(sockets: &[&Listening], keep: bool) -> io::Result<()> {
    sockets.iter().try_for_each(|socket| keep_open(socket, keep))
}

/// Where the program was started from. A name with a `/` is taken as it was given, so that a link that
/// is changed to another version leads there.
fn program() -> PathBuf {
    let named = env::args_os().next().map(PathBuf::from).filter(|name| name.components().count() > 1);
    let here = env::current_dir().unwrap_or_default();
    let named = named.map(|name| here.join(name)).filter(|path| path.is_file());
    named.or_else(|| env::current_exe().ok()).unwrap_or_default()
}

/// How a process ended, in nginx's words.
pub fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, signal) => format!("exited on signal {}", signal.unwrap_or_default()),
    }
}
