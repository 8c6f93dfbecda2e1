//! The error log: tracing's events, written as nginx writes them, or as JSON.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::exchange::open_log;
use crate::features::error_log::{Level, Settings, Sink};
use crate::model::Model;
use crate::request::clock;

use super::StartError;

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `2026/11/23 05:10:28 [error] 123#1: *4 message`
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Where events of ours come from.
const OWN: &str = env!("CARGO_PKG_NAME");

/// Where messages go; one for the process.
pub struct Logs {
    format: LogFormat,
    /// By the id of their settings.
    routes: ArcSwap<HashMap<u64, Vec<Route>>>,
    files: Mutex<HashMap<PathBuf, Arc<LogFile>>>,
}

#[derive(Clone)]
struct Route {
    output: Output,
    level: Level,
}

#[derive(Clone)]
enum Output {
    Stderr,
    File(Arc<LogFile>),
}

struct LogFile {
    path: PathBuf,
    file: ArcSwap<File>,
}

impl Logs {
    /// Becomes the process's log: to standard error until a configuration says otherwise.
    pub fn install(format: LogFormat) -> Arc<Logs> {
        let routes = HashMap::from([(0, vec![Route { output: Output::Stderr, level: Level::Notice }])]);
        let logs = Arc::new(Logs { format, routes: ArcSwap::from_pointee(routes), files: Mutex::default() });
        let subscriber = tracing_subscriber::registry().with(Writer { logs: logs.clone() });
        // A second call (in one process of tests) keeps the first log.
        let _ = tracing::subscriber::set_global_default(subscriber);
        logs
    }

    /// Opens the logs of a configuration and makes them the ones in use. `fallback` is where messages
    /// go that no `error_log` is about.
    pub fn configure(&self, model: &Model, fallback: &Settings) -> Result<(), StartError> {
        let http = &model.http;
        let servers = http.servers.iter().map(|server| &server.settings);
        let locations = http.locations.iter().map(|location| &location.settings);
        let inner = servers.chain(locations).map(|settings| &settings.error_log);
        let mut routes: HashMap<u64, Vec<Route>> = HashMap::new();
        for settings in inner.chain([&model.error_log]) {
            if settings.id != 0 && !routes.contains_key(&settings.id) {
                routes.insert(settings.id, self.open(settings)?);
            }
        }
        let own = if model.error_log.id != 0 { &model.error_log } else { fallback };
        routes.insert(0, self.open(own)?);
        self.routes.store(Arc::new(routes));
        // Files that no line can go to any more are closed.
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|_, file| Arc::strong_count(file) > 1);
        Ok(())
    }

    fn open(&self, settings: &Settings) -> Result<Vec<Route>, StartError> {
        let route = |target: &crate::features::error_log::Target| {
            let output = match &target.sink {
                Sink::Stderr => Output::Stderr,
                Sink::File(path) => Output::File(self.file(path)?),
            };
            Ok(Route { output, level: target.level })
        };
        settings.targets.iter().map(route).collect()
    }

    fn file(&self, path: &Path) -> Result<Arc<LogFile>, StartError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(path) {
            return Ok(file.clone());
        }
        let file = open_log(path).map_err(|error| StartError::Open { path: path.to_owned(), error })?;
        let file = Arc::new(LogFile { path: path.to_owned(), file: ArcSwap::from_pointee(file) });
        files.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    /// Opens every file anew; what cannot be opened goes on as it was, and is told.
    pub fn reopen(&self) -> Vec<StartError> {
        let files: Vec<Arc<LogFile>> = {
            let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            files.values().cloned().collect()
        };
        let mut failed = Vec::new();
        for log in files {
            match open_log(&log.path) {
                Ok(file) => log.file.store(Arc::new(file)),
                Err(error) => failed.push(StartError::Open { path: log.path.clone(), error }),
            }
        }
        failed
    }

    fn write(&self, message: &Message) {
        let routes = self.routes.load();
        let Some(routes) = routes.get(&message.log).or_else(|| routes.get(&0)) else { return };
        let wanted = routes.iter().filter(|route| message.level >= route.level);
        let mut line = String::new();
        for route in wanted {
            if line.is_empty() {
                message.render(self.format, &mut line);
            }
            // There is nowhere to tell that a log cannot be written.
            let _ = match &route.output {
                Output::Stderr => io::stderr().lock().write_all(line.as_bytes()),
                Output::File(log) => (&**log.file.load()).write_all(line.as_bytes()),
            };
        }
    }
}

struct Writer {
    logs: Arc<Logs>,
}

impl<S: Subscriber> Layer<S> for Writer {
    /// What libraries have to say is for who debugs them.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target().starts_with(OWN) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with(OWN)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::new(event.metadata().level());
        event.record(&mut message);
        self.logs.write(&message);
    }
}

/// An event's fields.
struct Message {
    log: u64,
    level: Level,
    connection: u64,
    text: String,
}

impl Message {
    fn new(level: &tracing::Level) -> Message {
        let level = match *level {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            _ => Level::Debug,
        };
        Message { log: 0, level, connection: 0, text: String::new() }
    }

    fn render(&self, format: LogFormat, out: &mut String) {
        let (level, process) = (self.level.name(), std::process::id());
        let now = clock::now();
        // Writing to a String cannot fail.
        let _ = match format {
            LogFormat::Text => {
                let _ = write!(out, "{} [{level}] {process}#{process}: ", now.error_log);
                if self.connection > 0 {
                    let _ = write!(out, "*{} ", self.connection);
                }
                writeln!(out, "{}", self.text)
            }
            LogFormat::Json => {
                let connection = Some(self.connection).filter(|number| *number > 0);
                let line = serde_json::json!({
                    "time": now.iso8601,
                    "level": level,
                    "pid": process,
                    "connection": connection,
                    "message": self.text,
                });
                writeln!(out, "{line}")
            }
        };
    }
}

impl Visit for Message {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "log" => self.log = value,
            "connection" => self.connection = value,
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "level" {
            self.level = Level::of(value.as_bytes()).unwrap_or(self.level);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.text, "{value:?}");
        }
    }
}
