//! What a `health_check` line says, and which answers pass a `match`.

use std::path::Path;
use std::time::Duration;

use wsproxy::directive::Context;
use wsproxy::features::Options;
use wsproxy::features::health::{Failed, HealthCheck, Kind, judge_plainly};
use wsproxy::http1::Headers;
use wsproxy::model::{self, Model};
use wsproxy::request::Request;
use wsproxy::source::Memory;
use wsproxy::syntax::load_text;

fn model(check: &str, outside: &str) -> Model {
    let text = format!(
        "events {{ }} http {{ {outside} upstream app {{ server 127.0.0.1:1; }}
        server {{ location /a {{ proxy_pass http://app; {check} }} }} }}"
    );
    let files = Memory::default();
    let (tree, _) = load_text("nginx.conf", text.into(), Path::new("/"), &files);
    let options =
        Options { prefix: "/".into(), conf_prefix: "/".into(), context: Context::MAIN, fragment: false };
    model::read(&tree, &files, &options).0
}

fn check_of(model: &Model) -> Option<&HealthCheck> {
    model.http.locations.iter().find_map(|location| location.health.as_ref())
}

/// Whether an answer with these headers passes a `match` with these lines.
fn judge(check: &str, tests: &str, status: u16, lines: &[(&str, &str)], body: &[u8]) -> Result<(), Failed> {
    let outside = format!(
        "map $request_method $on {{ default 1; }} map $request_method $off {{ default 0; }}
        map $request_method $nothing {{ default \"\"; }} match m {{ {tests} }}"
    );
    let model = model(&format!("health_check match=m {check};"), &outside);
    let mut headers = Headers::new();
    for (name, value) in lines {
        headers.push(name.as_bytes(), value.as_bytes());
    }
    let request = Request::new(model.http.variables.clone());
    check_of(&model).unwrap().judge(status, &headers, body, &request)
}

fn of_status(tests: &str, status: u16) -> bool {
    judge("", tests, status, &[], b"").is_ok()
}

fn of_headers(tests: &str, lines: &[(&str, &str)]) -> bool {
    judge("", tests, 200, lines, b"").is_ok()
}

#[test]
fn a_line_says_what_it_says_and_defaults_are_nginxs() {
    let plain = model("health_check;", "");
    let plain = check_of(&plain).unwrap();
    assert_eq!((plain.interval, plain.jitter), (Duration::from_secs(5), Duration::ZERO));
    assert_eq!((plain.fails, plain.passes, &*plain.uri, plain.port), (1, 1, &b"/"[..], None));
    assert!(!plain.mandatory && !plain.persistent && plain.keepalive_time.is_none());
    assert_eq!((plain.kind, plain.name()), (Kind::Http, &b""[..]));

    let said = model(
        "health_check interval=10 jitter=500ms fails=3 passes=2 uri=/up?x=1 mandatory persistent port=81
        keepalive_time=60s type=websocket;",
        "",
    );
    let said = check_of(&said).unwrap();
    assert_eq!((said.interval, said.jitter), (Duration::from_secs(10), Duration::from_millis(500)));
    assert_eq!((said.fails, said.passes, &*said.uri, said.port), (3, 2, &b"/up?x=1"[..], Some(81)));
    assert!(said.mandatory && said.persistent);
    assert_eq!((said.kind, said.keepalive_time), (Kind::WebSocket, Some(Duration::from_secs(60))));
}

#[test]
fn a_line_that_is_wrong_or_asks_for_grpc_is_no_check() {
    for line in ["health_check fails=0;", "health_check type=grpc;", "health_check match=nobody;"] {
        assert!(check_of(&model(line, "")).is_none(), "{line}");
    }
}

#[test]
fn a_match_may_stand_behind_the_check() {
    let text = model("health_check match=m; } } match m { status 204; } server { location /b {", "");
    assert_eq!(check_of(&text).unwrap().name(), b"m");
}

#[test]
fn without_a_match_2xx_and_3xx_pass() {
    let passes = |status| judge_plainly(status).is_ok();
    assert!(passes(200) && passes(399) && !passes(199) && !passes(400) && !passes(101));
}

#[test]
fn codes_are_listed_and_a_negation_is_of_the_whole_list() {
    assert!(of_status("status 200 204;", 204) && !of_status("status 200 204;", 201));
    assert!(of_status("status 301-303 307;", 302) && !of_status("status 301-303 307;", 304));
    assert!(of_status("status ! 500;", 200) && !of_status("status ! 500;", 500));
    for status in [301, 302, 303, 307] {
        assert!(!of_status("status ! 301-303 307;", status));
    }
    assert!(of_status("status ! 301-303 307;", 304));
}

#[test]
fn headers_are_there_or_not_and_have_values() {
    let html = [("content-type", "text/html")];
    assert!(of_headers("header Content-Type;", &html) && !of_headers("header Host;", &html));
    assert!(of_headers("header ! Host;", &html) && !of_headers("header ! Content-Type;", &html));
    assert!(of_headers("header Content-Type = text/html;", &html));
    assert!(!of_headers("header Content-Type = text;", &html) && !of_headers("header Host = a;", &html));
    assert!(of_headers("header Content-Type != text;", &html));
    assert!(!of_headers("header Content-Type != text/html;", &html));
    assert!(
        of_headers("header Content-Type ~ ht;", &html) && !of_headers("header Content-Type ~ HT;", &html)
    );
    assert!(of_headers("header Content-Type !~ json;", &html));
    assert!(!of_headers("header Content-Type !~ ht;", &html));
}

/// `!=` and `!~` are of a header that is there: without it they fail.
#[test]
fn a_negated_value_wants_the_header() {
    assert!(!of_headers("header Host != a;", &[]) && !of_headers("header Host !~ a;", &[]));
    let two = [("X", "a"), ("X", "b")];
    assert!(of_headers("header X = b;", &two) && !of_headers("header X != b;", &two));
}

#[test]
fn bodies_match_or_do_not_as_far_as_256k() {
    let of_body = |tests: &str, body: &[u8]| judge("", tests, 200, &[], body);
    assert_eq!(of_body("body ~ \"Welcome to\";", b"<p>Welcome to nginx!"), Ok(()));
    assert_eq!(of_body("body ~ Welcome;", b"maintenance"), Err(Failed::Body));
    assert_eq!(of_body("body !~ maintenance;", b"maintenance"), Err(Failed::Body));
    assert_eq!(of_body("body !~ maintenance;", b""), Ok(()));
    let mut long = vec![b'x'; 256 * 1024];
    long.extend_from_slice(b"end");
    assert_eq!(of_body("body ~ end;", &long), Err(Failed::Body));
}

#[test]
fn required_variables_are_neither_empty_nor_0() {
    let of_variables = |tests: &str| judge("", tests, 200, &[], b"");
    assert_eq!(of_variables("require $on;"), Ok(()));
    assert_eq!(of_variables("require $on $off;"), Err(Failed::Require));
    assert_eq!(of_variables("require $nothing;"), Err(Failed::Require));
}

#[test]
fn all_tests_have_to_pass_and_the_first_that_does_not_is_named() {
    let tests = "body ~ up; header X = 1; status 200;";
    assert_eq!(judge("", tests, 200, &[("X", "1")], b"up"), Ok(()));
    assert_eq!(judge("", tests, 500, &[("X", "2")], b""), Err(Failed::Status));
    assert_eq!(judge("", tests, 200, &[("X", "2")], b""), Err(Failed::Header));
    assert_eq!(judge("", tests, 200, &[("X", "1")], b"down"), Err(Failed::Body));
}

/// A server that wants a password may be well: its `match` may say so.
#[test]
fn a_handshake_is_answered_101_unless_a_match_says_more_of_the_status() {
    assert_eq!(judge("type=websocket", "header X;", 200, &[("X", "1")], b""), Err(Failed::Status));
    assert_eq!(judge("type=websocket", "header X;", 101, &[("X", "1")], b""), Ok(()));
    assert_eq!(judge("type=websocket", "status 401;", 401, &[], b""), Ok(()));
}
