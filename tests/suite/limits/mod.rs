//! `limit_req` and `limit_conn` where time, what goes on at once and full zones have a part in it, of nginx and
//! of wsproxy; which requests they refuse is in `fixtures/nginx/limit_*`.

mod at_once;
mod beside;
mod full;
mod reloads;
mod users;
mod waiting;

use std::thread;

use crate::support::{
    client::Client,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server, whole},
    stream::Address,
    until,
};

/// A server of a kind with an upstream behind it that answers all alike.
struct Scene {
    server: Server,
    upstream: Origin,
}

impl Scene {
    fn start(kind: Kind, site: &str, answer: Answer) -> Scene {
        let place = Place::new();
        let upstream = Origin::start(&place.address("UPSTREAM1"), vec![answer]);
        Scene { server: Server::start(kind, place, site), upstream }
    }

    fn client(&self) -> Client {
        Client::connect(&self.server.address("LISTEN"))
    }

    /// The status that a request on a connection of its own gets.
    fn status(&self, target: &str) -> u16 {
        self.client().ask(get(target)).expect("an answer").status()
    }

    /// A request that has come to the upstream, and waits there.
    fn held(&self, request: &str) -> Client {
        let before = self.upstream.received().len();
        let mut client = self.client();
        client.send(request);
        until("the upstream is asked", || self.upstream.received().len() > before);
        client
    }

    /// A tunnel that is open.
    fn tunnel(&self, target: &str) -> Result<Client, u16> {
        tunnel(&self.server.address("LISTEN"), target)
    }

    /// Has it take another site; `generation` counts them from 1.
    fn reload(&self, site: &str, generation: usize) {
        self.server.place.write("site.conf", site);
        self.server.reload(&whole(site), generation);
    }

    fn access_log(&self) -> String {
        self.server.place.read("access.log")
    }

    /// What the error log says about limits, with levels, without numbers and whose requests it was about.
    fn told(&self) -> Vec<String> {
        let log = self.server.place.read("error.log");
        let lines = log.lines().filter_map(|line| {
            let line = &line[line.find('[')?..];
            let (level, rest) = line.split_once(' ')?;
            let (_, message) = rest.split_once(": ")?;
            let message = message.strip_prefix('*').map_or(message, |rest| rest.split_once(' ').unwrap().1);
            let message = message.split_once(", client: ").map_or(message, |(message, _)| message);
            let is_ours = ["limiting", "limit_", "delaying", "key is more", "client prematurely"];
            let is_ours = is_ours.iter().any(|word| message.contains(word));
            is_ours.then(|| format!("{level} {}", without_excess(message)))
        });
        lines.collect()
    }
}

fn tunnel(address: &Address, target: &str) -> Result<Client, u16> {
    let mut client = Client::connect(address);
    match client.ask(handshake(target)).expect("an answer").status() {
        101 => Ok(client),
        status => Err(status),
    }
}

/// A message with the excess, which depends on the millisecond, taken out.
fn without_excess(message: &str) -> String {
    let Some((before, rest)) = message.split_once("excess: ") else { return message.to_owned() };
    let end = rest.find([' ', ',']).expect("more behind it");
    let (whole, thousandths) = rest[..end].split_once('.').expect("thousandths");
    assert!(whole.parse::<u32>().is_ok() && thousandths.len() == 3, "{message}");
    format!("{before}excess: N{}", &rest[end..])
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn handshake(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// Asks nothing back, and keeps the connection.
fn silence() -> Answer {
    Answer::new("").then(Then::Silence)
}

fn switching() -> Answer {
    Answer::new(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )
    .then(Then::Echo)
}

fn both(test: fn(Kind)) {
    thread::scope(|threads| {
        let nginx = threads.spawn(|| test(Kind::Nginx));
        test(Kind::Wsproxy);
        nginx.join().expect("nginx does the same");
    });
}
