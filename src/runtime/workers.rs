//! Workers: threads with a runtime each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::exchange::{Accepted, Drain, Permit, Shared, Worker, serve, tell};
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
    /// All workers, this one included.
    Crew(Vec<Mate>),
    /// Serves a connection that another worker has accepted.
    Serve(Box<Passed>),
}

/// What workers know of one another.
#[derive(Clone)]
pub struct Mate {
    orders: mpsc::UnboundedSender<Order>,
    /// Its open connections.
    open: Arc<AtomicUsize>,
}

/// A connection on its way to the worker that is to serve it.
pub struct Passed {
    socket: OwnedFd,
    peer: Address,
    bound: Address,
    route: Arc<Route>,
    permit: Permit,
}

/// The controlling thread's hold on a worker.
pub struct Handle {
    pub orders: mpsc::UnboundedSender<Order>,
    pub thread: JoinHandle<()>,
    open: Arc<AtomicUsize>,
}

impl Handle {
    /// What the others are to know of it.
    pub fn mate(&self) -> Mate {
        Mate { orders: self.orders.clone(), open: self.open.clone() }
    }
}

/// Starts a worker.
pub fn start(number: usize, shared: Arc<Shared>) -> Result<Handle, StartError> {
    let (orders, received) = mpsc::unbounded_channel();
    let (started, has_started) = sync_channel(1);
    let thread = std::thread::Builder::new().name(format!("worker {number}"));
    let thread = thread.spawn(move || run(number, shared, received, &started)).map_err(StartError::Thread)?;
    match has_started.recv() {
        Ok(Ok(open)) => Ok(Handle { orders, thread, open }),
        Ok(Err(error)) => Err(StartError::Thread(error)),
        Err(_) => Err(StartError::Thread(io::Error::other("it ended at once"))),
    }
}

