//! A JWK Set (RFC 7517, section 5), its keys ready to verify with.

use std::fmt;

use aws_lc_rs::signature::ParsedPublicKey;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;

use super::algorithm::Algorithm;
use super::json::{Fault, Json};
use super::jwk;

/// Longest text of a set that is looked at.
pub const MAX_KEY_SET: usize = 1024 * 1024;

/// Keys of one set that are looked at: a token without `kid` is tried with each of them.
pub const MAX_KEYS: usize = 64;

/// Longest part of a `kid` that is told.
const SHOWN: usize = 64;

/// A JWK Set. What cannot be used is not in it.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    remarks: Vec<String>,
}

/// A key that signatures can be verified with.
#[derive(Debug)]
pub struct Key {
    pub(super) kid: Option<Box<str>>,
    /// The only ones that this key is ever tried with.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) check: Check,
    /// Why nobody should rely on it, where that is so.
    pub(super) doubt: Option<String>,
}

/// Who verifies.
#[derive(Debug)]
pub(super) enum Check {
    Library(DecodingKey),
    /// jsonwebtoken has no ES512.
    P521(ParsedPublicKey),
}

/// Why a text is no JWK Set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySetError {
    TooLong,
    Json(Fault),
    /// A single key, not a set of them.
    OneKey,
    NoKeys,
}

impl KeySet {
    /// Reads the bytes of a JWK Set. Keys that cannot be used (for encryption, of an unknown kind, too short)
    /// are left out, and told by [`KeySet::remarks`].
    pub fn parse(json: &[u8]) -> Result<KeySet, KeySetError> {
        if json.len() > MAX_KEY_SET {
            return Err(KeySetError::TooLong);
        }
        let set = Json::object(json).map_err(KeySetError::Json)?;
        let Some(found) = set.get("keys").and_then(Json::items) else {
            return Err(if set.get("kty").is_some() { KeySetError::OneKey } else { KeySetError::NoKeys });
        };
        let (mut keys, mut remarks) = (Vec::new(), Vec::new());
        for (at, jwk) in found.iter().enumerate().take(MAX_KEYS) {
            match jwk::read(jwk, "verify") {
                Ok(key) => {
                    if let Some(doubt) = &key.doubt {
                        remarks.push(format!("{} is used, but {doubt}", named(at, jwk)));
                    }
                    keys.push(key);
                }
                Err(why) => remarks.push(format!("{} is not used: {why}", named(at, jwk))),
            }
        }
        if found.len() > MAX_KEYS {
            remarks.push(format!("keys behind the {MAX_KEYS}th are not used: there are {}", found.len()));
        }
        Ok(KeySet { keys, remarks })
    }

    /// A sentence for each key that is left out, or should not be relied on: for the log and for `check`.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    pub fn has_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
    }

    pub fn keys(&self) -> &[Key] {
        &self.keys
    }
}

/// `key 2 "2026-01"`, without anything that could break a line of a log.
fn named(at: usize, jwk: &Json) -> String {
    match jwk.get("kid").and_then(Json::text) {
        Some(kid) => {
            let shown: String = kid.chars().take(SHOWN).collect();
            format!("key {} \"{}\"", at + 1, shown.escape_debug())
        }
        None => format!("key {}", at + 1),
    }
}

impl Key {
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Why nobody should rely on it, where that is so.
    pub fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// Whether this key has made the signature of a message. Of an algorithm that is not among the key's, never.
    pub(super) fn has_signed(&self, algorithm: Algorithm, message: &[u8], signature: &Vec<u8>) -> bool {
        if !self.algorithms.contains(&algorithm) {
            return false;
        }
        match (&self.check, algorithm.of_library()) {
            (Check::P521(key), None) => key.verify_sig(message, signature).is_ok(),
            (Check::Library(key), Some(algorithm)) => (DEFAULT_PROVIDER.verifier_factory)(&algorithm, key)
                .is_ok_and(|verifier| verifier.verify(message, signature).is_ok()),
            _ => false,
        }
    }
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySetError::TooLong => write!(f, "it has more than {MAX_KEY_SET} bytes"),
            KeySetError::Json(fault) => write!(f, "it is {fault}"),
            KeySetError::OneKey => {
                f.write_str("it is a single key; a JWK Set is {\"keys\": [ … ]} with the key in it")
            }
            KeySetError::NoKeys => f.write_str("it is no JWK Set: {\"keys\": [ … ]} is expected"),
        }
    }
}

impl std::error::Error for KeySetError {}
