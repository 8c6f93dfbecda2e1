//! What a configuration means: resolved, immutable, without locks, sockets or clocks.
//!
//! Start at [`read`]: Tree in, [`Model`] and everything there is to say about it out.

mod build;
mod finish;
mod hosts;
mod listeners;
mod locations;
mod mark;
mod walk;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::features::health::HealthCheck;
use crate::features::location::Methods;
use crate::features::rewrite::Line;
use crate::features::upstream::Upstream;
use crate::features::zones::Keyed;
use crate::features::{Settings, core, error_log, limit_req, proxy, tokens};
use crate::request::Variables;
use crate::source::{Place, Span};

pub use build::read;
pub use hosts::{Hosts, Matched};
pub use listeners::Listener;
pub use locations::{Found, Kind, Locations, Seen};
pub use mark::Mark;

/// A configuration.
#[derive(Debug)]
pub struct Model {
    pub main: core::Settings,
    pub error_log: error_log::Settings,
    /// Servers to run; empty without an `http` block.
    pub http: Http,
}

/// Names a server of an [`Http`].
pub type ServerId = usize;

/// Names a location of an [`Http`].
pub type LocationId = usize;

/// The `http` block.
#[derive(Debug, Default)]
pub struct Http {
    pub listeners: Vec<Listener>,
    pub servers: Vec<Server>,
    pub locations: Vec<Location>,
    pub variables: Arc<Variables>,
    pub groups: Vec<Upstream>,
    /// The zones that limits count in, by their numbers.
    pub limit_conn: Vec<Keyed>,
    pub limit_req: Vec<limit_req::Zone>,
    /// Whatever is a token in any location: for requests of which it is not known where they go.
    pub tokens: tokens::Settings,
    /// Access logs in use, so that they can be opened before anything is served.
    pub settings: Arc<Settings>,
}

/// A `server`.
#[derive(Debug)]
pub struct Server {
    /// The first `server_name`: `$server_name`.
    pub name: Arc<[u8]>,
    pub settings: Arc<Settings>,
    pub script: Arc<[Line]>,
    /// What holds where no location does.
    pub root: LocationId,
    pub locations: Locations,
    /// All that were made for it, those inside of others too.
    pub own: Range<LocationId>,
    /// By name with its `@`.
    pub named: HashMap<Box<[u8]>, LocationId>,
    pub place: Place,
    /// Its `server`.
    pub span: Span,
}

/// A `location`, an `if`, a `limit_except`, or what holds in a server outside of them.
#[derive(Debug)]
pub struct Location {
    pub kind: Kind,
    /// As nginx names it in messages and counts its length: without the modifier.
    pub name: Arc<[u8]>,
    /// How many bytes at the start of a URI it stands for: none where it has no name, or a pattern. An `if` stands
    /// for what the block around it does.
    pub prefix: usize,
    pub settings: Arc<Settings>,
    pub script: Arc<[Line]>,
    pub content: Content,
    pub internal: bool,
    /// How the group of its `proxy_pass` is checked; only where `content` passes to a fixed one.
    pub health: Option<HealthCheck>,
    /// Its `limit_except`.
    pub except: Option<Except>,
    pub locations: Locations,
    pub place: Place,
    /// The directive without its block.
    pub span: Span,
    /// What it is known by to other configurations.
    pub mark: Mark,
}

/// What takes a location's place for methods that are not among these.
#[derive(Clone, Copy, Debug)]
pub struct Except {
    pub methods: Methods,
    pub location: LocationId,
}

/// Who answers in a location.
#[derive(Clone, Debug)]
pub enum Content {
    /// A file under `root` or `alias`.
    Files,
    Pass(Arc<proxy::Pass>),
    /// `websocket_echo`.
    Echo,
}

impl Http {
    pub fn server(&self, id: ServerId) -> &Server {
        &self.servers[id]
    }

    pub fn location(&self, id: LocationId) -> &Location {
        &self.locations[id]
    }
}
