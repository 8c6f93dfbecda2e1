//! Every way in which an upstream can fail, for a plain request, a POST and a WebSocket handshake, where the
//! first of two fails, the first two of three, and all.

use super::scene::{Scene, get, post};
use crate::support::{
    handshake::{SWITCHING, handshake},
    origin::{Answer, Then},
};

const HEADERS: &str = "proxy_http_version 1.1; proxy_set_header Connection $connection_upgrade; \
    proxy_set_header Upgrade $http_upgrade; proxy_read_timeout 2s;\n";

/// `condition` is what `proxy_next_upstream` calls it, `failing` the address of an upstream that fails so.
fn matrix(condition: &str, failing: [&str; 2], answer: Option<Answer>) {
    let mut site = format!(
        "map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}\n\
        server {{ listen @LISTEN@; {HEADERS}"
    );
    let mut groups = String::new();
    let mut requests = Vec::new();
    let [one, two] = failing;
    for (kind, good) in [("get", "@TCP3@"), ("post", "@TCP3@"), ("ws", "@TCP4@")] {
        for (pattern, servers) in
            [("one-of-two", vec![one, good]), ("two-of-three", vec![one, two, good]), ("all", vec![one, two])]
        {
            for (named, words) in [
                ("named", condition.to_owned()),
                ("unnamed", unnamed(condition).to_owned()),
                ("repeated", format!("{condition} non_idempotent")),
                ("off", "off".to_owned()),
            ] {
                let name = format!("{kind}-{pattern}-{named}");
                let servers: String =
                    servers.iter().map(|server| format!("server {server} max_fails=0; ")).collect();
                groups.push_str(&format!("upstream {name} {{ {servers} }}\n"));
                site.push_str(&format!(
                    "location /{name} {{ proxy_next_upstream {words}; proxy_pass http://{name}; }}\n"
                ));
                let uri = format!("/{name}");
                requests.push(match kind {
                    "get" => get(&uri),
                    "post" => post(&uri),
                    _ => handshake(&uri),
                });
            }
        }
    }
    let failing = answer.unwrap_or_else(|| Answer::text("nobody asks"));
    let switch = Answer::new(SWITCHING).then(Then::Echo);
    let upstreams = vec![
        vec![failing.clone()],
        vec![failing],
        vec![Answer::text("good\n").then(Then::Close)],
        vec![switch],
    ];
    Scene { site: format!("{groups}{site}}}\n"), upstreams, requests, at_once: true }.alike();
}

/// A condition that is another one.
fn unnamed(condition: &str) -> &'static str {
    if condition == "http_500" { "http_404" } else { "http_500" }
}

fn answered(condition: &str, answer: Answer) {
    matrix(condition, ["@TCP1@", "@TCP2@"], Some(answer));
}

#[test]
fn one_that_refuses() {
    matrix("error", ["@REFUSED@"; 2], None);
}

#[test]
fn one_that_closes() {
    answered("error", Answer::new("").then(Then::Close));
}

#[test]
fn one_that_resets() {
    answered("error", Answer::new("").then(Then::Reset));
}

#[test]
fn one_that_closes_within_its_head() {
    answered("error", Answer::new("HTTP/1.1 200 OK\r\nContent-Le").then(Then::Close));
}

#[test]
fn one_that_is_silent() {
    answered("timeout", Answer::new("").then(Then::Silence));
}

#[test]
fn one_that_falls_silent_within_its_head() {
    answered("timeout", Answer::new("HTTP/1.1 200 OK\r\nContent-Le").then(Then::Silence));
}

#[test]
fn one_that_answers_no_header() {
    answered("invalid_header", Answer::new("HTTP/1.1 200 OK\r\nA\0b: c\r\n\r\n").then(Then::Close));
}

#[test]
fn one_whose_head_is_too_large() {
    let long = "x".repeat(5000);
    answered(
        "invalid_header",
        Answer::new(format!("HTTP/1.1 200 OK\r\nA: {long}\r\n\r\n")).then(Then::Close),
    );
}

fn status(code: u16) {
    let text = format!("HTTP/1.1 {code} So\r\nX-A: b\r\nContent-Length: 4\r\n\r\n{code}\n");
    answered(&format!("http_{code}"), Answer::new(text).then(Then::Close));
}

#[test]
fn one_that_answers_500() {
    status(500);
}

#[test]
fn one_that_answers_502() {
    status(502);
}

#[test]
fn one_that_answers_503() {
    status(503);
}

#[test]
fn one_that_answers_504() {
    status(504);
}

#[test]
fn one_that_answers_403() {
    status(403);
}

#[test]
fn one_that_answers_404() {
    status(404);
}

#[test]
fn one_that_answers_429() {
    status(429);
}
