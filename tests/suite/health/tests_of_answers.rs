//! Which answers pass, over the wire; `tests/health.rs` has every kind of test.

use super::backend::{ILL, WELL};
use super::*;

fn checked(matching: &str) -> (Server, [Backend; 2]) {
    let (place, backends) = place();
    let check = format!("proxy_read_timeout 2s; health_check uri=/health {OFTEN} match=good;");
    let http = format!(
        "map $upstream_status $good_status {{ 200 1; 503 1; default 0; }} match good {{ {matching} }}"
    );
    (start(place, &site("server @UPSTREAM1@; server @UPSTREAM2@;", &http, &check)), backends)
}

#[test]
fn a_status_a_header_a_body_and_a_variable_are_looked_at() {
    let (server, [one, two_]) = checked("status 200-399; header X-Room ~ ^a; body ~ \"all is (well|good)\";");
    let good = Health::Says("HTTP/1.1 200 OK\r\nX-Room: ab\r\nContent-Length: 11\r\n\r\nall is well");
    two_.is(good);
    for (health, words) in [
        (ILL, "checking status code"),
        (WELL, "checking header"),
        (
            Health::Says(
                "HTTP/1.1 200 OK\r\nX-Room: ab\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nall \r\n2\r\nno\r\n0\r\n\r\n",
            ),
            "checking body",
        ),
        (
            Health::Says("HTTP/1.1 200 OK\r\nX-Room: ab\r\nContent-Length: 11\r\n\r\nall is"),
            "reading upstream",
        ),
    ] {
        one.is(health);
        logged(&server, &format!("while {words}, health check \"good\" of peer"));
        only(&server, &["two"]);
        one.is(good);
        only(&server, &["one", "two"]);
    }
    one.is(Health::Says(
        "HTTP/1.1 200 OK\r\nX-Room: ab\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nall is \r\n4\r\ngood\r\n0\r\n\r\n",
    ));
    only(&server, &["one", "two"]);
}

#[test]
fn variables_speak_of_the_answer() {
    let (server, [one, _two]) = checked("require $good_status;");
    only(&server, &["one", "two"]);
    one.is(Health::Says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    logged(&server, "while checking required variables, health check \"good\"");
    only(&server, &["two"]);
    one.is(ILL);
    only(&server, &["one", "two"]);
}
