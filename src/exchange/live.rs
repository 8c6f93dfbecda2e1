//! A model and what moves beside it: peers, log files.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::features::error_log::Level;
use crate::features::listen::ListenAddress;
use crate::model::{Location, LocationId, Mark, Model};
use crate::upstream::{Group, GroupSpec};

use super::log::{LogFile, LogFiles};
use super::report::tell;
use super::settle::Home;

/// What is being served.
pub struct Live {
    pub model: Model,
    /// By index, as the model's.
    pub groups: Vec<Arc<Group>>,
    listeners: HashMap<ListenAddress, usize>,
    /// By index, as the model's locations.
    pub homes: Vec<Arc<Home>>,
    /// Locations by the name of their mark.
    places: HashMap<u64, LocationId>,
    pub logs: Arc<LogFiles>,
    /// Keeps the logs open that this configuration names.
    _open: Vec<Arc<LogFile>>,
    /// Another configuration has taken its place.
    replaced: AtomicBool,
    /// Counts configurations since the start.
    pub generation: u64,
}

/// Why a model cannot be served.
#[derive(Debug)]
pub struct LiveError {
    pub path: std::path::PathBuf,
    pub error: io::Error,
}

impl Live {
    /// Makes a model ready to be served. Groups that did not change keep their peers' state, and log
    /// files stay open.
    pub fn new(model: Model, before: Option<&Live>) -> Result<Live, LiveError> {
        let logs = match before {
            Some(before) => before.logs.clone(),
            None => Arc::default(),
        };
        let open = logs.open(&model.http)?;
        let groups = model.http.groups.iter().map(|upstream| group(&upstream.spec, before)).collect();
        let listeners = model.http.listeners.iter().enumerate();
        let listeners = listeners.map(|(at, listener)| (listener.address.clone(), at)).collect();
        let generation = before.map_or(1, |before| before.generation + 1);
        let locations = &model.http.locations;
        let home = |location| Arc::new(Home::new(&model, location, generation));
        let homes = locations.iter().map(home).collect();
        let mut places = HashMap::with_capacity(locations.len());
        for (id, location) in locations.iter().enumerate() {
            // Of two that are the same the first is the one that serves.
            places.entry(location.mark.name).or_insert(id);
        }
        let replaced = AtomicBool::default();
        Ok(Live { model, groups, listeners, homes, places, logs, _open: open, replaced, generation })
    }

    /// Another configuration takes its place: when the last exchange that began with this one has ended, the
    /// log says so.
    pub fn retire(&self) {
        self.replaced.store(true, Ordering::Relaxed);
    }

    /// What an earlier configuration's location is in this one.
    pub fn location_of(&self, mark: Mark) -> Option<&Location> {
        self.places.get(&mark.name).map(|id| self.model.http.location(*id))
    }

    /// The index of an address's listener, if this configuration still has it.
    pub fn listener(&self, address: &ListenAddress) -> Option<usize> {
        self.listeners.get(address).copied()
    }

    /// The index of the group that a computed `proxy_pass` names.
    pub fn group(&self, host: &str, port: Option<u16>) -> Option<usize> {
        let is_it =
            |group: &Arc<Group>| group.spec.host.eq_ignore_ascii_case(host) && group.spec.port == port;
        self.groups.iter().position(is_it)
    }
}

/// A group that goes on from the one of its name before. One that is configured alike is the same.
fn group(spec: &GroupSpec, before: Option<&Live>) -> Arc<Group> {
    let is_of_name = |group: &&Arc<Group>| group.spec.name == spec.name;
    match before.and_then(|before| before.groups.iter().find(is_of_name)) {
        Some(group) if group.spec == *spec => group.clone(),
        Some(group) => Group::after(spec.clone(), group),
        None => Arc::new(Group::new(spec.clone())),
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.replaced.load(Ordering::Relaxed) {
            let message =
                format_args!("configuration {} is no longer used: exited with code 0", self.generation);
            tell(&self.model.error_log, Level::Notice, 0, message);
        }
    }
}

impl std::fmt::Display for LiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "open() \"{}\" failed ({})", self.path.display(), crate::net::numbered(&self.error))
    }
}
