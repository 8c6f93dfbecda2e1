//! `exchange.http`: who says what, line by line.
//!
//! ```text
//! # The point of the case.
//! # differs: why wsproxy answers otherwise, where it does
//!
//! upstream 1                      what upstream 1 answers to its first request, then to its second …
//! < HTTP/1.1 200 OK
//! < Content-Length: 2
//! <
//! < ok\
//!
//! connection                      a new connection to @LISTEN@; `connection PORT` to another listener
//! > GET / HTTP/1.1                bytes to send; a line ends in CRLF, or nowhere if `\` is its last sign
//! > Host: a
//! >
//! expect 200 ok                   one response is read; this is its status, and this text is in it
//! expect closed                   the server closes and has said nothing more
//!
//! received 1 GET / HTTP/1.1       upstream 1 got this text, in some request
//! ```
//!
//! `upstream N` takes what happens behind the answer: `close`, `reset`, `echo`, `silence`, and `early`
//! to answer before the body came. `connection … dribble` sends one byte at a time. `expect STATUS head`
//! reads the answer to a HEAD. `expect bytes TEXT` reads that many bytes, `expect raw` all until the
//! server closes, with no head looked for. `expect cut STATUS TEXT` reads an answer that ends before its
//! body does. `finish` ends the sending side. `asked N` waits until upstream N has got a request. `log LINES`
//! says how many lines `access.log` will have, and puts them into the transcript.

use super::super::support::{
    escape,
    origin::{Answer, Then},
};

/// A whole exchange.
#[derive(Debug, Default)]
pub struct Script {
    /// Why wsproxy answers otherwise than nginx, when it does.
    pub differs: Option<String>,
    /// What the upstreams answer, by their number from 1.
    pub upstreams: [Vec<Answer>; 3],
    pub connections: Vec<Connection>,
    /// Texts that an upstream has to have got.
    pub received: Vec<(usize, String)>,
    /// How many lines `access.log` has at the end, if that is of interest.
    pub log_lines: Option<usize>,
}

/// One connection of the client.
#[derive(Debug)]
pub struct Connection {
    /// The placeholder of the listener to connect to.
    pub to: String,
    pub dribble: bool,
    pub steps: Vec<Step>,
}

/// What the client does, in order.
#[derive(Debug)]
pub enum Step {
    Send(Vec<u8>),
    Finish,
    /// Reads a response and looks at its status and for a text.
    Response {
        status: u16,
        to_head: bool,
        text: String,
    },
    /// Reads a response whose body the server does not finish.
    Cut {
        status: u16,
        text: String,
    },
    /// Reads exactly as many bytes as these and compares.
    Bytes(Vec<u8>),
    /// Reads until the server closes and looks for a text.
    Raw(String),
    /// Waits until this upstream, by index, has got a request.
    Asked(usize),
    Closed,
}

impl Script {
    /// Reads an exchange; the error names the line.
    pub fn parse(text: &str) -> Result<Script, String> {
        let mut parser = Parser { script: Script::default(), upstream: None, sending: false };
        for (number, line) in text.lines().enumerate() {
            parser.line(line).map_err(|why| format!("line {}: {why}", number + 1))?;
        }
        if parser.script.connections.is_empty() {
            return Err("no connection".to_owned());
        }
        Ok(parser.script)
    }
}

