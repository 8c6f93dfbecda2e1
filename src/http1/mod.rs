//! HTTP/1 as nginx reads and writes it: heads, framing, bodies, targets, hosts, status pages.
//!
//! Bytes in, values out: no sockets, no clock, no tasks, no configuration; limits come as plain
//! numbers. A peer is hostile until its head has parsed, so everything here is bounded and a request
//! that could be read in two ways is refused. What differs from nginx on purpose says so beside the code.
//!
//! Start at [`RequestParser`] and [`RequestHead`] for clients, [`parse_response`] for upstreams, and
//! [`BodyDecoder`] for what follows either head. Names of functions in the comments are nginx's.

pub mod basic;
pub mod body;
pub mod connection;
pub mod escape;
pub mod framing;
pub mod headers;
pub mod host;
pub mod known;
pub mod request;
pub mod request_error;
pub mod response;
pub mod status;
pub mod target;

mod field_lines;
mod head_buffers;
mod request_line;

#[cfg(test)]
mod request_tests;

pub use basic::Credentials;
pub use body::{BodyDecoder, BodyError, Decoded, Trailers};
pub use framing::Framing;
pub use headers::{Headers, write_field, write_number};
pub use host::{Host, validate_host};
pub use known::{Known, KnownSet};
pub use request::{HeadLimits, Method, RequestHead, RequestParser, Version};
pub use request_error::RequestError;
pub use response::{ResponseError, ResponseHead, parse_response};
pub use target::Target;
