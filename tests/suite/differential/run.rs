//! Plays an exchange against one server.

use std::{
    fs,
    io::{self, ErrorKind},
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    script::{Connection, Script, Step},
    transcript,
};
use crate::support::{
    PATIENCE,
    client::Client,
    escape,
    message::Message,
    origin::Origin,
    server::{Kind, Place, Server},
    stream::Address,
    until,
};

/// What a run shows.
pub struct Outcome {
    /// Everything the client and the upstreams saw.
    pub text: String,
    /// Where that is not what the exchange expects.
    pub complaints: Vec<String>,
    /// The server's own words.
    pub logs: String,
}

/// Plays `script` against a server of `kind` with `site` as its configuration.
pub fn run(kind: Kind, case: &Path, site: &str, script: &Script) -> Outcome {
    let mut place = Place::beside(case);
    let upstreams: Vec<Origin> = (0..3).map(|index| upstream(&mut place, index, site, script)).collect();
    copy_includes(case, &place);
    pin_times(&case.join("www"));
    let mut server = Server::start(kind, place, site);
    let mut outcome = Outcome { text: String::new(), complaints: Vec::new(), logs: String::new() };

    for connection in &script.connections {
        outcome.text.push_str("== connection\n");
        converse(&server, connection, &upstreams, &mut outcome);
    }
    if let Some(lines) = script.log_lines {
        outcome.text.push_str(&log(&server.place, lines));
    }
    if let Err(why) = server.quit() {
        outcome.complain(why);
    }
    for (index, upstream) in upstreams.into_iter().enumerate() {
        let received: Vec<_> = upstream.finish().iter().map(transcript::received).collect();
        outcome.judge_upstream(index, &received, script);
    }
    outcome.text = server.place.unfill(&outcome.text);
    outcome.logs = server.logs();
    outcome
}

impl Outcome {
    fn complain(&mut self, why: String) {
        self.text.push_str(&format!("!! {why}\n"));
        self.complaints.push(why);
    }

    fn judge_response(&mut self, response: &Message, status: u16, text: &str, place: &Place) {
        if response.status() != status {
            self.complaints.push(format!("`{}` instead of {status}", response.first_line()));
        }
        let plain = transcript::plain(response);
        if !place.unfill(&plain).contains(&place.unfill(text)) {
            self.complaints.push(format!("no `{}` in `{}`", text.escape_default(), plain.escape_default()));
        }
    }

    fn judge_upstream(&mut self, index: usize, received: &[String], script: &Script) {
        let number = index + 1;
        for request in received {
            self.text.push_str(&format!("== upstream {number} received\n{request}"));
        }
        for (_, text) in script.received.iter().filter(|(upstream, _)| *upstream == index) {
            if !received.iter().any(|request| request.contains(text)) {
                self.complaints.push(format!("upstream {number} never received `{text}`"));
            }
        }
    }
}

/// An upstream listens on a Unix socket, or on a port where the configuration wants one.
fn upstream(place: &mut Place, index: usize, site: &str, script: &Script) -> Origin {
    let number = index + 1;
    let tcp = site.contains(&format!("@TCP{number}@"));
    let address = match tcp {
        true => Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))),
        false => place.address(&format!("UPSTREAM{number}")),
    };
    let mut answers = script.upstreams[index].clone();
    if answers.is_empty() {
        answers.push(crate::support::origin::Answer::text(&format!("upstream {number}\n")));
    }
    let origin = Origin::start(&address, answers);
    if tcp {
        place.name_tcp(number, &origin);
    }
    origin
}

/// Files beside `site.conf` that it may include.
fn copy_includes(case: &Path, place: &Place) {
    for entry in fs::read_dir(case).expect("a case's directory") {
        let path = entry.expect("a directory entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a file name");
        if path.is_file() && !["exchange.http", "differs.diff", "site.conf"].contains(&name) {
            place.write(name, &fs::read_to_string(&path).expect("an included file"));
        }
    }
}

