//! RFC 6455 as pure functions: what asks for a WebSocket, what grants one, and what frames look like.
//!
//! Knows nothing of sockets, of buffers, of who speaks. [`handshake::wish`] is the one place that decides
//! that a request is a WebSocket's; [`frame::Scanner`] follows frames through bytes that come in any
//! portions.

pub mod close;
pub mod frame;
pub mod handshake;
pub mod offered;
