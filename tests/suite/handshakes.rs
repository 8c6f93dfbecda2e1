//! Handshakes that fail, and the one line that the error log has about each.

use crate::support::{
    client::Client,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
};

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What a tutorial has; its `proxy_pass` comes to stand in line 4 of the site.
const RECIPE: &str = "proxy_pass http://@UPSTREAM1@;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;";

const PASS: &str = "proxy_pass http://@UPSTREAM1@;";

const NOT_PASSED: &str = "[warn] a WebSocket was asked for and not passed on:";

/// What is told of `request` when it meets a location `/` that holds `inside` from line 4 on and the upstream
/// answers `answer`: the level and the message, without whose request it was about.
fn told(inside: &str, request: &str, answer: Answer) -> String {
    told_of_each(inside, vec![(request.to_owned(), answer)]).remove(0)
}

/// The same for several requests, each with its answer.
fn told_of_each(inside: &str, exchanges: Vec<(String, Answer)>) -> Vec<String> {
    let site = format!("server {{\n  listen @LISTEN@;\n  location / {{\n    {inside}\n  }}\n}}\n");
    lines_about(&site, exchanges).iter().map(|line| without_context(line)).collect()
}

/// The same for a whole site.
fn told_by(site: &str, request: &str, answer: Answer) -> String {
    without_context(&lines_about(site, vec![(request.to_owned(), answer)])[0])
}

fn without_context(line: &str) -> String {
    let end = line.find(", client: ").unwrap_or_else(|| panic!("no context: {line}"));
    line[..end].to_owned()
}

/// The lines of level `warn` or above, context and all: one for each request.
fn lines_about(site: &str, exchanges: Vec<(String, Answer)>) -> Vec<String> {
    let place = Place::new();
    let (requests, answers): (Vec<String>, Vec<Answer>) = exchanges.into_iter().unzip();
    let origin = Origin::start(&place.address("UPSTREAM1"), answers);
    let mut server = Server::start(Kind::Wsproxy, place, site);
    for request in &requests {
        // What the client gets is not the matter here.
        let _ = Client::connect(&server.address("LISTEN")).ask(request);
    }
    server.quit().expect("a graceful end");
    drop(origin);
    let log = server.place.unfill(&server.place.read("error.log"));
    let told = log.lines().filter(|line| line.contains("[warn]") || line.contains("[error]"));
    let told: Vec<String> = told.map(level_and_message).collect();
    assert_eq!(told.len(), requests.len(), "one line for each request: {log}");
    told
}

/// `[warn] message` out of `2026/01/31 12:00:00 [warn] 1#1: *1 message`.
fn level_and_message(line: &str) -> String {
    assert!(line.len() < 800, "a line of {} bytes: {line}", line.len());
    let level = &line[line.find('[').expect("a level")..=line.find(']').expect("a level")];
    let about = line.split_once(": *").expect("a connection").1;
    format!("{level} {}", about.split_once(' ').expect("a message").1)
}

