//! Sockets: addresses as nginx prints them, streams and listeners over TCP and Unix sockets.
//!
//! Knows nothing of HTTP, of configuration, of what is said on a stream. Start at [`Listening`] for
//! coming in, at [`connect`] for going out, at [`Resolver`] for names.

mod address;
mod buffer;
mod errors;
mod forwarded;
mod handover;
mod listener;
mod moment;
mod pipe;
mod proxy_protocol;
mod resolver;
mod stream;

pub use address::{Address, Host};
pub use buffer::{BUFFER_SIZE, borrow_buffer};
pub use errors::{AcceptTrouble, ListenError, accept_trouble, numbered};
pub use forwarded::{forwarded, ip};
pub use handover::{keep_open, take_descriptor, unblock_signals};
pub use listener::{DEFAULT_BACKLOG, ListenOptions, Listener, Listening};
pub use moment::{Moments, milliseconds, now, wall_clock};
pub use pipe::Pipe;
pub use proxy_protocol::{ProxyError, ProxyHeader, ProxyRead, is_tlv_name, read_proxy_header};
pub use resolver::{Answer, LookupError, Place, Resolver, Service, Wanted};
pub use stream::{KeepAlive, Stream, connect};
