//! Access logs: lines rendered, files written.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::time::Instant;

use crate::features::log::{AccessLog, Settings};
use crate::model::Http;
use crate::request::Request;

use super::live::LiveError;

/// Files of access logs by path; each is open once, whoever writes to it, and for as long as a configuration
/// that names it is in use.
#[derive(Default)]
pub struct LogFiles {
    files: Mutex<HashMap<PathBuf, Weak<LogFile>>>,
}

/// One that is open.
pub struct LogFile {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// Lines that wait, where `buffer=` says so.
    waiting: Vec<u8>,
    waiting_since: Option<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a log to write behind what it holds. `/dev/stdout` and `/dev/stderr` are the process's own, also
/// where it could not open them by name: on a terminal or a pipe that another user opened.
pub fn open_log(path: &Path) -> io::Result<File> {
    let own = |stream: BorrowedFd| stream.try_clone_to_owned().map(File::from);
    match path.to_str() {
        Some("/dev/stdout") => own(io::stdout().as_fd()),
        Some("/dev/stderr") => own(io::stderr().as_fd()),
        _ => OpenOptions::new().append(true).create(true).open(path),
    }
}

impl LogFiles {
    /// Opens every file that a configuration names without variables. They stay open until what this gives
    /// is dropped.
    pub fn open(&self, http: &Http) -> Result<Vec<Arc<LogFile>>, LiveError> {
        lock(&self.files).retain(|_, file| file.strong_count() > 0);
        let mut open: HashMap<&[u8], Arc<LogFile>> = HashMap::new();
        let settings = http.servers.iter().map(|server| &server.settings);
        let settings = settings.chain(http.locations.iter().map(|location| &location.settings));
        for log in settings.flat_map(|settings| settings.log.logs.iter()) {
            if let Some(name) = log.path.as_literal()
                && !open.contains_key(name)
            {
                let path = Path::new(OsStr::from_bytes(name));
                let file =
                    self.file(path).map_err(|error| LiveError::Open { path: path.to_owned(), error })?;
                open.insert(name, file);
            }
        }
        Ok(open.into_values().collect())
    }

    fn file(&self, path: &Path) -> io::Result<Arc<LogFile>> {
        let mut files = lock(&self.files);
        if let Some(file) = files.get(path).and_then(Weak::upgrade) {
            return Ok(file);
        }
        let state = State { file: open_log(path)?, waiting: Vec::new(), waiting_since: None };
        let file = Arc::new(LogFile { path: path.to_owned(), state: Mutex::new(state) });
        files.insert(path.to_owned(), Arc::downgrade(&file));
        Ok(file)
    }

    /// Opens every file anew, for whoever has moved the old ones away: `USR1`. Gives those back that
    /// could not be.
    pub fn reopen(&self) -> Vec<LiveError> {
        self.all().iter().filter_map(|file| file.reopen().err()).collect()
    }

    fn all(&self) -> Vec<Arc<LogFile>> {
        lock(&self.files).values().filter_map(Weak::upgrade).collect()
    }

    /// Writes what waits in any file since before `before`.
    pub fn flush(&self, before: Option<Instant>) {
        for file in self.all() {
            let mut state = lock(&file.state);
            if state.waiting_since.is_some_and(|since| before.is_none_or(|before| since <= before)) {
                state.flush();
            }
        }
    }

    /// Writes the lines of a request that is over.
    pub fn write(&self, settings: &Settings, request: &Request, scratch: &mut Vec<u8>) {
        for log in settings.logs.iter().filter(|log| is_wanted(log, request)) {
            scratch.clear();
            log.format.render(request, scratch);
            scratch.push(b'\n');
            self.write_line(log, request, scratch);
        }
    }

    /// Writes one line, its end included. A log that cannot be written is nobody's reason to fail.
    fn write_line(&self, log: &AccessLog, request: &Request, line: &[u8]) {
        match log.path.as_literal() {
            Some(path) => self.append(path, log.buffer, line),
            None => append_once(&computed_path(log, request), line),
        }
    }

    /// Writes to a file that is kept open, or that is opened once more by what has outlived its configuration.
    pub fn append(&self, path: &[u8], buffer: usize, line: &[u8]) {
        if let Ok(file) = self.file(Path::new(OsStr::from_bytes(path))) {
            lock(&file.state).write(line, buffer);
        }
    }
}

/// The path of a log whose name has variables.
pub fn computed_path(log: &AccessLog, request: &Request) -> Vec<u8> {
    let mut path = Vec::new();
    log.path.render(request, &mut path);
    path
}

/// Writes to a file whose name came out of variables: it is opened for each line, as in nginx.
pub fn append_once(path: &[u8], line: &[u8]) {
    if let Ok(mut file) = open_log(Path::new(OsStr::from_bytes(path))) {
        let _ = file.write_all(line);
    }
}

/// Whether a log's condition holds.
pub fn is_wanted(log: &AccessLog, request: &Request) -> bool {
    let Some(condition) = &log.condition else { return true };
    let mut value = Vec::new();
    condition.render(request, &mut value);
    !matches!(&value[..], b"" | b"0")
}

/// Nothing that waits is lost.
impl Drop for LogFile {
    fn drop(&mut self) {
        lock(&self.state).flush();
    }
}

impl LogFile {
    fn reopen(&self) -> Result<(), LiveError> {
        let file =
            open_log(&self.path).map_err(|error| LiveError::Open { path: self.path.clone(), error })?;
        let mut state = lock(&self.state);
        state.flush();
        state.file = file;
        Ok(())
    }
}

impl State {
    fn write(&mut self, line: &[u8], buffer: usize) {
        if buffer == 0 {
            self.flush();
            let _ = self.file.write_all(line);
            return;
        }
        if self.waiting.len() + line.len() > buffer {
            self.flush();
        }
        self.waiting.extend_from_slice(line);
        self.waiting_since.get_or_insert_with(Instant::now);
    }

    fn flush(&mut self) {
        if !self.waiting.is_empty() {
            let _ = self.file.write_all(&self.waiting);
            self.waiting.clear();
        }
        self.waiting_since = None;
    }
}
