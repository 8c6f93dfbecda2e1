//! `auth_request` (`ngx_http_auth_request_handler`).

use crate::features::auth_request::{TOKEN_EXPIRES, token_expires};
use crate::features::error_log::Level;
use crate::http1::{Known, write_field};

use super::super::answer::Reply;
use super::super::life::Exchange;
use super::super::report::Shown;
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
        let upgrades = self.request.head.headers.first(Known::Upgrade).is_some();
        let answer = |answer: &Subanswer<'_>| {
            settings.auth_request.assign(answer.request);
            let expires = if upgrades { expires(answer) } else { Vec::new() };
            (answer.request.reply.status, challenges(answer), expires)
        };
        let (status, challenges, expires) = self.subrequest(uri, b"", Keep::Head, answer).await?;
        Ok(match status {
            200..300 => {
                expires.iter().for_each(|value| self.expire_as_told(value));
                Opinion::Allowed
            }
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

impl Exchange<'_> {
    /// Has the socket that comes of this request end when its token does, as whoever was asked says.
    fn expire_as_told(&mut self, value: &[u8]) {
        match token_expires(value) {
            Some(moment) => self.request.expire_at(moment),
            None => {
                let shown = Shown(value);
                let message = format_args!(
                    "auth request sent invalid {TOKEN_EXPIRES} \"{shown}\", which is neither Unix time nor a date of \
HTTP: the socket outlives its token"
                );
                self.report(Level::Error, message);
            }
        }
    }
}

/// When the token expires that was looked at.
fn expires(answer: &Subanswer<'_>) -> Vec<Vec<u8>> {
    answer.request.reply.headers(TOKEN_EXPIRES.as_bytes()).map(<[u8]>::to_vec).collect()
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
