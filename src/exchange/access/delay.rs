//! `auth_delay` (`ngx_http_core_auth_delay`): who guesses passwords waits for each answer.

use std::future::poll_fn;
use std::task::Poll;

use crate::features::error_log::Level;
use crate::net::now;

use super::super::answer::Reply;
use super::super::body::poll_gone;
use super::super::io::Elapsed;
use super::super::life::Exchange;

impl Exchange<'_> {
    /// Holds a 401 back for a while.
    ///
    /// # Errors
    /// The client has gone meanwhile.
    pub(super) async fn delay_refusal(&mut self) -> Result<(), Reply> {
        let delay = self.settings.access.auth_delay;
        if delay.is_zero() || self.worker.recorder.is_some() {
            return Ok(());
        }
        self.report(Level::Info, format_args!("delaying unauthorized request"));
        let until = now() + delay;
        let client = &mut *self.client;
        let gone = poll_fn(|cx| {
            if poll_gone(client, cx).is_ready() {
                return Poll::Ready(true);
            }
            client.timer.poll_until(cx, until).map(|Elapsed| false)
        });
        if !gone.await {
            return Ok(());
        }
        self.report(Level::Info, format_args!("client prematurely closed connection"));
        Err(Reply::Status(499))
    }
}
