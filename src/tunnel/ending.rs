//! One word to all tunnels of a worker.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Says to whoever waits for it on this thread that all has to end. Waiting costs two words and a waker
/// each, and asking costs next to nothing, which is why no channel does this: a tunnel asks with each
/// message.
#[derive(Default)]
pub struct Ending {
    begun: Cell<bool>,
    waiting: RefCell<Waiting>,
}

#[derive(Default)]
struct Waiting {
    wakers: Vec<Option<Waker>>,
    free: Vec<u32>,
}

impl Ending {
    /// From now on all who wait have waited long enough.
    pub fn begin(&self) {
        self.begun.set(true);
        // Whoever is woken may drop its wait at once.
        let waiting = self.waiting.take();
        waiting.wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether [`Ending::begin`] has been called.
    pub fn has_begun(&self) -> bool {
        self.begun.get()
    }

    /// Ready once it has.
    pub fn begun(self: &Rc<Ending>) -> Begun {
        Begun { ending: self.clone(), slot: None }
    }
}

/// Waits for an [`Ending`].
pub struct Begun {
    ending: Rc<Ending>,
    slot: Option<u32>,
}

impl Future for Begun {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.ending.begun.get() {
            return Poll::Ready(());
        }
        let slot = self.slot;
        let slot = self.ending.waiting.borrow_mut().put(slot, cx.waker());
        self.slot = Some(slot);
        Poll::Pending
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let (Some(slot), false) = (self.slot, self.ending.begun.get()) {
            let waiting = &mut *self.ending.waiting.borrow_mut();
            waiting.wakers[slot as usize] = None;
            waiting.free.push(slot);
        }
    }
}

impl Waiting {
    /// Remembers a waker and gives its slot.
    fn put(&mut self, slot: Option<u32>, waker: &Waker) -> u32 {
        if let Some(slot) = slot {
            match &mut self.wakers[slot as usize] {
                Some(known) if known.will_wake(waker) => {}
                other => *other = Some(waker.clone()),
            }
            return slot;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() as u32 - 1
        });
        self.wakers[slot as usize] = Some(waker.clone());
        slot
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::{Duration, sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_are_told_and_none_before() {
        let ending = Rc::new(Ending::default());
        let local = LocalSet::new();
        let begun = ending.clone();
        local
            .run_until(async move {
                assert!(timeout(Duration::from_secs(9), begun.begun()).await.is_err());
                let waits: Vec<_> = (0..100).map(|_| spawn_local(begun.begun())).collect();
                sleep(Duration::from_secs(1)).await;
                assert_eq!(begun.waiting.borrow().wakers.len(), 100);
                assert!(waits.iter().all(|wait| !wait.is_finished()));
                begun.begin();
                for wait in waits {
                    wait.await.unwrap();
                }
                begun.begun().await;
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_no_more_leaves_its_place_to_another() {
        let ending = Rc::new(Ending::default());
        for _ in 0..10 {
            assert!(timeout(Duration::from_secs(1), ending.begun()).await.is_err());
        }
        assert_eq!(ending.waiting.borrow().wakers.len(), 1);
        let mut wait = Box::pin(ending.begun());
        for _ in 0..10 {
            assert!(timeout(Duration::from_secs(1), &mut wait).await.is_err());
        }
        ending.begin();
        wait.await;
    }
}
