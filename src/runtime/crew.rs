//! Workers that begin together and end together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::exchange::{Drain, Live, Shared};
use crate::net::{Address, Listening};

use super::listeners::Route;
use super::workers::{self, Handle, Order};
use super::{StartError, names};

/// How long a worker may take to close a socket on a reload.
const STOP_LISTENING: Duration = Duration::from_secs(1);

/// A crew at work, or one that finishes what it has begun.
pub struct Crew {
    pub shared: Arc<Shared>,
    workers: Vec<Handle>,
    names: AbortHandle,
    /// When everything that has not ended by itself is ended: `worker_shutdown_timeout`.
    deadline: Option<Instant>,
}

impl Crew {
    pub fn start(shared: Shared, count: usize) -> Result<Crew, StartError> {
        let shared = Arc::new(shared);
        let workers = (0..count).map(|number| workers::start(number, shared.clone()));
        let workers = workers.collect::<Result<_, _>>()?;
        let names = tokio::spawn(names::keep_resolved(shared.clone())).abort_handle();
        Ok(Crew { shared, workers, names, deadline: None })
    }

    pub fn live(&self) -> Arc<Live> {
        self.shared.live.load_full()
    }

    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// Accepts from the sockets of an address, which the workers share out among themselves.
    pub fn accept(
        &self,
        address: &Address,
        sockets: &[Listening],
        route: &Arc<Route>,
    ) -> Result<(), StartError> {
        // Each socket has a worker, and each worker a socket.
        for at in 0..sockets.len().max(self.workers.len()) {
            let socket = &sockets[at % sockets.len()];
            let socket = socket.share().map_err(|error| StartError::Listen { error, place: None })?;
            let worker = &self.workers[at % self.workers.len()];
            order(worker, Order::Accept(address.clone(), socket, route.clone()));
        }
        Ok(())
    }

    /// Takes connections of an address by another route.
    pub fn reroute(&self, address: &Address, route: &Arc<Route>) {
        for worker in &self.workers {
            order(worker, Order::Route(address.clone(), route.clone()));
        }
    }

    /// Serves another configuration from now on.
    pub fn take(&self, live: Arc<Live>) {
        self.shared.live.swap(live).retire();
        for worker in &self.workers {
            order(worker, Order::Settle);
        }
    }

    pub async fn stop_listening(&self, address: &Address) {
        for worker in &self.workers {
            let (done, closed) = oneshot::channel();
            order(worker, Order::Stop(address.clone(), done));
            // A worker that is busy closes it a little later.
            let _ = timeout(STOP_LISTENING, closed).await;
        }
    }

    /// Accepts no more, and lets every connection end by itself, or at `worker_shutdown_timeout`.
    pub fn finish(&mut self) {
        // Nobody may have subscribed any more: then there is nobody to tell.
        self.shared.drain.send_replace(Drain::Quitting);
        let limit = self.live().model.main.shutdown_timeout.as_ref().map(|set| set.value);
        self.deadline = limit.map(|limit| Instant::now() + limit);
    }

    fn end(&mut self) {
        self.deadline = None;
        self.shared.drain.send_replace(Drain::Ending);
    }

    /// Whether all have ended.
    pub fn has_ended(&self) -> bool {
        self.workers.iter().all(|worker| worker.thread.is_finished())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.names.abort();
    }
}

/// Waits for the crew whose time is over next, and ends what is left of it; for ever, if none has a limit.
pub async fn end_in_time(crews: impl Iterator<Item = &mut Crew>) {
    let next = crews.filter_map(|crew| Some((crew.deadline?, crew))).min_by_key(|(deadline, _)| *deadline);
    match next {
        Some((deadline, crew)) => {
            sleep_until(deadline).await;
            crew.end();
        }
        None => std::future::pending().await,
    }
}

fn order(worker: &Handle, order: Order) {
    // A worker that has ended needs none.
    let _ = worker.orders.send(order);
}
