//! Keys that are fetched from a URL: in the background, one fetch at a time, ahead of the time when they are old.
//!
//! Requests never fetch. They take what is there, or have the background hurry and wait for it, for
//! [`PATIENCE`] at most. When a fetch fails, the keys from before stay for as long again as they hold.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use crate::fetch::Url;
use crate::jwt::KeySet;
use crate::net::now;

use super::{ANEW, PATIENCE, lock};

/// From a fetch that failed to the next that nobody asks for.
const RETRY: Duration = Duration::from_secs(5);

/// So soon after a fetch that failed a request does not begin another.
const FAILED_LATELY: Duration = Duration::from_secs(1);

/// One URL and what came from it.
pub struct Fetched {
    pub url: Arc<Url>,
    /// How long keys hold.
    holds: Duration,
    state: Mutex<State>,
    /// Counts fetches that have ended.
    ended: watch::Sender<u64>,
}

struct State {
    keys: Option<Got>,
    /// When the next fetch begins.
    due: Instant,
    /// When the fetch that is under way began.
    under_way: Option<Instant>,
    /// The last fetch, if it failed.
    failed: Option<Failed>,
    /// When a fetch was last hurried for an unknown key.
    anew: Option<Instant>,
}

struct Failed {
    why: Arc<str>,
    at: Instant,
    /// There were keys from before.
    held: bool,
}

/// Keys, and when the fetch began that brought them.
#[derive(Clone)]
pub struct Got {
    pub keys: Arc<KeySet>,
    pub began: Instant,
}

/// A fetch under way. One that is dropped has failed.
pub struct Flight {
    fetched: Arc<Fetched>,
    began: Instant,
    landed: bool,
}

/// What a fetch has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landed {
    /// There are keys, and there were before.
    Renewed,
    /// There are keys, and there were none, or the fetch before has failed.
    Well,
    /// There are none, and those from before hold for so long yet. `again`: for the reason that is known.
    Stale { left: Duration, again: bool },
    /// There are none.
    Nothing { again: bool },
}

impl Fetched {
    pub fn new(url: Arc<Url>, holds: Duration) -> Fetched {
        let state = State { keys: None, due: now(), under_way: None, failed: None, anew: None };
        Fetched { url, holds, state: Mutex::new(state), ended: watch::Sender::new(0) }
    }

    /// The same, for another configuration: it is fetched anew soon.
    pub fn again(self: &Arc<Fetched>) -> Arc<Fetched> {
        lock(&self.state).due = now();
        self.clone()
    }

    /// When the next fetch begins; `None` while one is under way.
    pub fn due(&self) -> Option<Instant> {
        let state = lock(&self.state);
        if state.under_way.is_some() { None } else { Some(state.due) }
    }

    /// Begins a fetch if it is time, and no other is under way.
    pub fn take_off(self: &Arc<Fetched>) -> Option<Flight> {
        let began = now();
        let mut state = lock(&self.state);
        if state.under_way.is_some() || state.due > began {
            return None;
        }
        state.under_way = Some(began);
        Some(Flight { fetched: self.clone(), began, landed: false })
    }

    /// Keys that hold. Where there are none they are waited for.
    ///
    /// # Errors
    /// Why there are none.
    pub async fn keys(&self, hurry: &Notify) -> Result<Got, Arc<str>> {
        let mut ended = {
            let mut state = lock(&self.state);
            if let Some(got) = self.held(&state) {
                return Ok(got);
            }
            if !state.is_awaited() {
                let failed = state.failed.as_ref();
                if let Some(failed) = failed.filter(|failed| failed.at.elapsed() < FAILED_LATELY) {
                    return Err(failed.why.clone());
                }
                state.due = now();
            }
            hurry.notify_one();
            self.ended.subscribe()
        };
        let waited = timeout(PATIENCE, ended.changed()).await;
        let state = lock(&self.state);
        match (self.held(&state), waited, &state.failed) {
            (Some(got), ..) => Ok(got),
            (None, Ok(_), Some(failed)) => Err(failed.why.clone()),
            _ => Err("they are still being fetched".into()),
        }
    }

    /// Keys that were asked for later than `than`; waits for a fetch under way, and begins one if that was not
    /// done of late. `None` where there are no newer ones.
    pub async fn newer(&self, than: Instant, hurry: &Notify) -> Option<Got> {
        let mut ended = {
            let mut state = lock(&self.state);
            if let Some(got) = self.held(&state).filter(|got| got.began > than) {
                return Some(got);
            }
            if !state.is_awaited() {
                let moment = now();
                if state.anew.is_some_and(|anew| moment.duration_since(anew) < ANEW) {
                    return None;
                }
                state.anew = Some(moment);
                state.due = moment;
            }
            hurry.notify_one();
            self.ended.subscribe()
        };
        timeout(PATIENCE, ended.changed()).await.ok()?.ok()?;
        self.held(&lock(&self.state)).filter(|got| got.began > than)
    }

    /// Keys that are not too old: they are fetched again long before, so these have outlived a failure or two.
    fn held(&self, state: &State) -> Option<Got> {
        state.keys.as_ref().filter(|got| got.began.elapsed() < self.holds * 2).cloned()
    }
}

impl State {
    /// A fetch is under way, or about to begin.
    fn is_awaited(&self) -> bool {
        self.under_way.is_some() || self.due <= now()
    }
}

impl Flight {
    /// The fetch is over: its keys, or why there are none.
    pub fn land(mut self, outcome: Result<Arc<KeySet>, String>) -> Landed {
        self.landed = true;
        self.end(outcome)
    }

    fn end(&self, outcome: Result<Arc<KeySet>, String>) -> Landed {
        let fetched = &self.fetched;
        let moment = now();
        let mut state = lock(&fetched.state);
        state.under_way = None;
        let landed = match outcome {
            Ok(keys) => {
                let was_well = state.keys.is_some() && state.failed.is_none();
                state.keys = Some(Got { keys, began: self.began });
                state.failed = None;
                // Four fifths of the time: a fetch or two may fail before the keys are old.
                state.due = self.began + fetched.holds * 4 / 5;
                if was_well { Landed::Renewed } else { Landed::Well }
            }
            Err(why) => {
                let (why, got) = (Arc::from(why), fetched.held(&state));
                let is_known = |before: &Failed| before.why == why && before.held == got.is_some();
                let again = state.failed.as_ref().is_some_and(is_known);
                state.failed = Some(Failed { why, at: moment, held: got.is_some() });
                state.due = moment + RETRY;
                match got {
                    Some(got) => {
                        let left = (fetched.holds * 2).saturating_sub(got.began.elapsed());
                        Landed::Stale { left, again }
                    }
                    None => Landed::Nothing { again },
                }
            }
        };
        drop(state);
        fetched.ended.send_modify(|count| *count += 1);
        landed
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if !self.landed {
            self.end(Err("the fetch was given up".into()));
        }
    }
}

#[cfg(test)]
mod tests;
