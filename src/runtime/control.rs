//! The controlling thread: start, reload, stop.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::{Instant, interval, sleep};

use crate::exchange::{Live, Shared, tell};
use crate::features::core::Workers;
use crate::features::error_log::{self, Level};
use crate::model::Model;
use crate::net::{Address, Listening, numbered};
use crate::source::Files;

use super::crew::{Crew, end_in_time};
use super::inherit::{self, Inherited};
use super::limits::Shortage;
use super::listeners::{self, Wanted};
use super::log::Logs;
use super::pid::PidFile;
use super::seen::{Noting, Seen};
use super::signals::{Signals, Wish};
use super::upgrade::{Upgrade, how};
use super::watch::Watch;
use super::{StartError, daemon, limits};

/// How often lines that wait in the buffers of access logs are looked at.
const FLUSH: Duration = Duration::from_secs(1);

/// How long a process that stops at once lets its tunnels say so. nginx says nothing.
const GOODBYE: Duration = Duration::from_millis(500);

/// How often a stopping process looks whether its workers are done.
const DONE_CHECK: Duration = Duration::from_millis(20);

/// Reads the configuration: at the start, and again at each reload.
pub trait Loader {
    /// What it is, or why it cannot be served: a line for each reason. The same has been said on
    /// standard error, at length.
    fn load(&self, files: &dyn Files) -> Result<Loaded, Vec<String>>;

    /// Whether it is to be read again whenever its files change.
    fn watches(&self) -> bool;
}

/// A configuration that can be served.
pub struct Loaded {
    pub model: Model,
    /// Where messages go that no `error_log` is about.
    pub error_log: error_log::Settings,
    pub pid: PathBuf,
}

/// What is said once everything listens.
pub trait Startup {
    fn serving(&self, model: &Model, addresses: &[Address]);
    fn short_of_files(&self, shortage: &Shortage);
    fn failed(&self, error: &StartError);
}

/// Serves until told to stop.
pub fn serve(loader: &dyn Loader, startup: &dyn Startup, logs: &Arc<Logs>) -> ExitCode {
    let files = Noting::default();
    let Ok(loaded) = loader.load(&files) else { return ExitCode::FAILURE };
    let seen = loader.watches().then(|| files.seen());
    let inherits = inherit::is_handed_over();
    if loaded.model.main.daemon && !daemon::is_daemon() && !inherits {
        return daemon::start().unwrap_or_else(|error| {
            startup.failed(&error);
            ExitCode::FAILURE
        });
    }
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            startup.failed(&StartError::Thread(error));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match Control::start(loaded, startup, logs.clone()) {
            Ok(mut control) => {
                control.watch(seen);
                control.run(loader).await
            }
            Err(error) => {
                startup.failed(&error);
                ExitCode::FAILURE
            }
        }
    });
    // A look-up that hangs is not waited for.
    runtime.shutdown_background();
    code
}

struct Control {
    crew: Crew,
    /// Crews that finish what they have begun: after `WINCH`.
    leaving: Vec<Crew>,
    /// Whether the crew is one that finishes, too.
    resting: bool,
    sockets: HashMap<Address, Held>,
    /// Files of Unix sockets that systemd made stay.
    keeps_files: bool,
    logs: Arc<Logs>,
    pid: PidFile,
    signals: Signals,
    upgrade: Upgrade,
    watch: Option<Watch>,
}

/// The sockets of one address: workers accept from copies of them, a newer binary inherits them.
struct Held {
    wanted: Wanted,
    sockets: Vec<Listening>,
}

