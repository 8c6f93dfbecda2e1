//! `auth_request` where time, connections and clients that leave have a part in it; what it answers is in
//! `fixtures/nginx/auth_request*`.

use std::thread;

use crate::support::{
    client::Client,
    handshake::{SWITCHING, handshake},
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server, whole},
    until,
};

const SITE: &str = "
log_format told '$request_method $uri $status';
upstream judge { server @UPSTREAM1@; keepalive 4; }
server {
    listen @LISTEN@;
    access_log @DIR@/access.log told;
    client_max_body_size 0;
    location / {
        auth_request /auth;
        proxy_pass http://@UPSTREAM2@;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
    }
    location = /auth {
        proxy_pass http://judge;
        proxy_http_version 1.1;
        proxy_set_header Connection '';
        proxy_read_timeout 1s;
    }
}
";

/// A server of a kind behind which a judge gives these answers, and an upstream that switches protocols.
struct Scene {
    server: Server,
    judge: Origin,
    upstream: Origin,
}

impl Scene {
    fn start(kind: Kind, judge: Vec<Answer>) -> Scene {
        let place = Place::new();
        let judge = Origin::start(&place.address("UPSTREAM1"), judge);
        let switching = Answer::new(SWITCHING).then(Then::Echo);
        let upstream = Origin::start(&place.address("UPSTREAM2"), vec![switching]);
        let server = Server::start(kind, place, SITE);
        Scene { server, judge, upstream }
    }

    fn client(&self) -> Client {
        Client::connect(&self.server.address("LISTEN"))
    }
}

fn both(test: fn(Kind)) {
    thread::scope(|threads| {
        let nginx = threads.spawn(|| test(Kind::Nginx));
        test(Kind::Wsproxy);
        nginx.join().expect("nginx does the same");
    });
}

fn no_content() -> Answer {
    Answer::new("HTTP/1.1 204 No Content\r\n\r\n")
}

#[test]
fn a_judge_that_is_silent_costs_its_location_a_request() {
    both(|kind| {
        let scene = Scene::start(kind, vec![Answer::new("").then(Then::Silence)]);
        let answer = scene.client().ask(handshake("/chat")).expect("an answer");
        assert_eq!(answer.status(), 500);
        let logs = scene.server.logs();
        assert!(logs.contains("upstream timed out (110: Connection timed out)"), "{logs}");
        assert!(logs.contains("subrequest: \"/auth\""), "{logs}");
        assert!(logs.contains("auth request unexpected status: 504"), "{logs}");
        assert!(scene.upstream.received().is_empty(), "nobody is asked to switch protocols");
    });
}

#[test]
fn a_client_that_leaves_is_not_judged() {
    both(|kind| {
        let scene = Scene::start(kind, vec![Answer::new("").then(Then::Silence)]);
        let mut client = scene.client();
        client.send(handshake("/chat"));
        until("the judge is asked", || !scene.judge.received().is_empty());
        drop(client);
        let line = || scene.server.place.read("access.log");
        until("a line of the log", || !line().is_empty());
        assert_eq!(line(), "GET /chat 499\n");
        assert!(scene.upstream.received().is_empty());
    });
}

#[test]
fn a_judge_that_wants_to_switch_protocols_opens_nothing() {
    both(|kind| {
        let scene = Scene::start(kind, vec![Answer::new(SWITCHING).then(Then::Echo)]);
        let answer = scene.client().ask(handshake("/chat"));
        match kind {
            Kind::Nginx => assert!(answer.is_err(), "closed without a word"),
            Kind::Wsproxy => assert_eq!(answer.expect("an answer").status(), 500),
        }
        let logs = scene.server.logs();
        assert!(logs.contains("connection upgrade in subrequest while reading response header"), "{logs}");
        assert!(scene.upstream.received().is_empty());
    });
}

