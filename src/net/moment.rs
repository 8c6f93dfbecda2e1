//! The time, read once for each time that a task runs.
//!
//! A request asks for the time a dozen times: for deadlines, for the log, for how long a connection has been
//! kept. Between two waits nothing happens that would make the answers differ, so in a task that runs in
//! [`Moments`] they are the same, as in nginx between two calls of `epoll_wait`.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pin_project_lite::pin_project;
use tokio::time::Instant;

thread_local! {
    static MOMENT: Cell<Moment> = const { Cell::new(Moment::Passing) };
}

#[derive(Clone, Copy)]
enum Moment {
    /// Time goes on: nobody said otherwise.
    Passing,
    /// It stands still, and nobody has asked for it yet.
    Unknown,
    Known(Instant),
}

/// The time.
pub fn now() -> Instant {
    match MOMENT.get() {
        Moment::Known(now) => now,
        Moment::Passing => Instant::now(),
        Moment::Unknown => {
            let now = Instant::now();
            MOMENT.set(Moment::Known(now));
            now
        }
    }
}

/// What the clock on the wall shows, since 1970, in one place so that what depends on it can be found. Somebody may
/// set it.
pub fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// An instant, and the milliseconds since 1970 that the clock on the wall showed then.
static BEGAN: LazyLock<(Instant, i64)> =
    LazyLock::new(|| (Instant::now(), i64::try_from(wall_clock().as_millis()).unwrap_or_default()));

/// The time in milliseconds since 1970, as the clock on the wall would tell it had nobody set it since the
/// process began.
pub fn milliseconds() -> i64 {
    let (began, wall) = *BEGAN;
    let now = now();
    let since = |from: Instant, to: Instant| to.duration_since(from).as_millis() as i64;
    if now >= began { wall + since(began, now) } else { wall - since(now, began) }
}

pin_project! {
    /// A future for which time stands still while it runs; it goes on while it waits.
    pub struct Moments<F> {
        #[pin]
        future: F,
    }
}

impl<F> Moments<F> {
    pub fn of(future: F) -> Moments<F> {
        Moments { future }
    }
}

impl<F: Future> Future for Moments<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _still = Still::new();
        self.project().future.poll(cx)
    }
}

/// Has time stand still, and go on when it is dropped.
struct Still;

impl Still {
    fn new() -> Still {
        MOMENT.set(Moment::Unknown);
        Still
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        MOMENT.set(Moment::Passing);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_stands_still_while_a_task_runs_and_goes_on_while_it_waits() {
        let second = Duration::from_secs(1);
        let start = now();
        advance(second).await;
        assert_eq!(now() - start, second);
        Moments::of(async {
            let before = now();
            assert_eq!((before - start, now()), (second, before));
            sleep(second).await;
            assert_eq!(now() - before, second);
        })
        .await;
        advance(second).await;
        assert_eq!(now() - start, 3 * second);
    }
}
