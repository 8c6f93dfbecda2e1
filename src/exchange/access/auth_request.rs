//! `auth_request` (`ngx_http_auth_request_handler`).

use crate::features::error_log::Level;
use crate::http1::{Known, write_field};

use super::super::answer::Reply;
use super::super::life::Exchange;
use super::super::route::Event;
use super::super::subrequest::{Keep, Subanswer};
use super::Opinion;

impl Exchange<'_> {
    /// Asks, and takes the answer's word for it.
    ///
    /// # Errors
    /// The client has gone meanwhile.
    pub(super) async fn auth_request_opinion(&mut self) -> Result<Opinion, Reply> {
        let settings = self.settings;
        let Some(uri) = settings.auth_request.uri() else { return Ok(Opinion::None) };
        if self.worker.recorder.is_some() {
            self.note(|_| Event::AuthRequest { uri: uri.to_vec() });
            return Ok(Opinion::Allowed);
        }
        let answer = |answer: &Subanswer<'_>| {
            settings.auth_request.assign(answer.request);
            (answer.request.reply.status, challenges(answer))
        };
        let (status, challenges) = self.subrequest(uri, Keep::Head, answer).await?;
        Ok(match status {
            200..300 => Opinion::Allowed,
            401 => {
                self.carried.extend_from_slice(&challenges);
                Opinion::Denied(401)
            }
            403 => Opinion::Denied(403),
            status => {
                let message = format_args!("auth request unexpected status: {status}");
                self.report(Level::Error, message);
                Opinion::Denied(500)
            }
        })
    }
}

/// How a client may identify itself, as header lines: those of the answer, else those of its upstream.
fn challenges(answer: &Subanswer<'_>) -> Vec<u8> {
    let mut lines = Vec::new();
    let request = answer.request;
    if request.reply.status != 401 {
        return lines;
    }
    let name = b"WWW-Authenticate";
    request.reply.headers(name).for_each(|value| write_field(name, value, &mut lines));
    if lines.is_empty() && request.upstream.answered {
        let sent = request.upstream.head.headers.all(Known::WwwAuthenticate);
        sent.for_each(|value| write_field(name, value, &mut lines));
    }
    lines
}