fn answer(status: &str) -> Answer {
    Answer::new(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
}

#[test]
fn a_location_that_sets_neither_header() {
    let site = "server {\n listen @LISTEN@;\n location / {\n proxy_pass http://@UPSTREAM1@;\n }\n}\n";
    assert_eq!(
        lines_about(site, vec![(HANDSHAKE.to_owned(), answer("426 Upgrade Required"))]),
        [format!(
            "{NOT_PASSED} add \"proxy_set_header Upgrade $http_upgrade;\" and \"proxy_set_header Connection \
upgrade;\" beside proxy_pass (@DIR@/site.conf:4), or \"# wsproxy: websocket_proxy on;\"; upstream answered 426 to \
a plain request, client: unix:, server: , request: \"GET /ws HTTP/1.1\", upstream: \"http://@UPSTREAM1@:/ws\", \
host: \"a:8080\""
        )]
    );
}

#[test]
fn a_location_that_sets_them_wrong() {
    for (lines, expected) in [
        (
            "proxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection '';",
            "\"proxy_set_header Connection\" (@DIR@/site.conf:5) sends nothing: write \"proxy_set_header \
Connection upgrade;\"",
        ),
        (
            "proxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection close;",
            "\"proxy_set_header Connection\" (@DIR@/site.conf:5) sends \"close\": write \"proxy_set_header \
Connection upgrade;\"",
        ),
        (
            "proxy_set_header Upgrade $http_x_nobody;\nproxy_set_header Connection upgrade;",
            "\"proxy_set_header Upgrade\" (@DIR@/site.conf:4) sends nothing: write \"proxy_set_header Upgrade \
$http_upgrade;\"",
        ),
        (
            "proxy_set_header Upgrade $http_upgrade;",
            "add \"proxy_set_header Connection upgrade;\" beside proxy_pass (@DIR@/site.conf:4), or \
\"# wsproxy: websocket_proxy on;\"",
        ),
        (
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;\n\
            proxy_http_version 1.0;",
            "\"proxy_http_version 1.0;\" (@DIR@/site.conf:5) has to be 1.1",
        ),
        (
            "websocket_proxy on;\nproxy_pass_request_headers off;",
            "\"proxy_pass_request_headers off;\" (@DIR@/site.conf:5) keeps Sec-WebSocket-Key back",
        ),
        (
            "websocket_proxy on; proxy_method POST;",
            "proxy_method or proxy_set_header beside proxy_pass (@DIR@/site.conf:4) spoils it (method is not GET)",
        ),
    ] {
        assert_eq!(
            told(&format!("{PASS} {lines}"), HANDSHAKE, answer("400 Bad Request")),
            format!("{NOT_PASSED} {expected}; upstream answered 400 to a plain request")
        );
    }
}

/// The classic: the server has the recipe, and a location sets one header of its own.
#[test]
fn a_location_that_forgets_its_servers_lines() {
    let site = "server {
  listen @LISTEN@;
  proxy_set_header Upgrade $http_upgrade;
  proxy_set_header Connection upgrade;
  location / {
    proxy_pass http://@UPSTREAM1@;
    proxy_set_header X-Real-IP $remote_addr;
  }
}
";
    assert_eq!(
        told_by(site, HANDSHAKE, answer("200 OK")),
        format!(
            "{NOT_PASSED} the location's own proxy_set_header (@DIR@/site.conf:7) makes void those of the outer \
block, Upgrade (@DIR@/site.conf:3) and Connection (@DIR@/site.conf:4) among them: repeat them here, or \
\"# wsproxy: websocket_proxy on;\"; upstream answered 200 to a plain request"
        )
    );
}

#[test]
fn what_an_upstream_answers_to_a_handshake_that_was_passed_on() {
    let to = "to a WebSocket handshake";
    let rows = [
        (
            "200 OK",
            format!(
                "upstream answered 200 {to} as to a plain request: it speaks no WebSocket at \"/ws\", as the \
client sent it; a URI in proxy_pass (@DIR@/site.conf:4) would change it"
            ),
        ),
        (
            "301 Moved Permanently\r\nLocation: http://a/ws/",
            "upstream redirected a WebSocket handshake for \"/ws\" (301) to \"http://a/ws/\", which no browser \
follows: the client, or a URI of proxy_pass (@DIR@/site.conf:4), has to ask for that"
                .to_owned(),
        ),
        (
            "308 Permanent Redirect\r\nLocation: https://a/ws",
            "upstream redirected a WebSocket handshake for \"/ws\" (308) to \"https://a/ws\", which no browser \
follows: the page has to ask with wss://, or add \"proxy_set_header X-Forwarded-Proto $scheme;\" beside proxy_pass \
(@DIR@/site.conf:4)"
                .to_owned(),
        ),
        (
            "302 Found\r\nLocation: /login",
            "upstream redirected a WebSocket handshake for \"/ws\" (302) to \"/login\", which no browser follows: \
the client has to ask for that, or it is a login (the handshake came without Cookie and Authorization)"
                .to_owned(),
        ),
        (
            "400 Bad Request",
            format!(
                "upstream answered 400 {to} that was passed on whole: often it does not know Host \"localhost\" \
(nginx's default $proxy_host); add \"proxy_set_header Host $http_host;\" beside proxy_pass (@DIR@/site.conf:4)"
            ),
        ),
        (
            "401 Unauthorized",
            format!(
                "upstream answered 401 {to} that came without Cookie and Authorization: it wants credentials, \
and a page can give a WebSocket none but cookies and its URI"
            ),
        ),
        (
            "403 Forbidden",
            format!(
                "upstream answered 403 {to} without Origin and with Host \"localhost\" (nginx's default \
$proxy_host): a server that checks origins wants one"
            ),
        ),
        (
            "404 Not Found",
            format!(
                "upstream answered 404 {to}: it has no WebSocket at \"/ws\", as the client sent it; a URI in \
proxy_pass (@DIR@/site.conf:4) would change it"
            ),
        ),
        (
            "426 Upgrade Required",
            format!(
                "upstream answered 426 {to} that was passed on whole: something between proxy_pass \
(@DIR@/site.conf:4) and the server takes Upgrade away"
            ),
        ),
        (
            "426 Upgrade Required\r\nSec-WebSocket-Version: 8",
            format!(
                "upstream answered 426 {to} of version 13: it speaks version \"8\" and is to be updated"
            ),
        ),
        (
            "500 Internal Server Error",
            format!("upstream answered 500 {to}: only its own log says why; it was asked for \"/ws\""),
        ),
        (
            "502 Bad Gateway",
            format!(
                "upstream answered 502 {to}: it is a gateway itself, and what is behind it failed, or got no \
handshake; its own log says more"
            ),
        ),
    ];
    let exchanges = rows.iter().map(|(head, _)| (HANDSHAKE.to_owned(), answer(head))).collect();
    for (told, (_, expected)) in told_of_each(RECIPE, exchanges).iter().zip(&rows) {
        assert_eq!(*told, format!("[warn] {expected}"));
    }
}

