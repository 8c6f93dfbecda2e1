//! A name server on loopback, over UDP and TCP, that answers what a test tells it and remembers what it was
//! asked (RFC 1035).

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Types of records.
pub const A: u16 = 1;
pub const CNAME: u16 = 5;
pub const AAAA: u16 = 28;
pub const SRV: u16 = 33;

/// How often threads look whether they are to end.
const TICK: Duration = Duration::from_millis(20);

/// What is answered to a question.
#[derive(Debug, Clone)]
pub enum Reply {
    Records(Vec<Record>),
    /// No records, and this code.
    Code(u8),
    Silence,
    /// These bytes behind the question's id.
    Garbage(Vec<u8>),
    /// Nothing but "ask over TCP", and these records there.
    OverTcp(Vec<Record>),
    /// The first records with ids of other questions, then the second with the right one.
    Spoofed(Vec<Record>, Vec<Record>),
}

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
    /// Whose it is, where that is not the name that was asked for.
    pub owner: Option<String>,
    pub ttl: u32,
    pub kind: u16,
    pub data: Vec<u8>,
}

/// The address of a name, for so many seconds.
pub fn address(ip: &str, ttl: u32) -> Record {
    match ip.parse().expect("an address") {
        IpAddr::V4(ip) => Record { owner: None, ttl, kind: A, data: ip.octets().into() },
        IpAddr::V6(ip) => Record { owner: None, ttl, kind: AAAA, data: ip.octets().into() },
    }
}

/// Another name that stands for this one.
pub fn alias(name: &str, ttl: u32) -> Record {
    Record { owner: None, ttl, kind: CNAME, data: encode(name) }
}

/// A place of a service.
pub fn service(priority: u16, weight: u16, port: u16, target: &str, ttl: u32) -> Record {
    let mut data: Vec<u8> = [priority, weight, port].iter().flat_map(|number| number.to_be_bytes()).collect();
    data.extend(encode(target));
    Record { owner: None, ttl, kind: SRV, data }
}

/// A running name server; stopped when it is dropped.
#[derive(Debug)]
pub struct Dns {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// What was asked: a question that is sent twice, since its answer is late, is one.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    name: String,
    kind: u16,
    id: [u8; 2],
    tcp: bool,
}

#[derive(Debug, Default)]
struct Shared {
    zone: Mutex<HashMap<(String, u16), Reply>>,
    asked: Mutex<Vec<Question>>,
    ended: AtomicBool,
}

impl Dns {
    pub fn start() -> Dns {
        let (tcp, udp) = std::iter::repeat_with(|| {
            let tcp = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
            let udp = UdpSocket::bind(tcp.local_addr().expect("an address"));
            udp.map(|udp| (tcp, udp))
        })
        .find_map(Result::ok)
        .expect("a port that is free over TCP and UDP");
        let address = udp.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        udp.set_read_timeout(Some(TICK)).expect("a timeout");
        tcp.set_nonblocking(true).expect("a listener that does not wait");
        let (one, other) = (shared.clone(), shared.clone());
        let threads = vec![thread::spawn(move || one.udp(&udp)), thread::spawn(move || other.tcp(&tcp))];
        Dns { address, shared, threads }
    }

    /// As a `resolver` line names it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on answers this to questions for records of a name. Names that nothing was said about do not
    /// exist; other types of those that something was said about have no records.
    pub fn answer(&self, name: &str, kind: u16, reply: Reply) {
        self.shared.zone.lock().unwrap().insert((name.to_ascii_lowercase(), kind), reply);
    }

    /// The same for addresses, IPv4 or IPv6.
    pub fn addresses(&self, name: &str, ips: &[&str], ttl: u32) {
        for kind in [A, AAAA] {
            let records = ips.iter().map(|ip| address(ip, ttl)).filter(|record| record.kind == kind);
            self.answer(name, kind, Reply::Records(records.collect()));
        }
    }