/// A worker's thread: a local runtime belongs to the thread that makes it.
fn run(
    number: usize,
    shared: Arc<Shared>,
    orders: mpsc::UnboundedReceiver<Order>,
    started: &SyncSender<io::Result<Arc<AtomicUsize>>>,
) {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    match runtime.and_then(|runtime| Ok((runtime, Worker::new(number, shared)?))) {
        Ok((runtime, (worker, tunnels))) => {
            // Who started us waits for this.
            let _ = started.send(Ok(worker.open.clone()));
            let worker = Rc::new(worker);
            runtime.block_on(async {
                tokio::task::spawn_local(serve_tunnels(worker.clone(), tunnels));
                work(worker, orders).await;
            });
            // A password that is still being checked is nobody's any more.
            runtime.shutdown_background();
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    }
}

async fn serve_tunnels(worker: Rc<Worker>, tunnels: impl Future<Output = io::Result<()>>) {
    if let Err(error) = tunnels.await {
        let message = format_args!("epoll_wait() failed ({})", crate::net::numbered(&error));
        tell(&worker.live().model.error_log, Level::Alert, 0, message);
    }
}

/// The route that holds now; a reload changes it.
type Current = Rc<RefCell<Arc<Route>>>;

/// The sockets a worker accepts from.
struct Accepting {
    worker: Rc<Worker>,
    tasks: HashMap<Address, Place>,
    crew: Rc<RefCell<Vec<Mate>>>,
}

/// All that is accepted from at one address: more than one socket where an older binary had more workers.
struct Place {
    tasks: Vec<AbortHandle>,
    route: Current,
}

async fn work(worker: Rc<Worker>, mut orders: mpsc::UnboundedReceiver<Order>) {
    tokio::task::spawn_local(pass_on_the_end(worker.clone()));
    let mut drain = worker.shared.drain.subscribe();
    let crew = Rc::default();
    let mut accepting = Accepting { worker: worker.clone(), tasks: HashMap::new(), crew };
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => accepting.obey(order).await,
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
        // Others may have passed connections on until now.
        while let Ok(order) = orders.try_recv() {
            if let Order::Serve(passed) = order {
                take_over(&worker, *passed);
            }
        }
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
    async fn obey(&mut self, order: Order) {
        match order {
            Order::Accept(address, listening, route) => self.accept(address, listening, route),
            Order::Crew(crew) => *self.crew.borrow_mut() = crew,
            Order::Serve(passed) => take_over(&self.worker, *passed),
            Order::Route(address, route) => {
                if let Some(place) = self.tasks.get(&address) {
                    *place.route.borrow_mut() = route;
                }
            }
            Order::Settle => self.worker.settle(),
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

    fn accept(&mut self, address: Address, listening: Listening, route: Arc<Route>) {
        let bound = listening.address().clone();
        // With `reuseport` it is the kernel that shares connections out.
        let crew = if listening.can_have_siblings() { Rc::default() } else { self.crew.clone() };
        let listener = match listening.listener() {
            Ok(listener) => listener,
            Err(error) => return trouble(&self.worker, &bound, &error),
        };
        let place = self
            .tasks
            .entry(address)
            .or_insert_with(|| Place { tasks: Vec::new(), route: Rc::new(RefCell::new(route.clone())) });
        *place.route.borrow_mut() = route;
        let entrance = Entrance { worker: self.worker.clone(), bound, route: place.route.clone(), crew };
        place.tasks.push(tokio::task::spawn_local(entrance.accept(listener)).abort_handle());
    }
}

fn trouble(worker: &Worker, address: &Address, error: &io::Error) {
    let live = worker.live();
    let message = format_args!("accept() on {address} failed ({})", crate::net::numbered(error));
    tell(&live.model.error_log, Level::Alert, 0, message);
}

/// One socket that a worker accepts from.
struct Entrance {
    worker: Rc<Worker>,
    bound: Address,
    route: Current,
    /// Among whom connections are shared out; empty where they are not.
    crew: Rc<RefCell<Vec<Mate>>>,
}

impl Entrance {
    async fn accept(self, listener: Listener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.came(stream, peer),
                Err(error) => match accept_trouble(&error) {
                    AcceptTrouble::ThisConnection => {}
                    AcceptTrouble::Exhausted => {
                        trouble(&self.worker, &self.bound, &error);
                        tokio::time::sleep(EXHAUSTED_PAUSE).await;
                    }
                    AcceptTrouble::Listener => return trouble(&self.worker, &self.bound, &error),
                },
            }
        }
    }

    /// Has a connection served by the worker with the fewest.
    fn came(&self, stream: Stream, peer: Address) {
        let (worker, bound, route) = (&self.worker, &self.bound, self.route.borrow().clone());
        let crew = self.crew.borrow();
        let Some(mate) = less_busy(worker.open.load(Ordering::Relaxed), &crew) else {
            return begin(worker, stream, peer, bound, &route, Permit::new(&worker.open));
        };
        let permit = Permit::new(&mate.open);
        let socket = match stream.into_fd() {
            Ok(socket) => socket,
            Err(error) => return trouble(worker, bound, &error),
        };
        let passed = Box::new(Passed { socket, peer, bound: bound.clone(), route, permit });
        if let Err(mpsc::error::SendError(Order::Serve(passed))) = mate.orders.send(Order::Serve(passed)) {
            // It has ended.
            take_over(worker, Passed { permit: Permit::new(&worker.open), ..*passed });
        }
    }
}

/// The worker with the fewest connections, if it has so many fewer than `own` that it is worth passing one
/// on: an eighth.
fn less_busy(own: usize, crew: &[Mate]) -> Option<&Mate> {
    let open = |mate: &Mate| mate.open.load(Ordering::Relaxed);
    let (least, mate) = crew.iter().map(|mate| (open(mate), mate)).min_by_key(|(open, _)| *open)?;
    (own > least + least / 8).then_some(mate)
}

fn take_over(worker: &Rc<Worker>, passed: Passed) {
    let Passed { socket, peer, bound, route, permit } = passed;
    match Stream::from_fd(socket) {
        Ok(stream) => begin(worker, stream, peer, &bound, &route, permit),
        Err(error) => trouble(worker, &bound, &error),
    }
}

fn begin(worker: &Rc<Worker>, stream: Stream, peer: Address, bound: &Address, route: &Route, permit: Permit) {
    let live = worker.live();
    let most = live.model.main.worker_connections;
    if worker.open.load(Ordering::Relaxed) > most {
        let message = format_args!("{most} worker_connections are not enough");
        return tell(&live.model.error_log, Level::Alert, 0, message);
    }
    let any = bound.ip().is_some_and(|address| address.ip().is_unspecified());
    let local = match any || route.needs_local() {
        true => stream.local_address().unwrap_or_else(|_| bound.clone()),
        false => bound.clone(),
    };
    let listener = route.find(&local).clone();
    tokio::task::spawn_local(serve(worker.clone(), Accepted { stream, peer, local, listener, permit }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crew(open: &[usize]) -> Vec<Mate> {
        let mate = |open: &usize| Mate {
            orders: mpsc::unbounded_channel().0,
            open: Arc::new(AtomicUsize::new(*open)),
        };
        open.iter().map(mate).collect()
    }

    #[test]
    fn a_connection_goes_to_the_least_busy_where_that_is_worth_it() {
        let goes_to = |open: &[usize]| {
            let crew = crew(open);
            less_busy(open[0], &crew).map(|mate| mate.open.load(Ordering::Relaxed))
        };
        assert_eq!(goes_to(&[0, 0]), None);
        assert_eq!(goes_to(&[1, 0]), Some(0));
        assert_eq!(goes_to(&[3, 2, 1]), Some(1));
        assert_eq!(goes_to(&[2, 3, 4]), None);
        // Among many a few more or less are not worth it.
        assert_eq!(goes_to(&[108, 100]), None);
        assert_eq!(goes_to(&[113, 100]), Some(100));
    }
}