struct Parser {
    script: Script,
    /// Whose answer the next `<` line belongs to.
    upstream: Option<usize>,
    /// Whether the line before was a `>` line, so that the next one joins its write.
    sending: bool,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(text) = quoted(line, '>') {
            let bytes = bytes(text)?;
            let joined = self.sending;
            self.sending = true;
            return self.send(bytes, joined);
        }
        self.sending = false;
        if let Some(text) = quoted(line, '<') {
            let upstream = self.upstream.ok_or("an answer, but no `upstream` line before it")?;
            let answer = self.script.upstreams[upstream].last_mut().expect("pushed with the line before");
            answer.bytes.extend(bytes(text)?);
            return Ok(());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" => Ok(()),
            "#" => {
                if let Some(why) = rest.strip_prefix("differs: ") {
                    self.script.differs = Some(why.to_owned());
                }
                Ok(())
            }
            "upstream" => self.begin_answer(rest),
            "connection" => self.begin_connection(rest),
            "expect" => self.expect(rest),
            "finish" => self.step(Step::Finish),
            "asked" => self.step(Step::Asked(upstream_index(rest)?)),
            "received" => {
                let (number, text) = rest.split_once(' ').ok_or("`received N TEXT`")?;
                self.script.received.push((upstream_index(number)?, unescaped(text)?));
                Ok(())
            }
            "log" => {
                self.script.log_lines = Some(rest.parse().map_err(|_| "`log` wants a number")?);
                Ok(())
            }
            other => Err(format!("`{other}` means nothing here")),
        }
    }

    fn begin_answer(&mut self, words: &str) -> Result<(), String> {
        let mut words = words.split_whitespace();
        let number = words.next().ok_or("`upstream` wants a number")?;
        let index = upstream_index(number)?;
        let mut answer = Answer::new(Vec::new());
        for word in words {
            match word {
                "close" => answer.then = Then::Close,
                "reset" => answer.then = Then::Reset,
                "echo" => answer.then = Then::Echo,
                "silence" => answer.then = Then::Silence,
                "early" => answer.early = true,
                other => return Err(format!("an upstream cannot `{other}`")),
            }
        }
        self.script.upstreams[index].push(answer);
        self.upstream = Some(index);
        Ok(())
    }

    fn begin_connection(&mut self, words: &str) -> Result<(), String> {
        let mut connection = Connection { to: "LISTEN".to_owned(), dribble: false, steps: Vec::new() };
        for word in words.split_whitespace() {
            match word {
                "dribble" => connection.dribble = true,
                "LISTEN" | "LISTEN2" | "PORT" | "PORT2" => connection.to = word.to_owned(),
                other => return Err(format!("no listener `{other}`")),
            }
        }
        self.script.connections.push(connection);
        Ok(())
    }

    fn expect(&mut self, what: &str) -> Result<(), String> {
        let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
        match word {
            "cut" => {
                let (status, text) = rest.split_once(' ').unwrap_or((rest, ""));
                self.step(Step::Cut { status: read_status(status)?, text: unescaped(text)? })
            }
            "closed" => self.step(Step::Closed),
            "bytes" => self.step(Step::Bytes(escape::decode(rest)?)),
            "raw" => self.step(Step::Raw(unescaped(rest)?)),
            status => {
                let status = read_status(status)?;
                let (to_head, text) = match rest.split_once(' ').unwrap_or((rest, "")) {
                    ("head", text) => (true, text),
                    _ => (false, rest),
                };
                self.step(Step::Response { status, to_head, text: unescaped(text)? })
            }
        }
    }

    fn send(&mut self, bytes: Vec<u8>, joined: bool) -> Result<(), String> {
        let steps = &mut self.script.connections.last_mut().ok_or("no `connection` before this")?.steps;
        match steps.last_mut() {
            Some(Step::Send(before)) if joined => before.extend(bytes),
            _ => steps.push(Step::Send(bytes)),
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        let connection = self.script.connections.last_mut().ok_or("no `connection` before this")?;
        connection.steps.push(step);
        Ok(())
    }
}

/// What stands behind a mark and one space at the start of a line.
fn quoted(line: &str, mark: char) -> Option<&str> {
    let rest = line.strip_prefix(mark)?;
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

/// The bytes of a `>` or `<` line, with the CRLF that ends it unless `\` does.
fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let escaped = text.len() - text.trim_end_matches('\\').len();
    if escaped % 2 == 1 {
        return escape::decode(&text[..text.len() - 1]);
    }
    let mut bytes = escape::decode(text)?;
    bytes.extend_from_slice(b"\r\n");
    Ok(bytes)
}

fn read_status(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("`{text}` is no status"))
}

fn unescaped(text: &str) -> Result<String, String> {
    String::from_utf8(escape::decode(text)?).map_err(|_| format!("`{text}` is not UTF-8"))
}

fn upstream_index(number: &str) -> Result<usize, String> {
    match number {
        "1" => Ok(0),
        "2" => Ok(1),
        "3" => Ok(2),
        other => Err(format!("no upstream `{other}`")),
    }
}