impl Control {
    fn start(loaded: Loaded, startup: &dyn Startup, logs: Arc<Logs>) -> Result<Control, StartError> {
        let Loaded { model, error_log, pid: path, .. } = loaded;
        let mut inherited = Inherited::take();
        let upgrade = Upgrade::new(inherited.predecessor);
        let signals = Signals::new().map_err(StartError::Thread)?;
        logs.configure(&model, &error_log)?;
        let count = worker_count(&model);
        if let Some(shortage) = limits::raise_open_files(&model.main, count) {
            startup.short_of_files(&shortage);
        }
        let wanted = listeners::wanted(&model)?;
        if wanted.is_empty() {
            return Err(StartError::Nothing);
        }
        let live = Live::new(model, None)?;
        let opened = open_all(&wanted, count, &mut inherited)?;
        inherited.close_the_rest();
        let addresses: Vec<Address> = opened.iter().map(|held| held.sockets[0].address().clone()).collect();
        let crew = Crew::start(Shared::new(live), count)?;
        let mut control = Control {
            crew,
            leaving: Vec::new(),
            resting: false,
            sockets: HashMap::new(),
            keeps_files: inherited.systemd,
            logs,
            pid: PidFile::default(),
            signals,
            upgrade,
            watch: None,
        };
        for (level, message) in inherited.said.drain(..) {
            control.say(level, format_args!("{message}"));
        }
        for held in opened {
            control.hold(held)?;
        }
        control.pid = PidFile::write(&path).map_err(|error| StartError::Open { path, error })?;
        startup.serving(&control.crew.live().model, &addresses);
        if daemon::is_daemon() {
            daemon::detach().map_err(StartError::Daemon)?;
        }
        Ok(control)
    }

    async fn run(&mut self, loader: &dyn Loader) -> ExitCode {
        let mut flush = interval(FLUSH);
        loop {
            let next = tokio::select! {
                wish = self.signals.next() => wish,
                () = end_in_time([&mut self.crew].into_iter().chain(&mut self.leaving)) => continue,
                () = changed(&mut self.watch) => Wish::Reload,
                _ = flush.tick() => {
                    self.crew.live().logs.flush(Some(Instant::now()));
                    self.leaving.retain(|crew| !crew.has_ended());
                    continue;
                }
            };
            match next {
                Wish::Stop => {
                    self.stop().await;
                    break;
                }
                Wish::Quit => {
                    self.quit().await;
                    break;
                }
                Wish::Reload => self.hang_up(loader).await,
                Wish::Reopen => self.reopen(),
                Wish::ChangeBinary => self.change_binary(),
                Wish::StopAccepting => self.rest(),
                Wish::Reap => self.reap(),
            }
        }
        self.end();
        ExitCode::SUCCESS
    }

    /// Watches the files that were read, if any are to be watched.
    fn watch(&mut self, seen: Option<Seen>) {
        let Some(seen) = seen else { return };
        let (watch, error) = Watch::new(seen);
        self.watch = Some(watch);
        if let Some(error) = error {
            let error = numbered(&error);
            let message = format_args!("inotify failed ({error}): files are looked at every second");
            self.say(Level::Warn, message);
        }
    }

    fn say(&self, level: Level, message: std::fmt::Arguments) {
        tell(&self.crew.live().model.error_log, level, 0, message);
    }

    fn reopen(&self) {
        self.say(Level::Notice, format_args!("reopening logs"));
        for error in self.logs.reopen() {
            self.say(Level::Emerg, format_args!("{error}"));
        }
        for error in self.crew.live().logs.reopen() {
            self.say(Level::Emerg, format_args!("{error}"));
        }
    }

    /// Starts the binary that has this one's name now, with the sockets that listen.
    fn change_binary(&mut self) {
        if self.upgrade.has_successor() || self.upgrade.has_predecessor() {
            let message = "the changing binary signal is ignored: \
                           you should shutdown or terminate before either old or new binary's process";
            return self.say(Level::Crit, format_args!("{message}"));
        }
        self.say(Level::Notice, format_args!("changing binary"));
        let program = self.upgrade.program().display().to_string();
        if let Err(why) = self.pid.step_aside() {
            let message = format_args!("{why} before executing new binary process \"{program}\"");
            return self.say(Level::Alert, message);
        }
        let sockets: Vec<&Listening> = self.sockets.values().flat_map(|held| &held.sockets).collect();
        match self.upgrade.start(&sockets) {
            Ok(number) => self.say(Level::Notice, format_args!("start new binary process {number}")),
            Err(error) => {
                let error = numbered(&error);
                let message = format_args!(
                    "execve() failed while executing new binary process \"{program}\" ({error})"
                );
                self.say(Level::Alert, message);
                self.pid_steps_back();
            }
        }
    }

