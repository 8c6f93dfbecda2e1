//! Who may have a WebSocket: `websocket_origins` and `websocket_protocols`.

use crate::support::{
    client::Client,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
};

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// wsproxy with lines of a server in front of an upstream that answers every request alike.
struct Gateway {
    server: Server,
    origin: Origin,
}

impl Gateway {
    fn new(lines: &str, answer: Answer) -> Gateway {
        let place = Place::new();
        let origin = Origin::start(&place.address("UPSTREAM1"), vec![answer]);
        let site = format!("server {{ listen @LISTEN@;\n{lines}\n}}");
        Gateway { server: Server::start(Kind::Wsproxy, place, &site), origin }
    }

    fn switching(lines: &str) -> Gateway {
        Gateway::new(lines, Answer::new(format!("{SWITCHING}\r\n")).then(Then::Echo))
    }

    /// The status of the answer to a handshake for `path` with these header lines.
    fn handshake(&self, path: &str, lines: &[&str]) -> u16 {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: example.com\r\n{lines}Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        self.ask(&request)
    }

    fn ask(&self, request: &str) -> u16 {
        let mut client = Client::connect(&self.server.address("LISTEN"));
        client.ask(request).expect("an answer").status()
    }

    /// Ends the gateway: its error log, and how many requests the upstream got.
    fn end(mut self) -> (String, usize) {
        self.server.quit().expect("a graceful end");
        (self.server.place.read("error.log"), self.origin.finish().len())
    }
}

