//! An answer's body on its way to the client.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::http1::{BodyDecoder, Framing, Trailers, body};
use crate::net::{Stream, borrow_buffer, numbered};

use super::body::poll_gone;
use super::forward::Asked;
use super::io::{Elapsed, Patience};
use super::life::Exchange;

/// What of an answer still has to reach the client.
pub struct Download {
    decoder: BodyDecoder,
    /// The client gets chunks.
    chunked: bool,
    /// What the client has not taken yet: the head, and then what did not fit its socket.
    pending: Vec<u8>,
    written: usize,
    /// The last byte is in `pending` or gone.
    ended: bool,
    /// Data of the body so far.
    pub length: u64,
}

/// Why an answer was cut.
#[derive(Debug)]
pub enum Broken {
    Upstream(String),
    Client,
}

impl Download {
    pub fn new(framing: Framing, chunked: bool, trailers: bool, buffer: Vec<u8>) -> Download {
        let keep = if trailers && chunked { Trailers::Keep } else { Trailers::Drop };
        let decoder = BodyDecoder::new(framing, keep);
        Download { ended: decoder.is_done(), decoder, chunked, pending: buffer, written: 0, length: 0 }
    }

    /// Puts the head in front.
    pub fn begin(&mut self, head: &[u8]) {
        self.pending.extend_from_slice(head);
    }

    /// The body ended where its framing said, not by the end of the connection.
    pub fn ended_by_framing(&self) -> bool {
        self.ended && self.decoder.is_done()
    }

    pub fn into_buffer(self) -> Vec<u8> {
        self.pending
    }

    fn is_blocked(&self) -> bool {
        self.written < self.pending.len()
    }

    /// Moves what can be moved; ready when all of it is gone.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        asked: &mut Asked,
        client: &mut Stream,
        sent: &mut u64,
    ) -> Poll<Result<(), Broken>> {
        if !asked.buffer.is_empty() {
            let taken = self.take(&asked.buffer, None).map_err(Broken::Upstream)?;
            asked.buffer.drain(..taken);
        }
        loop {
            while self.is_blocked() {
                match ready!(Pin::new(&mut *client).poll_write(cx, &self.pending[self.written..])) {
                    Ok(count) if count > 0 => {
                        self.written += count;
                        *sent += count as u64;
                    }
                    _ => return Poll::Ready(Err(Broken::Client)),
                }
            }
            self.pending.clear();
            self.written = 0;
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_read(cx, asked, client, sent))?;
        }
    }

    /// Reads once; what can go straight from the worker's buffer to the client does.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        asked: &mut Asked,
        client: &mut Stream,
        sent: &mut u64,
    ) -> Poll<Result<(), Broken>> {
        borrow_buffer(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            let upstream = Pin::new(&mut asked.connection.stream);
            if let Err(error) = ready!(upstream.poll_read(cx, &mut buffer)) {
                return Poll::Ready(Err(Broken::Upstream(format!("recv() failed ({})", numbered(&error)))));
            }
            let input = buffer.filled();
            asked.received += input.len() as u64;
            if input.is_empty() {
                return Poll::Ready(self.closed());
            }
            let taken = self.take(input, Some((cx, client, sent))).map_err(Broken::Upstream)?;
            // Nobody asked for what stands behind the end: the connection is not used again.
            asked.buffer.extend_from_slice(&input[taken..]);
            Poll::Ready(Ok(()))
        })
    }

    /// Decodes input; data goes to the client at once where there is a `way`, else it waits.
    fn take(
        &mut self,
        input: &[u8],
        mut way: Option<(&mut Context<'_>, &mut Stream, &mut u64)>,
    ) -> Result<usize, String> {
        let mut at = 0;
        while at < input.len() && !self.decoder.is_done() {
            let decoded =
                self.decoder.decode(&input[at..]).map_err(|error| format!("upstream sent {error}"))?;
            let data = &input[at..][decoded.data];
            at += decoded.consumed;
            self.length += data.len() as u64;
            let mut rest = data;
            if let Some((cx, client, sent)) = &mut way
                && !self.chunked
                && !self.is_blocked()
                && !data.is_empty()
                && let Poll::Ready(Ok(count)) = Pin::new(&mut **client).poll_write(cx, data)
            {
                **sent += count as u64;
                rest = &data[count..];
            }
            if !self.chunked {
                self.pending.extend_from_slice(rest);
            } else if !data.is_empty() {
                body::chunk_head(data.len(), &mut self.pending);
                self.pending.extend_from_slice(data);
                self.pending.extend_from_slice(body::CHUNK_END);
            }
        }
        if self.decoder.is_done() {
            self.end();
        }
        Ok(at)
    }

    fn closed(&mut self) -> Result<(), Broken> {
        if !self.decoder.ends_at_close() {
            return Err(Broken::Upstream("upstream prematurely closed connection".to_owned()));
        }
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        if !self.ended && self.chunked {
            body::last_chunk(self.decoder.trailers(), &mut self.pending);
        }
        self.ended = true;
    }
}

impl Exchange<'_> {
    /// Moves an answer to the client; meanwhile the rest of the request's body still goes out.
    pub async fn download(&mut self, asked: &mut Asked<'_>, download: &mut Download) -> Result<(), Broken> {
        let settings = self.settings;
        let mut patience = Patience::new();
        let (mut uploaded, mut upstream_takes) = (0, true);
        let (body, client) = (&mut self.body, &mut *self.client);
        let sent = &mut self.request.reply.sent;
        let outcome = poll_fn(|cx| {
            let stream = &mut asked.connection.stream;
            if upstream_takes && !asked.upload.is_done() {
                let progress = asked.upload.poll(cx, body, client, stream, &mut uploaded);
                upstream_takes = !matches!(progress, Poll::Ready(Err(_)));
            }
            if let Poll::Ready(outcome) = download.poll(cx, asked, &mut client.stream, sent) {
                return Poll::Ready(outcome);
            }
            let idle = !download.is_blocked() && (asked.upload.is_done() || !upstream_takes);
            if idle && !settings.proxy.ignore_client_abort && poll_gone(client, cx).is_ready() {
                return Poll::Ready(Err(Broken::Client));
            }
            let blocked = download.is_blocked();
            let limit = if blocked { &settings.client.send_timeout } else { &settings.proxy.read_timeout };
            let moved = *sent + download.length + uploaded;
            patience.poll(cx, &mut client.timer, limit.value, moved).map(|Elapsed| match blocked {
                true => Err(Broken::Client),
                false => Err(Broken::Upstream("upstream timed out (110: Connection timed out)".to_owned())),
            })
        })
        .await;
        self.last_try(|tried| tried.sent += uploaded);
        outcome
    }
}
