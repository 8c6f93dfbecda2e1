//! A client that sends exactly the bytes it is given.

use std::{
    io::{self, Write},
    net::Shutdown,
};

use super::{
    message::{Message, Reader},
    stream::{Address, Stream},
};

/// One connection to a server under test.
#[derive(Debug)]
pub struct Client {
    reader: Reader,
}

impl Client {
    pub fn connect(address: &Address) -> Client {
        let stream =
            Stream::connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        Client { reader: Reader::new(stream) }
    }

    /// Sends all of `bytes`. That the server stopped reading is not this side's to judge: the answer shows it.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.reader.stream.write_all(bytes.as_ref());
    }

    /// Sends one byte at a time, each in a write of its own.
    pub fn dribble(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send([*byte]);
        }
    }

    /// Nothing more will be sent; the answer may still come.
    pub fn finish(&mut self) {
        let _ = self.reader.stream.shutdown(Shutdown::Write);
    }

    /// The next response with its body. `to_head` says that it answers HEAD.
    pub fn response(&mut self, to_head: bool) -> io::Result<Message> {
        let (message, body) = self.response_as_far(to_head)?;
        body.map(|()| message)
    }

    /// The next response with as much of its body as came, and why not all of it did.
    pub fn response_as_far(&mut self, to_head: bool) -> io::Result<(Message, io::Result<()>)> {
        let mut message = self
            .reader
            .head()?
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer"))?;
        let framing = message.response_framing(to_head)?;
        let body = self.reader.body(&mut message, framing);
        Ok((message, body))
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> io::Result<Message> {
        self.send(request);
        self.response(false)
    }

    /// Exactly `count` bytes.
    pub fn read(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader.exactly(count, &mut bytes).map(|()| bytes)
    }

    /// Everything until the server closes.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader.until_end(&mut bytes).map(|()| bytes)
    }

    /// The socket, for what this client has no word for.
    pub fn stream(&mut self) -> &mut Stream {
        &mut self.reader.stream
    }
}
