//! One worker's own things, and what all workers share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use crate::features::resolver::NameServers;
use crate::passwords::Passwords;
use crate::request::Request;
use crate::tunnel::{Drained, Ending, Tunnels};
use crate::upstream::{Group, GroupSpec};

use super::Live;
use super::pool::Pool;
use super::route::Recorder;
use super::upgrade::Joined;

/// How many requests, and how many buffers, a worker keeps for the next that comes.
const SPARE: usize = 64;

/// A buffer that grew beyond this many bytes is not kept.
const SPARE_BUFFER_SIZE: usize = 64 * 1024;

/// What all workers share.
pub struct Shared {
    pub live: ArcSwap<Live>,
    connections: AtomicU64,
    /// Every worker's view of whether the process is ending.
    pub drain: watch::Sender<Drain>,
    /// Wakes whoever keeps names resolved: one may be due.
    pub names: Notify,
    /// Wakes whoever keeps keys fetched: somebody waits for some.
    pub keys: Notify,
    /// Files of users, and who has lately shown a password.
    pub passwords: Arc<Passwords>,
}

/// How the process goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Drain {
    #[default]
    Serving,
    /// Idle connections end, the others when they are done.
    Quitting,
    /// Everything ends: `worker_shutdown_timeout` is over.
    Ending,
}

impl Shared {
    pub fn new(live: Live) -> Shared {
        let (drain, _) = watch::channel(Drain::default());
        let connections = AtomicU64::new(0);
        let (live, passwords) = (ArcSwap::from_pointee(live), Arc::default());
        Shared { live, connections, drain, names: Notify::new(), keys: Notify::new(), passwords }
    }

    /// What workers share that take the place of others: the same configuration, which is not ending.
    pub fn again(&self) -> Shared {
        let (drain, _) = watch::channel(Drain::default());
        let connections = AtomicU64::new(self.connections.load(Ordering::Relaxed));
        let (live, passwords) = (ArcSwap::new(self.live.load_full()), self.passwords.clone());
        Shared { live, connections, drain, names: Notify::new(), keys: Notify::new(), passwords }
    }

    /// The number of a new connection: `$connection`.
    pub fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// One worker thread's things.
pub struct Worker {
    pub shared: Arc<Shared>,
    pub pool: Pool,
    pub tunnels: Tunnels<Joined>,
    /// Begins when what idles has to end: [`Drain::Quitting`].
    pub quitting: Rc<Ending>,
    /// Begins when everything has to end: [`Drain::Ending`].
    pub ending: Rc<Ending>,
    /// Connections and tunnels that are open here.
    pub open: Arc<AtomicUsize>,
    /// Where a request's course is written down: only for `wsproxy route`.
    pub recorder: Option<Recorder>,
    /// Groups made for addresses that requests have named.
    pub computed: RefCell<ComputedGroups>,
    // Boxed, since they are large and handed around.
    #[expect(clippy::vec_box)]
    requests: RefCell<Vec<Box<Request>>>,
    buffers: RefCell<Vec<Vec<u8>>>,
}

impl Worker {
    /// A worker of this thread, and what serves its tunnels.
    ///
    /// # Errors
    /// What the system says when it has no descriptor or no thread left for the tunnels.
    pub fn new(
        number: usize,
        shared: Arc<Shared>,
    ) -> io::Result<(Worker, impl Future<Output = io::Result<()>> + use<>)> {
        let (tunnels, served) = Tunnels::here(format!("tunnels {number}"))?;
        let worker = Worker {
            shared,
            tunnels,
            pool: Pool::default(),
            quitting: Rc::default(),
            ending: Rc::default(),
            open: Arc::default(),
            recorder: None,
            computed: RefCell::default(),
            requests: RefCell::default(),
            buffers: RefCell::default(),
        };
        Ok((worker, served))
    }

    /// Has all tunnels end: everything does.
    pub fn leave_tunnels(&self) {
        self.tunnels.leave(|_| Some((Duration::ZERO, Drained::Stopping)));
    }

    pub fn live(&self) -> Arc<Live> {
        self.shared.live.load_full()
    }

    /// A request to be filled in.
    pub fn request(&self, live: &Live) -> Box<Request> {
        let variables = &live.model.http.variables;
        match self.requests.borrow_mut().pop() {
            Some(mut request) => {
                request.reset(variables);
                request
            }
            None => Box::new(Request::new(variables.clone())),
        }
    }

    pub fn give_back(&self, mut request: Box<Request>) {
        request.limited.forget();
        let mut requests = self.requests.borrow_mut();
        if requests.len() < SPARE {
            requests.push(request);
        }
    }

    /// An empty buffer.
    pub fn buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_default()
    }

    pub fn give_back_buffer(&self, mut buffer: Vec<u8>) {
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < SPARE && buffer.capacity() <= SPARE_BUFFER_SIZE {
            buffer.clear();
            buffers.push(buffer);
        }
    }
}

/// How many addresses that came out of variables a worker remembers.
const COMPUTED_GROUPS: usize = 1024;

/// Groups for addresses that a configuration does not name.
#[derive(Default)]
pub struct ComputedGroups {
    groups: HashMap<Computed, Arc<Group>>,
}

/// An address that a request has named.
#[derive(PartialEq, Eq, Hash)]
pub struct Computed {
    pub host: Box<str>,
    pub port: Option<u16>,
    /// Who is asked for its name; `None` is the system.
    pub servers: Option<Arc<NameServers>>,
}

impl ComputedGroups {
    /// The group of an address; where there are too many all are forgotten.
    pub fn find(&mut self, address: Computed, make: impl FnOnce(&Computed) -> GroupSpec) -> Arc<Group> {
        if let Some(group) = self.groups.get(&address) {
            return group.clone();
        }
        if self.groups.len() >= COMPUTED_GROUPS {
            self.groups.clear();
        }
        let group = Arc::new(Group::new(make(&address)));
        self.groups.insert(address, group.clone());
        group
    }
}

/// Counts an open connection for as long as it lives.
pub struct Permit(Arc<AtomicUsize>);

impl Permit {
    /// Counted among the open connections of a worker.
    pub fn new(open: &Arc<AtomicUsize>) -> Permit {
        open.fetch_add(1, Ordering::Relaxed);
        Permit(open.clone())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
