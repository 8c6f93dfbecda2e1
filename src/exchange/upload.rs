//! A request's body on its way to the upstream, while the upstream may already answer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::http1::{Framing, body};
use crate::net::Stream;

use super::answer::Reply;
use super::body::{Body, BodyTrouble};
use super::connection::Client;

/// What of a body still has to go out.
pub struct Upload {
    chunked: bool,
    /// Framed bytes that were read from the client and are not written yet.
    pending: Vec<u8>,
    written: usize,
    /// The last byte is in `pending` or gone.
    read: bool,
}

/// What an upload waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// For the client to send more: `client_body_timeout`.
    Client,
    /// For the upstream to take what is there: `proxy_send_timeout`.
    Upstream,
}

/// Why an upload stopped.
#[derive(Debug)]
pub enum Stopped {
    Client(BodyTrouble),
    /// The upstream takes no more; it may have answered all the same.
    Upstream,
}

impl Upload {
    pub fn new(body: &Body, pass: bool) -> Upload {
        let none = !pass || body.is_done();
        Upload {
            chunked: matches!(body.framing(), Framing::Chunked),
            pending: Vec::new(),
            written: 0,
            read: none,
        }
    }

    /// For a try after the first: the body went with the head, all of it.
    pub fn nothing() -> Upload {
        Upload { chunked: false, pending: Vec::new(), written: 0, read: true }
    }

    /// Nothing is left to send.
    pub fn is_done(&self) -> bool {
        self.read && self.written == self.pending.len()
    }

    /// Puts what has come of the body already behind the head, so that both go out in one write.
    pub fn begin(&mut self, body: &mut Body, client: &mut Client, head: &mut Vec<u8>) -> Result<(), Reply> {
        if self.read || client.unread().is_empty() {
            return Ok(());
        }
        let chunked = self.chunked;
        let done = body.decode(client, &mut |data| frame(data, chunked, head)).map_err(refusal)?;
        if done {
            self.end(head);
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.read = true;
        if self.chunked {
            out.extend_from_slice(body::LAST_CHUNK);
        }
    }

    /// Moves what can be moved; ready when all of it is gone. `moved` counts what the upstream took.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut Body,
        client: &mut Client,
        upstream: &mut Stream,
        moved: &mut u64,
    ) -> Poll<Result<(), Stopped>> {
        loop {
            while self.written < self.pending.len() {
                let rest = &self.pending[self.written..];
                match ready!(Pin::new(&mut *upstream).poll_write(cx, rest)) {
                    Ok(count) if count > 0 => {
                        self.written += count;
                        *moved += count as u64;
                    }
                    _ => return Poll::Ready(Err(Stopped::Upstream)),
                }
            }
            self.pending.clear();
            self.written = 0;
            if self.read {
                return Poll::Ready(Ok(()));
            }
            let (chunked, pending) = (self.chunked, &mut self.pending);
            let done = ready!(body.poll_read(client, cx, |data| frame(data, chunked, pending)));
            if done.map_err(Stopped::Client)? {
                let mut pending = std::mem::take(&mut self.pending);
                self.end(&mut pending);
                self.pending = pending;
            }
        }
    }

    pub fn waits_for(&self) -> Waits {
        if self.written < self.pending.len() { Waits::Upstream } else { Waits::Client }
    }
}

fn frame(data: &[u8], chunked: bool, out: &mut Vec<u8>) {
    if !chunked {
        return out.extend_from_slice(data);
    }
    if !data.is_empty() {
        body::chunk_head(data.len(), out);
        out.extend_from_slice(data);
        out.extend_from_slice(body::CHUNK_END);
    }
}

/// How a client is answered whose body is not to be had.
pub fn refusal(trouble: BodyTrouble) -> Reply {
    match trouble {
        BodyTrouble::TooLarge => Reply::Status(413),
        BodyTrouble::Bad | BodyTrouble::Cut | BodyTrouble::Io => Reply::Status(400),
    }
}
