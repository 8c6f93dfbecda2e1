//! An upstream that records the exact bytes it got and answers the bytes it was told to.

use std::{
    collections::VecDeque,
    io::{self, Write},
    net::Shutdown,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use super::{
    message::{Message, Reader},
    stream::{Address, Listener, Stream},
};

/// What an upstream says to one request.
#[derive(Debug, Clone)]
pub struct Answer {
    pub bytes: Vec<u8>,
    pub then: Then,
    /// Answer as soon as the head is there, and leave the body unread.
    pub early: bool,
}

/// What an upstream does with the connection once it has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Waits for the next request, unless this one asked to close.
    Keep,
    Close,
    /// Closes so that the other side sees a reset, where the socket can do that.
    Reset,
    /// Sends back whatever comes: what follows a 101.
    Echo,
    /// Keeps the connection open and says no more.
    Silence,
}

impl Answer {
    pub fn new(bytes: impl Into<Vec<u8>>) -> Answer {
        Answer { bytes: bytes.into(), then: Then::Keep, early: false }
    }

    pub fn then(self, then: Then) -> Answer {
        Answer { then, ..self }
    }

    /// 200 with a text.
    pub fn text(body: &str) -> Answer {
        let length = body.len();
        Answer::new(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }
}

/// A request as it reached the upstream.
#[derive(Debug, Clone)]
pub struct Received {
    pub message: Message,
    /// Which of the upstream's connections it came on, in the order they were opened, from 1.
    pub connection: usize,
    /// Why the rest of it never came, when it did not.
    pub cut: Option<String>,
    /// What came behind it on the same connection, once the upstream had switched to echoing.
    pub behind: Vec<u8>,
    /// Whether the connection was ended from the other side, after all of that.
    pub ended: bool,
}

/// A listening upstream; it stops when dropped.
#[derive(Debug)]
pub struct Origin {
    listener: Arc<Listener>,
    address: Address,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Answers still to give; the last one is given again and again.
    script: Mutex<VecDeque<Answer>>,
    received: Mutex<Vec<Received>>,
    connections: Mutex<Vec<(Stream, JoinHandle<()>)>>,
}

impl Origin {
    /// Listens on `address` and answers the first request with the first of `script`, and so on.
    pub fn start(address: &Address, script: Vec<Answer>) -> Origin {
        let listener = Listener::bind(address).unwrap_or_else(|e| panic!("an upstream on {address}: {e}"));
        let listener = Arc::new(listener);
        let address = listener.address().expect("a bound listener has an address");
        let script = if script.is_empty() { vec![Answer::text("upstream\n")] } else { script };
        let shared = Arc::new(Shared {
            script: Mutex::new(script.into()),
            received: Mutex::default(),
            connections: Mutex::default(),
        });
        let acceptor = thread::spawn({
            let (shared, listener) = (shared.clone(), listener.clone());
            move || shared.accept(&listener)
        });
        Origin { listener, address, shared, acceptor: Some(acceptor) }
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Answers every request like this from now on.
    pub fn say(&self, answer: Answer) {
        *self.shared.script.lock().unwrap() = VecDeque::from([answer]);
    }

    /// What has come so far, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// Waits until every connection has ended, then says what came. The server under test has to be
    /// stopped first: it is what holds them open.
    pub fn finish(self) -> Vec<Received> {
        let connections = std::mem::take(&mut *self.shared.connections.lock().unwrap());
        for (_, thread) in connections {
            let _ = thread.join();
        }
        self.received()
    }

    /// Cuts every connection there is now.
    pub fn cut(&self) {
        for (stream, _) in self.shared.connections.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.listener.stop();
        self.cut();
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Shared>, listener: &Listener) {
        for connection in 1.. {
            let Ok(stream) = listener.accept() else { return };
            let Ok(handle) = stream.try_clone() else { return };
            let thread = thread::spawn({
                let shared = self.clone();
                move || shared.converse(stream, connection)
            });
            self.connections.lock().unwrap().push((handle, thread));
        }
    }

    fn converse(&self, stream: Stream, connection: usize) {
        let mut reader = Reader::new(stream);
        while let Ok(Some(message)) = reader.head() {
            match self.answer(&mut reader, message, connection) {
                Ok(true) => {}
                _ => break,
            }
        }
        let _ = reader.stream.shutdown(Shutdown::Both);
    }

    /// Reads the rest of a request, records it and answers. Says whether another may follow.
    fn answer(&self, reader: &mut Reader, mut message: Message, connection: usize) -> io::Result<bool> {
        let answer = self.next_answer();
        let read = if answer.early { Ok(()) } else { read_body(reader, &mut message) };
        let keep = !wants_close(&message);
        let cut = read.as_ref().err().map(io::Error::to_string);
        let index = {
            let mut received = self.received.lock().unwrap();
            received.push(Received { message, connection, cut, behind: Vec::new(), ended: false });
            received.len() - 1
        };
        read?;
        reader.stream.write_all(&answer.bytes)?;
        match answer.then {
            Then::Keep => Ok(keep),
            Then::Close => Ok(false),
            Then::Reset => {
                reader.stream.try_clone()?.reset();
                Ok(false)
            }
            Then::Echo => self.echo(reader, index).map(|()| false),
            Then::Silence => self.listen_on(reader, index).map(|()| false),
        }
    }

    fn next_answer(&self) -> Answer {
        let mut script = self.script.lock().unwrap();
        if script.len() > 1 { script.pop_front().expect("more than one") } else { script[0].clone() }
    }

    fn echo(&self, reader: &mut Reader, index: usize) -> io::Result<()> {
        while let Some(bytes) = self.more(reader, index)? {
            reader.stream.write_all(&bytes)?;
        }
        Ok(())
    }

    fn listen_on(&self, reader: &mut Reader, index: usize) -> io::Result<()> {
        while self.more(reader, index)?.is_some() {}
        Ok(())
    }

    /// What else comes on a connection, recorded; None at its end.
    fn more(&self, reader: &mut Reader, index: usize) -> io::Result<Option<Vec<u8>>> {
        let bytes = reader.some()?;
        let received = &mut self.received.lock().unwrap()[index];
        received.behind.extend_from_slice(&bytes);
        received.ended = bytes.is_empty();
        Ok((!bytes.is_empty()).then_some(bytes))
    }
}

fn read_body(reader: &mut Reader, message: &mut Message) -> io::Result<()> {
    let framing = message.request_framing()?;
    reader.body(message, framing)
}

/// Whether a request's sender will not send another on this connection.
fn wants_close(message: &Message) -> bool {
    let old = message.first_line().ends_with("HTTP/1.0");
    old || message.values("connection").any(|value| value.eq_ignore_ascii_case(b"close"))
}
