//! Keys that are fetched from URLs (`auth_jwt_key_request`), again and again in the background: each when it is due.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::exchange::{Landed, Live, Shared, Source, tell};
use crate::features::auth_jwt::read_keys;
use crate::features::error_log::Level;
use crate::fetch::get;
use crate::jwt::{KeySet, MAX_KEY_SET};

/// How many URLs are fetched from at once.
const AT_ONCE: usize = 32;

const ACCEPT: &str = "application/jwk-set+json, application/json";

/// Keeps the keys of the configuration in force fetched, for ever.
pub async fn keep_fetched(shared: Arc<Shared>) {
    let mut fetching = JoinSet::new();
    loop {
        // What is not served any more is not held on to.
        let next = begin(&shared.live.load_full(), &mut fetching);
        tokio::select! {
            Some(_) = fetching.join_next() => {}
            () = at(next) => {}
            () = shared.keys.notified() => {}
        }
    }
}

/// Begins the fetches that are due; when the next one is.
fn begin(live: &Arc<Live>, fetching: &mut JoinSet<()>) -> Option<Instant> {
    for source in live.keys.fetched() {
        if fetching.len() >= AT_ONCE {
            // The next one that ends makes room.
            return None;
        }
        if let Some(flight) = source.fetched.take_off() {
            let (live, url) = (live.clone(), source.fetched.url.clone());
            let resolver = source.resolver.clone();
            fetching.spawn(async move {
                let asking = live.asking(&resolver);
                let outcome = match get(&url, &asking.resolver, ACCEPT, MAX_KEY_SET).await {
                    Ok(bytes) => read_keys(&bytes),
                    Err(error) => Err(error.to_string()),
                };
                let (keys, why) = (outcome.as_ref().ok().cloned(), outcome.as_ref().err().cloned());
                let landed = flight.land(outcome);
                report(&live, &url.to_string(), landed, keys.as_deref(), why.as_deref().unwrap_or_default());
            });
        }
    }
    live.keys.fetched().filter_map(|Source { fetched, .. }| fetched.due()).min()
}

fn report(live: &Live, url: &str, landed: Landed, keys: Option<&KeySet>, why: &str) {
    let log = &live.model.error_log;
    for sentence in keys.into_iter().flat_map(KeySet::remarks) {
        tell(log, Level::Warn, 0, format_args!("keys of \"{url}\": {sentence}"));
    }
    match landed {
        Landed::Renewed => {}
        Landed::Well => tell(log, Level::Notice, 0, format_args!("keys were fetched from \"{url}\"")),
        Landed::Stale { left, again } => {
            let left = left.as_secs();
            let message = format_args!("no keys from \"{url}\": {why}; those from before stay for {left}s");
            tell(log, level(again), 0, message);
        }
        Landed::Nothing { again } => {
            let message = format_args!("no keys from \"{url}\": {why}; what needs them is answered 500");
            tell(log, level(again), 0, message);
        }
    }
}

/// What goes on to fail is told every few seconds: once is enough for whoever has to act.
fn level(again: bool) -> Level {
    if again { Level::Info } else { Level::Error }
}

async fn at(next: Option<Instant>) {
    match next {
        Some(next) => sleep_until(next).await,
        None => std::future::pending().await,
    }
}
