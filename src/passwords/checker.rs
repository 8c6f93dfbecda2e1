//! Checks passwords: quick forms at once, slow ones on other threads, so many at a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::hash::Hash;
use super::memory::Memory;

/// How many may wait for a slow check. Who comes then is told to come back.
pub const WAITING: usize = 64;

/// Why there is no saying whether a password is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotChecked {
    /// So many wait already.
    Busy { waiting: usize },
    /// The check did not end as checks do.
    Failed,
}

impl fmt::Display for NotChecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotChecked::Busy { waiting } => write!(f, "{waiting} others wait for theirs to be checked"),
            NotChecked::Failed => f.write_str("the check failed"),
        }
    }
}

pub struct Checker {
    at_once: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    memory: Memory,
}

impl Checker {
    pub fn new(at_once: usize, most_waiting: usize) -> Checker {
        let at_once = Arc::new(Semaphore::new(at_once));
        Checker { at_once, waiting: AtomicUsize::new(0), most_waiting, memory: Memory::default() }
    }

    /// Whether a hash is a password's. Only where the user is one, a success is remembered.
    pub async fn check(
        &self,
        hash: &Hash,
        user: &[u8],
        password: &[u8],
        now: Instant,
        remember: bool,
    ) -> Result<bool, NotChecked> {
        if !hash.form.is_slow() {
            return Ok(hash.is_of(password));
        }
        let trace = if remember { self.memory.trace(user, hash.text(), password) } else { None };
        if trace.is_some_and(|trace| self.memory.knows(&trace, now)) {
            return Ok(true);
        }
        let right = self.check_slowly(hash.clone(), password.to_vec()).await?;
        if let Some(trace) = trace.filter(|_| right) {
            self.memory.remember(trace, now);
        }
        Ok(right)
    }

    async fn check_slowly(&self, hash: Hash, password: Vec<u8>) -> Result<bool, NotChecked> {
        let permit = {
            let _waits = Waits::new(&self.waiting, self.most_waiting)?;
            self.at_once.clone().acquire_owned().await.map_err(|_| NotChecked::Failed)?
        };
        // Who gives up waiting does not end a check that has begun: the permit goes with it.
        let check = tokio::task::spawn_blocking(move || {
            let right = hash.is_of(&password);
            drop(permit);
            right
        });
        check.await.map_err(|_| NotChecked::Failed)
    }
}

/// Counted among those that wait.
struct Waits<'a>(&'a AtomicUsize);

impl Waits<'_> {
    fn new(waiting: &AtomicUsize, most: usize) -> Result<Waits<'_>, NotChecked> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let waits = Waits(waiting);
        if before >= most { Err(NotChecked::Busy { waiting: before }) } else { Ok(waits) }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn apr1() -> Hash {
        Hash::read(b"$apr1$salt$Xxd1irWT9ycqoYxGFn4cb.").expect("a form")
    }

    #[tokio::test]
    async fn who_comes_when_too_many_wait_is_told_so() {
        let checker = Checker::new(1, 1);
        let hash = apr1();
        let now = Instant::now();
        let held = checker.at_once.clone().acquire_owned().await.expect("open");
        let first = checker.check(&hash, b"ann", b"wrong", now, true);
        tokio::pin!(first);
        assert!((&mut first).now_or_never().is_none());
        let second = checker.check(&hash, b"ann", b"wrong", now, true).await;
        assert_eq!(second, Err(NotChecked::Busy { waiting: 1 }));
        drop(held);
        assert_eq!(first.await, Ok(false));
        assert_eq!(checker.check(&hash, b"ann", b"wrong", now, true).await, Ok(false));
        // Who goes while waiting is not counted for ever.
        let held = checker.at_once.clone().acquire_owned().await.expect("open");
        {
            let gone = checker.check(&hash, b"ann", b"wrong", now, true);
            tokio::pin!(gone);
            assert!((&mut gone).now_or_never().is_none());
        }
        assert_eq!(checker.waiting.load(Ordering::Relaxed), 0);
        drop(held);
    }

    #[tokio::test]
    async fn a_success_is_remembered_and_a_failure_is_not() {
        let checker = Checker::new(1, 1);
        let hash = apr1();
        let now = Instant::now();
        assert_eq!(checker.check(&hash, b"ann", b"wrong", now, true).await, Ok(false));
        assert_eq!(checker.check(&hash, b"ann", b"password", now, true).await, Ok(true));
        checker.at_once.close();
        assert_eq!(checker.check(&hash, b"ann", b"password", now, true).await, Ok(true));
        assert_eq!(checker.check(&hash, b"ben", b"password", now, true).await, Err(NotChecked::Failed));
        assert_eq!(checker.check(&hash, b"ann", b"wrong", now, true).await, Err(NotChecked::Failed));
    }
}
