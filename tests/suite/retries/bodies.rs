//! Requests with bodies that go to another peer.

use super::scene::Scene;
use crate::support::origin::{Answer, Then};

fn put(uri: &str, length: usize) -> Vec<u8> {
    let head =
        format!("PUT {uri} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; length]].concat()
}

fn alike(first: &str, more: &str, length: usize, answer: Answer) {
    let site = format!(
        "upstream two {{ server {first}; server @TCP2@; }}
        server {{ listen @LISTEN@; client_max_body_size 0; proxy_http_version 1.1; {more}
        proxy_set_header Connection ''; location / {{ proxy_pass http://two; }} }}"
    );
    let good = Answer::text("good").then(Then::Close);
    let upstreams = vec![vec![answer], vec![good]];
    Scene { site, upstreams, requests: vec![put("/a", length)], at_once: false }.alike();
}

#[test]
fn what_nobody_took_goes_to_the_next_whatever_its_length() {
    alike("@REFUSED@", "", 1 << 20, Answer::text("nobody asks"));
}

#[test]
fn what_fits_the_buffer_goes_to_the_next() {
    alike("@TCP1@", "", 10_000, Answer::new("").then(Then::Close));
    alike("@TCP1@", "client_body_buffer_size 256k;", 200_000, Answer::new("").then(Then::Reset));
    let busy = Answer::new("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").then(Then::Close);
    alike("@TCP1@", "client_body_buffer_size 256k; proxy_next_upstream http_503;", 200_000, busy);
}
