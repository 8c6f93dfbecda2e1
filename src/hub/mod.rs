//! Where wsproxy itself is the endpoint of a WebSocket.
//!
//! Knows nothing of handshakes: whoever calls has answered `101` already. This is the one door to
//! tungstenite; a tunnel speaks no WebSocket at all. Start at [`echo`].

mod echo;

pub use echo::{EchoLimits, Echoed, MAX_MESSAGE, Why, echo};