#[test]
fn connections_to_the_judge_are_kept_where_it_says_nothing_more() {
    both(|kind| {
        let scene = Scene::start(kind, vec![no_content()]);
        for _ in 0..5 {
            let mut client = scene.client();
            assert_eq!(client.ask(handshake("/chat")).expect("an answer").status(), 101);
            client.send("hello");
            assert_eq!(client.read(5).expect("an echo"), b"hello");
        }
        let connections: Vec<usize> = scene.judge.received().iter().map(|one| one.connection).collect();
        assert_eq!(connections, [1; 5]);
        // A body that nobody reads takes the connection with it.
        let scene = Scene::start(kind, vec![Answer::text("a body")]);
        for _ in 0..3 {
            assert_eq!(scene.client().ask(handshake("/chat")).expect("an answer").status(), 101);
        }
        let connections: Vec<usize> = scene.judge.received().iter().map(|one| one.connection).collect();
        assert_eq!(connections, [1, 2, 3]);
    });
}

#[test]
fn a_reload_in_between_changes_nothing_for_who_is_being_judged() {
    let scene = Scene::start(Kind::Wsproxy, vec![Answer::new("").then(Then::Silence), no_content()]);
    let mut waiting = scene.client();
    waiting.send(handshake("/chat"));
    until("the judge is asked", || !scene.judge.received().is_empty());
    scene.server.reload(&whole(&SITE.replace("auth_request /auth;", "")), 2);
    assert_eq!(
        scene.client().ask(handshake("/chat")).expect("an answer").status(),
        101,
        "nobody is asked any more"
    );
    assert_eq!(waiting.response(false).expect("an answer").status(), 500);
}

#[test]
fn the_judge_is_not_told_of_a_body_that_it_does_not_get() {
    let scene = Scene::start(Kind::Wsproxy, vec![no_content()]);
    let body = "x".repeat(300_000);
    let request = format!("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut client = scene.client();
    client.send(request);
    until("the upstream has all of it", || {
        scene.upstream.received().first().is_some_and(|one| one.message.body.len() == body.len())
    });
    let judged = scene.judge.received();
    assert_eq!(judged[0].message.header("Content-Length"), None);
    assert_eq!(judged[0].message.body, b"");
}

#[test]
fn many_are_judged_at_once() {
    let scene = Scene::start(Kind::Wsproxy, vec![no_content()]);
    let address = scene.server.address("LISTEN");
    thread::scope(|threads| {
        for _ in 0..32 {
            threads.spawn(|| {
                for _ in 0..4 {
                    let mut client = Client::connect(&address);
                    assert_eq!(client.ask(handshake("/chat")).expect("an answer").status(), 101);
                }
            });
        }
    });
    assert_eq!(scene.judge.received().len(), 128);
    until("all tunnels end", || scene.server.place.read("access.log").lines().count() == 128);
}

#[test]
fn the_recipe_for_websockets_is_not_the_judges() {
    let place = Place::new();
    let judge = Origin::start(&place.address("UPSTREAM1"), vec![no_content()]);
    let upstream = Origin::start(&place.address("UPSTREAM2"), vec![Answer::new(SWITCHING).then(Then::Echo)]);
    let site = "
    websocket_proxy on;
    server {
        listen @LISTEN@;
        location / { auth_request /auth; proxy_pass http://@UPSTREAM2@; }
        location = /auth { proxy_set_header X-Upgrade $http_upgrade; proxy_pass http://@UPSTREAM1@; }
    }";
    let server = Server::start(Kind::Wsproxy, place, site);
    let mut client = Client::connect(&server.address("LISTEN"));
    assert_eq!(client.ask(handshake("/chat")).expect("an answer").status(), 101);
    let judged = &judge.received()[0].message;
    assert_eq!((judged.header("Upgrade"), judged.header("Connection")), (None, None));
    assert_eq!(judged.header("X-Upgrade").as_deref(), Some("websocket"));
    assert_eq!(upstream.received()[0].message.header("Upgrade").as_deref(), Some("websocket"));
}
