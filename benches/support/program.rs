//! Programs that benches start.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A process that serves on a port until it is dropped.
pub struct Served {
    pub port: u16,
    pub process: Child,
}

impl Drop for Served {
    /// Asks it to end, so that it ends its children too.
    fn drop(&mut self) {
        if let (Ok(None), Some(pid)) = (self.process.try_wait(), Pid::from_raw(self.process.id() as i32)) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

/// Builds wsproxy as its users would, without what only this program needs of its libraries.
pub fn build(profile: &str) -> Result<String, String> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--manifest-path", manifest, "--bin", "wsproxy", "--profile", profile]);
    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("cargo build: {status}")),
        Err(error) => return Err(format!("cargo build: {error}")),
    }
    let target = Path::new(env!("CARGO_BIN_EXE_wsproxy")).ancestors().nth(2).ok_or("no target directory")?;
    let program = target.join(if profile == "dev" { "debug" } else { profile }).join("wsproxy");
    Ok(program.to_string_lossy().into_owned())
}

pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

/// Starts a server and waits until it accepts connections.
pub fn start(port: u16, command: &mut Command) -> Result<Served, String> {
    let process =
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().map_err(|error| error.to_string())?;
    let mut served = Served { port, process };
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = ended(&mut served.process) {
            return Err(status);
        }
        if start.elapsed() > Duration::from_secs(10) {
            return Err("it does not listen".to_owned());
        }
        sleep(Duration::from_millis(20));
    }
    Ok(served)
}

fn ended(process: &mut Child) -> Option<String> {
    process.try_wait().ok().flatten().map(|status| format!("it ended at once, {status}"))
}
