//! What becomes of tunnels when a reload replaces the configuration they began with, and when the process
//! stops.
//!
//! They run on. Where `worker_shutdown_timeout` is set they are gone when it has passed, as in nginx; but not
//! all in the same moment, since all their clients would come back in the same moment.

use std::time::Duration;

use crate::features::proxy::Target;
use crate::features::websocket::Reload;
use crate::model::{Content, Location, Mark, Model};
use crate::tunnel::Drained;

use super::Live;
use super::upgrade::Joined;
use super::worker::Worker;

/// Over how much of the end of `worker_shutdown_timeout` the ends of tunnels are spread: its last fifth.
const SPREAD: f64 = 0.2;

/// Over how long the ends of tunnels are spread whose location or upstream is gone: no timeout says so.
const REMOVED_SPREAD: Duration = Duration::from_secs(1);

/// Where a tunnel began, for the configurations that come after.
pub struct Home {
    generation: u64,
    mark: Mark,
    reload: Option<Reload>,
    shutdown_timeout: Option<Duration>,
}

impl Home {
    pub fn new(model: &Model, location: &Location, generation: u64) -> Home {
        Home {
            generation,
            mark: location.mark,
            reload: location.settings.websocket.reload,
            shutdown_timeout: model.main.shutdown_timeout.as_ref().map(|set| set.value),
        }
    }

    /// Whether another configuration holds by now.
    pub fn is_of_before(&self, live: &Live) -> bool {
        self.generation != live.generation
    }

    /// When and why a tunnel has to end, now that `live` holds; `upstream_is_gone` says whether its upstream
    /// has no place in what is its location now.
    fn judge(
        &self,
        live: &Live,
        upstream_is_gone: impl FnOnce(&Location) -> bool,
        spread: &mut Spread,
    ) -> Option<(Duration, Drained)> {
        if !self.is_of_before(live) {
            return None;
        }
        let now = live.location_of(self.mark);
        match self.reload {
            Some(Reload::Close) if now.is_none_or(upstream_is_gone) => {
                return Some((spread.of(REMOVED_SPREAD, 1.0), Drained::Removed));
            }
            Some(Reload::Keep) if now.is_some_and(|now| now.mark == self.mark) => return None,
            _ => {}
        }
        self.shutdown_timeout.map(|timeout| (spread.of(timeout, SPREAD), Drained::Reloaded))
    }
}

/// Spreads moments evenly, each as far as can be from those before it: by the golden ratio.
#[derive(Default)]
struct Spread {
    at: f64,
}

impl Spread {
    /// The next moment within the last `part` of a time.
    fn of(&mut self, time: Duration, part: f64) -> Duration {
        self.at = (self.at + 0.618_033_988_749_895).fract();
        time.mul_f64(1.0 - part * self.at)
    }
}

impl Worker {
    /// A reload: tunnels of earlier configurations go on, or are told when to end.
    pub fn settle(&self) {
        let live = self.live();
        let mut spread = Spread::default();
        self.tunnels.leave(move |owner| {
            let gone = |now: &Location| upstream_is_gone(&live, now, owner);
            owner.home.judge(&live, gone, &mut spread)
        });
    }

    /// The process stops: tunnels end by themselves, or before `worker_shutdown_timeout` has passed.
    pub fn drain_tunnels(&self) {
        let timeout = self.live().model.main.shutdown_timeout.as_ref().map(|set| set.value);
        let Some(timeout) = timeout else { return };
        let mut spread = Spread::default();
        self.tunnels.leave(move |_| Some((spread.of(timeout, SPREAD), Drained::Stopping)));
    }
}

/// Whether the server that a tunnel goes to is none of those its location passes to now.
fn upstream_is_gone(live: &Live, now: &Location, owner: &Joined) -> bool {
    match &now.content {
        Content::Pass(pass) => match &pass.target {
            Target::Fixed(fixed) => {
                let spec = &live.groups[fixed.group].spec;
                let Some(server) = owner.server() else { return true };
                !spec.servers.iter().any(|other| other.text == server)
            }
            // Where it would go to now, only a request tells.
            Target::Computed(_) => false,
        },
        Content::Files | Content::Echo => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_spread_over_the_last_part_and_never_late() {
        let mut spread = Spread::default();
        let timeout = Duration::from_secs(10);
        let mut ends: Vec<Duration> = (0..1000).map(|_| spread.of(timeout, SPREAD)).collect();
        ends.sort();
        assert!(ends[0] >= Duration::from_secs(8) && ends[999] <= timeout);
        // No two hundredths of the time have more than their share, or a little less.
        for part in ends.chunks(100) {
            let took = part[99] - part[0];
            assert!(took > Duration::from_millis(190) && took < Duration::from_millis(210), "{took:?}");
        }
    }
}
