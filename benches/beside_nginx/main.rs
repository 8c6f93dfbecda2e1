//! Puts wsproxy beside nginx: the same configuration, the same load, the processor time of each.
//!
//! `cargo bench --bench beside_nginx` builds wsproxy as users get it and prints a table. Words behind `--`
//! choose scenarios (`messages-100`, `handshakes`, …); `--rounds 99` asks for more patience,
//! `--profile quick` for a build that links faster, `--wsproxy PATH` for a program that is there already,
//! `--only nginx,wsproxy,frames` for fewer columns, `--workers 2` for two workers of each, which then share both
//! processors with the load.
//!
//! One worker of each proxy shares the first processor; the load and the upstream have the second. Each
//! scenario runs for all proxies in turn, again and again; what a machine has to do besides then hits all of
//! them. The medians count: of each cost, and of its ratio to nginx's in the same round. What is compared is
//! the processor time of the proxy's own processes: how fast messages go round says more about the load.

mod load;
mod measure;

#[path = "../support/memory.rs"]
mod memory;
mod pace;
mod process;
#[path = "../support/program.rs"]
mod program;
mod proxies;
mod scenarios;
mod tables;
mod upstream;

use std::env;
use std::process::{Command, ExitCode};

use proxies::{Place, Proxy};
use scenarios::{SCENARIOS, Scenario};

/// Where a proxy of one worker runs, and where everything else does.
const PROXY_CPU: &str = "0";
const LOAD_CPU: &str = "1";

/// Two workers and the load share both.
const ALL_CPUS: &str = "0,1";

/// Tells a process that it has been moved to the right processor.
const PINNED: &str = "BESIDE_NGINX_PINNED";

struct Options {
    rounds: usize,
    workers: usize,
    profile: String,
    wsproxy: Option<String>,
    only: Vec<String>,
    scenarios: Vec<String>,
}

fn main() -> ExitCode {
    let mut words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.first().map(String::as_str) {
        Some("upstream") => return upstream::serve(),
        Some("tunnel") => return upstream::relay_to(&words[1]),
        _ => {}
    }
    if env::var_os(PINNED).is_none() {
        return pinned(&words);
    }
    let options = read_options(&mut words);
    if let Err(error) = run(&options) {
        eprintln!("beside_nginx: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Runs this program once more on its processor.
fn pinned(words: &[String]) -> ExitCode {
    let several = read_options(&mut words.to_vec()).workers > 1;
    let program = env::current_exe().expect("this program has a path");
    let status = Command::new("taskset")
        .args(["-c", if several { ALL_CPUS } else { LOAD_CPU }])
        .arg(program)
        .args(words)
        .env(PINNED, "1")
        .status()
        .expect("taskset (util-linux) is installed");
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read_options(words: &mut Vec<String>) -> Options {
    let mut value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        let value = words.get(at + 1).unwrap_or_else(|| panic!("{name} wants a value")).clone();
        words.drain(at..at + 2);
        Some(value)
    };
    Options {
        rounds: value("--rounds").map_or(17, |rounds| rounds.parse().expect("--rounds is a number")),
        workers: value("--workers").map_or(1, |workers| workers.parse().expect("--workers is a number")),
        wsproxy: value("--wsproxy"),
        profile: value("--profile").unwrap_or("release".to_owned()),
        only: value("--only").map_or(Vec::new(), |names| names.split(',').map(str::to_owned).collect()),
        scenarios: std::mem::take(words),
    }
}

fn run(options: &Options) -> Result<(), String> {
    let chosen = |name: &str, choice: &[String]| choice.is_empty() || choice.iter().any(|one| one == name);
    let scenarios: Vec<&Scenario> =
        SCENARIOS.iter().filter(|scenario| chosen(scenario.name, &options.scenarios)).collect();
    if scenarios.is_empty() {
        let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        return Err(format!("no such scenario; there are {}", names.join(", ")));
    }
    let wsproxy = match &options.wsproxy {
        Some(program) => program.clone(),
        None => program::build(&options.profile)?,
    };
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let upstream = upstream::start()?;
    let place = Place {
        directory: directory.path(),
        upstream: upstream.port,
        wsproxy: &wsproxy,
        workers: options.workers,
        processors: if options.workers > 1 { ALL_CPUS } else { PROXY_CPU },
    };
    let mut proxies = Vec::new();
    for kind in proxies::KINDS.iter().filter(|kind| chosen(kind.name, &options.only)) {
        match Proxy::start(kind, &place) {
            Ok(proxy) => proxies.push(proxy),
            Err(why) => eprintln!("without {}: {why}", kind.title),
        }
    }
    let table = scenarios::run(&scenarios, &proxies, &place, options.rounds)?;
    println!("{table}");
    Ok(())
}
