//! `websocket_token_expiry`, with a judge who says until when: the clock itself is moved in
//! `src/tunnel/expiry_tests.rs`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{ECHOED, Gateway, HI, expired, handshake, switching};
use crate::support::{client::Client, origin::Answer, until};

/// A location with `lines`, behind a judge whose answer has `header`.
fn gateway(lines: &str, header: &str) -> Gateway {
    let site = format!(
        "log_format end '$websocket_close_code $websocket_close_directive $websocket_closed_by';
server {{
    listen @LISTEN@;
    access_log @DIR@/access.log end;
    location / {{
        {lines}
        auth_request /judge;
        websocket_proxy on;
        proxy_pass http://@UPSTREAM1@;
    }}
    location /echo {{ {lines} auth_request /judge; websocket_echo; }}
    location /judge {{ internal; proxy_pass http://@UPSTREAM2@; }}
}}"
    );
    let judge = Answer::new(format!("HTTP/1.1 204 No Content\r\n{header}\r\n"));
    Gateway::start(&site, switching(""), judge)
}

fn tunnel(gateway: &Gateway, target: &str) -> Client {
    let mut client = gateway.client();
    assert_eq!(client.ask(handshake(target, &[])).expect("an answer").status(), 101);
    client
}

fn assert_echoes(client: &mut Client) {
    client.send(HI);
    let echoed = client.read(ECHOED.len()).expect("an echo");
    // The upstream of a tunnel sends the same bytes back, of which this is the beginning.
    assert!([ECHOED, &HI[..ECHOED.len()]].contains(&&echoed[..]), "{echoed:x?}");
}

fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set")
}

#[test]
fn a_socket_ends_with_its_token_and_log_and_client_are_told() {
    for header in ["X-Token-Expires: 1700000000\r\n", "x-token-expires: Tue, 14 Nov 2023 22:13:20 GMT\r\n"] {
        let gateway = gateway("websocket_token_expiry close;", header);
        assert_eq!(tunnel(&gateway, "/").read_to_end().expect("an end"), expired());
        until("a line in the error log", || {
            gateway.server.logs().contains("[warn]")
                && gateway.server.logs().contains("tunnel ended: token expired: websocket_token_expiry, ")
        });
        until("a line in the access log", || {
            gateway.server.place.read("access.log") == "4401 websocket_token_expiry proxy\n"
        });
    }
}

#[test]
fn not_before_it_expires() {
    let expires = wall_clock().as_secs() + 2;
    let gateway = gateway("", &format!("X-Token-Expires: {expires}\r\n"));
    let (mut through, mut echo) = (tunnel(&gateway, "/"), tunnel(&gateway, "/echo"));
    for client in [&mut through, &mut echo] {
        let end = client.read_to_end().expect("an end");
        assert_eq!(end, expired());
        assert!(wall_clock().as_secs() >= expires);
    }
}

#[test]
fn with_grace_it_outlives_it() {
    let gateway = gateway("websocket_token_expiry close 1h;", "X-Token-Expires: 1700000000\r\n");
    assert_eq!(tunnel(&gateway, "/").read_to_end().expect("an end"), expired());
    let now = wall_clock().as_secs();
    let gateway = self::gateway("websocket_token_expiry close 1h;", &format!("X-Token-Expires: {now}\r\n"));
    assert_echoes(&mut tunnel(&gateway, "/"));
    assert_echoes(&mut tunnel(&gateway, "/echo"));
}

#[test]
fn or_does_not_care() {
    let gateway = gateway("websocket_token_expiry ignore;", "X-Token-Expires: 1700000000\r\n");
    assert_echoes(&mut tunnel(&gateway, "/"));
    assert_echoes(&mut tunnel(&gateway, "/echo"));
}

#[test]
fn an_echo_is_told_as_a_tunnel_is() {
    let gateway = gateway("", "X-Token-Expires: 1\r\n");
    let mut client = tunnel(&gateway, "/echo");
    assert_eq!(client.read(expired().len()).expect("a Close"), expired());
    client.finish();
    until("a line in the log", || {
        gateway.server.logs().contains("echo ended after 0 messages: token expired")
    });
}

#[test]
fn where_nobody_is_told_anything_it_is_only_closed() {
    let gateway = gateway("websocket_close_notify off;", "X-Token-Expires: 1\r\n");
    assert_eq!(tunnel(&gateway, "/").read_to_end().expect("an end"), b"");
}

#[test]
fn the_earliest_of_several_counts_and_what_is_no_time_is_told() {
    let gateway = gateway("", "X-Token-Expires: tomorrow\r\nX-Token-Expires: 9999999999\r\n");
    assert_echoes(&mut tunnel(&gateway, "/"));
    until("a line in the log", || {
        gateway
            .server
            .logs()
            .contains("auth request sent invalid X-Token-Expires \"tomorrow\", which is neither ")
    });
    let gateway = self::gateway("", "X-Token-Expires: 9999999999\r\nX-Token-Expires: 1\r\n");
    assert_eq!(tunnel(&gateway, "/").read_to_end().expect("an end"), expired());
}
