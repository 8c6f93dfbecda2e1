//! The controlling thread: start, reload, stop.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::exchange::{Drain, Live, Shared, tell};
use crate::features::core::Workers;
use crate::features::error_log::{self, Level};
use crate::model::Model;
use crate::net::{Address, Listening};

use super::limits::Shortage;
use super::listeners::{self, Wanted};
use super::log::Logs;
use super::pid::PidFile;
use super::workers::{self, Handle, Order};
use super::{StartError, daemon, limits, names};

/// How often lines that wait in the buffers of access logs are looked at.
const FLUSH: Duration = Duration::from_secs(1);

/// How long a worker may take to close a socket on a reload.
const STOP_LISTENING: Duration = Duration::from_secs(1);

/// How often a stopping process looks whether its workers are done.
const DONE_CHECK: Duration = Duration::from_millis(20);

/// Reads the configuration: at the start, and again at each reload.
pub trait Loader {
    /// What it is, or why it cannot be served: a line for each reason. The same has been said on
    /// standard error, at length.
    fn load(&self) -> Result<Loaded, Vec<String>>;
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
    let Ok(loaded) = loader.load() else { return ExitCode::FAILURE };
    if loaded.model.main.daemon && !daemon::is_daemon() {
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
            Ok(mut control) => control.run(loader).await,
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
    shared: Arc<Shared>,
    workers: Vec<Handle>,
    sockets: HashMap<Address, Wanted>,
    logs: Arc<Logs>,
    pid: PidFile,
    signals: All,
}

/// Every signal that means something.
struct All {
    terminate: Signals,
    interrupt: Signals,
    quit: Signals,
    reload: Signals,
    reopen: Signals,
}

enum Signal {
    Stop,
    Quit,
    Reload,
    Reopen,
}

impl All {
    fn new() -> std::io::Result<All> {
        Ok(All {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            reload: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.quit.recv() => Signal::Quit,
            _ = self.reload.recv() => Signal::Reload,
            _ = self.reopen.recv() => Signal::Reopen,
        }
    }
}

impl Control {
    fn start(loaded: Loaded, startup: &dyn Startup, logs: Arc<Logs>) -> Result<Control, StartError> {
        let Loaded { model, error_log, pid, .. } = loaded;
        let signals = All::new().map_err(StartError::Thread)?;
        logs.configure(&model, &error_log)?;
        let count = match model.main.workers {
            Workers::Number(count) => count,
            Workers::Auto => std::thread::available_parallelism().map_or(1, usize::from),
        };
        if let Some(shortage) = limits::raise_open_files(&model.main, count) {
            startup.short_of_files(&shortage);
        }
        let wanted = listeners::wanted(&model)?;
        if wanted.is_empty() {
            return Err(StartError::Nothing);
        }
        let live = Live::new(model, None)?;
        let opened = open_all(&wanted, count)?;
        let shared = Arc::new(Shared::new(live));
        let workers = (0..count).map(|number| workers::start(number, shared.clone()));
        let workers: Vec<Handle> = workers.collect::<Result<_, _>>()?;
        let addresses: Vec<Address> =
            opened.iter().map(|(sockets, _)| sockets[0].address().clone()).collect();
        let mut sockets = HashMap::new();
        for (opened, wanted) in opened {
            hand_over(&workers, opened, &wanted);
            sockets.insert(wanted.address.clone(), wanted);
        }
        let path = pid;
        let pid = PidFile::write(&path).map_err(|error| StartError::Open { path, error })?;
        tokio::spawn(names::keep_resolved(shared.clone()));
        startup.serving(&shared.live.load().model, &addresses);
        if daemon::is_daemon() {
            daemon::detach().map_err(StartError::Daemon)?;
        }
        Ok(Control { shared, workers, sockets, logs, pid, signals })
    }

    async fn run(&mut self, loader: &dyn Loader) -> ExitCode {
        let mut flush = interval(FLUSH);
        loop {
            let next = tokio::select! {
                signal = self.signals.next() => signal,
                _ = flush.tick() => {
                    self.shared.live.load().logs.flush(Some(Instant::now()));
                    continue;
                }
            };
            match next {
                Signal::Stop => break,
                Signal::Quit => {
                    self.quit().await;
                    break;
                }
                Signal::Reload => self.reload(loader).await,
                Signal::Reopen => self.reopen(),
            }
        }
        self.end();
        ExitCode::SUCCESS
    }

