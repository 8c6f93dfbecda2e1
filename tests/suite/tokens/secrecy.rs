//! Tokens in arguments and cookies: no log shows them, and the upstream does not get them.

use super::{Gateway, handshake, switching};
use crate::support::{
    client::Client,
    origin::{Answer, Then},
    until,
};

const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl";

/// A server with `lines`, in front of an upstream that answers everything with 200.
fn gateway(lines: &str) -> Gateway {
    let site = format!(
        "log_format all '$request|$request_uri|$uri|$args|$query_string|$arg_token|$cookie_token|$http_cookie|'
    '$http_referer|$copy|$1|$http_authorization|$remote_addr|$status';
map $arg_token $computed {{ default $arg_token; '' $cookie_session; }}
server {{
    listen @LISTEN@;
    access_log @DIR@/access.log all;
    error_log @DIR@/told.log info;
    set $copy \"<$arg_token>\";
    {lines}
}}"
    );
    let upstream = Answer::new("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    Gateway::start(&site, upstream, Answer::new("HTTP/1.1 204 No Content\r\n\r\n"))
}

fn get(target: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n")
}

/// What the upstream got of a request: its target and its lines `Cookie` and `X-Token`.
fn passed(lines: &str, target: &str, header: &[&str]) -> (String, Option<String>, Option<String>) {
    let mut gateway = gateway(lines);
    gateway.client().ask(get(target, header)).expect("an answer");
    gateway.server.quit().expect("a graceful end");
    let received = gateway.upstream.finish().remove(0).message;
    let target = received.first_line().split(' ').nth(1).expect("a target").to_owned();
    (target, received.header("Cookie"), received.header("X-Token"))
}

#[track_caller]
fn assert_passed(lines: &str, target: &str, header: &[&str], expected: (&str, Option<&str>)) {
    let (target, cookie, _) = passed(lines, target, header);
    assert_eq!((&*target, cookie.as_deref()), expected, "{lines}");
}

const PASS: &str = "location / { proxy_pass http://@UPSTREAM1@; }";

#[test]
fn arguments_and_cookies_do_not_go_upstream() {
    let lines = format!("websocket_tokens $arg_token $cookie_token; {PASS}");
    let cookie = "Cookie: a=b; Token=secret; c=d";
    assert_passed(&lines, "/ws?token=secret", &[], ("/ws", None));
    assert_passed(&lines, "/ws?a=1&token=secret&b=%2f", &[cookie], ("/ws?a=1&b=%2f", Some("a=b; c=d")));
    // Whichever of several the gateway looked at, and whatever another server makes of a name.
    let several = "/ws?Token=one&token=two&%74oken=three&token&x";
    assert_passed(&lines, several, &["Cookie: token=secret"], ("/ws?x", None));
    // What only looks like one stays.
    let others = "/ws?tokens=secret&x=token&atoken=1";
    assert_passed(&lines, others, &["Cookie: tokens=1;  x=token"], (others, Some("tokens=1;  x=token")));
}

#[test]
fn a_header_of_the_locations_own_has_the_value() {
    let lines = "websocket_tokens $arg_token;
        location / { proxy_set_header X-Token $arg_token; proxy_pass http://@UPSTREAM1@; }";
    let passed = passed(lines, "/ws?token=secret", &[]);
    assert_eq!(passed, ("/ws".to_owned(), None, Some("secret".to_owned())));
}

#[test]
fn however_the_target_is_made() {
    for (location, target) in [
        ("location / { proxy_pass http://@UPSTREAM1@:/other/; }", "/other/ws?x=1"),
        ("location / { set $a /b; proxy_pass http://@UPSTREAM1@:$a$uri?$args; }", "/b/ws?x=1"),
        (
            "location / { rewrite ^/(.*)$ /new/$1?y=2 break; proxy_pass http://@UPSTREAM1@; }",
            "/new/ws?y=2&x=1",
        ),
    ] {
        let lines = format!("websocket_tokens $arg_token; {location}");
        assert_passed(&lines, "/ws?token=secret&x=1", &[], (target, None));
    }
}

#[test]
fn a_computed_token_is_known_by_its_value() {
    let lines = format!("websocket_tokens $computed; {PASS}");
    assert_passed(&lines, "/ws?token=long-secret&x=1", &[], ("/ws?x=1", None));
    assert_passed(&lines, "/ws?x=1", &["Cookie: session=long-secret; a=b"], ("/ws?x=1", Some("a=b")));
    // Too short to be told from something else.
    assert_passed(&lines, "/ws?token=1&x=1", &[], ("/ws?token=1&x=1", None));
}

#[test]
fn they_do_where_that_is_asked_for_or_nobody_says_what_they_are() {
    let all = "/ws?token=secret";
    let lines = format!("websocket_tokens $arg_token $cookie_token; websocket_pass_tokens on; {PASS}");
    assert_passed(&lines, all, &["Cookie: token=secret"], (all, Some("token=secret")));
    assert_passed(PASS, all, &["Cookie: token=secret"], (all, Some("token=secret")));
    let lines =
        "websocket_tokens $arg_token; location / { websocket_tokens off; proxy_pass http://@UPSTREAM1@; }";
    assert_passed(lines, all, &[], (all, None));
}

/// Everything that was written by the time that a request is over.
fn logs_of(lines: &str, request: &str) -> String {
    let mut gateway = gateway(lines);
    gateway.client().ask(request).expect("an answer");
    gateway.server.quit().expect("a graceful end");
    ["access.log", "told.log", "error.log"].map(|log| gateway.server.place.read(log)).concat()
}

#[test]
fn no_variable_shows_a_token_in_a_log() {
    let lines = format!("websocket_tokens $arg_token $cookie_token; {PASS}");
    let cookie = format!("Cookie: a=b; token={TOKEN}");
    let referer = format!("Referer: https://a/page?token={}", TOKEN.replace('.', "%2E"));
    let authorization = format!("Authorization: Bearer {TOKEN}");
    let target = format!("/ws?a=1&token={TOKEN}");
    let logs = logs_of(&lines, &get(&target, &[&cookie, &referer, &authorization]));
    let line = "GET /ws?a=1&token=*** HTTP/1.1|/ws?a=1&token=***|/ws|a=1&token=***|a=1&token=***|***|***|\
        a=b; token=***|https://a/page?token=***|<***>||Bearer ***|";
    assert!(logs.starts_with(line), "{logs}");
    assert!(!logs.contains("eyJ"), "{logs}");
}

#[test]
fn a_token_of_the_path_is_hidden_in_every_spelling() {
    let lines = "location ~ ^/ws/(?<token>[^/]+) { websocket_tokens $token; proxy_pass http://@UPSTREAM1@; }";
    let encoded = format!("/ws/{}", TOKEN.replace('.', "%2e"));
    let logs = logs_of(lines, &get(&encoded, &[]));
    assert!(logs.starts_with("GET /ws/*** HTTP/1.1|/ws/***|/ws/***|-|-|-|-|-|-|<>|***|"), "{logs}");
    assert!(!logs.contains("eyJ"), "{logs}");
}

/// Nobody knows yet which location would have asked for the token.
#[test]
fn a_head_that_is_refused_is_logged_without_it() {
    let lines = "large_client_header_buffers 2 1k;
        location /ws { websocket_tokens $arg_token $cookie_token; proxy_pass http://@UPSTREAM1@; }";
    let line = format!("/ws?token={TOKEN}");
    let cookie = format!("Cookie: token={TOKEN}");
    for request in [
        get(&format!("{line} x"), &[]),
        get(&line, &["bad header: 1"]),
        get(&line, &["bad_header: 1"]),
        get(&line, &["Transfer-Encoding: unknown"]),
        get(&format!("/../{line}"), &[]),
        get(&line, &["Host: b"]),
        get("/ws", &[&cookie, "Content-Length: x"]),
        get("/ws", &[&format!("Cookie: a={}; token={TOKEN}", "b".repeat(1000))]),
        get("/ws", &[&format!("{cookie}; a=\u{1}")]),
        get(&line, &[]).replace("HTTP/1.1", "HTTP/2.0"),
        get(&line, &[]).replace("GET", "G@T"),
    ] {
        let logs = logs_of(lines, &request);
        assert!(logs.contains("client sent "), "{request}\n{logs}");
        assert!(logs.contains("***"), "{request}\n{logs}");
        assert!(!logs.contains("eyJ"), "{request}\n{logs}");
    }
}

#[test]
fn what_looks_like_no_authorization_is_hidden_too() {
    let lines = "location / { auth_jwt a; auth_jwt_key_file /nowhere; proxy_pass http://@UPSTREAM1@; }";
    let twice = format!("Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}");
    for value in [TOKEN.to_owned(), format!("Bearer\t{TOKEN}"), format!("Bearer={TOKEN}"), twice] {
        let logs = logs_of(lines, &get("/", &[&format!("Authorization: {value}")]));
        assert!(logs.contains("***"), "{logs}");
        assert!(!logs.contains("eyJ"), "{logs}");
    }
}

/// A page whose address had the token asks for its pictures without one.
#[test]
fn nor_is_it_shown_as_the_page_that_led_to_a_request() {
    let lines = format!("websocket_tokens $arg_token; {PASS}");
    let logs = logs_of(&lines, &get("/a.png", &[&format!("Referer: https://a/page?x=1&token={TOKEN}")]));
    assert!(logs.contains("|https://a/page?x=1&token=***|"), "{logs}");
}

/// What was a token in the location that was left is one in the other.
#[test]
fn an_error_page_takes_no_token_elsewhere() {
    let elsewhere = "location @else { proxy_pass http://@UPSTREAM1@; }
        location /else { proxy_pass http://@UPSTREAM1@; }
        location @again { error_page 403 = @else; deny all; proxy_pass http://@UPSTREAM1@; }";
    for (page, target) in [("@else", "/ws?x=1"), ("@again", "/ws?x=1"), ("/else", "/else")] {
        let lines = format!(
            "error_log @DIR@/told.log crit; recursive_error_pages on; {elsewhere}
            location /ws {{ websocket_tokens $arg_token $cookie_token; deny all; error_page 403 = {page}; }}"
        );
        let cookie = format!("Cookie: a=b; token={TOKEN}");
        let asked = format!("/ws?x=1&token={TOKEN}");
        assert_passed(&lines, &asked, &[&cookie], (target, Some("a=b")));
        let logs = logs_of(&lines, &get(&asked, &[&cookie]));
        assert!(logs.contains("***"), "{page}\n{logs}");
        assert!(!logs.contains("eyJ"), "{page}\n{logs}");
    }
}

/// A look for the log, before the request has come that far, decides nothing.
#[test]
fn what_a_log_hides_early_is_computed_in_its_time() {
    let lines = format!("websocket_tokens $computed; {PASS}");
    let asked = "/ws?token=long-secret&x=1";
    assert_passed(&lines, asked, &["bad_header: 1"], ("/ws?x=1", None));
}

/// Whoever refuses a request, and before anybody has looked at its token.
#[test]
fn a_request_that_came_to_nothing_is_logged_without_it() {
    let target = format!("/ws?token={TOKEN}");
    for location in [
        "location / { return 403; }",
        "location / { deny all; }",
        "location / { client_max_body_size 1; proxy_pass http://@UPSTREAM1@; }",
        "location / { proxy_pass http://@UPSTREAM3@; }",
        "location / { root @DIR@/nowhere; }",
        "location / { auth_request /judge; websocket_tokens $arg_token; }
         location /judge { websocket_tokens off; proxy_pass http://@UPSTREAM3@; }",
        "location / { rewrite ^ /ws last; }",
    ] {
        let lines = format!("websocket_tokens $arg_token; {location}");
        let logs = logs_of(&lines, &get(&target, &["Content-Length: 2", "bad header: \u{1}x"]));
        assert!(logs.contains("token=***"), "{location}\n{logs}");
        assert!(!logs.contains("eyJ"), "{location}\n{logs}");
    }
}

#[test]
fn they_are_shown_where_that_is_asked_for() {
    let lines = format!("websocket_tokens $arg_token; websocket_log_tokens on; {PASS}");
    let logs = logs_of(&lines, &get(&format!("/ws?token={TOKEN}"), &[]));
    assert!(logs.starts_with(&format!("GET /ws?token={TOKEN} HTTP/1.1|")), "{logs}");
}

/// A client must not be able to blank out who it is and where it went.
#[test]
fn what_a_client_calls_its_token_does_not_hide_the_client() {
    let lines = "websocket_tokens $arg_token; location / { deny all; }";
    let (path, words) = ("/wp-admin/admin-ajax.php", "access%20forbidden%20by%20rule");
    let logs = logs_of(lines, &get(&format!("{path}?token=127.0.0.1"), &[]));
    assert!(logs.starts_with(&format!("GET {path}?token=127.0.0.1")), "{logs}");
    for token in [path, "wp-admin", words, "HTTP/1.1", "GET"] {
        let logs = logs_of(lines, &get(&format!("{path}?token={token}"), &[]));
        assert!(logs.starts_with(&format!("GET {path}?token=***")), "{logs}");
        assert!(logs.contains("access forbidden by rule, client: "), "{logs}");
    }
}

/// What is written when a tunnel has ended.
#[test]
fn nor_does_a_tunnel_tell_at_its_end() {
    let site = "log_format all '$request|$arg_token|$websocket_closed_by';
        websocket_tokens $arg_token;
        server { listen @LISTEN@; access_log @DIR@/access.log all; error_log @DIR@/told.log info;
            location / { websocket_proxy on; proxy_pass http://@UPSTREAM1@; }
            location /echo { websocket_echo; } }";
    let gateway = Gateway::start(site, switching(""), Answer::new("").then(Then::Close));
    for target in ["/", "/echo"] {
        let mut client: Client = gateway.client();
        let target = format!("{target}?token={TOKEN}");
        assert_eq!(client.ask(handshake(&target, &[])).expect("an answer").status(), 101);
        client.send(b"\x88\x82\0\0\0\0\x03\xe8");
        drop(client);
    }
    let logs = || ["access.log", "told.log"].map(|log| gateway.server.place.read(log)).concat();
    until("both ends are told", || {
        let logs = logs();
        logs.contains("tunnel ended") && logs.contains("echo ended") && logs.matches("HTTP/1.1|").count() == 2
    });
    let logs = logs();
    assert!(logs.contains("GET /?token=*** HTTP/1.1|***|client\n"), "{logs}");
    assert!(logs.contains("GET /echo?token=*** HTTP/1.1|***|-\n"), "{logs}");
    assert!(!logs.contains("eyJ"), "{logs}");
}