/// A page of another site opens a socket with this site's cookies: it is refused before the upstream hears of
/// it, and the log says who came, who is allowed, and where that is written.
#[test]
fn a_page_of_another_site_gets_no_socket() {
    let gateway = Gateway::switching(
        "websocket_proxy on;
        websocket_origins same https://*.example.net ~^https://[a-z]+-preview\\.example\\.org$;
        location / { proxy_pass http://@UPSTREAM1@; }",
    );
    for origin in [
        "http://example.com",
        "https://example.com",
        "https://app.example.net",
        "https://abc-preview.example.org",
    ] {
        assert_eq!(gateway.handshake("/", &[&format!("Origin: {origin}")]), 101, "{origin}");
    }
    for origin in [
        "https://evil.example",
        "https://example.com.evil.example",
        "https://example.net",
        "http://app.example.net",
        "https://abc-preview.example.org.evil.example",
        "null",
    ] {
        assert_eq!(gateway.handshake("/", &[&format!("Origin: {origin}")]), 403, "{origin}");
    }
    let twice = ["Origin: http://example.com", "Origin: https://evil.example"];
    assert_eq!(gateway.handshake("/", &twice), 403);
    let (log, asked) = gateway.end();
    assert_eq!(asked, 4);
    let allowed = "same https://*.example.net ~^https://[a-z]+-preview\\.example\\.org$";
    let told = format!(
        "WebSocket from origin \"https://evil.example\" forbidden by websocket_origins: allowed are {allowed}, "
    );
    let line = log.lines().find(|line| line.contains(&told)).unwrap_or_else(|| panic!("not told:\n{log}"));
    assert!(line.contains("[error]") && line.contains("site.conf:3, client: unix:"), "{line}");
    assert!(log.contains("more than one Origin forbidden by websocket_origins, "), "{log}");
}

/// No browser leaves the Origin out, and no script can; a program that does carries no stranger's cookies.
#[test]
fn a_program_that_is_no_browser_needs_no_origin() {
    let gateway = Gateway::switching(
        "websocket_proxy on; websocket_origins https://example.com;
        location / { proxy_pass http://@UPSTREAM1@; }",
    );
    assert_eq!(gateway.handshake("/", &[]), 101);
}

/// Plain requests are CORS's to judge; a location may have rules of its own, or none.
#[test]
fn plain_requests_and_other_locations_are_left_alone() {
    let gateway = Gateway::new(
        "websocket_proxy on; websocket_origins same;
        location / { proxy_pass http://@UPSTREAM1@; }
        location /open { websocket_origins off; proxy_pass http://@UPSTREAM1@; }
        location /files { websocket_origins null; proxy_pass http://@UPSTREAM1@; }",
        Answer::text("hello"),
    );
    let plain = "GET / HTTP/1.1\r\nHost: example.com\r\nOrigin: https://evil.example\r\n\r\n";
    assert_eq!(gateway.ask(plain), 200);
    assert_eq!(gateway.handshake("/", &["Origin: https://evil.example"]), 403);
    assert_eq!(gateway.handshake("/open", &["Origin: https://evil.example"]), 200);
    assert_eq!(gateway.handshake("/files", &["Origin: null"]), 200);
    assert_eq!(gateway.handshake("/files", &["Origin: http://example.com"]), 403);
}

/// An error page answers who was refused, and is no way around the refusal.
#[test]
fn an_error_page_opens_no_tunnel() {
    let gateway = Gateway::switching(
        "websocket_proxy on; websocket_origins same; error_page 403 = @page;
        location / { proxy_pass http://@UPSTREAM1@; }
        location @page { proxy_pass http://@UPSTREAM1@; websocket_origins off; }",
    );
    // The upstream switches though nobody asks for it, which is a bad gateway.
    assert_eq!(gateway.handshake("/", &["Origin: https://evil.example"]), 502);
}

#[test]
fn a_protocol_that_may_not_be_spoken_is_refused() {
    let chosen = |name: &str| {
        Answer::new(format!("{SWITCHING}Sec-WebSocket-Protocol: {name}\r\n\r\n")).then(Then::Echo)
    };
    let lines = "websocket_proxy on; websocket_protocols mqtt graphql-ws;
        location / { proxy_pass http://@UPSTREAM1@; }";
    let gateway = Gateway::new(lines, chosen("mqtt"));
    assert_eq!(gateway.handshake("/", &["Sec-WebSocket-Protocol: mqtt"]), 101);
    assert_eq!(gateway.handshake("/", &["Sec-WebSocket-Protocol: bearer.abc, mqtt"]), 101);
    assert_eq!(gateway.handshake("/", &["Sec-WebSocket-Protocol: amqp, MQTT"]), 403);
    assert_eq!(gateway.handshake("/", &[]), 403);
    // Allowed, but not what the upstream chooses then.
    assert_eq!(gateway.handshake("/", &["Sec-WebSocket-Protocol: graphql-ws"]), 502);
    let received = gateway.origin.received();
    assert_eq!(received[1].message.header("sec-websocket-protocol").as_deref(), Some("bearer.abc, mqtt"));
    let (log, asked) = gateway.end();
    assert_eq!(asked, 3);
    for told in [
        "WebSocket with the subprotocols \"amqp, MQTT\" forbidden by websocket_protocols: allowed are mqtt graphql-ws, ",
        "WebSocket without a subprotocol forbidden by websocket_protocols: ",
        "upstream chose the subprotocol \"mqtt\", which is forbidden by websocket_protocols or was not offered: ",
    ] {
        assert!(log.lines().any(|line| line.contains("[error]") && line.contains(told)), "{told}\n{log}");
    }

    let gateway = Gateway::new(lines, chosen("amqp"));
    assert_eq!(gateway.handshake("/", &["Sec-WebSocket-Protocol: mqtt, amqp"]), 502);
    let gateway = Gateway::switching(lines);
    assert_eq!(gateway.handshake("/", &["Sec-WebSocket-Protocol: mqtt"]), 101);
}

/// Where wsproxy itself answers, it speaks what it may.
#[test]
fn an_echo_speaks_an_allowed_protocol() {
    let gateway = Gateway::switching("websocket_protocols mqtt; location / { websocket_echo; }");
    let mut client = Client::connect(&gateway.server.address("LISTEN"));
    let answer = client.ask(
        "GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: amqp, mqtt\r\n\r\n",
    );
    let answer = answer.expect("an answer");
    assert_eq!(answer.header("sec-websocket-protocol").as_deref(), Some("mqtt"));
}
