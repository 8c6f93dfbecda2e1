//! Sockets that listen already when the process starts: handed over by an older binary, through the
//! variable `NGINX` as nginx does it, or opened by systemd (`LISTEN_FDS`, sd_listen_fds(3)).

use std::env;
use std::ffi::OsStr;
use std::os::fd::RawFd;

use rustix::process::{Pid, getppid};

use crate::features::error_log::Level;
use crate::net::{Address, Listening, numbered, take_descriptor, unblock_signals};

use super::daemon;

/// Descriptors, each with a `;` behind it.
pub const VARIABLE: &str = "NGINX";

/// The first descriptor that systemd passes: `SD_LISTEN_FDS_START`.
const SYSTEMD_FIRST: RawFd = 3;

/// systemd's variables, which are for one process alone.
pub const SYSTEMD_VARIABLES: [&str; 3] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"];

/// More sockets than this nobody passes.
const MOST: RawFd = 65_536;

/// What the process found when it started.
#[derive(Default)]
pub struct Inherited {
    sockets: Vec<Listening>,
    /// The process whose sockets these are as long as it lives: an older binary.
    pub predecessor: Option<Pid>,
    /// Whether systemd made some, so that files of Unix sockets are systemd's.
    pub systemd: bool,
    /// What there is to say, once there is a log.
    pub said: Vec<(Level, String)>,
}

impl Inherited {
    /// Takes what is there. To be called once, before the process opens anything that it keeps.
    pub fn take() -> Inherited {
        let mut inherited = Inherited::default();
        if let Some(text) = env::var_os(VARIABLE).filter(|text| !text.is_empty()) {
            let text = text.to_string_lossy().into_owned();
            inherited.predecessor = getppid();
            inherited.say(Level::Notice, format!("using inherited sockets from \"{text}\""));
            if let Err(error) = unblock_signals() {
                inherited.say(Level::Alert, format!("sigprocmask() failed ({})", numbered(&error)));
            }
            inherited.of_a_binary(&text);
        } else if for_this_process(env::var_os("LISTEN_PID").as_deref()) {
            inherited.of_systemd();
        }
        inherited
    }

    fn of_a_binary(&mut self, text: &str) {
        let (numbers, rest) = numbers(text);
        if let Some(rest) = rest {
            let message = format!(
                "invalid socket number \"{rest}\" in {VARIABLE} environment variable, ignoring the rest of the variable"
            );
            self.say(Level::Emerg, message);
        }
        numbers.into_iter().for_each(|number| self.take_one(number));
    }

    fn of_systemd(&mut self) {
        let count = env::var("LISTEN_FDS").ok().and_then(|count| count.parse::<RawFd>().ok());
        let Some(count) = count.filter(|count| (1..=MOST).contains(count)) else { return };
        self.systemd = true;
        self.say(Level::Notice, format!("using {count} sockets of systemd"));
        (SYSTEMD_FIRST..SYSTEMD_FIRST + count).for_each(|number| self.take_one(number));
    }

    fn take_one(&mut self, number: RawFd) {
        match take_descriptor(number).and_then(Listening::from_fd) {
            Ok(socket) => self.sockets.push(socket),
            Err(error) => {
                let error = numbered(&error);
                self.say(Level::Crit, format!("the inherited socket #{number} does not listen ({error})"));
            }
        }
    }

    fn say(&mut self, level: Level, message: String) {
        self.said.push((level, message));
    }

    /// The sockets of one address: as many as there are, or none.
    pub fn sockets(&mut self, address: &Address) -> Vec<Listening> {
        self.sockets.extract_if(.., |socket| socket.address() == address).collect()
    }

    /// Closes those that no `listen` is about.
    pub fn close_the_rest(&mut self) {
        let mut addresses: Vec<Address> = Vec::new();
        for socket in self.sockets.drain(..) {
            if !addresses.contains(socket.address()) {
                addresses.push(socket.address().clone());
            }
        }
        for address in addresses {
            let message = format!("no \"listen\" is about {address}: its inherited socket is closed");
            self.say(Level::Warn, message);
        }
    }
}

/// Whether an older binary has started this process: then it does not go to the background by itself.
pub fn is_handed_over() -> bool {
    env::var_os(VARIABLE).is_some_and(|text| !text.is_empty())
}

/// Descriptors as nginx writes them, and what stands where a number should.
fn numbers(text: &str) -> (Vec<RawFd>, Option<&str>) {
    let mut numbers = Vec::new();
    for part in text.split_inclusive([';', ':']) {
        // nginx overlooks what has no end.
        let Some(part) = part.strip_suffix([';', ':']) else { return (numbers, None) };
        match part.parse() {
            Ok(number) => numbers.push(number),
            Err(_) => return (numbers, Some(part)),
        }
    }
    (numbers, None)
}

/// systemd's sockets are for the process it started; the one that serves in the background has a pid of
/// its own.
fn for_this_process(listen_pid: Option<&OsStr>) -> bool {
    let Some(wanted) = listen_pid.and_then(OsStr::to_str).and_then(|pid| pid.parse::<i32>().ok()) else {
        return false;
    };
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get());
    wanted.unsigned_abs() == std::process::id() || (daemon::is_daemon() && parent == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_nginx_reads_them() {
        assert_eq!(numbers("5;6;7;"), (vec![5, 6, 7], None));
        assert_eq!(numbers("5:6;7"), (vec![5, 6], None));
        assert_eq!(numbers("5;x;7;"), (vec![5], Some("x")));
        assert_eq!(numbers(""), (vec![], None));
    }

    #[test]
    fn sockets_of_another_process_are_not_ours() {
        assert!(for_this_process(Some(OsStr::new(&std::process::id().to_string()))));
        assert!(!for_this_process(Some(OsStr::new("1"))));
        assert!(!for_this_process(Some(OsStr::new("-1"))));
        assert!(!for_this_process(None));
    }
}
