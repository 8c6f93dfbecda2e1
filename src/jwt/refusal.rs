//! Why a token is not accepted, in sentences that may stand in a log: no byte of the token is in them.

use std::fmt;
use std::time::Duration;

use super::json::Fault;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Longer than [`MAX_TOKEN`](super::MAX_TOKEN).
    TooLong,
    /// Not three parts with dots between them.
    NotCompact,
    /// A JWE: five parts.
    Encrypted,
    /// A part that is not base64url without padding, or has bits left over.
    Base64(Part),
    Json(Part, Fault),
    /// No `alg` in the header, or one that is not a string.
    NoAlgorithm,
    /// `alg` is `none`.
    Unsigned,
    /// An `alg` that no key is ever verified with.
    UnknownAlgorithm,
    /// `kid` is not a string.
    KeyId,
    /// The header demands something of whoever reads it that is not known here (`crit`).
    Critical,
    /// The payload is not base64url in the token (`b64`, RFC 7797).
    Detached,
    /// There is no key at all to verify with.
    NoKeys,
    /// No key has the token's `kid`.
    UnknownKey,
    /// Keys that the token may be verified with are for other algorithms. `named`: the token names one.
    OtherAlgorithm {
        named: bool,
    },
    /// No key that the token may be verified with has made its signature. `named`: the token names one.
    BadSignature {
        named: bool,
    },
    /// `exp` or `nbf` is not a number.
    NotATime(&'static str),
    Expired {
        ago: Duration,
    },
    NotYet {
        within: Duration,
    },
}

/// A part of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Header,
    Claims,
    Signature,
}

impl Refusal {
    /// Whether the token may be signed with a key that was made since the keys were read.
    pub fn may_be_a_new_key(&self) -> bool {
        matches!(
            self,
            Refusal::NoKeys
                | Refusal::UnknownKey
                | Refusal::OtherAlgorithm { named: false }
                | Refusal::BadSignature { named: false }
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self {
            Refusal::TooLong => "the token is too long",
            Refusal::NotCompact => "the token is not three parts with dots between them",
            Refusal::Encrypted => "the token is encrypted (JWE); only signed ones are read",
            Refusal::Base64(part) => {
                return write!(f, "the token's {part} is not base64url as RFC 7515 wants it");
            }
            Refusal::Json(part, fault) => return write!(f, "the token's {part} is {fault}"),
            Refusal::NoAlgorithm => "the token's header names no algorithm",
            Refusal::Unsigned => "the token is not signed: its algorithm is none",
            Refusal::UnknownAlgorithm => "the token's algorithm is not known",
            Refusal::KeyId => "the token's kid is not a string",
            Refusal::Critical => "the token's header has a crit with something that is not known",
            Refusal::Detached => "the token's payload is not base64url (b64 of RFC 7797)",
            Refusal::NoKeys => "there is no key to verify the token with",
            Refusal::UnknownKey => "no key has the token's kid and has signed it",
            Refusal::OtherAlgorithm { named: true } => "the token's key is for another algorithm",
            Refusal::OtherAlgorithm { named: false } => "no key is for the token's algorithm",
            Refusal::BadSignature { .. } => "the token's signature is wrong",
            Refusal::NotATime(claim) => return write!(f, "the token's {claim} is not a number"),
            Refusal::Expired { ago } => return write!(f, "the token expired {}s ago", ago.as_secs()),
            Refusal::NotYet { within } => {
                return write!(f, "the token is valid in {}s, not yet", within.as_secs());
            }
        };
        f.write_str(sentence)
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Header => "header",
            Part::Claims => "claims",
            Part::Signature => "signature",
        })
    }
}
