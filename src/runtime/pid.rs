//! The pid file, and signals to the process it names (`-s`).

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal as Number, kill_process};

/// What stands behind the name of a pid file while a newer binary serves: `NGX_OLDPID_EXT`.
const OLD: &str = ".oldbin";

/// What `-s` sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Stop,
    Quit,
    Reload,
    Reopen,
}

impl Signal {
    fn number(self) -> Number {
        match self {
            Signal::Stop => Number::TERM,
            Signal::Quit => Number::QUIT,
            Signal::Reload => Number::HUP,
            Signal::Reopen => Number::USR1,
        }
    }
}

/// Sends a signal to the process that a pid file names.
///
/// # Errors
/// In nginx's words: the file cannot be read, holds no number, or there is no such process.
pub fn send(signal: Signal, file: &Path) -> Result<(), String> {
    let name = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| format!("open() \"{name}\" failed ({})", crate::net::numbered(&error)))?;
    let number = text.trim().parse::<i32>().ok().and_then(Pid::from_raw);
    let pid = number.ok_or_else(|| format!("invalid PID number \"{}\" in \"{name}\"", text.trim()))?;
    kill_process(pid, signal.number()).map_err(|error| {
        let error = io::Error::from(error);
        format!("kill({}) failed ({})", pid.as_raw_nonzero(), crate::net::numbered(&error))
    })
}

/// A pid file that goes when the process does.
#[derive(Debug, Default)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the file at once and whole, so that who waits for it never reads half of it.
    pub fn write(path: &Path) -> io::Result<PidFile> {
        if !path.is_file() && path.exists() {
            // `pid /dev/null;` is how some say that they want none.
            fs::OpenOptions::new().write(true).open(path)?.write_all(pid_line().as_bytes())?;
            return Ok(PidFile { path: PathBuf::new() });
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", std::process::id()));
        let half = path.with_file_name(name);
        fs::write(&half, pid_line())?;
        fs::rename(&half, path)?;
        Ok(PidFile { path: path.to_owned() })
    }

    /// Makes room for the file of a newer binary: `.oldbin` is the name nginx gives it.
    ///
    /// # Errors
    /// In nginx's words.
    pub fn step_aside(&mut self) -> Result<(), String> {
        let mut aside = self.path.clone().into_os_string();
        aside.push(OLD);
        self.rename(PathBuf::from(aside))
    }

    /// The newer binary is gone: the file has its name again.
    ///
    /// # Errors
    /// In nginx's words.
    pub fn step_back(&mut self) -> Result<(), String> {
        let name = self.path.to_string_lossy();
        let Some(own) = name.strip_suffix(OLD).map(PathBuf::from) else { return Ok(()) };
        self.rename(own)
    }

    fn rename(&mut self, to: PathBuf) -> Result<(), String> {
        if self.path.as_os_str().is_empty() {
            return Ok(());
        }
        fs::rename(&self.path, &to).map_err(|error| {
            let (from, to, error) = (self.path.display(), to.display(), crate::net::numbered(&error));
            format!("rename() \"{from}\" to \"{to}\" failed ({error})")
        })?;
        self.path = to;
        Ok(())
    }

    /// Removes the file, if it still is this process's.
    pub fn remove(&self) {
        let own = fs::read_to_string(&self.path).is_ok_and(|text| text == pid_line());
        if own {
            // Somebody else may have been faster; it is gone either way.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn pid_line() -> String {
    format!("{}\n", std::process::id())
}