    /// How often records of a name were asked for.
    pub fn asked(&self, name: &str, kind: u16) -> usize {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.name == name && asked.kind == kind).count()
    }

    /// How many questions came over TCP.
    pub fn asked_over_tcp(&self) -> usize {
        self.shared.asked.lock().unwrap().iter().filter(|asked| asked.tcp).count()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn udp(&self, socket: &UdpSocket) {
        let mut buffer = [0; 4096];
        while !self.has_ended() {
            let Ok((count, from)) = socket.recv_from(&mut buffer) else { continue };
            for message in self.messages(&buffer[..count], false) {
                let _ = socket.send_to(&message, from);
            }
        }
    }

    fn tcp(&self, listener: &TcpListener) {
        while !self.has_ended() {
            match listener.accept() {
                Ok((stream, _)) => self.converse(stream),
                Err(_) => thread::sleep(TICK),
            }
        }
    }

    /// One question of a connection.
    fn converse(&self, mut stream: TcpStream) {
        let mut length = [0; 2];
        let _ = stream.set_nonblocking(false);
        let _ = stream.set_read_timeout(Some(super::PATIENCE));
        if stream.read_exact(&mut length).is_err() {
            return;
        }
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        if stream.read_exact(&mut question).is_err() {
            return;
        }
        for message in self.messages(&question, true) {
            let length = u16::try_from(message.len()).expect("a message that fits");
            let _ = stream.write_all(&[&length.to_be_bytes()[..], &message].concat());
        }
    }

    /// What goes back to a question.
    fn messages(&self, question: &[u8], tcp: bool) -> Vec<Vec<u8>> {
        let Some((name, kind, end)) = read_question(question) else { return Vec::new() };
        self.note(Question { name: name.clone(), kind, id: [question[0], question[1]], tcp });
        let question = &question[..end];
        let answer = |records: &[Record]| respond(question, 0, records);
        match self.reply(name, kind) {
            Reply::Records(records) => vec![answer(&records)],
            Reply::Code(code) => vec![respond(question, u16::from(code), &[])],
            Reply::Silence => Vec::new(),
            Reply::Garbage(bytes) => vec![[&question[..2], &bytes].concat()],
            Reply::OverTcp(records) if tcp => vec![answer(&records)],
            Reply::OverTcp(_) => vec![respond(question, 0x0200, &[])],
            Reply::Spoofed(others, own) => {
                let guesses = (1..=16).map(|guess: u8| {
                    let mut message = answer(&others);
                    message[1] ^= guess;
                    message
                });
                guesses.chain([answer(&own)]).collect()
            }
        }
    }

    fn note(&self, question: Question) {
        let mut asked = self.asked.lock().unwrap();
        if !asked.contains(&question) {
            asked.push(question);
        }
    }

    fn reply(&self, name: String, kind: u16) -> Reply {
        let zone = self.zone.lock().unwrap();
        // An alias is the answer to every question.
        let known = zone.get(&(name.clone(), kind)).or_else(|| zone.get(&(name.clone(), CNAME)));
        match known {
            Some(reply) => reply.clone(),
            None if zone.keys().any(|(other, _)| *other == name) => Reply::Records(Vec::new()),
            None => Reply::Code(3),
        }
    }
}

/// The name and the type that are asked for, and where the question ends.
fn read_question(message: &[u8]) -> Option<(String, u16, usize)> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?);
    Some((labels.join("."), kind, at + 4))
}

fn respond(question: &[u8], flags: u16, records: &[Record]) -> Vec<u8> {
    let mut message = question.to_vec();
    // A response, recursion wanted and there.
    message[2..4].copy_from_slice(&(0x8180 | flags).to_be_bytes());
    let count = u16::try_from(records.len()).expect("few records");
    message[6..8].copy_from_slice(&count.to_be_bytes());
    message[8..12].fill(0);
    for record in records {
        match &record.owner {
            Some(owner) => message.extend(encode(owner)),
            // The name that was asked for.
            None => message.extend([0xc0, 12]),
        }
        message.extend(record.kind.to_be_bytes());
        message.extend([0, 1]);
        message.extend(record.ttl.to_be_bytes());
        let length = u16::try_from(record.data.len()).expect("little data");
        message.extend(length.to_be_bytes());
        message.extend(&record.data);
    }
    message
}

/// A name in labels.
fn encode(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).expect("a short label"));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
