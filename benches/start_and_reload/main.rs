//! What a large configuration costs to read, to start with and to reload, beside nginx.
//!
//! `cargo bench --bench start_and_reload` has 10,000 servers of two locations each; `-- --servers 1000` are
//! fewer, `--wsproxy PATH` is a program that is there already. Seconds by the clock mean something on a
//! machine that does nothing else; processor seconds are those of the process that reads.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Servers of the configuration, unless said otherwise.
const SERVERS: usize = 10_000;

/// How many reloads are measured; the best counts.
const RELOADS: usize = 5;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let servers = value("--servers").map_or(SERVERS, |word| word.parse().expect("--servers wants a number"));
    let own = env!("CARGO_BIN_EXE_wsproxy").to_owned();
    let wsproxy = value("--wsproxy").cloned().unwrap_or(own);
    println!("{servers} servers of two locations each; seconds by the clock (and of the processor)");
    println!("{:10} {:>18} {:>18} {:>18} {:>12}", "", "-t", "start", "reload", "memory, MB");
    for (name, program) in [("nginx", "nginx"), ("wsproxy", &wsproxy[..])] {
        match Command::new(program).arg("-v").stderr(Stdio::null()).status() {
            Ok(_) => measure(name, program, servers),
            Err(error) => println!("{name:10} not measured: {error}"),
        }
    }
}

/// One program with a configuration in a directory of its own.
struct Site<'a> {
    program: &'a str,
    folder: tempfile::TempDir,
    address: SocketAddr,
    servers: usize,
}

fn measure(name: &str, program: &str, servers: usize) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("its address");
    drop(free);
    let site = Site { program, folder: tempfile::tempdir().expect("a folder"), address, servers };
    site.write(0);
    let test = took(|| {
        let mut child = site.run(&["-t"]);
        let pid = child.id();
        wait_leaving_it(pid);
        let used = processor(pid);
        child.wait().expect("the test's end");
        used
    });
    let mut child = None;
    let start = took(|| {
        let server = site.run(&[]);
        site.answers(0);
        let used = processor(server.id());
        child = Some(server);
        used
    });
    let mut child = child.expect("a server");
    let reloads = (1..=RELOADS).map(|answer| {
        site.write(answer);
        let before = processor(child.id());
        took(|| {
            signal(child.id(), Signal::HUP);
            site.answers(answer);
            processor(child.id()) - before
        })
    });
    let reload = reloads.min_by(|one, other| one.0.total_cmp(&other.0)).expect("a reload");
    let show = |(clock, used): (f64, f64)| format!("{clock:.3} ({used:.2})");
    let memory = memory(child.id()) as f64 / 1024.0;
    println!("{name:10} {:>18} {:>18} {:>18} {memory:>12.0}", show(test), show(start), show(reload));
    signal(child.id(), Signal::TERM);
    child.wait().expect("an end");
}

impl Site<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration, whose first server says which one it is.
    fn write(&self, answer: usize) {
        let (folder, address) = (self.folder.path().display(), self.address);
        let mut text = format!(
            "daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
             events {{}}
             http {{ access_log off; server_names_hash_max_size 131072;
             server {{ listen {address}; return 200 {answer}; }}\n"
        );
        for upstream in 0..20 {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "upstream backend{upstream} {{ server 127.0.0.1:{}; }}", 9000 + upstream);
        }
        for server in 0..self.servers {
            let backend = server % 20;
            let _ = writeln!(
                text,
                "server {{ listen {address}; server_name site{server}.example.com;
                   location / {{ proxy_pass http://backend{backend}; proxy_set_header Host $host; }}
                   location /ws {{ proxy_pass http://backend{backend}; proxy_read_timeout 1h; }} }}"
            );
        }
        text.push_str("}\n");
        fs::write(self.path("nginx.conf"), text).expect("a configuration");
    }

    fn run(&self, words: &[&str]) -> Child {
        let mut command = Command::new(self.program);
        command.arg("-p").arg(self.folder.path()).arg("-c").arg(self.path("nginx.conf"));
        command.arg("-e").arg(self.path("error.log")).arg("-q").args(words);
        command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program")
    }

    /// Waits until the configuration is in force that answers so.
    fn answers(&self, answer: usize) {
        let begun = Instant::now();
        while self.ask().is_none_or(|text| !text.ends_with(&format!("\r\n\r\n{answer}"))) {
            assert!(begun.elapsed() < Duration::from_secs(120), "never in force: {answer}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn ask(&self) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }
}

/// Seconds by the clock, beside what is measured meanwhile.
fn took(what: impl FnOnce() -> f64) -> (f64, f64) {
    let begun = Instant::now();
    let used = what();
    (begun.elapsed().as_secs_f64(), used)
}

/// Waits for a child's end without taking it from the list of processes.
fn wait_leaving_it(pid: u32) {
    while !has_ended(pid) {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a process that nobody has waited for has ended.
fn has_ended(pid: u32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with('Z'))
}

/// Processor seconds of a process so far: what its threads say that are there.
fn processor(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("a process");
    let used = |thread: fs::DirEntry| -> Option<f64> {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    threads.flatten().filter_map(used).sum::<f64>() / 1e9
}

/// Kilobytes in memory.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(pid as i32).expect("a process");
    kill_process(pid, signal).expect("a signal");
}
