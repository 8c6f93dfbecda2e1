//! Keys in files that are replaced while wsproxy serves, and keys that a subrequest is answered with.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::json;

use super::{Scene, good, jwks, keys_answer, misbehaviours, token};
use crate::support::{
    origin::{Answer, Origin, Then},
    server::Place,
};

const SITE: &str = "
server {
    listen @LISTEN@;
    auth_jwt realm;
    location / { auth_jwt_key_file keys.json; proxy_pass http://@UPSTREAM1@; }
    location /cached { auth_jwt_key_file keys.json; auth_jwt_key_cache 1h; proxy_pass http://@UPSTREAM1@; }
    location /asked { auth_jwt_key_request /keys; proxy_pass http://@UPSTREAM1@; }
    location /kept { auth_jwt_key_request /keys; auth_jwt_key_cache 1h; proxy_pass http://@UPSTREAM1@; }
    location /both { auth_jwt_key_request /keys; auth_jwt_key_file keys.json; proxy_pass http://@UPSTREAM1@; }
    location /by { auth_jwt_key_request /keys/of?tenant=$arg_tenant; auth_jwt_key_cache 1h; proxy_pass http://@UPSTREAM1@; }
    location /served { auth_jwt_key_request /file/keys.json; proxy_pass http://@UPSTREAM1@; }
    location /open { auth_jwt off; proxy_pass http://@UPSTREAM1@; }
    location /except {
        auth_jwt off;
        limit_except GET { auth_jwt realm; auth_jwt_key_file keys.json; }
        proxy_pass http://@UPSTREAM1@;
    }
    location /keys { internal; proxy_pass http://@UPSTREAM2@; proxy_read_timeout 1s; }
    location /file/ { internal; alias @DIR@/; }
}
";

fn scene(answer: Answer) -> (Scene, Origin) {
    let place = Place::new();
    let keys = Origin::start(&place.address("UPSTREAM2"), vec![answer]);
    (Scene::at(place, SITE, &[("keys.json", &jwks(&["one"]))]), keys)
}

/// Puts a file in the place of another, as whoever replaces keys should.
fn replace(scene: &Scene, kids: &[&str]) {
    let place = &scene.server.place;
    place.write("new.json", &jwks(kids));
    fs::rename(place.path("new.json"), place.path("keys.json")).expect("a file in the place of another");
}

#[test]
fn a_key_file_that_is_replaced_holds_from_the_next_request_on() {
    let (scene, _) = scene(keys_answer(&[]));
    let stop = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            let always = good("always");
            replace(&scene, &["always"]);
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(scene.status("/", &always), 200);
            }
        });
        crate::support::until("the key that is always there", || scene.status("/", &good("always")) == 200);
        for round in 1..40 {
            let (old, new) = (format!("key{}", round - 1), format!("key{round}"));
            replace(&scene, &[&new, "always"]);
            assert_eq!(scene.status("/", &good(&new)), 200, "round {round}");
            assert_eq!(scene.status("/", &good(&old)), 401, "round {round}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    fs::write(scene.server.place.path("keys.json"), "{").expect("a broken file");
    assert_eq!(scene.status("/", &good("always")), 500);
    fs::remove_file(scene.server.place.path("keys.json")).expect("no file");
    assert_eq!(scene.status("/", &good("always")), 500);
    replace(&scene, &["one"]);
    assert_eq!(scene.status("/", &good("one")), 200);
    assert!(scene.log().contains("keys.json\": it is not JSON"));
}

/// "auth_jwt_key_cache: Enables or disables caching of keys obtained from a file or from a subrequest, and sets
/// caching time for them. … By default, caching of keys is disabled."
#[test]
fn keys_are_kept_for_the_time_of_the_cache() {
    let (scene, _) = scene(keys_answer(&[]));
    assert_eq!(scene.status("/cached", &good("one")), 200);
    replace(&scene, &["two"]);
    assert_eq!((scene.status("/cached", &good("one")), scene.status("/", &good("one"))), (200, 401));
}

/// "auth_jwt_key_request: Allows retrieving a JSON Web Key Set file from a subrequest for validating JWT signature
/// and sets the URI where the subrequest will be sent to. Parameter value can contain variables."
#[test]
fn keys_are_asked_for_by_a_subrequest() {
    let (scene, keys) = scene(keys_answer(&["one"]));
    let asked = || keys.received().len();
    for times in 1..=3 {
        assert_eq!((scene.status("/asked", &good("one")), asked()), (200, times));
    }
    assert_eq!((scene.ask("/asked", "").status(), asked()), (401, 3));
    assert_eq!((scene.status("/asked", &good("unknown")), asked()), (401, 4), "once for one request");
    assert_eq!((scene.status("/both", &good("one")), scene.status("/served", &good("one"))), (200, 200));
    assert_eq!(scene.status("/by?tenant=a/b", &good("one")), 200);
    let last = keys.received().pop().expect("a request for keys").message;
    assert_eq!(last.first_line(), "GET /keys/of?tenant=a/b HTTP/1.1");
    assert!(scene.log().lines().all(|line| !line.contains("[error]")), "{}", scene.log());
}

#[test]
fn kept_keys_are_asked_for_once_and_anew_for_an_unknown_key() {
    let (scene, keys) = scene(keys_answer(&["one"]));
    let asked = || keys.received().len();
    thread::scope(|threads| {
        for _ in 0..16 {
            threads.spawn(|| assert_eq!(scene.status("/kept", &good("one")), 200));
        }
    });
    assert_eq!(asked(), 1, "the others have waited");
    keys.say(keys_answer(&["two"]));
    thread::scope(|threads| {
        for _ in 0..16 {
            threads.spawn(|| assert_eq!(scene.status("/kept", &good("two")), 200));
        }
    });
    assert_eq!(scene.status("/kept", &good("one")), 401, "a key that is gone");
    for unknown in 0..20 {
        assert_eq!(scene.status("/kept", &good(&format!("unknown{unknown}"))), 401);
    }
    assert_eq!(asked(), 2, "once in ten seconds");
    keys.say(Answer::text("nonsense"));
    assert_eq!(scene.status("/kept", &good("two")), 200);
}

#[test]
fn an_upstream_that_misbehaves_costs_its_location_its_requests_and_nothing_else() {
    for (answer, why) in misbehaviours() {
        let (scene, _keys) = scene(answer);
        for target in ["/asked", "/kept", "/both"] {
            assert_eq!(scene.status(target, &good("one")), 500, "{why}");
        }
        assert_eq!((scene.status("/", &good("one")), scene.ask("/open", "").status()), (200, 200));
        let log = scene.log();
        let told = log.lines().find(|line| line.contains("subrequest \"/keys\": ")).unwrap_or_default();
        assert!(told.contains("no keys to verify a JWT with") && told.contains(why), "{why}: {log}");
    }
}

#[test]
fn an_upstream_that_hangs_or_closes_is_told_of_by_its_status() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"keys\":";
    for (answer, why) in [
        (Answer::new("").then(Then::Silence), "it was answered 504"),
        (Answer::new("").then(Then::Close), "it was answered 502"),
        (Answer::new(cut).then(Then::Silence), "the answer ended too early"),
        (Answer::new(cut).then(Then::Close), "the answer ended too early"),
    ] {
        let (scene, _keys) = scene(answer);
        assert_eq!(scene.status("/asked", &good("one")), 500, "{why}");
        assert!(scene.log().contains(why), "{why}: {}", scene.log());
    }
}

#[test]
fn a_compressed_answer_is_told_of() {
    let zipped = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\u{8b}";
    let (scene, _keys) = scene(Answer::new(zipped));
    assert_eq!(scene.status("/asked", &good("one")), 500);
    assert!(scene.log().contains("the answer is compressed"), "{}", scene.log());
}

/// A client that would have a part of the keys, none, or others than they are gets nobody into trouble.
#[test]
fn what_a_client_says_of_its_answer_is_not_said_of_the_keys() {
    let (scene, keys) = scene(keys_answer(&["one"]));
    let said = "Range: bytes=0-3\r\nIf-Range: x\r\nIf-None-Match: *\r\nIf-Match: x\r\nAccept-Encoding: gzip\r\n\
        If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT\r\nIf-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n\
        X-Else: goes on\r\n";
    scene.ask("/asked", &format!("{said}{}", super::bearer(&good("one"))));
    let asked = keys.received().pop().expect("a request for keys").message;
    for line in said.lines().filter_map(|line| line.split_once(':')) {
        assert_eq!(asked.header(line.0).is_some(), line.0 == "X-Else", "{}", line.0);
    }
    let client = scene.upstream.received().pop().expect("the client's own request").message;
    assert!(client.header("range").is_some() && client.header("if-none-match").is_some());
}

#[test]
fn other_methods_may_need_a_token() {
    let (scene, _) = scene(keys_answer(&[]));
    assert_eq!(scene.ask("/except", "").status(), 200);
    let delete = |lines: &str| {
        let mut client = crate::support::client::Client::connect(&scene.server.address("LISTEN"));
        client.ask(format!("DELETE /except HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).expect("an answer").status()
    };
    let lines = super::bearer(&token("one", json!({})));
    assert_eq!((delete(""), delete(&lines)), (401, 200));
}