#[test]
fn an_origin_that_is_refused() {
    let with_origin = HANDSHAKE.replace("\r\n\r\n", "\r\nOrigin: http://a:8080\r\n\r\n");
    let forbidden = "[warn] upstream answered 403 to a WebSocket handshake with Origin \"http://a:8080\" (the \
client's) and Host";
    for (host, expected) in [
        (
            "",
            "\"localhost\" (nginx's default $proxy_host): servers want the two to agree, or have a list of \
origins; add \"proxy_set_header Host $http_host;\" beside proxy_pass (@DIR@/site.conf:4)",
        ),
        (
            "proxy_set_header Host $host;",
            "\"a\" (@DIR@/site.conf:7): servers want the two to agree, or have a list of origins",
        ),
        (
            "proxy_set_header Host $http_host;",
            "\"a:8080\" (@DIR@/site.conf:7): they agree, so its own list of origins or a login decides",
        ),
        (
            "websocket_proxy on;",
            "\"a:8080\" (the client's): they agree, so its own list of origins or a login decides",
        ),
    ] {
        let message = told(&format!("{RECIPE}\n{host}"), &with_origin, answer("403 Forbidden"));
        assert_eq!(message, format!("{forbidden} {expected}"));
    }
}

#[test]
fn a_uri_that_proxy_pass_makes() {
    let site = "server {
  listen @LISTEN@;
  location /ws {
    proxy_pass http://@UPSTREAM1@:/chat/;
    websocket_proxy on;
  }
}
";
    let request = HANDSHAKE.replace("/ws", "/ws/room");
    assert_eq!(
        told_by(site, &request, answer("404 Not Found")),
        "[warn] upstream answered 404 to a WebSocket handshake: it has no WebSocket at \"/chat//room\", which the \
location made of the client's \"/ws/room\": see its rewrites and proxy_pass (@DIR@/site.conf:4)"
    );
}

#[test]
fn an_upstream_that_does_not_answer() {
    let silent = || Answer::new("").then(Then::Silence);
    let closing = || Answer::new("").then(Then::Close);
    let closed =
        "[error] upstream prematurely closed connection while reading response header from upstream:";
    assert_eq!(
        told(RECIPE, HANDSHAKE, closing()),
        format!(
            "{closed} it closed on a WebSocket handshake; a server that expects TLS where proxy_pass \
(@DIR@/site.conf:4) points does so"
        )
    );
    assert_eq!(
        told(PASS, HANDSHAKE, closing()),
        format!(
            "{closed} a WebSocket was asked for and not passed on: add \"proxy_set_header Upgrade \
$http_upgrade;\" and \"proxy_set_header Connection upgrade;\" beside proxy_pass (@DIR@/site.conf:4), or \
\"# wsproxy: websocket_proxy on;\""
        )
    );
    assert_eq!(
        told(&format!("{RECIPE}\nproxy_read_timeout 100ms;"), HANDSHAKE, silent()),
        "[error] upstream timed out (110: Connection timed out) while reading response header from upstream: a \
WebSocket handshake has 100ms for this (proxy_read_timeout, @DIR@/site.conf:7)"
    );
    assert_eq!(
        told("proxy_pass http://@REFUSED@; websocket_proxy on;", HANDSHAKE, answer("200 OK")),
        "[error] connect() failed (111: Connection refused) while connecting to upstream: no WebSocket opens \
before something listens where proxy_pass (@DIR@/site.conf:4) points"
    );
    // Who asks for no WebSocket reads nginx's own words.
    assert_eq!(
        told("proxy_pass http://@REFUSED@; websocket_proxy on;", GET, answer("200 OK")),
        "[error] connect() failed (111: Connection refused) while connecting to upstream"
    );
}

