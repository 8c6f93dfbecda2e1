//! Groups of one name, configuration after configuration: what is open through an earlier one counts in the
//! latest, too.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Group;

#[derive(Debug, Default)]
pub struct Lineage {
    latest: Mutex<Weak<Group>>,
    numbers: AtomicU32,
}

impl Lineage {
    /// The number of a new peer.
    pub fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// The group of the latest configuration, if that still has one.
    pub fn latest(&self) -> Option<Arc<Group>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    pub fn append(&self, group: &Arc<Group>) {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(group);
    }
}
