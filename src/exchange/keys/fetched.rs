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
    /// Why the last fetch failed, and when.
    failed: Option<(Arc<str>, Instant)>,
    /// When a fetch was last hurried for an unknown key.
    anew: Option<Instant>,
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
    /// There are none; those from before hold for this long yet.
    Stale(Duration),
    /// There are none.
    Nothing,
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
                if let Some((why, _)) = state.failed.as_ref().filter(|(_, at)| at.elapsed() < FAILED_LATELY) {
                    return Err(why.clone());
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
            (None, Ok(_), Some((why, _))) => Err(why.clone()),
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
                state.failed = Some((why.into(), moment));
                state.due = moment + RETRY;
                match fetched.held(&state) {
                    Some(got) => Landed::Stale((fetched.holds * 2).saturating_sub(got.began.elapsed())),
                    None => Landed::Nothing,
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
mod tests {
    use tokio::time::advance;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn fetched() -> Arc<Fetched> {
        let url = Url::parse(b"http://a.test/").unwrap();
        Arc::new(Fetched::new(Arc::new(url), MINUTE))
    }

    fn set(kid: &str) -> Result<Arc<KeySet>, String> {
        let text = format!(r#"{{"keys":[{{"kty":"oct","kid":"{kid}","k":"{}"}}]}}"#, "A".repeat(43));
        Ok(Arc::new(KeySet::parse(text.as_bytes()).unwrap()))
    }

    fn fails() -> Result<Arc<KeySet>, String> {
        Err("no".into())
    }

    fn fly(fetched: &Arc<Fetched>, outcome: Result<Arc<KeySet>, String>) -> Landed {
        fetched.take_off().expect("it is time").land(outcome)
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_is_due_ahead_of_time_and_alone() {
        let fetched = fetched();
        let flight = fetched.take_off().expect("the first is due at once");
        assert!(fetched.take_off().is_none() && fetched.due().is_none());
        assert_eq!(flight.land(set("one")), Landed::Well);
        assert!(fetched.take_off().is_none());
        advance(MINUTE * 4 / 5).await;
        assert_eq!(fly(&fetched, set("two")), Landed::Renewed);
        assert!(fetched.keys(&Notify::new()).await.is_ok_and(|got| got.keys.has_kid("two")));
    }

    #[tokio::test(start_paused = true)]
    async fn old_keys_stay_for_as_long_again_and_no_longer() {
        let (fetched, hurry) = (fetched(), Notify::new());
        fly(&fetched, set("one"));
        advance(MINUTE).await;
        assert_eq!(fly(&fetched, fails()), Landed::Stale(MINUTE));
        assert_eq!(fetched.due(), Some(now() + RETRY));
        assert!(fetched.keys(&hurry).await.is_ok());
        advance(MINUTE - Duration::from_secs(1)).await;
        assert!(fetched.keys(&hurry).await.is_ok());
        advance(Duration::from_secs(1)).await;
        assert_eq!(fly(&fetched, fails()), Landed::Nothing);
        assert_eq!(fetched.keys(&hurry).await.err().as_deref(), Some("no"));
        advance(RETRY).await;
        assert_eq!(fly(&fetched, set("one")), Landed::Well);
        assert!(fetched.keys(&hurry).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_the_first_fetch_and_not_for_ever() {
        let (fetched, hurry) = (fetched(), Notify::new());
        let begun = now();
        assert!(fetched.keys(&hurry).await.is_err());
        assert_eq!(begun.elapsed(), PATIENCE);
        let flight = fetched.take_off().unwrap();
        let waits = fetched.clone();
        let waiting = tokio::spawn(async move { waits.keys(&Notify::new()).await.map(|_| ()) });
        tokio::task::yield_now().await;
        flight.land(set("one"));
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_key_hurries_one_fetch_in_ten_seconds() {
        let (fetched, hurry) = (fetched(), Arc::new(Notify::new()));
        fly(&fetched, set("one"));
        for _ in 0..2 {
            let (asks, wakes, had) = (fetched.clone(), hurry.clone(), now());
            let asking = tokio::spawn(async move { asks.newer(had, &wakes).await.is_some() });
            hurry.notified().await;
            advance(Duration::from_millis(1)).await;
            fly(&fetched, set("two"));
            assert!(asking.await.unwrap());
            assert!(fetched.newer(now(), &hurry).await.is_none(), "too early");
            advance(ANEW).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_was_hurried_and_has_not_begun_is_waited_for() {
        let (fetched, hurry) = (fetched(), Arc::new(Notify::new()));
        fly(&fetched, set("one"));
        let had = now();
        let ask = || {
            let (asks, wakes) = (fetched.clone(), hurry.clone());
            tokio::spawn(async move { asks.newer(had, &wakes).await.is_some() })
        };
        let (first, second) = (ask(), ask());
        tokio::task::yield_now().await;
        advance(Duration::from_millis(1)).await;
        fly(&fetched, set("two"));
        assert!(first.await.unwrap() && second.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_others_have_hurried_are_taken() {
        let (fetched, hurry) = (fetched(), Notify::new());
        fly(&fetched, set("one"));
        let had = fetched.keys(&hurry).await.map(|got| got.began).unwrap();
        advance(MINUTE).await;
        fly(&fetched, set("two"));
        assert!(fetched.newer(had, &hurry).await.is_some_and(|got| got.keys.has_kid("two")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetch_that_is_given_up_has_failed() {
        let fetched = fetched();
        drop(fetched.take_off().unwrap());
        assert_eq!(fetched.keys(&Notify::new()).await.err().as_deref(), Some("the fetch was given up"));
    }
}
