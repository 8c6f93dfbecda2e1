//! WebSocket clients and servers that somebody else wrote, with the gateway between them: `websockets`
//! from PyPI, `ws` from npm, tokio-tungstenite. Text, binary, fragmented, compressed, 16 MiB.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use futures_util::{SinkExt, StreamExt};
use tokio::net::UnixStream;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Bytes, Message, protocol::WebSocketConfig},
};

use crate::support::{
    server::{Kind, Place, Server},
    stream::Address,
    tool,
};

const RECIPE: &str = "
server {
    listen @LISTEN@;
    location /ws/ {
        proxy_pass http://@UPSTREAM1@;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection \"upgrade\";
        proxy_set_header Host $host;
    }
}
";

const MIB: usize = 1024 * 1024;

/// A program that speaks WebSocket and is not ours.
#[derive(Clone, Copy)]
pub enum Peer {
    PyPi,
    Npm,
}

#[test]
fn python_to_python() {
    talk_through(Peer::PyPi, Peer::PyPi);
}

#[test]
fn node_to_node() {
    talk_through(Peer::Npm, Peer::Npm);
}

#[test]
fn python_to_node() {
    talk_through(Peer::PyPi, Peer::Npm);
}

#[test]
fn node_to_python() {
    talk_through(Peer::Npm, Peer::PyPi);
}

/// Our own echo is a backend like another, but offers no compression.
#[test]
fn tungstenite_to_websocket_echo() {
    let site = "server { listen @LISTEN@; location /ws/ { websocket_echo; } }";
    let server = Server::start(Kind::Wsproxy, Place::new(), site);
    with_tungstenite(&server);
}

#[test]
fn tungstenite_to_python() {
    let place = Place::new();
    let _backend = Backend::start(Peer::PyPi, &place);
    let server = Server::start(Kind::Wsproxy, place, RECIPE);
    with_tungstenite(&server);
}

fn talk_through(client: Peer, backend: Peer) {
    talk_through_site(client, backend, RECIPE);
}

/// Has a client try everything on the backend behind a site, which it has to reach at `/ws/`.
pub fn talk_through_site(client: Peer, backend: Peer, site: &str) {
    let place = Place::new();
    let _backend = Backend::start(backend, &place);
    let server = Server::start(Kind::Wsproxy, place, site);
    let output = client.command("talk", &server.place, "LISTEN").output().expect("a client");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("everything came back"), "{said}{complaint}");
}

fn with_tungstenite(server: &Server) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut socket = open(server).await;
        for message in [
            Message::text("text: żółw"),
            Message::text(""),
            Message::binary((0..=255).collect::<Vec<u8>>()),
            Message::binary(vec![7; 70_000]),
            Message::binary((0..16 * MIB).map(|n| (n * 31 % 251) as u8).collect::<Vec<u8>>()),
        ] {
            socket.send(message.clone()).await.expect("sending");
            assert!(next(&mut socket).await == message, "something else came back");
        }
        socket.send(Message::Ping(Bytes::from_static(b"still there?"))).await.expect("a ping");
        assert_eq!(next(&mut socket).await, Message::Pong(Bytes::from_static(b"still there?")));
        socket.close(None).await.expect("closing");
        assert!(matches!(socket.next().await, None | Some(Ok(Message::Close(_)))));
    });
}

async fn open(server: &Server) -> WebSocketStream<UnixStream> {
    let Address::Unix(path) = server.address("LISTEN") else { unreachable!("a Unix socket") };
    let stream = UnixStream::connect(path).await.expect("connecting");
    let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
    let (socket, _) =
        client_async_with_config("ws://localhost/ws/", stream, Some(config)).await.expect("a handshake");
    socket
}

async fn next(socket: &mut WebSocketStream<UnixStream>) -> Message {
    socket.next().await.expect("another message").expect("a good one")
}

impl Peer {
    /// The program with its mode and a socket's path.
    pub fn command(self, mode: &str, place: &Place, socket: &str) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/clients");
        let mut command = match self {
            Peer::PyPi => {
                let mut command = Command::new(tool("venv/bin/python"));
                command.arg(scripts.join("websockets_peer.py"));
                command
            }
            Peer::Npm => {
                let mut command = Command::new("node");
                command.env("NODE_PATH", tool("node_modules")).arg(scripts.join("ws_peer.cjs"));
                command
            }
        };
        let Address::Unix(path) = place.address(socket) else { unreachable!("a Unix socket") };
        command.arg(mode).arg(path);
        command
    }
}

/// A backend of somebody else's; it ends when dropped.
pub struct Backend(Child);

impl Backend {
    pub fn start(peer: Peer, place: &Place) -> Backend {
        let mut command = peer.command("serve", place, "UPSTREAM1");
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a backend");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("its first line");
        assert_eq!(line, "serving\n");
        Backend(child)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