/// Gives the files of a case one and the same time, wherever and whenever they were checked out.
fn pin_times(directory: &Path) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800);
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            pin_times(&path);
        } else if path.metadata().and_then(|found| found.modified()).expect("a time") != time {
            let file = fs::File::options().append(true).open(&path).expect("a file of the case");
            file.set_modified(time).expect("setting a time");
        }
    }
}

fn converse(server: &Server, connection: &Connection, upstreams: &[Origin], outcome: &mut Outcome) {
    let mut client = Client::connect(&server.address(&connection.to));
    for step in &connection.steps {
        if let Err(why) = take(&mut client, step, connection.dribble, (server, upstreams), outcome) {
            outcome.complain(why);
            return;
        }
    }
}

/// One step; an error ends the connection.
fn take(
    client: &mut Client,
    step: &Step,
    dribble: bool,
    (server, upstreams): (&Server, &[Origin]),
    outcome: &mut Outcome,
) -> Result<(), String> {
    match step {
        Step::Send(bytes) => {
            // Requests may name the ports and paths of this run too.
            let bytes = fill(server, bytes);
            if dribble { client.dribble(&bytes) } else { client.send(&bytes) }
        }
        Step::Finish => client.finish(),
        Step::Response { status, to_head, text } => {
            let response = client.response(*to_head).map_err(|e| format!("instead of a {status}: {e}"))?;
            outcome.text.push_str(&transcript::response(&response, *to_head));
            outcome.judge_response(&response, *status, text, &server.place);
        }
        Step::Cut { status, text } => {
            let answer = client.response_as_far(false);
            let (response, body) = answer.map_err(|e| format!("instead of a {status}: {e}"))?;
            outcome.text.push_str(&transcript::response(&response, false));
            match body {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    outcome.text.push_str("-- cut\n");
                }
                other => return Err(format!("instead of a cut body: {other:?}")),
            }
            outcome.judge_response(&response, *status, text, &server.place);
        }
        Step::Bytes(expected) => {
            let bytes = client.read(expected.len()).map_err(|e| format!("instead of bytes: {e}"))?;
            outcome.text.push_str(&transcript::raw(&bytes));
            if bytes != *expected {
                outcome.complaints.push(format!("`{}` came", escape::encode(&bytes)));
            }
        }
        Step::Raw(text) => {
            let bytes = client.read_to_end().map_err(|e| format!("instead of an end: {e}"))?;
            outcome.text.push_str(&transcript::raw(&bytes));
            if !String::from_utf8_lossy(&bytes).contains(text.as_str()) {
                outcome.complaints.push(format!("no `{text}` in `{}`", escape::encode(&bytes)));
            }
        }
        Step::Closed => {
            let bytes = match client.read_to_end() {
                // A server that closes with bytes unread resets; for the client that is the end as well.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Vec::new()),
                other => other,
            };
            let bytes = bytes.map_err(|e: io::Error| format!("instead of an end: {e}"))?;
            if !bytes.is_empty() {
                return Err(format!("more came before the end: `{}`", escape::encode(&bytes)));
            }
            outcome.text.push_str("-- closed\n");
        }
        Step::Asked(index) => until("an upstream is asked", || !upstreams[*index].received().is_empty()),
    }
    Ok(())
}

fn fill(server: &Server, bytes: &[u8]) -> Vec<u8> {
    match str::from_utf8(bytes) {
        Ok(text) if text.contains('@') => server.place.fill(text).into_bytes(),
        _ => bytes.to_vec(),
    }
}

/// The access log once it has as many lines as are expected. A line is written after the client has its
/// answer, so it may take a moment to appear.
fn log(place: &Place, lines: usize) -> String {
    let begun = Instant::now();
    loop {
        let text = place.read("access.log");
        if text.lines().count() >= lines || begun.elapsed() > PATIENCE {
            return format!("== access.log\n{}", transcript::without_times(&text));
        }
        thread::sleep(Duration::from_millis(5));
    }
}
