//! Requests that have to wait.

use std::time::{Duration, Instant};

use super::*;

const SITE: &str = "
limit_req_zone $arg_k zone=one:32k rate=30r/m;
limit_req_zone $arg_k zone=quick:32k rate=1r/s;
limit_req_zone $arg_slow zone=slow:32k rate=1r/m;
log_format told '$uri $status $limit_req_status';
server {
    listen @LISTEN@;
    access_log @DIR@/access.log told;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
    location / { limit_req zone=one burst=2; proxy_pass http://@UPSTREAM1@; }
    location /here { limit_req zone=quick burst=2; root @DIR@; }
    location /slow { limit_req zone=slow burst=5; proxy_pass http://@UPSTREAM1@; }
}
";

#[test]
fn a_burst_waits_for_its_turn() {
    both(|kind| {
        let scene = Scene::start(kind, SITE, Answer::text("hello"));
        let begun = Instant::now();
        // In one write, so that they come together.
        let mut client = scene.client();
        client.send([get("/here/1?k=a"), get("/here/2?k=a"), get("/here/3?k=a")].concat());
        let mut after = Vec::new();
        for _ in 0..3 {
            assert_eq!(client.response(false).expect("an answer").status(), 404);
            after.push(begun.elapsed());
        }
        // A millisecond is lost where the clock is read; how much longer it takes is the machine's affair.
        assert!(after[1] >= Duration::from_millis(900), "{after:?}");
        assert!(after[2] >= Duration::from_millis(1800), "{after:?}");
        let lines = || scene.access_log().lines().count() == 3;
        until("all are logged", lines);
        assert_eq!(scene.access_log(), "/here/1 404 PASSED\n/here/2 404 DELAYED\n/here/3 404 DELAYED\n");
        let told = "[warn] delaying request, excess: N, by zone \"quick\"";
        assert_eq!(scene.told(), [told, told]);
    });
}

#[test]
fn a_handshake_that_waits_becomes_a_tunnel_and_loses_no_byte() {
    both(|kind| {
        let scene = Scene::start(kind, SITE, switching());
        let first = scene.tunnel("/?k=a").expect("a tunnel");
        let second = scene.tunnel("/?k=a");
        let mut second = second.expect("a tunnel, after two seconds");
        second.send(b"\x81\x82\0\0\0\0hi");
        assert_eq!(second.read(8).expect("an echo"), b"\x81\x82\0\0\0\0hi");
        drop((first, second));
        until("both are logged", || scene.access_log().lines().count() == 2);
        assert!(scene.access_log().contains("101 DELAYED"));
    });
}

#[test]
fn a_client_that_leaves_while_it_waits_is_forgotten() {
    both(|kind| {
        let scene = Scene::start(kind, SITE, Answer::text("hello"));
        assert_eq!(scene.status("/slow?slow=a"), 200);
        let mut client = scene.client();
        client.send(get("/slow?slow=a"));
        let warned = || scene.told().iter().any(|line| line.contains("delaying"));
        until("it has to wait", warned);
        drop(client);
        until("its end is logged", || scene.access_log().contains("/slow 499 DELAYED"));
        let told = scene.told();
        assert_eq!(told.last().unwrap(), "[info] client prematurely closed connection", "{told:?}");
        assert_eq!(scene.upstream.received().len(), 1, "the upstream is not asked for it");
    });
}

#[test]
fn what_comes_behind_a_request_that_waits_is_the_next_one() {
    both(|kind| {
        let scene = Scene::start(kind, SITE, Answer::text("hello"));
        assert_eq!(scene.status("/first?k=a"), 200);
        let mut client = scene.client();
        client.send(get("/waits?k=a"));
        until("it has to wait", || !scene.told().is_empty());
        client.send(get("/free"));
        assert_eq!(client.response(false).expect("an answer").status(), 200);
        assert_eq!(client.response(false).expect("an answer").status(), 200);
        let targets: Vec<String> =
            scene.upstream.received().iter().map(|received| received.message.first_line()).collect();
        assert!(targets[1].starts_with("GET /waits") && targets[2].starts_with("GET /free"), "{targets:?}");
    });
}

#[test]
fn a_request_that_waits_does_not_hold_up_the_end() {
    let site = whole(SITE).replace("events {", "worker_shutdown_timeout 100ms; events {");
    let place = Place::new();
    place.write("site.conf", SITE);
    let upstream = Origin::start(&place.address("UPSTREAM1"), vec![Answer::text("hello")]);
    let mut scene = Scene { server: Server::start(Kind::Wsproxy, place, SITE), upstream };
    scene.server.reload(&site, 2);
    assert_eq!(scene.status("/slow?slow=a"), 200);
    let mut client = scene.client();
    client.send(get("/slow?slow=a"));
    until("it has to wait", || scene.told().iter().any(|line| line.contains("delaying")));
    // It would be a minute.
    scene.server.quit().expect("it ends in its time");
    assert_eq!(client.response(false).expect("an answer").status(), 503);
}