    fn pid_steps_back(&mut self) {
        if let Err(why) = self.pid.step_back() {
            self.say(Level::Alert, format_args!("{why}"));
        }
    }

    /// The newer binary may have ended: then this one goes on alone, and accepts again.
    fn reap(&mut self) {
        let Some((number, status)) = self.upgrade.ended() else { return };
        self.say(Level::Notice, format_args!("new binary process {number} {}", how(status)));
        self.pid_steps_back();
        self.resume();
    }

    /// Accepts no more; what has begun is finished.
    fn rest(&mut self) {
        self.say(Level::Notice, format_args!("stop accepting connections"));
        if !self.resting {
            self.say(Level::Notice, format_args!("gracefully shutting down"));
            self.crew.finish();
            self.resting = true;
        }
    }

    /// Accepts again after [`Control::rest`].
    fn resume(&mut self) {
        if !self.resting {
            return;
        }
        self.say(Level::Notice, format_args!("start worker processes"));
        let started = Crew::start(self.crew.shared.again(), self.crew.len()).and_then(|crew| {
            let mut held = self.sockets.values();
            held.try_for_each(|held| crew.accept(&held.wanted.address, &held.sockets, &held.wanted.route))?;
            Ok(crew)
        });
        match started {
            Ok(crew) => {
                self.leaving.push(std::mem::replace(&mut self.crew, crew));
                self.resting = false;
            }
            Err(error) => self.say(Level::Alert, format_args!("{error}")),
        }
    }

    /// `HUP`: accepts again where nothing was accepted, and takes a new configuration, unless a newer binary
    /// has done so.
    async fn hang_up(&mut self, loader: &dyn Loader) {
        self.resume();
        if self.upgrade.has_successor() {
            let message = "the configuration is not read again, since a newer binary serves";
            return self.say(Level::Notice, format_args!("{message}"));
        }
        self.reload(loader).await;
    }

