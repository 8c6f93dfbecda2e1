//! Workers that begin together and end together.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::exchange::{Drain, Live, Shared};
use crate::net::{Address, Listening};

use super::health::Checks;
use super::listeners::Route;
use super::workers::{self, Handle, Order};
use super::{StartError, keys, names};

/// How long a worker may take to close a socket on a reload.
const STOP_LISTENING: Duration = Duration::from_secs(1);

/// How many workers accept from a socket that all share: where one is busy for a moment, the other is not.
const ACCEPTORS: usize = 2;

/// A crew at work, or one that finishes what it has begun.
pub struct Crew {
    pub shared: Arc<Shared>,
    workers: Vec<Handle>,
    /// The worker that accepts from the next socket.
    next: Cell<usize>,
    names: AbortHandle,
    keys: AbortHandle,
    /// None once it finishes what it has begun.
    checks: RefCell<Option<Checks>>,
    /// When everything that has not ended by itself is ended: `worker_shutdown_timeout`.
    deadline: Option<Instant>,
}

impl Crew {
    pub fn start(shared: Shared, count: usize) -> Result<Crew, StartError> {
        let shared = Arc::new(shared);
        let workers = (0..count).map(|number| workers::start(number, shared.clone()));
        let workers: Vec<Handle> = workers.collect::<Result<_, _>>()?;
        let mates: Vec<_> = workers.iter().map(Handle::mate).collect();
        for worker in &workers {
            order(worker, Order::Crew(mates.clone()));
        }
        let names = tokio::spawn(names::keep_resolved(shared.clone())).abort_handle();
        let keys = tokio::spawn(keys::keep_fetched(shared.clone())).abort_handle();
        let checks = RefCell::new(Some(Checks::begin(&shared.live.load())));
        Ok(Crew { shared, workers, next: Cell::default(), names, keys, checks, deadline: None })
    }

    pub fn live(&self) -> Arc<Live> {
        self.shared.live.load_full()
    }

    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// Accepts from the sockets of an address. Of several, each worker has its own; from one that all share
    /// only some workers accept and pass connections on, since each wakes up for each connection.
    pub fn accept(
        &self,
        address: &Address,
        sockets: &[Listening],
        route: &Arc<Route>,
    ) -> Result<(), StartError> {
        let (first, count) = match sockets.len() {
            1 => (self.next.get(), ACCEPTORS.min(self.workers.len())),
            count => (0, count),
        };
        self.next.set(first + count);
        for at in 0..count {
            let socket = &sockets[at % sockets.len()];
            let socket = socket.share().map_err(|error| StartError::Listen { error, place: None })?;
            let worker = &self.workers[(first + at) % self.workers.len()];
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
        if let Some(checks) = &mut *self.checks.borrow_mut() {
            *checks = Checks::begin(&live);
        }
        self.shared.live.swap(live).retire();
        self.shared.names.notify_one();
        self.shared.keys.notify_one();
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
        self.checks.take();
        // Nobody may have subscribed any more: then there is nobody to tell.
        self.shared.drain.send_replace(Drain::Quitting);
        let limit = self.live().model.main.shutdown_timeout.as_ref().map(|set| set.value);
        self.deadline = limit.map(|limit| Instant::now() + limit);
    }

    /// Ends everything that has not ended by itself.
    pub fn end(&mut self) {
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
        self.keys.abort();
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
