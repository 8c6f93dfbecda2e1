//! Clients: each a task that does one thing over and over until told to stop.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use wsproxy::net::{Address, Stream, connect};
use wsproxy::websocket::frame::{Head, MAX_HEAD, Opcode, mask};

use super::upstream::{BODY, find, read};

pub const HANDSHAKE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Origin: http://localhost\r\nUser-Agent: beside-nginx\r\n\r\n";

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: beside-nginx\r\n\
    Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\n\r\n";

/// What all clients of a scenario share.
#[derive(Clone, Default)]
pub struct Tally(Rc<Shared>);

#[derive(Default)]
struct Shared {
    done: Cell<u64>,
    stop: Cell<bool>,
}

impl Tally {
    pub fn done(&self) -> u64 {
        self.0.done.get()
    }

    pub fn stop(&self) {
        self.0.stop.set(true);
    }

    fn goes_on(&self) -> bool {
        !self.0.stop.get()
    }

    fn one_more(&self) {
        self.0.done.set(self.0.done.get() + 1);
    }
}

/// What clients do.
#[derive(Clone, Copy)]
pub enum Work {
    /// Messages of so many bytes, back and forth over one WebSocket.
    Messages(usize),
    /// A WebSocket opened and closed.
    Handshakes,
    /// Plain requests over a kept connection.
    Requests,
}

pub fn clients(count: usize, work: Work, port: u16, tally: &Tally) -> Vec<JoinHandle<io::Result<()>>> {
    (0..count)
        .map(|_| {
            let tally = tally.clone();
            tokio::task::spawn_local(async move {
                match work {
                    Work::Messages(size) => messages(port, size, &tally).await,
                    Work::Handshakes => handshakes(port, &tally).await,
                    Work::Requests => requests(port, &tally).await,
                }
            })
        })
        .collect()
}

async fn messages(port: u16, size: usize, tally: &Tally) -> io::Result<()> {
    let mut socket = open(port).await?;
    let message = Message::new(size);
    message.exchange(&mut socket).await?;
    while tally.goes_on() {
        message.exchange(&mut socket).await?;
        tally.one_more();
    }
    Ok(())
}

/// Sends a message of so many bytes and reads nothing of what comes back.
pub async fn push(port: u16, size: usize) -> io::Result<()> {
    let (mut socket, message) = (open(port).await?, Message::new(size));
    loop {
        socket.write_all(message.frame()).await?;
    }
}

async fn handshakes(port: u16, tally: &Tally) -> io::Result<()> {
    while tally.goes_on() {
        drop(open(port).await?);
        tally.one_more();
    }
    Ok(())
}

async fn requests(port: u16, tally: &Tally) -> io::Result<()> {
    let mut stream = connect(&to(port), None).await?;
    stream.set_nodelay()?;
    let mut answer = Vec::new();
    while tally.goes_on() {
        stream.write_all(REQUEST).await?;
        answer.clear();
        while !is_whole(&answer) {
            if read(&stream, |bytes| answer.extend_from_slice(bytes)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        tally.one_more();
    }
    Ok(())
}

/// The upstream's body stands behind the head, in one piece or as a chunk.
fn is_whole(answer: &[u8]) -> bool {
    answer.ends_with(BODY.as_bytes()) || answer.ends_with(b"\r\n0\r\n\r\n")
}

fn to(port: u16) -> Address {
    Address::Ip(([127, 0, 0, 1], port).into())
}

/// A WebSocket whose handshake is done.
pub async fn open(port: u16) -> io::Result<Stream> {
    let mut stream = connect(&to(port), None).await?;
    stream.set_nodelay()?;
    stream.write_all(HANDSHAKE).await?;
    let mut answer = Vec::new();
    while find(&answer, b"\r\n\r\n").is_none() {
        if read(&stream, |bytes| answer.extend_from_slice(bytes)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    if !answer.starts_with(b"HTTP/1.1 101") || find(&answer, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=").is_none() {
        return Err(io::Error::other(format!("no handshake: {}", answer.escape_ascii())));
    }
    Ok(stream)
}

/// A message as a client sends it, and how long its echo is.
pub struct Message {
    frame: Vec<u8>,
    echo_head: Vec<u8>,
    payload: Vec<u8>,
}

impl Message {
    pub fn new(size: usize) -> Message {
        let key = [1, 2, 3, 4];
        let payload: Vec<u8> = (0..size).map(|at| at as u8).collect();
        let written = |key| {
            let mut head = [0; MAX_HEAD];
            let length = Head::message(Opcode::BINARY, key, size as u64).write(&mut head);
            head[..length].to_vec()
        };
        let mut frame = written(Some(key));
        let start = frame.len();
        frame.extend_from_slice(&payload);
        mask(&mut frame[start..], key, 0);
        Message { frame, echo_head: written(None), payload }
    }

    pub fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// Bytes of its echo, head and all.
    pub fn echo_size(&self) -> usize {
        self.echo_head.len() + self.payload.len()
    }

    /// Sends it and waits for the echo, which has to be right.
    pub async fn exchange(&self, socket: &mut Stream) -> io::Result<()> {
        // What fits is written before anything is read; a large message comes back while it is still sent.
        let mut written = socket.try_write(&self.frame).or_else(would_block)?;
        let expected = self.echo_size();
        let mut came = 0;
        while came < expected {
            if written < self.frame.len() {
                let ready =
                    socket.ready(tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE).await?;
                if ready.is_writable() {
                    written += socket.try_write(&self.frame[written..]).or_else(would_block)?;
                }
                if !ready.is_readable() {
                    continue;
                }
            }
            let mut right = true;
            let length = read(socket, |bytes| {
                right = self.is_echo(came, bytes);
                came += bytes.len();
            });
            if length.await? == 0 || !right {
                return Err(io::Error::other("not the echo"));
            }
        }
        Ok(())
    }

    fn is_echo(&self, came: usize, bytes: &[u8]) -> bool {
        let head = &self.echo_head[came.min(self.echo_head.len())..];
        let head = &head[..head.len().min(bytes.len())];
        let payload = &bytes[head.len()..];
        let start = (came + head.len()).saturating_sub(self.echo_head.len());
        bytes.starts_with(head) && self.payload.get(start..start + payload.len()) == Some(payload)
    }
}

fn would_block(error: io::Error) -> io::Result<usize> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(0),
        _ => Err(error),
    }
}
