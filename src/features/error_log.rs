//! `error_log`: where to say what went wrong, and from which level on.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use crate::directive::Context;

use super::{Call, Feature, Row};

pub static FEATURE: Feature<Written> = Feature {
    name: "error_log",
    contexts: Context::MAIN.or(Context::HTTP).or(Context::SERVER).or(Context::LOCATION),
    rows: ROWS,
    at: |w| &mut w.error_log,
};

const ROWS: &[Row<Written>] = &[Row {
    name: "error_log",
    doc: "A file, `stderr` or `/dev/null`, and the lowest level that is written to it.",
    set,
}];

/// nginx's levels, the least urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warn,
    Error,
    Crit,
    Alert,
    Emerg,
}

impl Level {
    const NAMES: [(&'static str, Level); 8] = [
        ("debug", Level::Debug),
        ("info", Level::Info),
        ("notice", Level::Notice),
        ("warn", Level::Warn),
        ("error", Level::Error),
        ("crit", Level::Crit),
        ("alert", Level::Alert),
        ("emerg", Level::Emerg),
    ];

    pub fn name(self) -> &'static str {
        Level::NAMES[self as usize].0
    }

    pub fn of(name: &[u8]) -> Option<Level> {
        Level::NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, level)| *level)
    }
}

/// One destination and what it takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub sink: Sink,
    pub level: Level,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sink {
    Stderr,
    File(PathBuf),
}

#[derive(Default)]
pub struct Written {
    targets: Vec<Target>,
}

/// The destinations of a block's messages; empty where the process's own are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub targets: Arc<[Target]>,
    /// The same for the same targets, whatever the configuration; 0 for the process's own.
    pub id: u64,
    /// The lowest level that anybody wants to see.
    pub lowest: Level,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { targets: Arc::from([]), id: 0, lowest: Level::Error }
    }
}

impl Settings {
    pub fn of(targets: &[Target]) -> Settings {
        let mut hasher = DefaultHasher::new();
        targets.hash(&mut hasher);
        let lowest = targets.iter().map(|target| target.level).min().unwrap_or(Level::Error);
        Settings { targets: targets.into(), id: hasher.finish() | 1, lowest }
    }
}

impl Written {
    pub fn over(&self, outer: &Settings) -> Settings {
        if self.targets.is_empty() { outer.clone() } else { Settings::of(&self.targets) }
    }
}

fn set(written: &mut Written, call: &mut Call) {
    let level = match call.args().get(1) {
        None => Level::Error,
        Some(word) => match Level::of(&word.value) {
            Some(level) => level,
            None => {
                let levels: Vec<&str> = Level::NAMES.iter().map(|(name, _)| *name).collect();
                let message = format!("invalid log level \"{}\"", word.value);
                let span = word.span;
                call.say(
                    crate::diagnostics::Diagnostic::error("invalid-value", span, message)
                        .help(format!("one of {}", levels.join(", "))),
                );
                return;
            }
        },
    };
    if let Some(word) = call.args().get(2) {
        let what = if Level::of(&word.value).is_some() { "duplicate" } else { "invalid" };
        return call.error(2, "invalid-value", format!("{what} log level \"{}\"", word.value));
    }
    let sink = match call.arg(0) {
        b"stderr" => Sink::Stderr,
        path => Sink::File(call.prefixed(path)),
    };
    if call.arg(0).starts_with(b"syslog:") || call.arg(0).starts_with(b"memory:") {
        call.not_served(0, "a log that is not a file or stderr");
        return;
    }
    written.targets.push(Target { sink, level });
}
