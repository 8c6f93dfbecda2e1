//! `wsproxy -c FILE`: serves, tests a configuration as nginx does, or signals who serves.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::diagnostics::{Diagnostic, Severity, text};
use crate::directive::Context;
use crate::features::error_log::{Level, Settings, Sink, Target};
use crate::features::{NOT_SERVED, checked};
use crate::model::{Content, Model};
use crate::net::Address;
use crate::runtime::{self, Loaded, Loader, Logs, Shortage, StartError, Startup};
use crate::source::{Disk, Files};

use super::Flags;
use super::config::{Paths, Read};
use super::names;
use super::test::{Test, nginx_line};

/// nginx's files under the prefix.
const ERROR_LOG: &str = "logs/error.log";
const PID: &str = "logs/nginx.pid";

/// `-t` and `-T`.
pub fn test(flags: &Flags) -> ExitCode {
    let paths = Paths::of(&flags.which);
    let mut read = paths.read(&flags.which, &Disk);
    read.found.extend(names::unresolved(checked::hosts(&read.tree, Context::MAIN, false)));
    let test = Test { quiet: flags.quiet, dump: flags.test_and_dump, strict: flags.strict };
    test.run(&paths.conf, &read.found, &read.tree.sources)
}

/// Serves.
pub fn run(flags: &Flags) -> ExitCode {
    let logs = Logs::install(flags.log_format.into());
    let command = Serve { flags: flags.clone(), paths: Paths::of(&flags.which) };
    runtime::serve(&command, &command, &logs)
}

/// Sends a signal to the process that the configuration's pid file names.
pub fn signal(flags: &Flags, signal: runtime::Signal) -> ExitCode {
    let paths = Paths::of(&flags.which);
    let read = paths.read(&flags.which, &Disk);
    let pid = read.model.main.pid.clone().unwrap_or_else(|| paths.prefix.join(PID));
    match runtime::send(signal, &pid) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("nginx: [error] {why}");
            ExitCode::FAILURE
        }
    }
}

struct Serve {
    flags: Flags,
    paths: Paths,
}

impl Loader for Serve {
    fn watches(&self) -> bool {
        self.flags.watch
    }

    fn load(&self, files: &dyn Files) -> Result<Loaded, Vec<String>> {
        let read = self.paths.read(&self.flags.which, files).for_serving();
        let sources = &read.tree.sources;
        let serious = |found: &&Diagnostic| found.severity > Severity::Info;
        let shown: Vec<Diagnostic> = read.found.iter().filter(serious).cloned().collect();
        if !shown.is_empty() {
            eprint!("{}", text::render_all(&shown, sources, io::stderr().is_terminal()));
        }
        if read.has_errors() {
            let errors = shown.iter().filter(|found| found.severity == Severity::Error);
            return Err(errors.map(|found| nginx_line(found, sources)).collect());
        }
        let unserved = self.unserved(&read);
        if !unserved.is_empty() && !self.flags.lenient {
            return Err(unserved);
        }
        let pid = self.pid(&read.model);
        let error_log = self.error_log(&read.model);
        Ok(Loaded { model: read.model, error_log, pid })
    }
}

impl Serve {
    /// What would change what clients get and is not served: it stops the start, unless `--lenient`.
    fn unserved(&self, read: &Read) -> Vec<String> {
        let unserved = read.found.iter().filter(|found| found.code == NOT_SERVED);
        let place = |found: &Diagnostic| read.tree.sources.place(found.span());
        let lines: Vec<String> =
            unserved.map(|found| format!("{} in {}", found.message, place(found))).collect();
        for line in &lines {
            eprintln!("wsproxy: {line}");
        }
        match (lines.len(), self.flags.lenient) {
            (0, _) => {}
            (_, true) => eprintln!("wsproxy: serving all the same (--lenient)"),
            (1, false) => {
                eprintln!("wsproxy: not started, since clients would notice; --lenient starts without it")
            }
            (_, false) => {
                eprintln!("wsproxy: not started, since clients would notice; --lenient starts without them");
            }
        }
        lines
    }

    /// The folder of nginx's own logs is made if nothing else is configured and it is missing.
    fn own_file(&self, name: &str) -> PathBuf {
        let path = self.paths.prefix.join(name);
        if let Some(folder) = path.parent() {
            // If it cannot be made, opening the file says why.
            let _ = std::fs::create_dir_all(folder);
        }
        path
    }

    fn pid(&self, model: &Model) -> PathBuf {
        model.main.pid.clone().unwrap_or_else(|| self.own_file(PID))
    }

    /// Where messages go that no `error_log` is about: nowhere, where the outermost level has one.
    fn error_log(&self, model: &Model) -> Settings {
        if model.error_log.id != 0 {
            return model.error_log.clone();
        }
        let sink = match &self.flags.error_log {
            Some(path) if path.as_os_str() == "stderr" => Sink::Stderr,
            Some(path) => Sink::File(self.paths.prefix.join(path)),
            None => Sink::File(self.own_file(ERROR_LOG)),
        };
        Settings::of(&[Target { sink, level: Level::Error }])
    }
}

impl Startup for Serve {
    /// One line for each listener, and one for each location that carries WebSockets.
    fn serving(&self, model: &Model, addresses: &[Address]) {
        if self.flags.quiet {
            return;
        }
        for address in addresses {
            match address {
                Address::Ip(ip) if ip.ip().is_unspecified() => {
                    eprintln!("wsproxy: listening on {address}, here http://localhost:{}/", ip.port());
                }
                Address::Ip(_) => eprintln!("wsproxy: listening on http://{address}/"),
                Address::Unix(_) => eprintln!("wsproxy: listening on {address}"),
            }
        }
        for location in &model.http.locations {
            let name = String::from_utf8_lossy(&location.name);
            match &location.content {
                Content::Echo => {
                    eprintln!("wsproxy: WebSockets at {name} are echoed ({})", location.place);
                }
                Content::Pass(pass) if location.settings.proxy.carries_websockets() => {
                    let timeout = location.settings.proxy.read_timeout.value;
                    let timeout = humantime::format_duration(timeout);
                    eprintln!(
                        "wsproxy: WebSockets at {name} go to {}, and end when silent for {timeout} ({})",
                        pass.target, location.place
                    );
                }
                Content::Pass(_) | Content::Files => {}
            }
        }
        if let Some(user) = &model.main.user
            && rustix::process::geteuid().is_root()
        {
            let place = user.place.as_ref().map(ToString::to_string).unwrap_or_default();
            eprintln!(
                "wsproxy: \"user {}\" ({place}) is not followed: one process serves all, as who started it",
                user.value
            );
        }
    }

    fn short_of_files(&self, shortage: &Shortage) {
        if !self.flags.quiet {
            eprintln!("nginx: [warn] {shortage}");
        }
    }

    fn failed(&self, error: &StartError) {
        eprintln!("nginx: [emerg] {error}");
    }
}
