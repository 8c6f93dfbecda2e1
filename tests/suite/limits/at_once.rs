//! How many there are at once.

use std::sync::Barrier;
use std::thread;

use super::*;

const SITE: &str = "
limit_conn_zone $arg_k zone=one:32k;
limit_conn_zone $arg_user zone=users:32k;
log_format told '$uri $status $limit_conn_status';
server {
    listen @LISTEN@;
    access_log @DIR@/access.log told;
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
    limit_conn one 2;
    limit_conn users 1;
    limit_conn_status 429;
    location / { proxy_pass http://@UPSTREAM1@; }
    location /dry { limit_conn_dry_run on; proxy_pass http://@UPSTREAM1@; }
}
";

/// Waits until a place is free for what was refused before.
fn until_let_in<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    until("there is a place again", || {
        found = ask();
        found.is_some()
    });
    found.expect("it was just found")
}

#[test]
fn requests_count_until_they_end() {
    both(|kind| {
        let scene = Scene::start(kind, SITE, silence());
        let first = scene.held(&get("/1?k=a"));
        let _second = scene.held(&get("/2?k=a"));
        assert_eq!(scene.status("/3?k=a"), 429);
        let _other = scene.held(&get("/4?k=b"));
        drop(first);
        until("its end is logged", || scene.access_log().contains("/1 499"));
        let before = scene.upstream.received().len();
        let next = until_let_in(|| {
            let mut client = scene.client();
            client.send(get("/5?k=a"));
            let waiting = |count: usize| scene.upstream.received().len() > count;
            let refused = || scene.access_log().matches("/5 429").count();
            let were = refused();
            until("it is answered or goes on", || waiting(before) || refused() > were);
            waiting(before).then_some(client)
        });
        assert_eq!(scene.status("/6?k=a"), 429);
        drop(next);
        assert!(scene.access_log().starts_with("/3 429 REJECTED\n/1 499 PASSED\n"));
        assert!(scene.told().contains(&"[error] limiting connections by zone \"one\"".to_owned()));
    });
}

#[test]
fn requests_on_a_connection_that_is_kept_do_not_add_up() {
    both(|kind| {
        let scene = Scene::start(kind, SITE, Answer::text("hello"));
        let mut client = scene.client();
        for _ in 0..10 {
            assert_eq!(client.ask(get("/?user=a")).expect("an answer").status(), 200);
        }
        // Nor do those of many, one after the other.
        for _ in 0..10 {
            assert_eq!(scene.status("/?user=b"), 200);
        }
    });
}

#[test]
fn who_is_refused_by_one_zone_takes_no_place_in_another() {
    both(|kind| {
        let scene = Scene::start(kind, SITE, silence());
        let _held = scene.held(&get("/1?user=a"));
        for _ in 0..5 {
            assert_eq!(scene.status("/2?k=a&user=a"), 429);
        }
        let _one = scene.held(&get("/3?k=a"));
        let _two = scene.held(&get("/4?k=a"));
        assert_eq!(scene.status("/5?k=a"), 429);
    });
}

#[test]
fn a_dry_run_lets_in_and_does_not_count() {
    both(|kind| {
        let scene = Scene::start(kind, SITE, silence());
        let _first = scene.held(&get("/1?k=a"));
        let second = scene.held(&get("/2?k=a"));
        let dry = scene.held(&get("/dry?k=a"));
        let _free = scene.held(&get("/dry?k=b"));
        drop(dry);
        until("its end is logged", || scene.access_log().contains("/dry 499 REJECTED_DRY_RUN"));
        assert_eq!(scene.status("/3?k=a"), 429, "it had taken no place");
        drop(second);
        let words = "[error] limiting connections, dry run, by zone \"one\"";
        assert_eq!(scene.told()[0], words);
    });
}

#[test]
fn a_tunnel_counts_for_as_long_as_it_lives() {
    both(|kind| {
        let scene = Scene::start(kind, SITE, switching());
        let mut first = scene.tunnel("/1?k=a").expect("a tunnel");
        let second = scene.tunnel("/2?k=a").expect("a tunnel");
        for _ in 0..3 {
            assert_eq!(scene.tunnel("/3?k=a").err(), Some(429));
        }
        first.send(b"\x81\x82\0\0\0\0hi");
        first.read(8).expect("it is a tunnel");
        assert_eq!(scene.tunnel("/4?k=a").err(), Some(429));
        drop(second);
        let _third = until_let_in(|| scene.tunnel("/5?k=a").ok());
        assert_eq!(scene.tunnel("/6?k=a").err(), Some(429));
        assert!(scene.access_log().contains("/2 101 PASSED\n"));
    });
}

#[test]
fn what_is_counted_inside_counts_until_the_request_ends() {
    both(|kind| {
        let site = "
limit_conn_zone $http_key zone=one:32k;
log_format told '$uri $status $limit_conn_status';
server {
    listen @LISTEN@;
    access_log @DIR@/access.log told;
    location / { auth_request /auth; proxy_pass http://@UPSTREAM1@; }
    location /auth { limit_conn one 1; limit_conn_status 403; proxy_pass http://@UPSTREAM2@; }
}";
        let place = Place::new();
        let upstream = Origin::start(&place.address("UPSTREAM1"), vec![silence()]);
        let no_content = Answer::new("HTTP/1.1 204 No Content\r\n\r\n");
        let _judge = Origin::start(&place.address("UPSTREAM2"), vec![no_content]);
        let scene = Scene { server: Server::start(kind, place, site), upstream };
        let request = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\nKey: a\r\n\r\n");
        let first = scene.held(&request("/1"));
        assert_eq!(scene.client().ask(request("/2")).expect("an answer").status(), 403);
        drop(first);
        until("its end is logged", || scene.access_log().contains("/1 499 PASSED"));
        let before = scene.upstream.received().len();
        let mut waiting = Vec::new();
        until("there is a place again", || {
            let mut client = scene.client();
            client.send(request("/3"));
            waiting.push(client);
            scene.upstream.received().len() > before
        });
        assert!(scene.access_log().starts_with("/2 403 REJECTED\n"));
    });
}

#[test]
fn a_handshake_that_fails_takes_no_place() {
    both(|kind| {
        let no = Answer::new("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        let scene = Scene::start(kind, SITE, no);
        let mut client = scene.client();
        for _ in 0..5 {
            assert_eq!(client.ask(handshake("/?user=a")).expect("an answer").status(), 400);
        }
    });
}

#[test]
fn a_websocket_that_is_answered_here_counts_too() {
    let site = "
limit_conn_zone $arg_k zone=one:32k;
server { listen @LISTEN@; location / { limit_conn one 1; # wsproxy: websocket_echo;
} }";
    let scene = Scene::start(Kind::Wsproxy, site, silence());
    let first = scene.tunnel("/?k=a").expect("an echo");
    assert_eq!(scene.tunnel("/?k=a").err(), Some(503));
    let _other = scene.tunnel("/?k=b").expect("an echo");
    drop(first);
    let _next = until_let_in(|| scene.tunnel("/?k=a").ok());
    assert_eq!(scene.tunnel("/?k=a").err(), Some(503));
}

#[test]
fn workers_count_together() {
    let site = format!(
        "worker_processes 4; error_log @DIR@/error.log notice; pid @DIR@/pid;
events {{ worker_connections 512; }}
http {{
    access_log off;
    limit_req_zone $arg_k zone=rate:1m rate=1r/m;
{SITE}
    server {{ listen @LISTEN2@; location / {{ limit_req zone=rate burst=50 nodelay; proxy_pass http://@UPSTREAM1@; }} }}
}}"
    );
    let scene = Scene::start(Kind::Wsproxy, &site, Answer::text("hello"));
    let (address, barrier) = (scene.server.address("LISTEN2"), Barrier::new(8));
    let passed: usize = thread::scope(|scope| {
        let hammer = || {
            barrier.wait();
            let ask =
                |_: &usize| Client::connect(&address).ask(get("/?k=a")).expect("an answer").status() == 200;
            (0..50).filter(ask).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(hammer)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a client")).sum()
    });
    // One, a burst of 50, and what a minute lets through while the test takes its time.
    assert!((51..60).contains(&passed), "{passed}");
}

#[test]
fn tunnels_of_all_workers_count_together() {
    let site = format!(
        "worker_processes 4; error_log @DIR@/error.log notice; pid @DIR@/pid;
events {{ worker_connections 512; }}
http {{
{}
}}",
        SITE.replace("limit_conn one 2", "limit_conn one 20")
    );
    let scene = Scene::start(Kind::Wsproxy, &site, switching());
    let address = scene.server.address("LISTEN");
    let tunnels: Vec<Client> = thread::scope(|scope| {
        let open = || (0..10).filter_map(|_| tunnel(&address, "/?k=a").ok()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a client")).collect()
    });
    assert_eq!(tunnels.len(), 20);
    drop(tunnels);
    let again: Vec<Client> = (0..20).map(|_| until_let_in(|| scene.tunnel("/?k=a").ok())).collect();
    assert_eq!(scene.tunnel("/?k=a").err(), Some(429), "{} are open", again.len());
}
