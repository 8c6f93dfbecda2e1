//! Workers: threads with a runtime each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::exchange::{Accepted, Drain, Shared, Worker, serve, tell};
use crate::features::error_log::Level;
use crate::net::{AcceptTrouble, Address, Listener, Listening, Stream, accept_trouble};

use super::StartError;
use super::listeners::Route;

/// How long a worker waits when no descriptors are left: nginx's `accept_mutex_delay`.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(500);

/// How often idle connections to upstreams are looked at.
const SWEEP: Duration = Duration::from_secs(5);

/// How often a draining worker looks whether it is done.
const DRAIN_CHECK: Duration = Duration::from_millis(20);

/// What a worker is told. There are as many orders as a configuration has sockets.
pub enum Order {
    /// Accepts from one more socket of an address; or, with the same address, by another route.
    Accept(Address, Listening, Arc<Route>),
    Route(Address, Arc<Route>),
    /// Another configuration holds: tunnels of earlier ones go on, or are told when to end.
    Settle,
    /// Stops accepting there, and says so when the socket is closed.
    Stop(Address, oneshot::Sender<()>),
}

/// The controlling thread's hold on a worker.
pub struct Handle {
    pub orders: mpsc::UnboundedSender<Order>,
    pub thread: JoinHandle<()>,
}

/// Starts a worker.
pub fn start(number: usize, shared: Arc<Shared>) -> Result<Handle, StartError> {
    let (orders, received) = mpsc::unbounded_channel();
    let (started, has_started) = sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("worker {number}"));
    let thread = thread.spawn(move || run(number, shared, received, &started)).map_err(StartError::Thread)?;
    match has_started.recv() {
        Ok(Ok(())) => Ok(Handle { orders, thread }),
        Ok(Err(error)) => Err(StartError::Thread(error)),
        Err(_) => Err(StartError::Thread(io::Error::other("it ended at once"))),
    }
}

/// A worker's thread: a local runtime belongs to the thread that makes it.
fn run(
    number: usize,
    shared: Arc<Shared>,
    orders: mpsc::UnboundedReceiver<Order>,
    started: &SyncSender<io::Result<()>>,
) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    match runtime.and_then(|runtime| Ok((runtime, Worker::new(number, shared)?))) {
        Ok((runtime, worker)) => {
            // Who started us waits for this.
            let _ = started.send(Ok(()));
            runtime.block_on(work(Rc::new(worker), orders));
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    }
}

/// The route that holds now; a reload changes it.
type Current = Rc<RefCell<Arc<Route>>>;

/// The sockets a worker accepts from.
#[derive(Default)]
struct Accepting {
    tasks: HashMap<Address, Place>,
}

/// All that is accepted from at one address: more than one socket where an older binary had more workers.
struct Place {
    tasks: Vec<AbortHandle>,
    route: Current,
}

async fn work(worker: Rc<Worker>, mut orders: mpsc::UnboundedReceiver<Order>) {
    tokio::task::spawn_local(pass_on_the_end(worker.clone()));
    let mut drain = worker.shared.drain.subscribe();
    let mut accepting = Accepting::default();
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => accepting.obey(&worker, order).await,
                None => break,
            },
            _ = drain.wait_for(|drain| *drain > Drain::Serving) => break,
            _ = sweep.tick() => worker.pool.sweep(),
        }
    }
    for task in accepting.tasks.values().flat_map(|place| &place.tasks) {
        task.abort();
    }
    worker.drain_tunnels();
    while worker.open.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(DRAIN_CHECK).await;
    }
}

async fn pass_on_the_end(worker: Rc<Worker>) {
    let mut drain = worker.shared.drain.subscribe();
    if drain.wait_for(|drain| *drain > Drain::Serving).await.is_ok() {
        worker.quitting.begin();
    }
    if drain.wait_for(|drain| *drain == Drain::Ending).await.is_ok() {
        worker.ending.begin();
        worker.leave_tunnels();
    }
}

impl Accepting {
    async fn obey(&mut self, worker: &Rc<Worker>, order: Order) {
        match order {
            Order::Accept(address, listening, route) => self.accept(worker, address, listening, route),
            Order::Route(address, route) => {
                if let Some(place) = self.tasks.get(&address) {
                    *place.route.borrow_mut() = route;
                }
            }
            Order::Settle => worker.settle(),
            Order::Stop(address, done) => {
                for task in self.tasks.remove(&address).map(|place| place.tasks).unwrap_or_default() {
                    task.abort();
                    // An aborted task is gone, and its socket closed, when others have had their turn.
                    while !task.is_finished() {
                        tokio::task::yield_now().await;
                    }
                }
                // Whoever waits for it may have given up.
                let _ = done.send(());
            }
        }
    }

    fn accept(&mut self, worker: &Rc<Worker>, address: Address, listening: Listening, route: Arc<Route>) {
        let bound = listening.address().clone();
        let listener = match listening.listener() {
            Ok(listener) => listener,
            Err(error) => return trouble(worker, &bound, &error),
        };
        let place = self
            .tasks
            .entry(address)
            .or_insert_with(|| Place { tasks: Vec::new(), route: Rc::new(RefCell::new(route.clone())) });
        *place.route.borrow_mut() = route;
        let task = accept(worker.clone(), listener, bound, place.route.clone());
        place.tasks.push(tokio::task::spawn_local(task).abort_handle());
    }
}

fn trouble(worker: &Worker, address: &Address, error: &io::Error) {
    let live = worker.live();
    let message = format_args!("accept() on {address} failed ({})", crate::net::numbered(error));
    tell(&live.model.error_log, Level::Alert, 0, message);
}

async fn accept(worker: Rc<Worker>, listener: Listener, bound: Address, route: Current) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => begin(&worker, stream, peer, &bound, &route.borrow().clone()),
            Err(error) => match accept_trouble(&error) {
                AcceptTrouble::ThisConnection => {}
                AcceptTrouble::Exhausted => {
                    trouble(&worker, &bound, &error);
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
                AcceptTrouble::Listener => return trouble(&worker, &bound, &error),
            },
        }
    }
}

fn begin(worker: &Rc<Worker>, stream: Stream, peer: Address, bound: &Address, route: &Route) {
    let live = worker.live();
    let most = live.model.main.worker_connections;
    if worker.open.load(Ordering::Relaxed) >= most {
        let message = format_args!("{most} worker_connections are not enough");
        return tell(&live.model.error_log, Level::Alert, 0, message);
    }
    let any = bound.ip().is_some_and(|address| address.ip().is_unspecified());
    let local = match any || route.needs_local() {
        true => stream.local_address().unwrap_or_else(|_| bound.clone()),
        false => bound.clone(),
    };
    let listener = route.find(&local).clone();
    // Small writes go out at once; a socket that cannot be told so works all the same.
    let _ = stream.set_nodelay();
    tokio::task::spawn_local(serve(worker.clone(), Accepted { stream, peer, local, listener }));
}
