//! Requests that may go to another peer, and those that must not.

mod bodies;
mod conditions;
mod kept;
mod lists;
mod scene;
mod timeouts;

use crate::support::{
    client::Client,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
};

const SITE: &str = "
upstream two { server @UPSTREAM1@; server @UPSTREAM2@; }
server { listen @LISTEN@; client_max_body_size 0; location / { proxy_pass http://two; } }
";

/// A first peer that reads a request and closes without a word, and a second that answers.
fn asked(parts: &[&[u8]]) -> (u16, usize) {
    let place = Place::new();
    let first = Origin::start(&place.address("UPSTREAM1"), vec![Answer::new("").then(Then::Close)]);
    let second = Origin::start(&place.address("UPSTREAM2"), vec![Answer::text("second")]);
    let server = Server::start(Kind::Wsproxy, place, SITE);
    let mut client = Client::connect(&server.address("LISTEN"));
    parts.iter().for_each(|part| client.send(part));
    let status = client.response(false).expect("an answer").status();
    drop((client, server));
    assert_eq!(first.finish().len(), 1, "the first peer is asked");
    (status, second.finish().len())
}

#[test]
fn a_request_whose_body_is_at_hand_goes_to_the_next_peer() {
    let put = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(asked(&[put]), (200, 1));
}

#[test]
fn a_body_that_was_streamed_is_not_sent_by_halves() {
    let body = vec![b'x'; 1 << 20];
    let head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n";
    assert_eq!(asked(&[head, &body]), (502, 0));
}

#[test]
fn a_post_that_was_sent_is_not_sent_again() {
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    assert_eq!(asked(&[post]), (502, 0));
}
