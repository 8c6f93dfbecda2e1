//! Names of upstream servers, looked up again and again in the background.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;

use crate::exchange::{Shared, tell};
use crate::features::error_log::Level;
use crate::upstream::{Endpoint, Group, RESOLVE_AGAIN, RESOLVE_RETRY, resolve};

/// How many names are looked up at once.
const AT_ONCE: usize = 16;

/// Keeps the names of the configuration in force resolved, for ever.
pub async fn keep_resolved(shared: Arc<Shared>) {
    let mut due: HashMap<(usize, usize), Instant> = HashMap::new();
    loop {
        let live = shared.live.load_full();
        let now = Instant::now();
        let names: Vec<(Arc<Group>, usize)> = live.groups.iter().flat_map(named).collect();
        due.retain(|key, _| names.iter().any(|(group, server)| key_of(group, *server) == *key));
        for names in names.chunks(AT_ONCE) {
            let late = names
                .iter()
                .filter(|(group, server)| due.get(&key_of(group, *server)).is_none_or(|due| *due <= now));
            let mut looking = tokio::task::JoinSet::new();
            for (group, server) in late.cloned() {
                looking.spawn(async move {
                    let outcome = resolve(&group, server).await;
                    (group, server, outcome)
                });
            }
            while let Some(Ok((group, server, outcome))) = looking.join_next().await {
                let known = group.is_resolved(server);
                let wait = if known && outcome.is_ok() { RESOLVE_AGAIN } else { RESOLVE_RETRY };
                let first = due.insert(key_of(&group, server), Instant::now() + wait).is_none();
                if let (Err(error), true) = (outcome, first) {
                    let name = &group.spec.servers[server].text;
                    let message = format_args!(
                        "host not found in upstream \"{name}\" ({error}): requests for it are answered 502 until it resolves"
                    );
                    tell(&live.model.error_log, Level::Warn, 0, message);
                }
            }
        }
        // What is not served any more is not held on to.
        drop(live);
        tokio::time::sleep(RESOLVE_RETRY).await;
    }
}

fn key_of(group: &Arc<Group>, server: usize) -> (usize, usize) {
    (Arc::as_ptr(group) as usize, server)
}

/// The servers of a group that are names.
fn named(group: &Arc<Group>) -> impl Iterator<Item = (Arc<Group>, usize)> + use<> {
    let group = group.clone();
    let is_name = |endpoint: &Endpoint| matches!(endpoint, Endpoint::Name { .. });
    let servers: Vec<usize> =
        (0..group.spec.servers.len()).filter(|at| is_name(&group.spec.servers[*at].endpoint)).collect();
    servers.into_iter().map(move |server| (group.clone(), server))
}
