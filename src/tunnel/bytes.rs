//! One direction of a tunnel: bytes from a source to a sink, as they are.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Why;

/// Reads in one direction before other tunnels of the worker get their turn.
const READS_PER_TURN: u32 = 8;

/// What one direction keeps between turns. While the sink takes what comes, that is two counters.
#[derive(Default)]
pub(super) struct Flow {
    /// What the sink did not take yet; nothing is read while there is any, so it never grows. Mostly there is
    /// none, and a pointer is all that idles.
    held: Option<Box<Held>>,
    /// The sink may keep bytes to itself that it only sends when told to: TLS does.
    unflushed: bool,
    /// The source gives no more, or the sink takes none: why.
    pub end: Option<Why>,
    /// Bytes read.
    pub received: u64,
    /// Bytes the sink took, with those that were there from the start.
    pub sent: u64,
}

struct Held {
    bytes: Vec<u8>,
    /// How many of them the sink has taken.
    taken: usize,
}

/// How far a direction got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The source has nothing more for now, and the sink has all of it.
    Idle,
    /// The sink takes no more for now.
    Blocked,
    /// There may be more at once; the task is woken again.
    Unfinished,
    /// The source gives no more, and the sink has all of it: see [`Flow::end`].
    Ended,
    /// The sink failed: see [`Flow::end`].
    Broken,
}

impl Flow {
    pub fn new(early: Vec<u8>) -> Flow {
        Flow { held: Held::new(early), ..Flow::default() }
    }

    /// Changes when a byte moves.
    pub fn total(&self) -> u64 {
        self.received + self.sent
    }

    /// Moves what can be moved now, through `buffer`.
    pub fn turn<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W, buffer: &mut [u8]) -> Turn
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        match self.poll(cx, from, to, buffer) {
            Poll::Ready(Ok(turn)) => turn,
            Poll::Ready(Err(error)) => {
                self.end = Some(Why::WriteFailed(error));
                Turn::Broken
            }
            Poll::Pending => Turn::Blocked,
        }
    }

    /// Pending when the sink is; an error is the sink's.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        buffer: &mut [u8],
    ) -> Poll<io::Result<Turn>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if let Some(held) = self.held.take() {
            ready!(self.poll_held(cx, to, held))?;
        }
        for _ in 0..READS_PER_TURN {
            if self.end.is_some() {
                break;
            }
            let mut read = ReadBuf::new(buffer);
            match Pin::new(&mut *from).poll_read(cx, &mut read) {
                Poll::Pending => {
                    ready!(self.poll_flush(cx, to))?;
                    return Poll::Ready(Ok(Turn::Idle));
                }
                Poll::Ready(Err(error)) => self.end = Some(Why::ReadFailed(error)),
                Poll::Ready(Ok(())) if read.filled().is_empty() => self.end = Some(Why::Eof),
                Poll::Ready(Ok(())) => {
                    self.received += read.filled().len() as u64;
                    ready!(self.poll_fresh(cx, to, read.filled()))?;
                }
            }
        }
        if self.end.is_none() {
            cx.waker().wake_by_ref();
            return Poll::Ready(Ok(Turn::Unfinished));
        }
        ready!(self.poll_flush(cx, to))?;
        Poll::Ready(Ok(Turn::Ended))
    }

    /// Writes what was just read; what the sink does not take is held.
    fn poll_fresh<W>(&mut self, cx: &mut Context<'_>, to: &mut W, mut bytes: &[u8]) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        while !bytes.is_empty() {
            match self.poll_write(cx, to, bytes) {
                Poll::Ready(taken) => bytes = &bytes[taken?..],
                Poll::Pending => {
                    self.held = Held::new(bytes.to_vec());
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is held, and gives its memory back when all is gone.
    fn poll_held<W>(&mut self, cx: &mut Context<'_>, to: &mut W, mut held: Box<Held>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        while held.taken < held.bytes.len() {
            match self.poll_write(cx, to, &held.bytes[held.taken..]) {
                Poll::Ready(taken) => held.taken += taken?,
                Poll::Pending => {
                    self.held = Some(held);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write<W>(&mut self, cx: &mut Context<'_>, to: &mut W, bytes: &[u8]) -> Poll<io::Result<usize>>
    where
        W: AsyncWrite + Unpin,
    {
        let taken = ready!(Pin::new(to).poll_write(cx, bytes))?;
        if taken == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.sent += taken as u64;
        self.unflushed = true;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush<W>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        if self.unflushed {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl Held {
    fn new(bytes: Vec<u8>) -> Option<Box<Held>> {
        (!bytes.is_empty()).then(|| Box::new(Held { bytes, taken: 0 }))
    }
}
