//! Who has lately shown the right password, so that a page of a hundred pictures costs one slow check and not a hundred.
//!
//! No password is kept: what is kept is a digest that means nothing without a key that dies with the process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// How long a success is remembered.
pub const REMEMBERED: Duration = Duration::from_secs(60);

/// How many successes are.
const MOST: usize = 4096;

/// A user, a hash and a password, in one.
pub type Trace = [u8; 32];

pub struct Memory {
    /// `None` where the system has no randomness: nothing is remembered then.
    key: Option<[u8; 32]>,
    known: Mutex<HashMap<Trace, Instant>>,
}

impl Default for Memory {
    fn default() -> Memory {
        let mut key = [0; 32];
        let key = getrandom::fill(&mut key).is_ok().then_some(key);
        Memory { key, known: Mutex::default() }
    }
}

impl Memory {
    /// The hash belongs to it: a password that was changed makes another trace.
    pub fn trace(&self, user: &[u8], hash: &[u8], password: &[u8]) -> Option<Trace> {
        let mut digest = Sha256::new().chain_update(self.key?);
        for part in [user, hash, password] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        Some(digest.finalize().into())
    }

    pub fn knows(&self, trace: &Trace, now: Instant) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(trace).is_some_and(|since| now.saturating_duration_since(*since) < REMEMBERED)
    }

    pub fn remember(&self, trace: Trace, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, since| now.saturating_duration_since(*since) < REMEMBERED);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(trace, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_remembered_for_a_while_and_only_as_it_was() {
        let memory = Memory::default();
        let now = Instant::now();
        let trace = memory.trace(b"ann", b"hash", b"secret").expect("randomness");
        assert!(!memory.knows(&trace, now));
        memory.remember(trace, now);
        assert!(memory.knows(&trace, now + REMEMBERED / 2) && !memory.knows(&trace, now + REMEMBERED));
        for (user, hash, password) in
            [("ann", "hash", "secre"), ("ann", "hashs", "ecret"), ("an", "nhash", "secret")]
        {
            let other =
                memory.trace(user.as_bytes(), hash.as_bytes(), password.as_bytes()).expect("randomness");
            assert!(!memory.knows(&other, now), "{user} {hash} {password}");
        }
        let elsewhere = Memory::default().trace(b"ann", b"hash", b"secret").expect("randomness");
        assert_ne!(trace, elsewhere);
    }

    #[test]
    fn not_more_than_so_many_are_remembered() {
        let memory = Memory::default();
        let now = Instant::now();
        for at in 0..MOST as u64 + 10 {
            let mut trace = [0; 32];
            trace[..8].copy_from_slice(&at.to_le_bytes());
            memory.remember(trace, now);
        }
        assert!(memory.known.lock().expect("not poisoned").len() <= MOST);
    }
}
