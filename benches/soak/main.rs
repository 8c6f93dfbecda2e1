//! Opens, uses and ends tunnels in every way there is, for a minute, with reloads in between. Then the server
//! has to be as it was: as many descriptors, as much memory, a line in the access log for each tunnel.
//!
//! `cargo bench --bench soak` builds wsproxy as users get it. `-- --seconds 3600` takes an hour, `--clients 256`
//! are more at a time, `--seed 7` other ones; `--profile quick` is built faster, `--wsproxy PATH` is there
//! already. It exits with 0 if all is as it was.

#[path = "../support/program.rs"]
mod program;
#[path = "mod.rs"]
mod soak;

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use soak::{Plan, Report, Server};

/// What an allocator may keep of what was given back to it: some for each size and thread.
const ALLOWED: u64 = 4 << 20;

fn main() -> ExitCode {
    match soak() {
        Ok(report) => tell(&report),
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

fn soak() -> Result<Report, String> {
    let words: Vec<String> = env::args().skip(1).collect();
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let number = |name: &str, usual: u64| {
        value(name).map_or(Ok(usual), |word| word.parse().map_err(|_| format!("{name} wants a number")))
    };
    let plan = Plan {
        clients: number("--clients", 64)? as usize,
        kept: 100,
        acts: u64::MAX,
        time: Duration::from_secs(number("--seconds", 60)?),
        acts_between_reloads: 100,
        seed: number("--seed", 1)?,
    };
    let program = match value("--wsproxy") {
        Some(program) => program.clone(),
        None => program::build(value("--profile").map_or("release", String::as_str))?,
    };
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (served, access_log) = start(&program, directory.path())?;
    let server = Server { pid: served.process.id(), port: served.port, access_log };
    soak::run(&server, &plan).map_err(|error| error.to_string())
}

fn start(program: &str, directory: &Path) -> Result<(program::Served, std::path::PathBuf), String> {
    let upstream = soak::start_upstream().map_err(|error| error.to_string())?;
    let port = program::free_port()?;
    let access_log = directory.join("access.log");
    let site = soak::site(&format!("127.0.0.1:{port}"), upstream, &access_log.to_string_lossy());
    let text = format!(
        "daemon off; worker_processes 2; pid {0}/pid; error_log {0}/error.log crit;
        events {{ worker_connections 4096; }}
        http {{ {site} }}",
        directory.display()
    );
    let file = directory.join("soak.conf");
    fs::write(&file, text).map_err(|error| error.to_string())?;
    let served = program::start(port, Command::new(program).arg("-q").arg("-c").arg(&file))?;
    Ok((served, access_log))
}

fn tell(report: &Report) -> ExitCode {
    for (act, count) in &report.acts {
        println!("{count:>8} {act}");
    }
    println!("{:>8} reloads", report.reloads);
    let (before, after) = (report.before, report.after);
    println!("tunnels: {} opened, {} in the access log", report.tunnels, report.logged);
    println!("descriptors: {} before, {} after", before.descriptors, after.descriptors);
    println!("memory: {} KiB before, {} KiB after", before.memory >> 10, after.memory >> 10);
    let mut wrong = report.wrong();
    if after.memory > before.memory + ALLOWED {
        wrong.push(format!("memory has grown by more than {} KiB", ALLOWED >> 10));
    }
    for what in &wrong {
        println!("wrong: {what}");
    }
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
