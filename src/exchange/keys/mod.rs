//! The keys that tokens are verified with (`auth_jwt_key_file`, `auth_jwt_key_request`): from files, by
//! subrequests, from URLs. All workers share what is known.
//!
//! `gather.rs` brings together what one location needs. The other files hold one kind of source each.

mod fetched;
mod files;
mod gather;
mod subrequests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::features::auth_jwt::{self, KeySource};
use crate::features::resolver;
use crate::fetch::Url;
use crate::model::Http;

use files::Files;
use subrequests::Subrequests;

pub use fetched::{Fetched, Landed};
pub use gather::Gathered;

/// A key that nobody knows may be a new one: keys are got anew for that, and of each source no more often than
/// this, since anybody can write such tokens.
const ANEW: Duration = Duration::from_secs(10);

/// How long a request waits for keys that are being got for another.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a configuration's keys are kept in.
pub struct Keys {
    files: Files,
    subrequests: Subrequests,
    fetched: HashMap<FetchedId, Source>,
}

/// A URL, and how long what is fetched from it holds.
type FetchedId = (Arc<Url>, Duration);

/// What is fetched, and who is asked for its host.
pub struct Source {
    pub fetched: Arc<Fetched>,
    pub resolver: resolver::Settings,
}

impl Keys {
    /// For a configuration. What was fetched for the one before stays, and is fetched anew soon.
    pub fn new(http: &Http, before: Option<&Keys>) -> Keys {
        let mut fetched: HashMap<FetchedId, Source> = HashMap::new();
        let guarded = http.locations.iter().map(|location| &location.settings);
        for settings in guarded.filter(|settings| settings.auth_jwt.guard.is_some()) {
            for source in settings.auth_jwt.requests.iter() {
                let KeySource::Url(url) = source else { continue };
                let id = (url.clone(), fetched_holds(&settings.auth_jwt));
                fetched.entry(id).or_insert_with_key(|id| {
                    let known = before.and_then(|before| before.fetched.get(id));
                    let fetched = match known {
                        Some(source) => source.fetched.again(),
                        None => Arc::new(Fetched::new(id.0.clone(), id.1)),
                    };
                    Source { fetched, resolver: settings.resolver.clone() }
                });
            }
        }
        Keys { files: Files::default(), subrequests: Subrequests::default(), fetched }
    }

    /// Everything that is fetched in the background.
    pub fn fetched(&self) -> impl Iterator<Item = &Source> {
        self.fetched.values()
    }
}

/// How long what is fetched from a URL holds: `auth_jwt_key_cache`, within reason.
fn fetched_holds(settings: &auth_jwt::Settings) -> Duration {
    const LEAST: Duration = Duration::from_secs(5);
    const UNSAID: Duration = Duration::from_secs(5 * 60);
    settings.key_cache.map_or(UNSAID, |cache| cache.max(LEAST))
}

/// A lock whose holder has panicked is a lock all the same: what it guards is replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
