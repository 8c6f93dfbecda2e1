//! A model and what moves beside it: peers, log files.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::features::listen::ListenAddress;
use crate::model::{Listener, Model};
use crate::upstream::{Group, GroupSpec};

use super::log::LogFiles;

/// What is being served.
pub struct Live {
    pub model: Model,
    /// By index, as the model's.
    pub groups: Vec<Arc<Group>>,
    listeners: HashMap<ListenAddress, usize>,
    pub logs: Arc<LogFiles>,
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
        logs.open(&model.http)?;
        let same = |spec: &GroupSpec| {
            let before = before?;
            before.groups.iter().find(|group| group.spec == *spec).cloned()
        };
        let groups = model.http.groups.iter();
        let groups =
            groups.map(|spec| same(spec).unwrap_or_else(|| Arc::new(Group::new(spec.clone())))).collect();
        let listeners = model.http.listeners.iter().enumerate();
        let listeners = listeners.map(|(at, listener)| (listener.address.clone(), at)).collect();
        let generation = before.map_or(1, |before| before.generation + 1);
        Ok(Live { model, groups, listeners, logs, generation })
    }

    /// The listener of an address, if this configuration still has it.
    pub fn listener(&self, address: &ListenAddress) -> Option<&Listener> {
        self.listeners.get(address).map(|at| &self.model.http.listeners[*at])
    }

    /// The group that a computed `proxy_pass` names.
    pub fn group(&self, host: &str, port: Option<u16>) -> Option<&Arc<Group>> {
        self.groups.iter().find(|group| group.spec.host.eq_ignore_ascii_case(host) && group.spec.port == port)
    }
}

impl std::fmt::Display for LiveError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "open() \"{}\" failed ({})", self.path.display(), crate::net::numbered(&self.error))
    }
}
