//! The server behind the proxies: echoes WebSocket messages, answers plain requests. And a proxy that
//! knows no HTTP: a bare tunnel.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use wsproxy::net::{Address, BUFFER_SIZE, ListenOptions, Listening, Stream, borrow_buffer, connect};
use wsproxy::tunnel::{Closing, Opened, Owner, Rules, Tunnels};
use wsproxy::websocket::frame::{Head, MAX_HEAD, Piece, Scanner, mask};
use wsproxy::websocket::handshake::accept_key;

use super::program::Served;
use super::proxies::Place;

pub const BODY: &str = "hello, world\n";

pub fn start() -> Result<Served, String> {
    spawn(Command::new(this_program()).arg("upstream"))
}

/// A bare tunnel to the upstream, where proxies run.
pub fn start_tunnel(place: &Place<'_>) -> Result<Served, String> {
    let program = this_program();
    spawn(place.command(&program.to_string_lossy()).args(["tunnel", &place.upstream.to_string()]))
}

fn this_program() -> std::path::PathBuf {
    env::current_exe().expect("this program has a path")
}

fn spawn(command: &mut Command) -> Result<Served, String> {
    let mut process =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut line = String::new();
    let stdout = process.stdout.take().ok_or("no standard output")?;
    BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
    let port = line.trim().parse().map_err(|_| "no port was printed")?;
    Ok(Served { port, process })
}

pub fn worker() -> LocalRuntime {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).expect("a runtime")
}

/// Serves until standard input ends.
pub fn serve() -> ExitCode {
    listen(|stream| async move {
        let _ = converse(stream).await;
    })
}

pub fn relay_to(port: &str) -> ExitCode {
    let upstream = Address::Ip(format!("127.0.0.1:{port}").parse().expect("a port"));
    listen(move |client| {
        let upstream = upstream.clone();
        async move {
            let Ok(upstream) = connect(&upstream, None).await else { return };
            let _ = (client.set_nodelay(), upstream.set_nodelay());
            let (Ok(client), Ok(upstream)) = (client.into_fd(), upstream.into_fd()) else { return };
            let opened = |socket| Opened { socket, early: Vec::new() };
            tunnels().join(opened(client), opened(upstream), rules(), true, None, Nobody);
        }
    })
}

/// Nobody asks how a tunnel ended.
struct Nobody;

impl Owner for Nobody {
    fn ended(self, _closing: Closing) {}
}

/// This process's tunnels.
fn tunnels() -> &'static Tunnels<Nobody> {
    static TUNNELS: LazyLock<Tunnels<Nobody>> =
        LazyLock::new(|| Tunnels::start("tunnels".to_owned()).expect("a thread"));
    &TUNNELS
}

fn rules() -> Arc<Rules> {
    Arc::new(Rules { frames: None, ..Rules::default() })
}

fn listen<F, T>(serve: F) -> ExitCode
where
    F: Fn(Stream) -> T + 'static,
    T: Future<Output = ()> + 'static,
{
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    worker().block_on(async move {
        let any_port = Address::Ip("127.0.0.1:0".parse().expect("an address"));
        let options = ListenOptions { backlog: 4096, ..ListenOptions::default() };
        let listening = Listening::open(&any_port, &options).expect("a free port");
        println!("{}", listening.address().ip().expect("an IP address").port());
        let listener = listening.listener().expect("a listener");
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::task::spawn_local(serve(stream))),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    })
}

/// Requests until one is a handshake, then messages.
async fn converse(mut stream: Stream) -> io::Result<()> {
    stream.set_nodelay()?;
    let mut head = Vec::new();
    loop {
        while find(&head, b"\r\n\r\n").is_none() {
            if read(&stream, |bytes| head.extend_from_slice(bytes)).await? == 0 {
                return Ok(());
            }
        }
        if let Some(key) = header(&head, "sec-websocket-key") {
            let accept = accept_key(key);
            let answer = [
                &b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"[..],
                b"Sec-WebSocket-Accept: ",
                &accept,
                b"\r\n\r\n",
            ];
            stream.write_all(&answer.concat()).await?;
            drop(head);
            return echo(stream).await;
        }
        head.clear();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{BODY}",
            BODY.len()
        );
        stream.write_all(answer.as_bytes()).await?;
    }
}

async fn echo(mut stream: Stream) -> io::Result<()> {
    let mut scanner = Scanner::default();
    let (mut key, mut offset) = ([0; 4], 0);
    let mut answer = Vec::new();
    loop {
        let length = read(&stream, |mut bytes| {
            while let Ok(Some(piece)) = scanner.next(&mut bytes) {
                match piece {
                    Piece::Head(head) => {
                        (key, offset) = (head.mask.unwrap_or_default(), 0);
                        let mut written = [0; MAX_HEAD];
                        let size = Head { mask: None, ..head }.write(&mut written);
                        answer.extend_from_slice(&written[..size]);
                    }
                    Piece::Payload(payload) => {
                        let start = answer.len();
                        answer.extend_from_slice(payload);
                        mask(&mut answer[start..], key, offset);
                        offset += payload.len() as u64;
                    }
                }
            }
        });
        let length = length.await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&answer).await?;
        answer.clear();
        answer.shrink_to(4096);
        if length == BUFFER_SIZE {
            // Who sends more than anybody else has his turn, and then others have theirs.
            tokio::task::yield_now().await;
        }
    }
}

/// Waits for bytes and shows them to `look`; 0 is the end.
pub async fn read(stream: &Stream, mut look: impl FnMut(&[u8])) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        let read = borrow_buffer(|buffer| {
            stream.try_read(buffer).inspect(|length| {
                if *length > 0 {
                    look(&buffer[..*length]);
                }
            })
        });
        match read {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
    }
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        line[..colon].eq_ignore_ascii_case(name.as_bytes()).then(|| line[colon + 1..].trim_ascii())
    })
}
