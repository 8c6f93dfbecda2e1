//! When each tunnel wants a turn.

use std::collections::BTreeSet;

/// One moment for each of a worker's tunnels, in order.
#[derive(Default)]
pub(super) struct Deadlines {
    order: BTreeSet<(u64, u32)>,
}

impl Deadlines {
    pub fn add(&mut self, moment: u64, tunnel: u32) {
        self.order.insert((moment, tunnel));
    }

    pub fn remove(&mut self, moment: u64, tunnel: u32) {
        self.order.remove(&(moment, tunnel));
    }

    /// The earliest moment.
    pub fn first(&self) -> Option<u64> {
        self.order.first().map(|(moment, _)| *moment)
    }

    /// Takes out a tunnel whose moment has come.
    pub fn due(&mut self, now: u64) -> Option<u32> {
        self.first().filter(|moment| *moment <= now)?;
        self.order.pop_first().map(|(_, tunnel)| tunnel)
    }

    #[cfg(test)]
    pub fn has(&self, moment: u64, tunnel: u32) -> bool {
        self.order.contains(&(moment, tunnel))
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.order.len()
    }
}
