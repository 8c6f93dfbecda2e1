//! `health_check`: servers are asked how they are, and who fails gets no requests until it passes again.
//!
//! nginx sells this, so there is none to run beside; what is expected is its documentation's.

mod backend;
mod lives;
mod questions;
mod tests_of_answers;

use crate::support::{
    client::Client,
    server::{Kind, Place, Server},
    until,
};

use backend::{Backend, Health};

/// Quick enough not to be waited for, and slow enough for a machine that is busy.
const OFTEN: &str = "interval=20ms";

/// A whole configuration: the servers of `upstream app`, what stands beside its location, and the checks.
fn site(servers: &str, http: &str, location: &str) -> String {
    format!(
        "worker_processes 2; pid @DIR@/pid; error_log @DIR@/error.log info;
events {{}}
http {{
    access_log off; {http}
    upstream app {{ zone app 64k; {servers} }}
    server {{
        listen @LISTEN@; server_name chat.example;
        location / {{ proxy_pass http://app; {location} }}
    }}
}}
"
    )
}

/// Two servers that are asked often.
fn two(check: &str) -> String {
    site("server @UPSTREAM1@; server @UPSTREAM2@;", "", &format!("health_check uri=/health {OFTEN} {check};"))
}

/// A place and its first backends.
fn place<const N: usize>() -> (Place, [Backend; N]) {
    let place = Place::new();
    let backends = std::array::from_fn(|at| {
        let name = format!("UPSTREAM{}", at + 1);
        Backend::start(&place.address(&name), ["one", "two", "three"][at])
    });
    (place, backends)
}

fn start(place: Place, site: &str) -> Server {
    Server::start(Kind::Wsproxy, place, site)
}

/// Who answers a request, or with what status nobody does.
fn who(server: &Server) -> String {
    let answer = Client::connect(&server.address("LISTEN"))
        .ask("GET / HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n\r\n")
        .expect("an answer");
    if answer.status() == 200 { answer.body_text() } else { answer.status().to_string() }
}

/// Waits until the log says so.
fn logged(server: &Server, words: &str) {
    until(words, || server.logs().contains(words));
}

/// Waits until requests are answered by these and nobody else, and sees that it stays so for many more.
fn only(server: &Server, names: &[&str]) {
    let answers = || (0..12).map(|_| who(server)).collect::<std::collections::BTreeSet<String>>();
    let wanted: std::collections::BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    until(&format!("answers of {names:?}"), || answers() == wanted);
    assert_eq!(answers(), wanted);
}
