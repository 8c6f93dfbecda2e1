//! Tokens as subprotocols, sent by clients of somebody else's.

use std::process::Output;

use crate::support::{
    origin::{Answer, Origin},
    server::{Kind, Place, Server},
};
use crate::websocket_clients::{Backend, Peer};

/// Behind a judge who is told the token and says that it has expired: the socket opens and ends.
const SITE: &str = "server {
    listen @LISTEN@;
    websocket_proxy on;
    location /ws/ { auth_request /judge; proxy_pass http://@UPSTREAM1@; }
    location /judge {
        proxy_pass http://@UPSTREAM2@;
        proxy_set_header Authorization 'Bearer $websocket_protocol_token';
    }
}";

#[test]
fn libraries_open_sockets_with_a_token_and_hear_that_it_has_expired() {
    for peer in [Peer::PyPi, Peer::Npm] {
        for backend in [Peer::PyPi, Peer::Npm] {
            let place = Place::new();
            let _backend = Backend::start(backend, &place);
            let judge = Answer::new("HTTP/1.1 204 No Content\r\nX-Token-Expires: 1\r\n\r\n");
            let judge = Origin::start(&place.address("UPSTREAM2"), vec![judge]);
            let mut server = Server::start(Kind::Wsproxy, place, SITE);
            for (offered, chosen) in
                [(&["bearer", "abc.def"][..], "bearer"), (&["chat", "bearer", "abc.def"], "chat")]
            {
                let mut command = peer.command("outlast", &server.place, "LISTEN");
                let Output { stdout, stderr, .. } =
                    command.arg("0").args(offered).output().expect("a client");
                let said = String::from_utf8_lossy(&stdout);
                let expected = format!("open {chosen}\nclosed 4401 token expired (websocket_token_expiry)\n");
                assert_eq!(said, expected, "{}", String::from_utf8_lossy(&stderr));
            }
            server.quit().expect("a graceful end");
            let asked = judge.finish();
            assert_eq!(asked.len(), 2);
            for asked in asked {
                assert_eq!(asked.message.header("Authorization").as_deref(), Some("Bearer abc.def"));
            }
        }
    }
}
