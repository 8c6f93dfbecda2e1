//! Names of upstream servers, looked up again and again in the background: each when it is due.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::exchange::{Shared, tell_looked};
use crate::upstream::Group;

/// How many names are looked up at once.
const AT_ONCE: usize = 32;

/// A group, by its place in memory, and one of its servers.
type Key = (usize, usize);

/// Keeps the names of the configuration in force resolved, for ever.
pub async fn keep_resolved(shared: Arc<Shared>) {
    let mut looking = JoinSet::new();
    let mut busy: HashSet<Key> = HashSet::new();
    loop {
        let next = begin(&shared, &mut looking, &mut busy);
        tokio::select! {
            Some(done) = looking.join_next() => match done {
                Ok(key) => {
                    busy.remove(&key);
                }
                // A mistake of ours has cost one look-up, and which is not known: all may begin again.
                Err(_) => busy.clear(),
            },
            () = at(next) => {}
            () = shared.names.notified() => {}
        }
    }
}

/// Begins look-ups that are due; when the next one is, of those that could not be begun too.
fn begin(shared: &Shared, looking: &mut JoinSet<Key>, busy: &mut HashSet<Key>) -> Option<Instant> {
    let now = Instant::now();
    let mut next: Option<Instant> = None;
    // What is not served any more is not held on to.
    let live = shared.live.load();
    for (group, upstream) in live.groups.iter().zip(&live.model.http.groups) {
        for (server, due) in group.due() {
            let key = key_of(group, server);
            if busy.contains(&key) {
                continue;
            }
            if due > now {
                next = Some(next.map_or(due, |next| next.min(due)));
                continue;
            }
            if busy.len() < AT_ONCE {
                busy.insert(key);
                let (group, asking) = (group.clone(), live.asking(&upstream.resolver));
                let log = live.model.error_log.clone();
                looking.spawn(async move {
                    let looked = group.look_up(server, &asking).await;
                    tell_looked(&log, &group, server, &looked);
                    key_of(&group, server)
                });
            }
        }
    }
    next
}

fn key_of(group: &Arc<Group>, server: usize) -> Key {
    (Arc::as_ptr(group) as usize, server)
}

async fn at(next: Option<Instant>) {
    match next {
        Some(next) => sleep_until(next).await,
        None => std::future::pending().await,
    }
}
