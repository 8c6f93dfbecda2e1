//! A backend that says how it is as it is told to, can be killed, and comes back.

use std::{
    io::{self, Write},
    net::Shutdown,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use data_encoding::BASE64;
use sha1::{Digest, Sha1};

use crate::support::{
    message::{Message, Reader},
    stream::{Address, Listener, Stream},
};

/// What it does when it is asked for `/health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Says these bytes.
    Says(&'static str),
    /// Opens a WebSocket, and ends it when the other side does.
    Opens,
    /// Says 101, with a wrong `Sec-WebSocket-Accept`.
    OpensWrongly,
    /// Says nothing.
    Hangs,
    /// Says a byte now and then, and never comes to an end.
    Drips,
    /// Closes without a word.
    HangsUp,
}

pub const WELL: Health = Health::Says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
pub const ILL: Health = Health::Says("HTTP/1.1 503 Gone Fishing\r\nContent-Length: 0\r\n\r\n");

/// Answers `/health` as told, and everything else with its name.
pub struct Backend {
    address: Address,
    listener: Option<Arc<Listener>>,
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    health: Mutex<Health>,
    /// Each question for `/health`, with the number of its connection.
    asked: Mutex<Vec<(usize, Message)>>,
    /// What came behind a 101.
    behind: Mutex<Vec<Vec<u8>>>,
    open: Mutex<Vec<Stream>>,
}

impl Backend {
    pub fn start(address: &Address, name: &'static str) -> Backend {
        let shared = Shared {
            name,
            health: Mutex::new(WELL),
            asked: Mutex::default(),
            behind: Mutex::default(),
            open: Mutex::default(),
        };
        let mut backend = Backend { address: address.clone(), listener: None, shared: Arc::new(shared) };
        backend.revive();
        backend
    }

    pub fn address(&self) -> Address {
        self.listener.as_ref().expect("a living backend").address().expect("an address")
    }

    pub fn is(&self, health: Health) {
        *self.shared.health.lock().unwrap() = health;
    }

    /// Questions for `/health` so far, each with the number of its connection.
    pub fn asked(&self) -> Vec<(usize, Message)> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// What has come over its WebSockets, of those that have ended.
    pub fn behind(&self) -> Vec<Vec<u8>> {
        self.shared.behind.lock().unwrap().clone()
    }

    pub fn kill(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.stop();
        }
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        if let Address::Unix(path) = &self.address {
            let _ = std::fs::remove_file(path);
        }
    }

    pub fn revive(&mut self) {
        let listener = Listener::bind(&self.address).unwrap_or_else(|e| panic!("{}: {e}", self.address));
        let listener = Arc::new(listener);
        self.listener = Some(listener.clone());
        let shared = self.shared.clone();
        thread::spawn(move || {
            for number in 1.. {
                let Ok(stream) = listener.accept() else { return };
                let Ok(handle) = stream.try_clone() else { return };
                shared.open.lock().unwrap().push(handle);
                let shared = shared.clone();
                thread::spawn(move || shared.converse(stream, number));
            }
        });
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Shared {
    fn converse(&self, stream: Stream, number: usize) {
        let mut reader = Reader::new(stream);
        while let Ok(Some(message)) = reader.head() {
            let is_check = message.first_line().split(' ').nth(1).is_some_and(|to| to.starts_with("/health"));
            let goes_on = if is_check {
                self.asked.lock().unwrap().push((number, message.clone()));
                self.check(&mut reader, &message)
            } else {
                let (name, length) = (self.name, self.name.len());
                write!(reader.stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}")
            };
            if goes_on.is_err() {
                break;
            }
        }
        let _ = reader.stream.shutdown(Shutdown::Both);
    }

    fn check(&self, reader: &mut Reader, message: &Message) -> io::Result<()> {
        let health = *self.health.lock().unwrap();
        match health {
            Health::Says(bytes) => reader.stream.write_all(bytes.as_bytes()),
            Health::Opens | Health::OpensWrongly => {
                let key = message.header("sec-websocket-key").unwrap_or_default();
                let key = if health == Health::Opens { key } else { "another".to_owned() };
                let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
                let accept = BASE64.encode(&digest);
                write!(
                    reader.stream,
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n\r\n"
                )?;
                let mut frame = Vec::new();
                reader.exactly(8, &mut frame)?;
                self.behind.lock().unwrap().push(frame);
                reader.stream.write_all(b"\x88\x02\x03\xe8")?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Health::Hangs => reader.some().map(|_| ()),
            Health::Drips => {
                for byte in b"HTTP/1.1 200 OK\r\nX: ".iter().chain(std::iter::repeat_n(&b'x', 2000)) {
                    reader.stream.write_all(&[*byte])?;
                    thread::sleep(Duration::from_millis(5));
                }
                Ok(())
            }
            Health::HangsUp => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}
