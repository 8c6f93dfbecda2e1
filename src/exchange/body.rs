//! A request's body on its way from the client.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use crate::http1::{BodyDecoder, Framing, RequestHead, Trailers};

use super::answer::Reply;
use super::connection::Client;
use super::io::{Elapsed, fill, poll_fill};
use super::life::Exchange;

/// What is known of a body, and how far it has been read.
pub struct Body {
    decoder: BodyDecoder,
    framing: Framing,
    /// `Expect: 100-continue` has not been answered.
    pub expects_continue: bool,
    /// Data read so far.
    pub read: u64,
    /// Bytes taken so far, framing included.
    pub taken: u64,
    /// It was too large: it is only discarded.
    pub unwanted: bool,
    /// `client_max_body_size`; more ends the request.
    pub most: u64,
}

/// Why a body cannot be read on.
#[derive(Debug)]
pub enum BodyTrouble {
    /// The client closed in the middle.
    Cut,
    Io,
    Bad,
    TooLarge,
}

impl Body {
    pub fn new(head: &RequestHead) -> Body {
        let framing = head.framing();
        Body {
            decoder: BodyDecoder::new(framing, Trailers::Drop),
            framing,
            expects_continue: head.expects_continue(),
            read: 0,
            taken: 0,
            unwanted: false,
            most: u64::MAX,
        }
    }

    /// `Content-Length`, where there is one.
    pub fn length(&self) -> Option<u64> {
        match self.framing {
            Framing::Length(length) => Some(length),
            _ => None,
        }
    }

    pub fn framing(&self) -> Framing {
        self.framing
    }

    pub fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Reads on and hands each run of data to `take`; ready with true when the body is over. Returns
    /// after one reading, so that the caller can write what it took.
    pub fn poll_read(
        &mut self,
        client: &mut Client,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&[u8]),
    ) -> Poll<Result<bool, BodyTrouble>> {
        if self.is_done() {
            return Poll::Ready(Ok(true));
        }
        if client.unread().is_empty() {
            client.clear_read();
            let count = ready!(poll_fill(&mut client.stream, &mut client.buffer, cx));
            match count {
                Ok(0) => return Poll::Ready(Err(BodyTrouble::Cut)),
                Ok(_) => {}
                Err(_) => return Poll::Ready(Err(BodyTrouble::Io)),
            }
        }
        Poll::Ready(self.decode(client, &mut take))
    }

    /// Decodes what is in the client's buffer.
    pub fn decode(&mut self, client: &mut Client, take: &mut impl FnMut(&[u8])) -> Result<bool, BodyTrouble> {
        while !self.is_done() && !client.unread().is_empty() {
            let decoded = self.decoder.decode(client.unread()).map_err(|_| BodyTrouble::Bad)?;
            let data = &client.unread()[decoded.data.clone()];
            self.read += data.len() as u64;
            if self.read > self.most {
                return Err(BodyTrouble::TooLarge);
            }
            take(data);
            client.consume(decoded.consumed);
            self.taken += decoded.consumed as u64;
        }
        Ok(self.is_done())
    }
}

impl Exchange<'_> {
    /// Reads what is left of a body that nobody wants, so that the connection can go on; false where it
    /// is not worth it (`ngx_http_discard_request_body`).
    pub async fn discard_body(&mut self) -> bool {
        if self.body.is_done() {
            return true;
        }
        if self.body.expects_continue {
            return false;
        }
        let settings = self.settings;
        let began = tokio::time::Instant::now();
        self.body.most = u64::MAX;
        loop {
            let (body, client) = (&mut self.body, &mut *self.client);
            match body.decode(client, &mut |_| {}) {
                Ok(true) => return true,
                Ok(false) => {}
                Err(_) => return false,
            }
            client.clear_read();
            if began.elapsed() >= settings.client.lingering_time {
                return false;
            }
            let Client { stream, buffer, timer, .. } = client;
            match timer.within(settings.client.lingering_timeout, fill(stream, buffer)).await {
                Ok(Ok(count)) if count > 0 => {}
                Err(Elapsed) | Ok(_) => return false,
            }
        }
    }

    /// Tells a client that waits for it that its body is wanted.
    pub async fn send_continue(&mut self) -> bool {
        let announced = !matches!(self.body.framing(), Framing::None);
        if !std::mem::take(&mut self.body.expects_continue) || !announced {
            return true;
        }
        // Not part of the reply: nginx does not count it as sent either.
        let limit = self.settings.client.send_timeout.value;
        let Client { stream, timer, .. } = &mut *self.client;
        let mut uncounted = 0;
        let line = b"HTTP/1.1 100 Continue\r\n\r\n";
        super::io::write_all(stream, timer, limit, line, &mut uncounted).await.is_ok()
    }
}

/// What a client may send behind a request before its reply: one buffer.
const MOST_PIPELINED: usize = 64 * 1024;

/// What comes of `work`, unless the client goes before that.
///
/// # Errors
/// It has gone.
pub async fn unless_gone<T>(client: &mut Client, work: impl Future<Output = T>) -> Result<T, Reply> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(done));
        }
        poll_gone(client, cx).map(|()| Err(Reply::Status(499)))
    })
    .await
}

/// Ready when the client has closed; what it sends meanwhile is kept for later.
pub fn poll_gone(client: &mut Client, cx: &mut Context<'_>) -> Poll<()> {
    loop {
        if client.unread().len() >= MOST_PIPELINED {
            return Poll::Pending;
        }
        match ready!(poll_fill(&mut client.stream, &mut client.buffer, cx)) {
            Ok(0) | Err(_) => return Poll::Ready(()),
            Ok(_) => {}
        }
    }
}
