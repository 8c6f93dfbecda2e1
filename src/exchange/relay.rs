//! What goes to and fro between a client and the peer that answers it.

use std::future::poll_fn;
use std::task::Poll;

use crate::features::error_log::Level;
use crate::features::proxy::redirect::Home;
use crate::http1::response::ParsedResponse;
use crate::http1::{
    Framing, Headers, Known, Method, Version, connection, framing, parse_response, write_field,
};
use crate::net::{now, numbered};
use crate::upstream::Outcome;

use super::answer::{Done, Reply};
use super::body::{BodyTrouble, poll_gone};
use super::download::{Broken, Download};
use super::forward::{Asked, Failure};
use super::head::{self, Head, Length};
use super::io::{Elapsed, Patience, poll_fill};
use super::life::Exchange;
use super::sticky::Moment;
use super::subrequest::Audience;
use super::upload::{Stopped, Waits, refusal};

/// What `$upstream_status` shows of an answer without a head.
pub const HTTP_09: u16 = 9;

impl Exchange<'_> {
    /// Sends the request and waits for the head of an answer, which is in `request.upstream.head` then.
    pub async fn ask(&mut self, asked: &mut Asked<'_>) -> Result<(), Failure> {
        asked.connection.requests += 1;
        self.await_answer(asked).await?;
        loop {
            let most = self.settings.proxy.buffer_size;
            match parse_response(&asked.buffer, most, &mut self.request.upstream.head) {
                Ok(ParsedResponse::Partial) => self.await_answer(asked).await?,
                Ok(ParsedResponse::Head(length)) => {
                    asked.buffer.drain(..length);
                    let status = self.request.upstream.head.status;
                    if (100..200).contains(&status) && status != 101 {
                        self.pass_interim(status).await?;
                        continue;
                    }
                    return self.head_came(status);
                }
                Ok(ParsedResponse::Http09) => return self.http09_came(asked),
                Err(error) => {
                    // nginx reads no more than it has room for.
                    self.last_try(|tried| tried.received = tried.received.min(most as u64));
                    let message = format!("{error} while reading response header from upstream");
                    return Err(Failure::InvalidHeader(message));
                }
            }
        }
    }

    fn head_came(&mut self, status: u16) -> Result<(), Failure> {
        self.last_try(|tried| {
            tried.status = status;
            tried.answered = Some(now());
        });
        self.request.upstream.answered = true;
        Ok(())
    }

    /// An upstream that answers without a head has all of it passed on, as in nginx.
    fn http09_came(&mut self, _: &mut Asked) -> Result<(), Failure> {
        self.report(
            Level::Error,
            format_args!(
                "upstream sent no valid HTTP/1.0 header while reading response header from upstream"
            ),
        );
        self.request.upstream.head.status = 200;
        self.head_came(HTTP_09)
    }

    /// Waits for more of an answer; meanwhile the rest of the request goes out, and the client may leave.
    async fn await_answer(&mut self, asked: &mut Asked<'_>) -> Result<(), Failure> {
        let settings = self.settings;
        let mut patience = Patience::new();
        let mut sent = 0;
        let mut refused = None;
        let body = &mut self.body;
        let client = &mut *self.client;
        let outcome = poll_fn(|cx| {
            let stream = &mut asked.connection.stream;
            if refused.is_none() && !asked.upload.is_done() {
                match asked.upload.poll(cx, body, client, stream, &mut sent) {
                    // It may have answered all the same.
                    Poll::Ready(Err(Stopped::Upstream(error))) => {
                        refused = Some(format!(
                            "writev() failed ({}) while sending request to upstream",
                            numbered(&error)
                        ));
                    }
                    Poll::Ready(Err(Stopped::Client(BodyTrouble::Cut | BodyTrouble::Io))) => {
                        return Poll::Ready(Err(Failure::Gone));
                    }
                    Poll::Ready(Err(Stopped::Client(trouble))) => {
                        return Poll::Ready(Err(Failure::Client(refusal(trouble))));
                    }
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
            }
            match poll_fill(stream, &mut asked.buffer, cx) {
                Poll::Ready(Ok(0)) => {
                    let message =
                        "upstream prematurely closed connection while reading response header from upstream";
                    let message = refused.take().unwrap_or_else(|| message.to_owned());
                    return Poll::Ready(Err(Failure::Error(message)));
                }
                Poll::Ready(Ok(count)) => {
                    asked.received += count as u64;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => {
                    let message = refused.take().unwrap_or_else(|| {
                        let doing = "while reading response header from upstream";
                        format!("recv() failed ({}) {doing}", numbered(&error))
                    });
                    return Poll::Ready(Err(Failure::Error(message)));
                }
                Poll::Pending => {}
            }
            let uploading = refused.is_none() && !asked.upload.is_done();
            if !uploading && !settings.proxy.ignore_client_abort && poll_gone(client, cx).is_ready() {
                return Poll::Ready(Err(Failure::Gone));
            }
            let (limit, late) = match (uploading, asked.upload.waits_for()) {
                (true, Waits::Client) => {
                    (settings.client.body_timeout.value, Failure::Client(Reply::Status(408)))
                }
                (true, Waits::Upstream) => {
                    (settings.proxy.send_timeout.value, Failure::Timeout("sending request to upstream"))
                }
                (false, _) => (
                    settings.proxy.read_timeout.value,
                    Failure::Timeout("reading response header from upstream"),
                ),
            };
            let moved = sent + body.read;
            patience.poll(cx, &mut client.timer, limit, moved).map(|Elapsed| Err(late))
        })
        .await;
        let received = asked.received;
        self.last_try(|tried| {
            tried.sent += sent;
            tried.received = received;
        });
        outcome
    }

    /// Hands a 1xx on to a client that can take it. A 100 was the proxy's to send.
    async fn pass_interim(&mut self, status: u16) -> Result<(), Failure> {
        if status == 100 || self.request.head.version() != Version::Http11 || self.request.sub {
            return Ok(());
        }
        let mut lines = self.worker.buffer();
        let answer = &self.request.upstream.head;
        lines.extend_from_slice(b"HTTP/1.1 ");
        lines.extend_from_slice(answer.status_line());
        lines.extend_from_slice(b"\r\n");
        for (name, value, known) in answer.headers.iter() {
            if !connection::is_hop_by_hop(&answer.headers, name, known) {
                write_field(name, value, &mut lines);
            }
        }
        lines.extend_from_slice(b"\r\n");
        let outcome = self.write(&lines).await;
        self.request.reply.head_sent = self.request.reply.sent;
        self.worker.give_back_buffer(lines);
        outcome.map_err(|_| Failure::Gone)
    }

    /// Passes an answer on.
    pub async fn pass_answer(&mut self, mut asked: Asked<'_>) -> Result<Done, Reply> {
        let status = self.request.upstream.head.status;
        if status == 101 {
            return self.switch(asked).await;
        }
        let intercepted = self.settings.proxy.intercept_errors
            && status >= 300
            && self.settings.error_page.page(status).is_some();
        asked.group.answered(&mut asked.picked.id, !intercepted);
        if !intercepted {
            self.learn(&asked, Moment::Head);
        }
        if let Some(target) = self.accel_redirect() {
            return Err(self.follow(asked, target));
        }
        if intercepted {
            self.abandon(asked);
            return Err(Reply::Status(status));
        }
        let is_head = self.request.head.method() == Method::Head;
        let framing = match framing::response_framing(&self.request.upstream.head, is_head) {
            Ok(framing) => framing,
            Err(error) => {
                let message = format!("{error} while reading response header from upstream");
                self.report(Level::Error, format_args!("{message}"));
                self.fail(asked, 502);
                return Err(Reply::Status(502));
            }
        };
        if let Audience::Inside(_) = self.audience {
            return self.answer_inside(asked, framing).await;
        }
        let length = self.length_for_client(framing, is_head);
        if length == Length::Unsaid && framing != Framing::None {
            self.keep_alive = false;
        }
        self.begin_answer(&asked, length);
        let trailers = self.settings.proxy.pass_trailers;
        let mut download = Download::new(framing, length == Length::Chunked, trailers, self.worker.buffer());
        download.begin(&self.request.reply.head);
        self.request.reply.head_sent += self.request.reply.head.len() as u64;
        let outcome = self.download(&mut asked, &mut download).await;
        let (length, received) = (download.length, asked.received);
        self.last_try(|tried| (tried.length, tried.received) = (length, received));
        let clean = outcome.is_ok() && download.ended_by_framing();
        self.worker.give_back_buffer(download.into_buffer());
        self.end_answer(asked, outcome, clean)
    }

    pub(super) fn end_answer(
        &mut self,
        asked: Asked,
        outcome: Result<(), Broken>,
        clean: bool,
    ) -> Result<Done, Reply> {
        self.learn(&asked, Moment::Release);
        match outcome {
            Ok(()) => {
                self.request.completed = true;
                let persists = self.request.upstream.head.keep_alive()
                    && clean
                    && asked.buffer.is_empty()
                    && asked.upload.is_done()
                    && !asked.upgrade;
                self.end_try(200);
                asked.group.release(asked.picked.id, Outcome::Success);
                self.worker.give_back_buffer(asked.buffer);
                if persists {
                    let user = self.pool_user();
                    self.worker.pool.keep(asked.group, asked.picked.address, user, asked.connection);
                }
                Ok(Done::Replied)
            }
            Err(broken) => {
                self.keep_alive = false;
                if let Broken::Upstream(message) = broken {
                    self.report(Level::Error, format_args!("{message} while reading upstream"));
                }
                self.end_try(502);
                // A peer has answered with its head: what becomes of the body counts for nothing, as in nginx
                // (`ngx_http_upstream_finalize_request`).
                asked.group.release(asked.picked.id, Outcome::Success);
                Ok(Done::Aborted)
            }
        }
    }

    /// Closes a connection whose answer is not used.
    pub fn abandon(&mut self, asked: Asked) {
        self.learn(&asked, Moment::Release);
        self.end_try(502);
        asked.group.release(asked.picked.id, Outcome::Success);
        self.worker.give_back_buffer(asked.buffer);
    }

    /// The same where the answer itself was at fault.
    pub fn fail(&mut self, asked: Asked, status: u16) {
        self.learn(&asked, Moment::Release);
        self.end_try(status);
        asked.group.release(asked.picked.id, Outcome::Failure);
        self.worker.give_back_buffer(asked.buffer);
    }

    fn length_for_client(&self, framing: Framing, is_head: bool) -> Length {
        let answer = &self.request.upstream.head;
        match framing {
            Framing::Length(length) => Length::Known(length),
            Framing::None => {
                let announced = answer.headers.first(Known::ContentLength);
                let announced = announced.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
                match announced {
                    Some(length) if is_head || answer.status == 304 => Length::Known(length),
                    _ => Length::Unsaid,
                }
            }
            Framing::Chunked | Framing::Close if self.request.head.version() == Version::Http11 => {
                Length::Chunked
            }
            Framing::Chunked | Framing::Close => Length::Unsaid,
        }
    }

    /// Writes the head for the client into `request.reply.head`.
    pub(super) fn begin_answer(&mut self, asked: &Asked, length: Length) {
        let settings = self.settings;
        let absolute = self.absolute_location(asked);
        let answer = std::mem::take(&mut self.request.upstream.head);
        let passes =
            |known: Known| answer.headers.contains(known) && !settings.proxy.unwanted.has(known, b"");
        let begin = Head {
            status_line: answer.status_line(),
            status: answer.status,
            content_type: answer.headers.first(Known::ContentType).filter(|_| answer.status != 204),
            length,
            location: absolute.as_deref(),
            persistence: self.persistence(),
            has_server: passes(Known::Server),
            has_date: passes(Known::Date),
            ..Head::default()
        };
        self.begin(&begin);
        let mut out = std::mem::take(&mut self.request.reply.head);
        let moved = absolute.is_some();
        let is_hidden = |known: Known, name: &[u8]| {
            settings.proxy.unwanted.has(known, name) || moved && known == Known::Location
        };
        self.answer_headers(&answer.headers, asked, &is_hidden, &mut out);
        self.request.upstream.head = answer;
        out.extend_from_slice(&self.carried);
        head::end(self.request, settings, self.request.reply.status, &mut out);
        if self.request.head.version() == Version::Http09 {
            out.clear();
        }
        self.request.reply.head = out;
    }

    /// A redirect of the upstream that has to be made absolute, after `proxy_redirect`.
    fn absolute_location(&self, asked: &Asked) -> Option<Vec<u8>> {
        let answer = &self.request.upstream.head;
        let location = answer.headers.first(Known::Location)?;
        if self.settings.proxy.unwanted.has(Known::Location, b"") {
            return None;
        }
        let mut changed = Vec::new();
        // A path that the upstream sent itself goes out as it is.
        let rewritten = self.redirected(Known::Location, location, asked, &mut changed);
        self.absolute(&changed).filter(|_| rewritten)
    }

    /// Appends the headers of an answer that reach the client, redirects mended.
    pub fn answer_headers(
        &self,
        headers: &Headers,
        asked: &Asked,
        is_hidden: &dyn Fn(Known, &[u8]) -> bool,
        out: &mut Vec<u8>,
    ) {
        for (name, value, known) in headers.iter() {
            match known {
                Known::ContentLength | Known::ContentType => continue,
                _ if connection::is_hop_by_hop(headers, name, known) && known != Known::Trailer => continue,
                _ if is_hidden(known, name) => continue,
                Known::Location | Known::Refresh => {
                    out.extend_from_slice(name);
                    out.extend_from_slice(b": ");
                    self.redirected(known, value, asked, out);
                    out.extend_from_slice(b"\r\n");
                }
                _ => write_field(name, value, out),
            }
        }
    }

    /// Appends an address of `Location` or `Refresh`, as `proxy_redirect` has it; true if that changes it.
    fn redirected(&self, known: Known, value: &[u8], asked: &Asked, out: &mut Vec<u8>) -> bool {
        // `Refresh: 5; url=/there`: only the address is changed.
        let start = match known {
            Known::Refresh => {
                let at = value.windows(4).position(|part| part.eq_ignore_ascii_case(b"url="));
                at.map_or(value.len(), |at| at + 4)
            }
            _ => 0,
        };
        let (before, address) = value.split_at(start);
        out.extend_from_slice(before);
        let location = self.live.model.http.location(self.location);
        let home =
            asked.home.map(|upstream| Home { upstream, location: &location.name, has_uri: asked.has_uri });
        let redirects = &self.settings.proxy.redirects;
        let changed = redirects.apply(self.request, home, address, out);
        if !changed {
            out.extend_from_slice(address);
        }
        changed
    }
}