    fn say(&self, level: Level, message: std::fmt::Arguments) {
        tell(&self.shared.live.load().model.error_log, level, 0, message);
    }

    fn reopen(&self) {
        self.say(Level::Notice, format_args!("reopening logs"));
        for error in self.logs.reopen() {
            self.say(Level::Emerg, format_args!("{error}"));
        }
        for error in self.shared.live.load().logs.reopen() {
            self.say(Level::Emerg, format_args!("{error}"));
        }
    }

    /// Takes a new configuration, if it can be served; else the old one goes on.
    async fn reload(&mut self, loader: &dyn Loader) {
        self.say(Level::Notice, format_args!("reconfiguring"));
        let loaded = match loader.load() {
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
        let before = self.shared.live.load_full();
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
        let (opened, later) = match open_all(&fresh, self.workers.len()) {
            Ok(opened) => (opened, Vec::new()),
            Err(error) if gone.is_empty() => return Err(error),
            Err(_) => (Vec::new(), fresh),
        };
        self.logs.configure(&live.model, &loaded.error_log)?;
        let generation = live.generation;
        self.shared.live.store(Arc::new(live));
        for wanted in wanted.iter().filter(|wanted| self.sockets.contains_key(&wanted.address)) {
            for worker in &self.workers {
                order(worker, Order::Route(wanted.address.clone(), wanted.route.clone()));
            }
        }
        for (opened, wanted) in opened {
            hand_over(&self.workers, opened, &wanted);
        }
        for address in gone {
            self.stop_listening(&address).await;
        }
        for wanted in later {
            match listeners::open(&wanted, self.workers.len()) {
                Ok(opened) => hand_over(&self.workers, opened, &wanted),
                Err(error) => self.say(Level::Emerg, format_args!("{error}")),
            }
        }
        self.sockets = wanted.into_iter().map(|wanted| (wanted.address.clone(), wanted)).collect();
        self.say(Level::Notice, format_args!("configuration {generation} is in force"));
        Ok(())
    }

    async fn stop_listening(&mut self, address: &Address) {
        for worker in &self.workers {
            let (done, closed) = oneshot::channel();
            order(worker, Order::Stop(address.clone(), done));
            // A worker that is busy closes it a little later.
            let _ = timeout(STOP_LISTENING, closed).await;
        }
        unlink(address);
    }

    /// Lets every connection end by itself, or at `worker_shutdown_timeout`.
    async fn quit(&mut self) {
        self.say(Level::Notice, format_args!("gracefully shutting down"));
        // Nobody may have subscribed any more: then there is nobody to tell.
        self.shared.drain.send_replace(Drain::Quitting);
        let limit = self.shared.live.load().model.main.shutdown_timeout.as_ref().map(|set| set.value);
        let deadline = limit.map(|limit| Instant::now() + limit);
        while !self.workers.iter().all(|worker| worker.thread.is_finished()) {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.shared.drain.send_replace(Drain::Ending);
            }
            tokio::select! {
                () = sleep(DONE_CHECK) => {}
                signal = self.signals.next() => if matches!(signal, Signal::Stop) { return },
            }
        }
    }

    fn end(&mut self) {
        self.shared.live.load().logs.flush(None);
        for address in self.sockets.keys() {
            unlink(address);
        }
        self.pid.remove();
        self.say(Level::Notice, format_args!("exit"));
    }
}

fn order(worker: &Handle, order: Order) {
    // A worker that has ended needs none.
    let _ = worker.orders.send(order);
}

fn open_all(wanted: &[Wanted], workers: usize) -> Result<Vec<(Vec<Listening>, Wanted)>, StartError> {
    wanted.iter().map(|wanted| Ok((listeners::open(wanted, workers)?, wanted.clone()))).collect()
}

fn hand_over(workers: &[Handle], sockets: Vec<Listening>, wanted: &Wanted) {
    for (worker, socket) in workers.iter().zip(sockets) {
        order(worker, Order::Accept(socket, wanted.route.clone()));
    }
}

fn unlink(address: &Address) {
    if let Some(path) = address.path() {
        // Somebody may have removed it already.
        let _ = std::fs::remove_file(path);
    }
}
