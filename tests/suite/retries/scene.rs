//! nginx and wsproxy before the same upstreams and the same requests: what clients got, what each upstream
//! was asked, and what the logs say, as one text that has to be the same.

use std::thread;

use crate::{
    differential::transcript,
    support::{
        client::Client,
        origin::{Answer, Origin},
        server::{Kind, Place, Server},
        stream::Address,
        until,
    },
};

/// The format of the access log, all lists of `$upstream_` in it.
pub const LOG: &str = "log_format tries '$request_method $uri $status [$upstream_addr] [$upstream_status] \
    connect [$upstream_connect_time] header [$upstream_header_time] response [$upstream_response_time] \
    length [$upstream_response_length] sent [$upstream_bytes_sent] received [$upstream_bytes_received]'; \
    access_log @DIR@/access.log tries;\n";

/// A configuration, the upstreams `@TCP1@`, `@TCP2@` … in it, and what clients send.
pub struct Scene {
    pub site: String,
    /// What each upstream answers to its first request, its second …; the last again and again.
    pub upstreams: Vec<Vec<Answer>>,
    pub requests: Vec<Vec<u8>>,
    /// All requests are under way at the same time: none may depend on what another did.
    pub at_once: bool,
}

pub fn get(uri: &str) -> Vec<u8> {
    format!("GET {uri} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes()
}

pub fn post(uri: &str) -> Vec<u8> {
    let head = format!("POST {uri} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\n");
    (head + "body").into_bytes()
}

/// What one server showed.
pub struct Shown {
    /// What clients got, line by line of the access log, and what each upstream was asked.
    pub text: String,
    /// The messages of level `error` and above, behind what they are about.
    pub errors: Vec<(String, String)>,
}

impl Scene {
    /// Plays it with both servers; what they show must be the same.
    pub fn alike(&self) {
        let (nginx, ours) = self.both();
        let difference = transcript::difference(&nginx.whole(), &ours.beside(&nginx).whole());
        assert!(difference.is_empty(), "- nginx, + wsproxy\n{difference}");
    }

    /// What nginx shows, and what wsproxy does.
    pub fn both(&self) -> (Shown, Shown) {
        thread::scope(|threads| {
            let nginx = threads.spawn(|| self.play(Kind::Nginx));
            let ours = self.play(Kind::Wsproxy);
            (nginx.join().expect("nginx plays"), ours)
        })
    }

    pub fn play(&self, kind: Kind) -> Shown {
        let mut place = Place::new();
        let anywhere = Address::Tcp(([127, 0, 0, 1], 0).into());
        let origins: Vec<Origin> =
            self.upstreams.iter().map(|answers| Origin::start(&anywhere, answers.clone())).collect();
        for (at, origin) in origins.iter().enumerate() {
            place.name_tcp(at + 1, origin);
        }
        let mut server = Server::start(kind, place, &format!("{LOG}{}", self.site_for(kind)));
        let mut text = String::new();
        text.push_str(&self.converse(&server));
        // nginx ends without the lines that it has not written by then.
        let lines = || server.place.read("access.log").lines().count();
        until("a line of the log for each request", || lines() >= self.requests.len());
        server.quit().expect("a graceful end");
        let log = without_times(&server.place.read("access.log"));
        // A tunnel's line is written when it has ended, and that may be after the next request.
        let mut lines = self.in_order(log.split_inclusive('\n'));
        lines.sort_by_key(|line| line.contains(" 101 "));
        text.push_str(&format!("== access.log\n{}", lines.concat()));
        for (at, origin) in origins.into_iter().enumerate() {
            text.push_str(&format!("== upstream {}\n", at + 1));
            let received = origin.finish();
            let shown = received.iter().map(|one| match self.at_once {
                true => transcript::received(one),
                false => format!("-- connection {}\n{}", one.connection, transcript::received(one)),
            });
            text.push_str(&self.in_order(shown).concat());
        }
        let log = server.place.unfill(&server.place.read("error.log"));
        let errors = self.in_order(log.lines().filter_map(error));
        Shown { text: server.place.unfill(&text), errors }
    }

    /// Connections are kept where the site says so: nginx did not keep them by default before 1.29.7, and whether
    /// a kept one is gone already when the next request comes is chance.
    fn site_for(&self, kind: Kind) -> String {
        match kind {
            Kind::Wsproxy if !self.site.contains("keepalive") => {
                self.site.replace("{ server @", "{ keepalive 0; server @")
            }
            _ => self.site.clone(),
        }
    }

    /// What clients got.
    fn converse(&self, server: &Server) -> String {
        let address = &server.address("LISTEN");
        let fill = |request: &Vec<u8>| server.place.fill(&String::from_utf8_lossy(request));
        let requests: Vec<String> = self.requests.iter().map(fill).collect();
        if !self.at_once {
            return requests.iter().map(|request| converse(address, request)).collect();
        }
        thread::scope(|threads| {
            let mut clients = Vec::new();
            for request in &requests {
                clients.push(threads.spawn(move || converse(address, request)));
            }
            clients.into_iter().map(|client| client.join().expect("a client")).collect()
        })
    }

    /// What may have come in any order, in one that is always the same.
    fn in_order<T: Ord>(&self, some: impl Iterator<Item = T>) -> Vec<T> {
        let mut all: Vec<T> = some.collect();
        if self.at_once {
            all.sort();
        }
        all
    }
}

impl Shown {
    fn whole(&self) -> String {
        let lines = self.errors.iter().map(|(about, message)| format!("{message}, client: {about}\n"));
        format!("{}== error.log\n{}", self.text, lines.collect::<String>())
    }

    /// The same with what wsproxy says behind nginx's message about a handshake taken off.
    fn beside(mut self, nginx: &Shown) -> Shown {
        for ((about, message), (_, expected)) in self.errors.iter_mut().zip(&nginx.errors) {
            if about.contains("/ws") && message.starts_with(expected.as_str()) {
                message.clone_from(expected);
            }
        }
        self
    }
}

/// One connection: what is sent, and what comes.
fn converse(address: &Address, request: &str) -> String {
    let mut client = Client::connect(address);
    client.send(request);
    let mut text = format!("== {}\n", request.lines().next().unwrap_or_default());
    match client.response_as_far(false) {
        Ok((response, body)) => {
            text.push_str(&transcript::response(&response, false));
            if let Err(why) = body {
                text.push_str(&format!("-- {why}\n"));
            }
            if response.status() == 101 {
                client.send("ping");
                let echo = client.read(4).expect("an echo");
                text.push_str(&transcript::raw(&echo));
            }
        }
        Err(why) => text.push_str(&format!("-- {why}\n")),
    }
    text
}

/// Numbers like `0.004` are `T`.
fn without_times(log: &str) -> String {
    let is_time = |word: &str| {
        word.split_once('.').is_some_and(|(seconds, rest)| {
            rest.len() == 3 && [seconds, rest].iter().all(|part| part.bytes().all(|b| b.is_ascii_digit()))
        })
    };
    let mut text = String::new();
    for part in log.split_inclusive([' ', ',', '[', ']']) {
        let word = part.trim_end_matches([' ', ',', '[', ']']);
        text.push_str(if is_time(word) { "T" } else { word });
        text.push_str(&part[word.len()..]);
    }
    text
}

/// What a message is about, and `[error] message`, out of a line of the error log.
fn error(line: &str) -> Option<(String, String)> {
    let level = ["[error]", "[crit]", "[alert]", "[emerg]"].into_iter().find(|level| line.contains(level))?;
    let (_, rest) = line.split_once(": *")?;
    let (_, rest) = rest.split_once(' ')?;
    let (message, about) = rest.split_once(", client: ")?;
    Some((about.to_owned(), format!("{level} {message}")))
}
