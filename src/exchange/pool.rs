//! A worker's idle connections to upstreams (`ngx_http_upstream_keepalive_module`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use crate::model::LocationId;
use crate::net::{Address, Stream, now};
use crate::upstream::{Group, Keepalive};

use super::life::Exchange;

/// Idle connections, the one used last in front.
#[derive(Default)]
pub struct Pool {
    idle: RefCell<VecDeque<Idle>>,
}

struct Idle {
    group: Arc<Group>,
    address: Address,
    user: User,
    connection: Connection,
    since: Instant,
}

/// Who uses a connection: a location of a configuration. With `keepalive … local` nobody else gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    pub generation: u64,
    pub location: LocationId,
}

/// A connection to a peer.
pub struct Connection {
    pub stream: Stream,
    pub requests: u64,
    pub opened: Instant,
}

impl Exchange<'_> {
    /// Who this is among those that use kept connections.
    pub fn pool_user(&self) -> User {
        User { generation: self.live.generation, location: self.location }
    }
}

impl Connection {
    pub fn new(stream: Stream) -> Connection {
        Connection { stream, requests: 0, opened: now() }
    }
}

impl Pool {
    /// A connection to a peer of this group that is still open.
    pub fn take(&self, group: &Arc<Group>, address: &Address, user: User) -> Option<Connection> {
        let keepalive = &group.spec.keepalive;
        let now = now();
        let mut idle = self.idle.borrow_mut();
        loop {
            let same = |kept: &Idle| {
                Arc::ptr_eq(&kept.group, group)
                    && kept.address == *address
                    && (!keepalive.local || kept.user == user)
            };
            let at = idle.iter().position(same)?;
            let found = idle.remove(at)?;
            if now.duration_since(found.since) < keepalive.timeout && is_quiet(&found.connection.stream) {
                return Some(found.connection);
            }
        }
    }

    /// Keeps a connection whose last exchange ended cleanly, if its group wants that.
    pub fn keep(&self, group: Arc<Group>, address: Address, user: User, connection: Connection) {
        let Keepalive { connections, requests, time, .. } = group.spec.keepalive;
        let now = now();
        let age = now.duration_since(connection.opened);
        if connections == 0 || connection.requests >= requests || age > time {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let of_group = |kept: &Idle| Arc::ptr_eq(&kept.group, &group);
        if idle.len() >= connections
            && idle.iter().filter(|kept| of_group(kept)).count() >= connections
            && let Some(oldest) = idle.iter().rposition(of_group)
        {
            idle.remove(oldest);
        }
        idle.push_front(Idle { group, address, user, connection, since: now });
    }

    /// Closes what has idled for too long, was closed by its peer, or belongs to a group that only
    /// this pool still knows.
    pub fn sweep(&self) {
        self.idle.borrow_mut().retain(|kept| {
            kept.since.elapsed() < kept.group.spec.keepalive.timeout
                && Arc::strong_count(&kept.group) > 1
                && is_quiet(&kept.connection.stream)
        });
    }
}

/// Nothing came since the last exchange: not the end, an error, or bytes nobody asked for.
pub fn is_quiet(stream: &Stream) -> bool {
    let mut byte = [0];
    matches!(stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
