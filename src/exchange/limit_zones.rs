//! The zones of `limit_req` and `limit_conn`, configuration after configuration.
//!
//! One that keeps its name and its size goes on with what it has counted, as nginx's shared memory does, and
//! with it tunnels that began before. It has to keep its key then: what was counted by one says nothing about
//! another.

use std::sync::Arc;

use crate::features::zones::Keyed;
use crate::limits::{Connections, Rates};
use crate::model::Http;

use super::live::{Live, LiveError};

/// By the numbers that the model has them by.
#[derive(Default)]
pub struct LimitZones {
    pub requests: Vec<Arc<Rates>>,
    pub connections: Vec<Arc<Connections>>,
}

impl LimitZones {
    /// Those of a configuration that keeps the keys of the one before.
    pub fn of(http: &Http, before: Option<&Live>) -> LimitZones {
        let requests = rates(http).map(|zone| {
            let kept = before.and_then(|before| {
                let at = rates(&before.model.http).position(|old| goes_on(old, zone))?;
                Some(before.limits.requests[at].clone())
            });
            kept.unwrap_or_else(|| Arc::new(Rates::new(&zone.name, zone.size)))
        });
        let connections = http.limit_conn.iter().map(|zone| {
            let kept = before.and_then(|before| {
                let at = before.model.http.limit_conn.iter().position(|old| goes_on(old, zone))?;
                Some(before.limits.connections[at].clone())
            });
            kept.unwrap_or_else(|| Arc::new(Connections::new(&zone.name, zone.size)))
        });
        LimitZones { requests: requests.collect(), connections: connections.collect() }
    }
}

/// Refuses a configuration that would go on counting by another key, in nginx's words.
pub fn same_keys(now: &Http, before: &Http) -> Result<(), LiveError> {
    for zone in rates(now) {
        same_key("limit_req", zone, rates(before))?;
    }
    for zone in &now.limit_conn {
        same_key("limit_conn_zone", zone, before.limit_conn.iter())?;
    }
    Ok(())
}

fn same_key<'a>(
    directive: &'static str,
    zone: &Keyed,
    mut before: impl Iterator<Item = &'a Keyed>,
) -> Result<(), LiveError> {
    match before.find(|old| goes_on(old, zone)) {
        Some(old) if old.key_text != zone.key_text => Err(LiveError::ZoneKey {
            directive,
            zone: zone.name.clone(),
            keys: [zone.key_text.clone(), old.key_text.clone()],
        }),
        _ => Ok(()),
    }
}

/// Whether a zone is the same one as before. One of another size begins anew.
fn goes_on(old: &Keyed, zone: &Keyed) -> bool {
    old.name == zone.name && old.size == zone.size
}

fn rates(http: &Http) -> impl Iterator<Item = &Keyed> {
    http.limit_req.iter().map(|zone| &zone.keyed)
}
