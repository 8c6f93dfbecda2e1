//! Limits of time that a try and an answer have.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use super::scene::{LOG, Scene, get, post};
use crate::support::{
    client::Client,
    handshake::handshake,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
    until,
};

/// A port where connecting hangs, as long as this lives.
struct Full {
    address: SocketAddr,
    _listener: socket2::Socket,
    _waiting: Vec<TcpStream>,
}

/// A listener whose queue is full, so that the kernel drops whoever comes.
fn full() -> Full {
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    listener.bind(&any.into()).expect("a loopback port");
    listener.listen(0).expect("a listener");
    let address = listener.local_addr().expect("bound").as_socket().expect("an internet address");
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(stream);
        assert!(waiting.len() < 64, "a queue of none takes all");
    }
    Full { address, _listener: listener, _waiting: waiting }
}

#[test]
fn connecting_may_take_so_long() {
    let full = full();
    let site = format!(
        "map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
        upstream two {{ server {0} max_fails=0; server @TCP1@ max_fails=0; }}
        upstream all {{ server {0} max_fails=0; server {0} max_fails=0; }}
        server {{
            listen @LISTEN@; proxy_http_version 1.1; proxy_connect_timeout 200ms;
            proxy_set_header Connection $connection_upgrade; proxy_set_header Upgrade $http_upgrade;
            location /two {{ proxy_pass http://two; }}
            location /all {{ proxy_pass http://all; }}
            location /ws {{ proxy_pass http://all; }}
            location /unnamed {{ proxy_next_upstream error; proxy_pass http://all; }}
            location /one {{ proxy_pass http://{0}; }}
        }}",
        full.address
    );
    let requests = vec![get("/two"), post("/all"), handshake("/ws"), get("/unnamed"), get("/one")];
    let upstreams = vec![vec![Answer::text("good").then(Then::Close)]];
    Scene { site, upstreams, requests, at_once: false }.alike();
}

#[test]
fn an_upstream_that_does_not_read_is_given_up() {
    for kind in [Kind::Nginx, Kind::Wsproxy] {
        let deaf = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port");
        let address = deaf.local_addr().expect("bound");
        let site = format!(
            "{LOG} server {{ listen @LISTEN@; client_max_body_size 0; proxy_send_timeout 300ms;
            location / {{ proxy_http_version 1.1; proxy_set_header Connection ''; proxy_pass http://{address}; }} }}"
        );
        let mut server = Server::start(kind, Place::new(), &site);
        let mut client = Client::connect(&server.address("LISTEN"));
        let length = 32 << 20;
        client.send(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        client.send(vec![b'x'; length]);
        assert_eq!(client.response(false).expect("an answer").status(), 504, "{kind:?}");
        drop(client);
        server.quit().expect("a graceful end");
        assert!(server.place.read("access.log").contains("] [504] "), "{kind:?}");
        let message = "upstream timed out (110: Connection timed out) while sending request to upstream";
        assert!(server.place.read("error.log").contains(message), "{kind:?}");
    }
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    for kind in [Kind::Nginx, Kind::Wsproxy] {
        let place = Place::new();
        let text = "x".repeat(32 << 20);
        let origin = Origin::start(&place.address("UPSTREAM1"), vec![Answer::text(&text)]);
        let site = format!(
            "{LOG} server {{ listen @LISTEN@; send_timeout 300ms; proxy_buffering off;
            location / {{ proxy_pass http://@UPSTREAM1@; }} }}"
        );
        let server = Server::start(kind, place, &site);
        let mut client = Client::connect(&server.address("LISTEN"));
        client.send(get("/"));
        // The client is there all the time: nothing but the limit ends this.
        until("a line in the log", || !server.place.read("access.log").is_empty());
        let line = server.place.read("access.log");
        assert!(line.starts_with("GET / 200 ") && line.contains(" [200] "), "{kind:?}: {line}");
        let (_, body) = client.response_as_far(false).expect("a head");
        assert!(body.is_err(), "{kind:?}: a body that was cut");
        drop((server, origin));
    }
}
