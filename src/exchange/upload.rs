//! A request on its way to the upstream: its head, and its body as it comes from the client, while the upstream
//! may already answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::http1::{Framing, body};
use crate::net::Stream;

use super::answer::Reply;
use super::body::{Body, BodyTrouble};
use super::connection::Client;

/// What of a request still has to go out, and what went out and may have to go out once more.
pub struct Upload {
    chunked: bool,
    /// The head, and framed bytes that were read from the client.
    bytes: Vec<u8>,
    written: usize,
    /// The last byte is in `bytes` or gone.
    read: bool,
    /// `bytes` begins with the request's first byte: it can be sent to another peer.
    whole: bool,
    /// How long `bytes` may become for that.
    most: usize,
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
    Upstream(io::Error),
}

impl Upload {
    /// A request with this `head`; of its body, unless it is not to be passed, `most` bytes are kept for
    /// another peer (`client_body_buffer_size`).
    pub fn new(head: Vec<u8>, body: &Body, pass: bool, most: usize) -> Upload {
        Upload {
            chunked: matches!(body.framing(), Framing::Chunked),
            most: head.len().saturating_add(most),
            bytes: head,
            written: 0,
            read: !pass || body.is_done(),
            whole: true,
        }
    }

    /// Puts what has come of the body already behind the head, so that both go out in one write.
    pub fn begin(&mut self, body: &mut Body, client: &mut Client) -> Result<(), Reply> {
        if self.read || client.unread().is_empty() {
            return Ok(());
        }
        let (chunked, bytes) = (self.chunked, &mut self.bytes);
        let done = body.decode(client, &mut |data| frame(data, chunked, bytes)).map_err(refusal)?;
        if done {
            self.end();
        }
        Ok(())
    }

    /// The head with what is there of the body; nothing where it had to be forgotten.
    pub fn head(&self) -> &[u8] {
        if self.whole { &self.bytes } else { b"" }
    }

    pub fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// Nothing is left to send.
    pub fn is_done(&self) -> bool {
        self.read && self.written == self.bytes.len()
    }

    /// The client has sent all of it.
    pub fn is_read(&self) -> bool {
        self.read
    }

    /// Nothing of it was forgotten: it can be sent to another peer.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Begins anew, for another peer.
    pub fn rewind(&mut self) {
        debug_assert!(self.whole, "what was forgotten cannot be sent again");
        self.written = 0;
    }

    /// Keeps nothing any more: this peer's answer is the one that counts.
    pub fn settle(&mut self) {
        self.whole = false;
    }

    fn end(&mut self) {
        self.read = true;
        if self.chunked {
            self.bytes.extend_from_slice(body::LAST_CHUNK);
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
            while self.written < self.bytes.len() {
                let rest = &self.bytes[self.written..];
                match ready!(Pin::new(&mut *upstream).poll_write(cx, rest)) {
                    Ok(0) => return Poll::Ready(Err(Stopped::Upstream(io::ErrorKind::WriteZero.into()))),
                    Ok(count) => {
                        self.written += count;
                        *moved += count as u64;
                    }
                    Err(error) => return Poll::Ready(Err(Stopped::Upstream(error))),
                }
            }
            if self.read {
                return Poll::Ready(Ok(()));
            }
            self.whole &= self.bytes.len() < self.most;
            if !self.whole {
                self.bytes.clear();
                self.written = 0;
            }
            let (chunked, bytes) = (self.chunked, &mut self.bytes);
            let done = ready!(body.poll_read(client, cx, |data| frame(data, chunked, bytes)));
            if done.map_err(Stopped::Client)? {
                self.end();
            }
        }
    }

    pub fn waits_for(&self) -> Waits {
        if self.written < self.bytes.len() { Waits::Upstream } else { Waits::Client }
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