#[test]
fn a_request_that_is_no_handshake() {
    let missed = "[warn] a WebSocket was asked for, but not as RFC 6455 wants it";
    let in_front =
        "a proxy in front of this one that does not pass on HTTP/1.1, Upgrade and Connection does that";
    let rows = [
        (
            "Version: 13",
            "Version: 8",
            "Sec-WebSocket-Version 8 instead of 13): version 13 is the only one; update the client",
        ),
        ("GET", "POST", "method is not GET): a handshake is a GET without a body; mend the client"),
        (
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            "",
            "no Sec-WebSocket-Key): by its key a client knows a WebSocket server; mend the client",
        ),
        ("Connection: Upgrade", "Connection: keep-alive", &format!("no Connection: upgrade): {in_front}")),
        ("HTTP/1.1", "HTTP/1.0", &format!("not HTTP/1.1): {in_front}")),
        ("Upgrade: websocket\r\n", "", &format!("no Upgrade, though a Sec-WebSocket-Key): {in_front}")),
    ];
    let exchanges = || {
        rows.iter().map(|(from, to, _)| (HANDSHAKE.replace(from, to), answer("400 Bad Request"))).collect()
    };
    for (told, (_, _, expected)) in told_of_each(RECIPE, exchanges()).iter().zip(&rows) {
        let expected = format!("{missed} ({expected}; passed on as a plain request, upstream answered 400");
        assert_eq!(*told, expected);
    }
    for (told, (_, _, expected)) in told_of_each("websocket_echo;", exchanges()).iter().zip(&rows) {
        assert_eq!(*told, format!("{missed} ({expected}"));
    }
}

#[test]
fn a_switch_that_nobody_asked_for() {
    let switch = || Answer::new(SWITCHING);
    assert_eq!(
        told(RECIPE, GET, switch()),
        "[error] upstream switched protocols (101) though the client asked for no WebSocket"
    );
    assert_eq!(
        told(PASS, HANDSHAKE, switch()),
        "[error] a WebSocket was asked for and not passed on: add \"proxy_set_header Upgrade $http_upgrade;\" and \
\"proxy_set_header Connection upgrade;\" beside proxy_pass (@DIR@/site.conf:4), or \
\"# wsproxy: websocket_proxy on;\"; upstream switched protocols (101) all the same"
    );
    assert_eq!(
        told(RECIPE, &HANDSHAKE.replace("Version: 13", "Version: 7"), switch()),
        "[error] a WebSocket was asked for, but not as RFC 6455 wants it (Sec-WebSocket-Version 7 instead of 13): \
version 13 is the only one; update the client; upstream switched protocols (101) all the same"
    );
}

