//! Both ends of many tunnels, without a task or a buffer for any of them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;

use rustix::event::epoll;
use socket2::{Domain, Socket, Type};

const HANDSHAKE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A text of five letters, masked with zeros, and its echo.
const MESSAGE: &[u8] = b"\x81\x85\0\0\0\0hello";
const ECHO: &[u8] = b"\x81\x05hello";

/// The n-th address of this machine.
pub fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + number as u32)
}

/// Opens tunnels one after the other, from so many addresses in turn.
pub fn open(count: usize, addresses: usize, port: u16) -> io::Result<Vec<TcpStream>> {
    (0..count).map(|at| handshake(address(1 + at % addresses), port)).collect()
}

fn handshake(from: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    let mut stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.write_all(HANDSHAKE)?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 512]);
    while !answer.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => answer.extend_from_slice(&buffer[..length]),
        }
    }
    match answer.starts_with(b"HTTP/1.1 101") {
        true => Ok(stream),
        false => Err(io::Error::other(format!("no tunnel: {}", answer.escape_ascii()))),
    }
}

/// A message, and its echo.
pub fn talk(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(MESSAGE)?;
    let mut echo = [0; ECHO.len()];
    stream.read_exact(&mut echo)?;
    if echo == ECHO { Ok(()) } else { Err(io::Error::other("not the echo")) }
}

/// Answers handshakes and messages, prints its port first; serves until it is killed.
pub fn serve() -> ExitCode {
    match answer_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("many: the upstream: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer_all() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    rustix::net::listen(&listener, 4096)?;
    println!("{}", listener.local_addr()?.port());
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
    // A connection's place is its number in epoll; a place that was left is taken by the next one.
    let mut connections: Vec<Option<TcpStream>> = vec![None];
    let mut left = Vec::new();
    let mut events = Vec::with_capacity(256);
    loop {
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in events.drain(..) {
            let at = event.data.u64() as usize;
            if at == 0 {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                let at = left.pop().unwrap_or_else(|| {
                    connections.push(None);
                    connections.len() - 1
                });
                epoll::add(&epoll, &stream, epoll::EventData::new_u64(at as u64), epoll::EventFlags::IN)?;
                connections[at] = Some(stream);
            } else if connections[at].as_mut().is_none_or(|stream| answer(stream).is_err()) {
                connections[at] = None;
                left.push(at);
            }
        }
    }
}

/// What comes is in one piece: nobody sends two things at once.
fn answer(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ if buffer.starts_with(b"GET ") => stream.write_all(SWITCHING),
        length if buffer[..length].ends_with(b"hello") => stream.write_all(ECHO),
        _ => Err(io::Error::other("neither a handshake nor a message")),
    }
}
