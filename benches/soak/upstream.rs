//! The server behind a soak: echoes messages, and at `/vanish` is gone at the first one.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

use super::frames::{CLOSE, PING, PONG, frame, read_frame};

/// What the client's one key is answered with, RFC 6455 section 1.3.
const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Serves on a thread that lasts as long as the process, and gives the port.
pub fn start() -> io::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a listener is one for tokio too");
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(tokio::spawn(converse(stream))),
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
    });
    Ok(port)
}

async fn converse(stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(16 << 10, stream);
    let (mut head, mut vanishes) = (String::new(), false);
    while stream.read_line(&mut head).await? > 2 {
        vanishes |= head.starts_with("GET /vanish");
    }
    stream.write_all(SWITCHING).await?;
    if vanishes {
        stream.read_u8().await?;
        let linger = rustix::net::sockopt::set_socket_linger(stream.get_ref(), Some(Duration::ZERO));
        return linger.map_err(io::Error::from);
    }
    while let Some(came) = read_frame(&mut stream).await? {
        match came.opcode {
            PONG => {}
            PING => stream.write_all(&frame(PONG, &came.payload, false)).await?,
            opcode => stream.write_all(&frame(opcode, &came.payload, false)).await?,
        }
        if came.opcode == CLOSE {
            break;
        }
    }
    Ok(())
}
