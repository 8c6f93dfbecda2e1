//! Signed tokens: JWS (RFC 7515) that carry claims (RFC 7519), and the keys (RFC 7517) they are verified with.
//!
//! Knows nothing of requests, files or clocks: whoever calls has the token, the keys and the time. The key
//! decides which algorithms are allowed, never the token. This is the door to jsonwebtoken, and to AWS-LC
//! for what that lacks. Start at [`verify()`].

mod algorithm;
mod claims;
mod json;
mod jwk;
mod keys;
mod refusal;
pub mod signing;
mod verify;

#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, Curve};
pub use claims::{Token, time};
pub use json::{Fault, Json};
pub use keys::{Key, KeySet, KeySetError, MAX_KEY_SET, MAX_KEYS};
pub use refusal::{Part, Refusal};
pub use verify::{Rules, Unverified, peek, times, verify};

/// Longest token that is looked at.
pub const MAX_TOKEN: usize = 16 * 1024;
