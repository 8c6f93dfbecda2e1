//! The signals that steer the process, and what each asks for.

use std::fs::File;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Stop,
    Quit,
    Reload,
    Reopen,
    /// `USR2`: another binary is to take the sockets over.
    ChangeBinary,
    /// `WINCH`: no more connections are accepted.
    StopAccepting,
    /// A process that this one started has ended.
    Reap,
}

/// Every signal that means something.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    reload: Signal,
    reopen: Signal,
    change_binary: Signal,
    stop_accepting: Signal,
    reap: Signal,
    /// A terminal sends `WINCH` whenever its window changes.
    has_terminal: bool,
}

impl Signals {
    pub fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            reload: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            change_binary: signal(SignalKind::user_defined2())?,
            stop_accepting: signal(SignalKind::window_change())?,
            reap: signal(SignalKind::child())?,
            has_terminal: File::open("/dev/tty").is_ok(),
        })
    }

    /// The next wish. Of a process with a terminal `WINCH` wishes nothing: nginx, too, obeys it only in the
    /// background.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.quit.recv() => Wish::Quit,
            _ = self.reload.recv() => Wish::Reload,
            _ = self.reopen.recv() => Wish::Reopen,
            _ = self.change_binary.recv() => Wish::ChangeBinary,
            _ = self.stop_accepting.recv(), if !self.has_terminal => Wish::StopAccepting,
            _ = self.reap.recv() => Wish::Reap,
        }
    }
}
