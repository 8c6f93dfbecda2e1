//! A request made within another one (`ngx_http_subrequest`): it goes through the phases and to upstreams as
//! any other, and its answer goes to whoever asked, not to the client.
//!
//! It passes the access phase, has no body, opens no tunnel and has no line in the access log.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use crate::http1::{BodyDecoder, Framing, Known, Trailers};
use crate::net::numbered;
use crate::request::Request;

use super::answer::{Done, Reply};
use super::body::poll_gone;
use super::download::Broken;
use super::forward::Asked;
use super::head::Length;
use super::io::{Elapsed, Patience, WriteError, poll_fill};
use super::life::Exchange;
use super::relay::HTTP_09;

/// Whom an exchange answers.
pub enum Audience {
    Client,
    /// The request that it is made for.
    Inside(Inside),
}

/// What is wanted of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Its head: a body that follows is not read.
    Head,
    /// Its body, if it has no more bytes than this.
    Body { most: usize },
}

/// What an answer leaves behind.
pub struct Inside {
    keep: Keep,
    body: Vec<u8>,
    too_large: bool,
}

/// The answer to a request made inside.
pub struct Subanswer<'a> {
    /// What became of it: its variables can be asked for, and its status is `request.reply.status`.
    pub request: &'a Request,
    pub body: &'a [u8],
    /// All of the body is there that was wanted.
    pub is_whole: bool,
    pub too_large: bool,
}

impl Audience {
    pub fn wants_body(&self) -> bool {
        match self {
            Audience::Client => true,
            Audience::Inside(inside) => inside.keep != Keep::Head,
        }
    }
}

impl Inside {
    /// Takes bytes of a body, where they are wanted.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let Keep::Body { most } = self.keep else { return Ok(()) };
        if bytes.len() > most - self.body.len() {
            self.too_large = true;
            return Err(WriteError::Io);
        }
        self.body.extend_from_slice(bytes);
        Ok(())
    }
}

impl Exchange<'_> {
    /// Makes a request for `path` with `args` inside and hands its answer to `then`, which sees the variables of both.
    ///
    /// # Errors
    /// The client has gone.
    pub async fn subrequest<T>(
        &mut self,
        path: &[u8],
        args: &[u8],
        keep: Keep,
        then: impl FnOnce(&Subanswer<'_>) -> T,
    ) -> Result<T, Reply> {
        // Its own location need not know what is one.
        self.settings.tokens.hide(self.request);
        let mut request = self.worker.request(self.live);
        request.become_sub(self.request, path, args);
        if keep != Keep::Head {
            request.head.headers.retain(|_, _, known| !is_about_the_answer(known));
        }
        self.request.exchange_values(&mut request);
        let mut exchange =
            Exchange::new(self.worker, self.live, &mut *self.client, &mut request, self.server);
        exchange.audience = Audience::Inside(Inside { keep, body: Vec::new(), too_large: false });
        {
            // One exchange holds another here, and so has to do with its size.
            let life: Pin<Box<dyn Future<Output = Done> + '_>> = Box::pin(exchange.live());
            life.await;
        }
        let audience = std::mem::replace(&mut exchange.audience, Audience::Client);
        let outcome = match (&audience, request.reply.status) {
            (_, 499) => Err(Reply::Status(499)),
            (Audience::Client, _) => Err(Reply::Status(500)),
            (Audience::Inside(Inside { body, too_large, .. }), _) => {
                let (is_whole, too_large) = (request.completed, *too_large);
                Ok(then(&Subanswer { request: &request, body, is_whole, too_large }))
            }
        };
        self.request.exchange_values(&mut request);
        if self.request.connection.proxy.is_none() {
            // A client that was found inside is the whole request's, as in nginx.
            self.request.connection.clone_from(&request.connection);
        }
        self.worker.give_back(request);
        outcome
    }

    /// Takes an upstream's answer for whoever asked. A connection whose body is not read is closed, as in nginx.
    pub async fn answer_inside(&mut self, mut asked: Asked<'_>, framing: Framing) -> Result<Done, Reply> {
        self.begin_answer(&asked, Length::Unsaid);
        // An answer without a head has no status, and so says nothing that could let anybody in.
        if self.request.upstream.tries.last().is_some_and(|tried| tried.status == HTTP_09) {
            self.request.reply.status = 0;
        }
        let mut decoder = BodyDecoder::new(framing, Trailers::Drop);
        let outcome = match self.audience.wants_body() {
            true => self.collect(&mut asked, &mut decoder).await,
            false => Ok(()),
        };
        let clean = decoder.is_done() && framing != Framing::Close;
        self.end_answer(asked, outcome, clean)
    }

    async fn collect(&mut self, asked: &mut Asked<'_>, decoder: &mut BodyDecoder) -> Result<(), Broken> {
        let proxy = &self.settings.proxy;
        let (limit, watches) = (proxy.read_timeout.value, !proxy.ignore_client_abort);
        let mut patience = Patience::new();
        loop {
            let decoded = decoder.decode(&asked.buffer);
            let decoded = decoded.map_err(|error| Broken::Upstream(format!("upstream sent {error}")))?;
            if let Audience::Inside(inside) = &mut self.audience {
                let taken = inside.take(&asked.buffer[decoded.data.clone()]);
                taken.map_err(|_| Broken::Upstream("upstream sent too big body".to_owned()))?;
            }
            asked.buffer.drain(..decoded.consumed);
            if decoder.is_done() {
                return Ok(());
            }
            if decoded.consumed > 0 {
                continue;
            }
            let client = &mut *self.client;
            let read = poll_fn(|cx| {
                if let Poll::Ready(read) = poll_fill(&mut asked.connection.stream, &mut asked.buffer, cx) {
                    return Poll::Ready(
                        read.map_err(|error| {
                            Broken::Upstream(format!("recv() failed ({})", numbered(&error)))
                        }),
                    );
                }
                if watches && poll_gone(client, cx).is_ready() {
                    return Poll::Ready(Err(Broken::Client));
                }
                patience.poll(cx, &mut client.timer, limit, asked.received).map(|Elapsed| {
                    Err(Broken::Upstream("upstream timed out (110: Connection timed out)".to_owned()))
                })
            });
            match read.await? {
                0 if decoder.ends_at_close() => return Ok(()),
                0 => return Err(Broken::Upstream("upstream prematurely closed connection".to_owned())),
                count => asked.received += count as u64,
            }
        }
    }
}

/// Whether a header line asks for less than the whole answer, or for another spelling of it: where the answer is
/// read here, that is not for the client to say.
fn is_about_the_answer(known: Known) -> bool {
    use Known::{AcceptEncoding, IfMatch, IfModifiedSince, IfNoneMatch, IfRange, IfUnmodifiedSince, Range};
    matches!(
        known,
        AcceptEncoding | IfMatch | IfModifiedSince | IfNoneMatch | IfRange | IfUnmodifiedSince | Range
    )
}
