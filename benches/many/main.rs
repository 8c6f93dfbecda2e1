//! One process holds as many idle tunnels as it is allowed to; then each carries a message.
//!
//! `cargo bench --bench many` builds wsproxy as users get it and asks for 100,000 tunnels; `-- --tunnels 1000000`
//! for more. `--workers 4`, `--profile quick` and `--wsproxy PATH` are as in the other benches. Three processes
//! take a descriptor for each tunnel, wsproxy two: where the system allows fewer it says so, says what to do, and
//! goes on with as many as it may. It exits with 0 if every tunnel it opened is alive in the end.

#[path = "../support/memory.rs"]
mod memory;
#[path = "../support/program.rs"]
mod program;
mod tunnels;

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use memory::memory;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// wsproxy's own for a tunnel.
const PER_TUNNEL: u64 = 2;

/// Descriptors of other kinds that a process has.
const BESIDES: u64 = 200;

/// Connections between two addresses, as far as Linux' usual `net.ipv4.ip_local_port_range` goes.
const PER_ADDRESS: usize = 25_000;

/// Until a proxy has done what follows the opening of tunnels.
const SETTLING: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == "upstream") {
        return tunnels::serve();
    }
    match many(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("many: {error}");
            ExitCode::FAILURE
        }
    }
}

fn many(words: &[String]) -> Result<(), String> {
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let number = |name: &str, usual: usize| {
        value(name).map_or(Ok(usual), |word| word.parse().map_err(|_| format!("{name} wants a number")))
    };
    let (wanted, workers) = (number("--tunnels", 100_000)?, number("--workers", 1)?);
    let count = allowed(wanted);
    let program = match value("--wsproxy") {
        Some(program) => program.clone(),
        None => program::build(value("--profile").map_or("release", String::as_str))?,
    };
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let addresses = count.div_ceil(PER_ADDRESS);
    let upstream = start_upstream().map_err(|error| error.to_string())?;
    let served = start(&program, directory.path(), upstream.port, addresses, workers)?;
    hold(count, addresses, &served).map_err(|error| error.to_string())
}

/// As many of the tunnels that are wanted as descriptors allow. Raises the limit as far as that is allowed.
fn allowed(wanted: usize) -> usize {
    let files = wanted as u64 * PER_TUNNEL + BESIDES;
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(files);
    let raise =
        |to: u64| setrlimit(Resource::Nofile, Rlimit { current: Some(to), maximum: Some(to.max(hard)) });
    if raise(files.max(hard)).or_else(|_| raise(hard)).is_err() {
        eprintln!("many: the limit of open files stays as it is");
    }
    let files = getrlimit(Resource::Nofile).current.unwrap_or(files);
    let possible = ((files - BESIDES.min(files)) / PER_TUNNEL) as usize;
    if possible < wanted {
        println!(
            "a process may have {files} descriptors, enough for {possible} tunnels and not for {wanted}: \
             \"ulimit -n {}\" allows them, as root, or \"docker run --ulimit nofile={0}\"",
            wanted as u64 * PER_TUNNEL + BESIDES
        );
    }
    wanted.min(possible)
}

/// The upstream is a process of its own: it has a descriptor for each tunnel, too.
fn start_upstream() -> io::Result<program::Served> {
    use std::io::BufRead;
    let mut command = Command::new(env::current_exe()?);
    command.arg("upstream").stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    let mut process = command.spawn()?;
    let mut line = String::new();
    let stdout = process.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?;
    io::BufReader::new(stdout).read_line(&mut line)?;
    let port = line.trim().parse().map_err(io::Error::other)?;
    Ok(program::Served { port, process })
}

/// wsproxy, with as many addresses of one upstream as it takes: each is good for as many connections as there are
/// ports on this side.
fn start(
    program: &str,
    directory: &Path,
    upstream: u16,
    addresses: usize,
    workers: usize,
) -> Result<program::Served, String> {
    let port = program::free_port()?;
    let servers = (1..=addresses).map(|at| format!("server {}:{upstream}; ", tunnels::address(at)));
    let text = format!(
        "daemon off; worker_processes {workers}; pid {0}/pid; error_log {0}/error.log crit;
        events {{ worker_connections 1000000; }}
        http {{
            access_log off;
            upstream echo {{ {1} }}
            server {{
                listen 127.0.0.1:{port} backlog=4096;
                location / {{
                    proxy_pass http://echo;
                    proxy_http_version 1.1;
                    proxy_read_timeout 1h;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection upgrade;
                }}
            }}
        }}",
        directory.display(),
        servers.collect::<String>()
    );
    let file = directory.join("many.conf");
    fs::write(&file, text).map_err(|error| error.to_string())?;
    program::start(port, Command::new(program).arg("-q").arg("-c").arg(&file))
}

fn hold(count: usize, addresses: usize, served: &program::Served) -> io::Result<()> {
    let pid = served.process.id();
    drop(tunnels::open(100, 1, served.port)?);
    std::thread::sleep(SETTLING);
    let (before, begun) = (memory(pid), Instant::now());
    let mut open = tunnels::open(count, addresses, served.port)?;
    let opened = begun.elapsed();
    std::thread::sleep(SETTLING);
    let idle = memory(pid) - before.min(memory(pid));
    let begun = Instant::now();
    let dead = open.iter_mut().filter_map(|tunnel| tunnels::talk(tunnel).err()).count();
    let talked = begun.elapsed();
    let after = memory(pid) - before.min(memory(pid));
    println!(
        "{count} tunnels from {addresses} addresses, open after {opened:.1?}; a message each took {talked:.1?}"
    );
    println!(
        "userspace bytes of the proxy for each: {} idle, {} afterwards",
        idle / count as u64,
        after / count as u64
    );
    match dead {
        0 => Ok(()),
        dead => Err(io::Error::other(format!("{dead} of {count} tunnels are dead"))),
    }
}
