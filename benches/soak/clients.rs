//! What clients do: each one thing after the other, chosen at random.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{sleep, timeout};

use super::frames::{BINARY, CLOSE, PING, PONG, frame, read_frame};

/// Nothing takes that long on a machine that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longer than a few of the intervals at which the proxy pings.
const SEVERAL_PINGS: Duration = Duration::from_millis(250);

/// A large message, which no buffers on the way hold.
const LARGE: usize = 2 << 20;

/// What a client does once, each about as often as the others.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Talks and closes as RFC 6455 has it.
    Close,
    /// Talks and is gone.
    Leave,
    Reset,
    /// Is gone in the middle of a message.
    Break,
    /// Talks, says that nothing more comes and waits for the end.
    HalfClose,
    /// Sends a large message and reads nothing for a while.
    ReadSlowly,
    /// Says nothing for a while, then something.
    Wait,
    /// Is left by its upstream.
    BeLeft,
    /// Talks where the proxy looks at frames and pings, and closes.
    Framed,
    /// Is gone before its handshake's head is whole.
    GiveUp,
    /// A plain request.
    Ask,
}

pub const ACTS: &[Act] = &[
    Act::Close,
    Act::Leave,
    Act::Reset,
    Act::Break,
    Act::HalfClose,
    Act::ReadSlowly,
    Act::Wait,
    Act::BeLeft,
    Act::Framed,
    Act::GiveUp,
    Act::Ask,
];

impl Act {
    /// Whether a 101 comes in it.
    pub fn opens_a_tunnel(self) -> bool {
        !matches!(self, Act::GiveUp | Act::Ask)
    }

    pub async fn run(self, port: u16, random: &mut Random) -> io::Result<()> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "waited in vain");
        timeout(PATIENCE, self.go(port, random)).await.map_err(late)?
    }

    async fn go(self, port: u16, random: &mut Random) -> io::Result<()> {
        match self {
            Act::GiveUp => {
                connect(port).await?.write_all(b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgr").await?;
                return Ok(());
            }
            Act::Ask => return ask(port).await,
            _ => {}
        }
        let path = match self {
            Act::BeLeft => "/vanish",
            Act::Framed => "/framed",
            _ => "/ws",
        };
        let mut tunnel = Tunnel::open(port, path).await?;
        match self {
            Act::Close => {
                tunnel.talk(random).await?;
                tunnel.close().await
            }
            Act::Framed => {
                tunnel.talk(random).await?;
                sleep(SEVERAL_PINGS).await;
                tunnel.talk(random).await?;
                tunnel.close().await
            }
            Act::Leave => tunnel.talk(random).await,
            Act::Reset => {
                tunnel.talk(random).await?;
                tunnel.reset()
            }
            Act::Break => {
                let whole = frame(BINARY, &[b'x'; 5000], true);
                tunnel.write.write_all(&whole[..random.below(5000)]).await?;
                tunnel.reset()
            }
            Act::HalfClose => {
                tunnel.talk(random).await?;
                tunnel.write.shutdown().await?;
                tunnel.end().await
            }
            Act::ReadSlowly => tunnel.exchange(LARGE, Duration::from_millis(250)).await,
            Act::Wait => {
                sleep(Duration::from_millis(random.below(1000) as u64)).await;
                tunnel.talk(random).await
            }
            Act::BeLeft => {
                tunnel.write.write_all(&frame(BINARY, b"anybody there?", true)).await?;
                tunnel.end().await
            }
            Act::GiveUp | Act::Ask => Ok(()),
        }
    }
}

async fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn ask(port: u16) -> io::Result<()> {
    let mut stream = connect(port).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    match answer.starts_with("HTTP/1.1 200") {
        true => Ok(()),
        false => Err(io::Error::other(format!("not the answer: {answer:?}"))),
    }
}

/// A WebSocket that is open.
pub struct Tunnel {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Tunnel {
    pub async fn open(port: u16, path: &str) -> io::Result<Tunnel> {
        let mut stream = connect(port).await?;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await?);
        }
        if !answer.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other(format!("no tunnel: {}", answer.escape_ascii())));
        }
        let (read, write) = stream.into_split();
        Ok(Tunnel { read: BufReader::new(read), write })
    }

    /// A few messages of any size up to 64 KiB.
    pub async fn talk(&mut self, random: &mut Random) -> io::Result<()> {
        for _ in 0..=random.below(4) {
            let size = 1 << random.below(17);
            self.exchange(size, Duration::ZERO).await?;
        }
        Ok(())
    }

    /// A message and its echo, of which nothing is read for a while.
    pub async fn exchange(&mut self, size: usize, pause: Duration) -> io::Result<()> {
        let payload: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let sent = frame(BINARY, &payload, true);
        let echo = async {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            message(&mut self.read).await
        };
        // A large message comes back while it is still sent.
        let (written, came) = tokio::join!(self.write.write_all(&sent), echo);
        written?;
        let (echo, pings) = came?;
        for ping in pings {
            self.write.write_all(&frame(PONG, &ping, true)).await?;
        }
        if echo == payload { Ok(()) } else { Err(io::Error::other("not the echo")) }
    }

    /// The closing handshake of RFC 6455 section 7.
    pub async fn close(&mut self) -> io::Result<()> {
        self.write.write_all(&frame(CLOSE, &1000_u16.to_be_bytes(), true)).await?;
        while let Some(came) = read_frame(&mut self.read).await? {
            if came.opcode == CLOSE {
                return match came.payload.starts_with(&1000_u16.to_be_bytes()) {
                    true => Ok(()),
                    false => Err(io::Error::other(format!("closed with {:?}", came.payload))),
                };
            }
        }
        Err(io::Error::other("an end without a Close"))
    }

    /// Whatever comes, and then the end, of whichever kind.
    async fn end(&mut self) -> io::Result<()> {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = self.read.read_to_end(&mut rest).await;
        Ok(())
    }

    fn reset(self) -> io::Result<()> {
        let stream = self.read.into_inner().reunite(self.write).map_err(io::Error::other)?;
        let linger = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
        linger.map_err(io::Error::from)
    }
}

/// The next message, and the pings that came before it.
async fn message(stream: &mut BufReader<OwnedReadHalf>) -> io::Result<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut pings = Vec::new();
    loop {
        match read_frame(stream).await? {
            Some(came) if came.opcode == BINARY => return Ok((came.payload, pings)),
            Some(came) if came.opcode == PING => pings.push(came.payload),
            Some(came) => return Err(io::Error::other(format!("opcode {}", came.opcode))),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// SplitMix64: the same numbers for the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % end as u64) as usize
    }
}
