//! What an access log says of a tunnel that has ended.

use crate::support::{
    client::Client,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
    until,
};

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A text of three bytes from the upstream, right behind its 101.
const YES: &[u8] = b"\x81\x03yes";

/// A text of two bytes, masked by zeros as clients may.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";

/// A Close with 1000 and `say "bye"`.
const BYE: &[u8] = b"\x88\x8b\0\0\0\0\x03\xe8say \"bye\"";

const FORMAT: &str = "'$websocket_closed_by $websocket_close_code \"$websocket_close_reason\" \
    $websocket_close_directive $websocket_messages_received/$websocket_messages_sent \
    $websocket_bytes_received/$websocket_bytes_sent'";

/// wsproxy whose upstream switches, says yes, and does `then`; `format` is what it logs.
fn gateway(format: &str, lines: &str, then: Then) -> (Server, Origin) {
    let place = Place::new();
    let switching = Answer::new([SWITCHING, YES].concat()).then(then);
    let origin = Origin::start(&place.address("UPSTREAM1"), vec![switching]);
    let site = format!(
        "log_format tunnels {format}; access_log @DIR@/access.log tunnels;
        server {{ listen @LISTEN@; location / {{ proxy_pass http://@UPSTREAM1@; websocket_proxy on; {lines} }} }}"
    );
    (Server::start(Kind::Wsproxy, place, &site), origin)
}

/// A tunnel through which the upstream's first word has come.
fn tunnel(server: &Server) -> Client {
    let mut client = Client::connect(&server.address("LISTEN"));
    assert_eq!(client.ask(HANDSHAKE).expect("an answer").status(), 101);
    assert_eq!(client.read(YES.len()).expect("the upstream's word"), YES);
    client
}

/// The line that the log has once the tunnel is over.
fn logged(server: &Server) -> String {
    until("the tunnel is logged", || server.place.read("access.log").ends_with('\n'));
    server.place.read("access.log").trim_end().to_owned()
}

#[test]
fn a_close_is_logged_with_who_sent_it_and_what_it_said() {
    let (server, _origin) = gateway(FORMAT, "", Then::Silence);
    let mut client = tunnel(&server);
    client.send(HI);
    client.send(BYE);
    client.finish();
    assert_eq!(logged(&server), "client 1000 \"say \\x22bye\\x22\" - 1/1 2/3");
}

#[test]
fn a_limit_is_logged_with_its_directive() {
    let (server, _origin) = gateway(FORMAT, "proxy_read_timeout 200ms;", Then::Silence);
    let mut client = tunnel(&server);
    let seen = client.read_to_end().expect("the end");
    assert_eq!(&seen[2..], b"\x03\xe9idle for 200ms (proxy_read_timeout)");
    drop(client);
    let line = "proxy 1001 \"idle for 200ms (proxy_read_timeout)\" proxy_read_timeout 0/1 0/3";
    assert_eq!(logged(&server), line);
}

#[test]
fn an_upstream_that_vanishes_is_logged_as_the_client_hears_it() {
    let (server, _origin) = gateway(FORMAT, "", Then::Close);
    let mut client = tunnel(&server);
    let seen = client.read_to_end().expect("the end");
    assert_eq!(&seen[2..], b"\x03\xf6upstream closed the connection");
    drop(client);
    assert_eq!(logged(&server), "upstream 1014 \"upstream closed the connection\" - 0/1 0/3");
}

/// Nothing is counted where nobody reads the count, and who ended a tunnel is known all the same.
#[test]
fn an_end_is_logged_without_a_look_at_frames() {
    let format = "'$websocket_closed_by $websocket_close_directive $bytes_sent'";
    let (server, _origin) = gateway(format, "websocket_close_notify off;", Then::Close);
    let mut client = tunnel(&server);
    assert_eq!(client.read_to_end().expect("the end"), b"");
    let line = logged(&server);
    assert!(line.starts_with("upstream - "), "{line}");
}

#[test]
fn the_handshake_and_the_tunnel_have_their_own_times() {
    let format = "'$websocket_handshake_time $websocket_lifetime $request_time'";
    let (server, _origin) = gateway(format, "", Then::Close);
    drop(tunnel(&server));
    let line = logged(&server);
    let times: Vec<f64> = line.split(' ').map(|time| time.parse().expect("seconds")).collect();
    let [handshake, lifetime, all] = times[..] else { panic!("{line}") };
    // Each is cut to milliseconds, and so may be one short.
    assert!(handshake + lifetime <= all + 0.003, "{line}");
}

#[test]
fn a_plain_request_has_nothing_to_tell_of_a_tunnel() {
    let place = Place::new();
    let site = format!(
        "log_format json escape=json '{{\"code\":\"$websocket_close_code\",\"t\":\"$websocket_handshake_time\"}}';
        access_log @DIR@/json.log json;
        log_format tunnels {FORMAT}; access_log @DIR@/access.log tunnels;
        server {{ listen @LISTEN@; location / {{ return 204; add_header X \"[$websocket_lifetime]\"; }} }}"
    );
    let server = Server::start(Kind::Wsproxy, place, &site);
    let mut client = Client::connect(&server.address("LISTEN"));
    let answer = client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("an answer");
    assert_eq!(answer.header("x").as_deref(), Some("[]"));
    assert_eq!(logged(&server), "- - \"-\" - -/- -/-");
    assert_eq!(server.place.read("json.log").trim_end(), "{\"code\":\"\",\"t\":\"\"}");
}
