//! What servers are asked.

use super::backend::WELL;
use super::*;

/// The first question that a backend gets for this location.
fn asked(servers: &str, location: &str) -> Vec<String> {
    let (place, [one]) = place();
    one.is(WELL);
    let _server = start(place, &site(servers, "", location));
    until("a question", || !one.asked().is_empty());
    let questions = one.asked();
    questions[0].1.head.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

#[test]
fn a_question_has_the_headers_of_the_location() {
    let check = "health_check uri=/health?deep=1;";
    let head = asked("server @UPSTREAM1@;", check);
    assert_eq!(head, ["GET /health?deep=1 HTTP/1.1", "Host: app"]);
    let lines = "proxy_http_version 1.0; proxy_set_header Host $host; proxy_set_header X-Uri $uri;
        proxy_set_header X-Args $args; proxy_set_header X-Client $remote_user; proxy_set_header X-Group $proxy_host;";
    let head = asked("server @UPSTREAM1@;", &format!("{lines} {check}"));
    assert_eq!(
        head,
        [
            "GET /health?deep=1 HTTP/1.0",
            "Host: chat.example",
            "X-Uri: /health",
            "X-Args: deep=1",
            "X-Group: app",
            "Connection: close",
        ][..5]
    );
}

#[test]
fn a_websocket_is_opened_and_ended_in_order() {
    let (place, [one, two_]) = place();
    one.is(Health::Opens);
    two_.is(Health::OpensWrongly);
    let check = format!("websocket_proxy on; health_check type=websocket uri=/health {OFTEN};");
    let server = start(place, &site("server @UPSTREAM1@; server @UPSTREAM2@;", "", &check));
    logged(&server, "peer is unhealthy while checking WebSocket handshake, health check \"\" of peer");
    logged(&server, "it answered 101 with a wrong Sec-WebSocket-Accept");
    only(&server, &["one"]);
    until("a Close", || !one.behind().is_empty());
    let close = &one.behind()[0];
    assert_eq!(close[..2], [0x88, 0x82], "a masked Close");
    assert_eq!([close[6] ^ close[2], close[7] ^ close[3]], 1000u16.to_be_bytes());
    let question = &one.asked()[0].1;
    assert_eq!(question.first_line(), "GET /health HTTP/1.1");
    for (name, value) in [
        ("host", "chat.example"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-version", "13"),
    ] {
        assert_eq!(question.values(name).collect::<Vec<_>>(), [value.as_bytes()], "{name}");
    }
    // It says it is well, and yet opens none.
    one.is(WELL);
    logged(&server, "while checking status code, health check \"\" of peer");
    two_.is(Health::Opens);
    only(&server, &["two"]);
}

#[test]
fn a_location_that_passes_no_handshakes_on_asks_for_one_all_the_same() {
    let (place, [one]) = place();
    one.is(Health::Opens);
    let check = format!("proxy_http_version 1.0; health_check type=websocket uri=/health {OFTEN} mandatory;");
    let server = start(place, &site("server @UPSTREAM1@;", "", &check));
    only(&server, &["one"]);
    let question = &one.asked()[0].1;
    assert_eq!(question.first_line(), "GET /health HTTP/1.1");
    assert_eq!(question.header("upgrade").as_deref(), Some("websocket"));
}

#[test]
fn another_port_is_asked_where_one_is_named() {
    let place = Place::new();
    let app = Backend::start(&crate::support::stream::Address::Tcp(([127, 0, 0, 1], 0).into()), "app");
    let probe = Backend::start(&crate::support::stream::Address::Tcp(([127, 0, 0, 1], 0).into()), "probe");
    let (app_at, probe_at) = (app.address().to_string(), probe.address().to_string());
    let port = probe_at.rsplit(':').next().expect("a port");
    let check = format!("health_check uri=/health {OFTEN} port={port};");
    let server = start(place, &site(&format!("server {app_at};"), "", &check));
    until("a question", || !probe.asked().is_empty());
    only(&server, &["app"]);
    assert_eq!(app.asked().len(), 0);
    probe.is(super::backend::ILL);
    only(&server, &["502"]);
    logged(&server, &format!("of peer {app_at} in upstream \"app\", port {port}: it answered 503"));
}

#[test]
fn connections_are_kept_for_as_long_as_the_line_says() {
    let connections = |more: &str| {
        let (place, [one]) = place();
        let check = format!("health_check uri=/health {OFTEN} {more};");
        let server = start(place, &site("server @UPSTREAM1@;", "", &check));
        until("questions", || one.asked().len() > 6);
        let numbers: Vec<usize> = one.asked().iter().map(|(number, _)| *number).collect();
        // Closed by the server: the next question goes over another one, and says nothing of its health.
        one.is(Health::HangsUp);
        drop(server);
        numbers
    };
    let kept = connections("keepalive_time=60s");
    assert!(kept.iter().all(|number| *number == 1), "{kept:?}");
    let fresh = connections("");
    assert!(fresh.windows(2).all(|pair| pair[0] < pair[1]), "{fresh:?}");
}