    /// Takes a new configuration, if it can be served; else the old one goes on.
    async fn reload(&mut self, loader: &dyn Loader) {
        self.say(Level::Notice, format_args!("reconfiguring"));
        let files = Noting::default();
        let loaded = loader.load(&files);
        self.watch(self.watch.is_some().then(|| files.seen()));
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(reasons) => {
                reasons.iter().for_each(|reason| self.say(Level::Emerg, format_args!("{reason}")));
                let message = "the new configuration cannot be served: the old one goes on";
                return self.say(Level::Emerg, format_args!("{message}"));
            }
        };
        if let Err(error) = self.take(loaded).await {
            self.say(Level::Emerg, format_args!("{error}: the old configuration goes on"));
        }
    }

    async fn take(&mut self, loaded: Loaded) -> Result<(), StartError> {
        let before = self.crew.live();
        // All that may fail comes first.
        let wanted = listeners::wanted(&loaded.model)?;
        if wanted.is_empty() {
            return Err(StartError::Nothing);
        }
        let fresh: Vec<Wanted> =
            wanted.iter().filter(|wanted| !self.sockets.contains_key(&wanted.address)).cloned().collect();
        let gone: Vec<Address> = {
            let kept = |address: &Address| wanted.iter().any(|wanted| wanted.address == *address);
            self.sockets.keys().filter(|address| !kept(address)).cloned().collect()
        };
        let live = Live::new(loaded.model, Some(&before))?;
        // An address that is free only once another one is closed: a single one of a port, say, when all
        // of it was listened on.
        let none = &mut Inherited::default();
        let (opened, later) = match open_all(&fresh, self.crew.len(), none) {
            Ok(opened) => (opened, Vec::new()),
            Err(error) if gone.is_empty() => return Err(error),
            Err(_) => (Vec::new(), fresh),
        };
        self.logs.configure(&live.model, &loaded.error_log)?;
        let generation = live.generation;
        self.crew.take(Arc::new(live));
        for wanted in wanted {
            if let Some(held) = self.sockets.get_mut(&wanted.address) {
                self.crew.reroute(&wanted.address, &wanted.route);
                held.wanted = wanted;
            }
        }
        for held in opened {
            self.hold_or_say(held);
        }
        for address in gone {
            self.crew.stop_listening(&address).await;
            if let Some(held) = self.sockets.remove(&address) {
                self.let_go(held);
            }
        }
        for wanted in later {
            match open(&wanted, self.crew.len(), none) {
                Ok(held) => self.hold_or_say(held),
                Err(error) => self.say(Level::Emerg, format_args!("{error}")),
            }
        }
        if let Some(shortage) = limits::raise_open_files(&self.crew.live().model.main, self.crew.len()) {
            self.say(Level::Warn, format_args!("{shortage}"));
        }
        self.say(Level::Notice, format_args!("configuration {generation} is in force"));
        let (count, now) = (worker_count(&self.crew.live().model), self.crew.len());
        if count != now {
            let message = format_args!(
                "worker_processes: {now} go on; {count} will be when the process is started anew, or another \
                 takes over (USR2)"
            );
            self.say(Level::Warn, message);
        }
        Ok(())
    }

    fn hold_or_say(&mut self, held: Held) {
        if let Err(error) = self.hold(held) {
            self.say(Level::Emerg, format_args!("{error}"));
        }
    }

    /// Accepts from sockets.
    fn hold(&mut self, held: Held) -> Result<(), StartError> {
        self.crew.accept(&held.wanted.address, &held.sockets, &held.wanted.route)?;
        self.sockets.insert(held.wanted.address.clone(), held);
        Ok(())
    }

    /// Closes sockets that nobody accepts from any more. The file of a Unix socket goes with the last process
    /// that uses it.
    fn let_go(&self, held: Held) {
        let others = self.upgrade.has_successor() || self.upgrade.has_predecessor() || self.keeps_files;
        if !others && let Some(path) = held.wanted.address.path() {
            // Somebody may have removed it already.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Lets every connection end by itself, or at `worker_shutdown_timeout`.
    async fn quit(&mut self) {
        self.say(Level::Notice, format_args!("gracefully shutting down"));
        if !self.resting {
            self.crew.finish();
        }
        self.let_all_go();
        while !self.has_ended() {
            tokio::select! {
                () = sleep(DONE_CHECK) => {}
                () = end_in_time([&mut self.crew].into_iter().chain(&mut self.leaving)) => {}
                wish = self.signals.next() => if matches!(wish, Wish::Stop) { return self.stop().await },
            }
        }
    }

    /// Ends everything now, and waits no longer than it takes to tell those in tunnels.
    async fn stop(&mut self) {
        self.let_all_go();
        let until = Instant::now() + GOODBYE;
        self.crew.end();
        self.leaving.iter_mut().for_each(Crew::end);
        while Instant::now() < until && !self.has_ended() {
            sleep(DONE_CHECK).await;
        }
    }

    /// Whether all that was begun has ended.
    fn has_ended(&self) -> bool {
        [&self.crew].into_iter().chain(&self.leaving).all(Crew::has_ended)
    }

    fn let_all_go(&mut self) {
        for held in std::mem::take(&mut self.sockets).into_values() {
            self.let_go(held);
        }
    }

    fn end(&mut self) {
        self.crew.live().logs.flush(None);
        self.let_all_go();
        self.pid.remove();
        self.say(Level::Notice, format_args!("exit"));
    }
}

/// Waits until what is watched has changed.
async fn changed(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

fn worker_count(model: &Model) -> usize {
    match model.main.workers {
        Workers::Number(count) => count,
        Workers::Auto => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

fn open_all(wanted: &[Wanted], workers: usize, inherited: &mut Inherited) -> Result<Vec<Held>, StartError> {
    wanted.iter().map(|wanted| open(wanted, workers, inherited)).collect()
}

fn open(wanted: &Wanted, workers: usize, inherited: &mut Inherited) -> Result<Held, StartError> {
    let inherited = inherited.sockets(&wanted.address);
    let sockets = listeners::open(wanted, workers, inherited)?;
    Ok(Held { wanted: wanted.clone(), sockets })
}
