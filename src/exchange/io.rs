//! Reading and writing with time limits, without a buffer while there is nothing to read.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::net::{Stream, borrow_buffer, now};

/// What a limit of "for ever" comes down to.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A time limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

/// One timer for all the waits of a task, one after the other.
///
/// It is set only when something has to be waited for, and not set anew for a later deadline: it
/// fires early then and is set to what is right.
pub struct Timer {
    sleep: Pin<Box<Sleep>>,
    set_for: Instant,
    /// The task will be woken when it fires.
    wakes: bool,
}

impl Timer {
    pub fn new() -> Timer {
        let set_for = now() + LONGEST_WAIT;
        Timer { sleep: Box::pin(sleep_until(set_for)), set_for, wakes: false }
    }

    /// Waits for `future`, but not longer than `limit`.
    pub async fn within<F: Future>(&mut self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        let mut deadline = None;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            let deadline = *deadline.get_or_insert_with(|| now() + limit.min(LONGEST_WAIT));
            self.poll_until(cx, deadline).map(Err)
        })
        .await
    }

    /// Ready once `deadline` has passed.
    pub fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<Elapsed> {
        if self.set_for > deadline {
            self.set(deadline);
        }
        if self.wakes && now() < self.set_for {
            return Poll::Pending;
        }
        loop {
            self.wakes = self.sleep.as_mut().poll(cx).is_pending();
            if self.wakes {
                return Poll::Pending;
            }
            let now = Instant::now();
            if now >= deadline {
                // What fires next has to be set anew.
                self.set_for = now + LONGEST_WAIT;
                return Poll::Ready(Elapsed);
            }
            self.set(deadline);
        }
    }

    fn set(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
        self.set_for = deadline;
        self.wakes = false;
    }
}

/// A limit that starts anew whenever something has moved.
pub struct Patience {
    limit: Duration,
    deadline: Instant,
    seen: u64,
}

impl Patience {
    pub fn new() -> Patience {
        Patience { limit: Duration::ZERO, deadline: now(), seen: u64::MAX }
    }

    /// Ready when nothing has moved (`moved` stays the same) for `limit`.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        limit: Duration,
        moved: u64,
    ) -> Poll<Elapsed> {
        if self.seen != moved || self.limit != limit {
            self.seen = moved;
            self.limit = limit;
            self.deadline = now() + limit;
        }
        timer.poll_until(cx, self.deadline)
    }
}

/// Why a write came to nothing.
#[derive(Debug)]
pub enum WriteError {
    /// The peer took nothing for as long as it may.
    Timeout,
    Io,
}

/// Reads once and appends what there was; 0 is the end.
pub fn poll_fill(stream: &mut Stream, into: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    poll_fill_with(stream, into, Vec::new, cx)
}

/// The same, with `make` for a buffer if there is something to read and `into` has no room of its own.
pub fn poll_fill_with(
    stream: &mut Stream,
    into: &mut Vec<u8>,
    make: impl FnOnce() -> Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    borrow_buffer(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        if into.capacity() == 0 && !buffer.filled().is_empty() {
            *into = make();
        }
        into.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
}

/// See [`poll_fill`].
pub async fn fill(stream: &mut Stream, into: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|cx| poll_fill(stream, into, cx)).await
}

/// Writes everything; `limit` is for each wait, as nginx's write timeouts are. Adds what was written
/// to `written`, whatever the outcome.
pub async fn write_all(
    stream: &mut Stream,
    timer: &mut Timer,
    limit: Duration,
    mut bytes: &[u8],
    written: &mut u64,
) -> Result<(), WriteError> {
    while !bytes.is_empty() {
        let write = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, bytes));
        match timer.within(limit, write).await {
            Err(Elapsed) => return Err(WriteError::Timeout),
            Ok(Err(_) | Ok(0)) => return Err(WriteError::Io),
            Ok(Ok(count)) => {
                *written += count as u64;
                bytes = &bytes[count..];
            }
        }
    }
    Ok(())
}
