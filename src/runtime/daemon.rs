//! `daemon on`: the process goes to the background.
//!
//! A process with threads cannot fork, so it starts itself anew, apart from the terminal, and waits
//! until that one serves.

use std::env;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use super::StartError;

/// Set for the process that serves in the background.
pub const VARIABLE: &str = "WSPROXY_DAEMON";

/// What that process says when it serves.
pub const READY: &[u8] = b"ready\n";

/// Whether this is the process that serves in the background.
pub fn is_daemon() -> bool {
    env::var_os(VARIABLE).is_some()
}

/// Starts the process that is to serve; what it says of its failure goes to our standard error.
pub fn start() -> Result<ExitCode, StartError> {
    let program = env::current_exe().map_err(StartError::Daemon)?;
    let mut child = Command::new(program)
        .arg0(env::args_os().next().unwrap_or_default())
        .args(env::args_os().skip(1))
        .env(VARIABLE, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(StartError::Daemon)?;
    let mut said = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        let mut said_now = [0; READY.len()];
        if stdout.read_exact(&mut said_now).is_ok() {
            said.extend_from_slice(&said_now);
        }
    }
    if said == READY {
        return Ok(ExitCode::SUCCESS);
    }
    let status = child.wait().map_err(StartError::Daemon)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Leaves the terminal behind, in the process that serves in the background: called when it does.
pub fn detach() -> io::Result<()> {
    // It may lead a session already.
    let _ = rustix::process::setsid();
    io::stdout().write_all(READY)?;
    io::stdout().flush()?;
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
