//! `upstream` and its `server` lines: groups of peers, and what was asked of them.

mod declared;
mod methods;
mod server;
pub mod sticky;
mod variables;

use crate::directive::Context;
use crate::request::Template;
use crate::upstream::{GroupSpec, Keepalive, Method, ServerSpec};

use super::{Feature, Row, resolver};

pub use declared::{Declared, define, implicit, refer};
pub use server::{host_and_port, known};
pub use variables::{PREFIXES, VARIABLES};

pub static FEATURE: Feature<Written> =
    Feature { name: "upstream", contexts: Context::UPSTREAM, rows: ROWS, at: |w| &mut w.upstream };

const ROWS: &[Row<Written>] = &[
    methods::HASH,
    methods::IP_HASH,
    Row {
        name: "keepalive",
        doc: "How many idle connections to the group a worker keeps; 0 keeps none. With local, each only for the \
              location that opened it.",
        set: |w, call| {
            w.keepalive.connections = call.number(0) as usize;
            w.keepalive.local = call.args().len() > 1;
        },
    },
    Row {
        name: "keepalive_requests",
        doc: "How many requests a connection to a peer carries.",
        set: |w, call| w.keepalive.requests = call.number(0),
    },
    Row {
        name: "keepalive_time",
        doc: "How long a connection to a peer is used.",
        set: |w, call| w.keepalive.time = call.time(0),
    },
    Row {
        name: "keepalive_timeout",
        doc: "How long a connection to a peer may idle.",
        set: |w, call| w.keepalive.timeout = call.time(0),
    },
    methods::LEAST_CONN,
    methods::LEAST_TIME,
    methods::RANDOM,
    Row { name: "server", doc: "A peer: its address and how it is to be treated.", set: server::set },
    Row {
        name: "sticky",
        doc: "Sends a client's requests to the server it was sent to before.",
        set: sticky::set,
    },
    Row {
        name: "zone",
        doc: "Shares a group's state between workers, which ours do anyway.",
        set: |_, _| {},
    },
];

/// What an `upstream` block says.
#[derive(Default)]
pub struct Written {
    pub servers: Vec<ServerSpec>,
    pub keepalive: Keepalive,
    pub method: Method,
    /// The key of `hash`.
    pub key: Option<Template>,
    pub sticky: Option<sticky::Sticky>,
    /// A method behind `sticky` takes its place.
    sticky_is_lost: bool,
}

impl Written {
    /// Has a method choose. As in nginx, which warns of it, a `sticky` before it is lost.
    fn balance(&mut self, method: Method) {
        self.method = method;
        self.sticky_is_lost |= self.sticky.is_some();
    }
}

/// What an `upstream` block means, or an address that stands for one: the group, and what a request has to
/// bring for its choice of a peer.
#[derive(Debug)]
pub struct Upstream {
    pub spec: GroupSpec,
    /// The key of `hash`.
    pub key: Option<Template>,
    /// What `sticky` says.
    pub sticky: Option<sticky::Sticky>,
    /// Who is asked for the names of its servers with `resolve`.
    pub resolver: resolver::Settings,
}