/// The client gets these as nginx would give them to it, and judges for itself.
#[test]
fn a_switch_with_something_odd_about_it() {
    let (upgrade, connection) = ("Upgrade: websocket", "Connection: upgrade");
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let rows = [
        (
            format!("{upgrade}\r\n{connection}\r\nSec-WebSocket-Accept: c3BhcmU="),
            "with a wrong Sec-WebSocket-Accept: the client will close it; the upstream answers another key than \
the client's Sec-WebSocket-Key",
        ),
        (
            format!("{upgrade}\r\n{connection}"),
            "without a Sec-WebSocket-Accept: the client will close it; mend the upstream",
        ),
        (
            format!("{upgrade}\r\n{connection}\r\n{accept}\r\nSec-WebSocket-Protocol: chat"),
            "with a Sec-WebSocket-Protocol that the client did not offer: the client will close it; mend the \
upstream",
        ),
        (
            format!("{upgrade}\r\n{accept}"),
            "without Connection: upgrade: the client gets one from here; mend the upstream",
        ),
        (
            format!("{connection}\r\n{accept}"),
            "with no Upgrade: websocket: the client will close it; mend the upstream",
        ),
    ];
    let switch = |lines: &str| {
        Answer::new(format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n\r\n")).then(Then::Close)
    };
    let exchanges = rows.iter().map(|(lines, _)| (HANDSHAKE.to_owned(), switch(lines))).collect();
    for (told, (_, expected)) in told_of_each(RECIPE, exchanges).iter().zip(&rows) {
        assert_eq!(*told, format!("[warn] upstream answered 101 {expected}"));
    }
}

#[test]
fn a_location_without_an_upstream() {
    let asked = "[warn] a WebSocket was asked for";
    for (inside, expected) in [
        (
            "return 404;",
            "where the configuration itself answers 404 (@DIR@/site.conf:3): the client needs another URI, or \
that one a location with a proxy_pass",
        ),
        (
            "return 301 https://a$request_uri;",
            "at \"/ws\" and redirected (301, @DIR@/site.conf:3) to \"https://a/ws\", which no browser follows: \
the page has to ask with wss://",
        ),
        (
            "root @DIR@; rewrite ^ /site.conf break;",
            "at a location that serves files (@DIR@/site.conf:3): it needs a proxy_pass, or the client another \
URI",
        ),
    ] {
        assert_eq!(told(inside, HANDSHAKE, answer("200 OK")), format!("{asked} {expected}"));
    }
    let slash = "server {\n listen @LISTEN@;\n location /ws/ {\n proxy_pass http://@UPSTREAM1@;\n }\n}\n";
    assert_eq!(
        told_by(slash, HANDSHAKE, answer("200 OK")),
        format!(
            "{asked} at \"/ws\" and redirected (301, @DIR@/site.conf:3) to \"http://a/ws/\", which no browser \
follows: the client has to ask for that, or the location to be named otherwise"
        )
    );
    let nothing = "server {\n listen @LISTEN@;\n root @DIR@;\n rewrite ^ /site.conf;\n}\n";
    assert_eq!(
        told_by(nothing, HANDSHAKE, answer("200 OK")),
        format!(
            "{asked} at \"/ws\", for which the server (@DIR@/site.conf:1) has no location: add one with a \
proxy_pass"
        )
    );
}

/// Nothing is told of a WebSocket that opens, though another location had the first say.
#[test]
fn a_handshake_that_succeeds_is_not_told_of() {
    let site = "server {
  listen @LISTEN@;
  error_page 404 = @app;
  location / { return 404; }
  location @app { proxy_pass http://@UPSTREAM1@; websocket_proxy on; }
}
";
    let place = Place::new();
    let origin = Origin::start(&place.address("UPSTREAM1"), vec![Answer::new(SWITCHING).then(Then::Echo)]);
    let mut server = Server::start(Kind::Wsproxy, place, site);
    let mut client = Client::connect(&server.address("LISTEN"));
    assert_eq!(client.ask(HANDSHAKE).expect("an answer").status(), 101);
    drop(client);
    server.quit().expect("a graceful end");
    drop(origin);
    let log = server.place.read("error.log");
    assert!(!log.contains("[warn]") && !log.contains("[error]"), "{log}");
}

/// What the log says of a handshake can be looked up, word for word.
#[test]
fn the_page_has_every_message() {
    let page = std::fs::read_to_string("docs/websocket.md").expect("the page");
    for message in [
        "a WebSocket was asked for and not passed on:",
        "beside proxy_pass (site.conf:12), or \"# wsproxy: websocket_proxy on;\"",
        "the location's own proxy_set_header (site.conf:20) makes void those of the outer block",
        "\"proxy_http_version 1.0;\" (site.conf:13) has to be 1.1",
        "\"proxy_pass_request_headers off;\" (site.conf:15) keeps Sec-WebSocket-Key back",
        "upstream redirected a WebSocket handshake for",
        "upstream answered 200 to a WebSocket handshake as to a plain request: it speaks no WebSocket at",
        "upstream answered 400 to a WebSocket handshake that was passed on whole: often it does not know Host",
        "upstream answered 401 to a WebSocket handshake that came without Cookie and Authorization",
        "upstream answered 403 to a WebSocket handshake with Origin",
        "upstream answered 404 to a WebSocket handshake: it has no WebSocket at",
        "upstream answered 426 to a WebSocket handshake of version 13: it speaks version",
        "something between proxy_pass (site.conf:12) and the server takes Upgrade away",
        "upstream answered 429 to a WebSocket handshake",
        "upstream answered 502 to a WebSocket handshake: it is a gateway itself",
        "upstream answered 503 to a WebSocket handshake",
        "no WebSocket opens before something listens where proxy_pass (site.conf:12) points",
        "it closed on a WebSocket handshake",
        "a WebSocket handshake has 60s for this (the default of proxy_read_timeout)",
        "a WebSocket was asked for, but not as RFC 6455 wants it",
        "at a location that serves files (site.conf:12)",
        "for which the server (site.conf:3) has no location",
        "where the configuration itself answers 403 (site.conf:12)",
        "and redirected (301, site.conf:12) to",
        "upstream answered 101 with a wrong Sec-WebSocket-Accept",
        "upstream answered 101 with a Sec-WebSocket-Protocol that the client did not offer",
        "upstream answered 101 without Connection: upgrade",
        "upstream switched protocols (101) though the client asked for no WebSocket",
    ] {
        assert!(page.contains(message), "not in docs/websocket.md: {message}");
    }
}
