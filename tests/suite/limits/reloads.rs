//! What is counted across reloads. nginx keeps a zone's memory; wsproxy's tunnels outlive configurations.

use super::*;

const SITE: &str = "
limit_conn_zone $arg_k zone=one:32k;
limit_req_zone $arg_k zone=rate:32k rate=1r/m;
server {
    listen @LISTEN@;
    location / {
        limit_conn one 2;
        proxy_pass http://@UPSTREAM1@;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
    }
    location /rate { limit_req zone=rate; root @DIR@; }
}
";

#[test]
fn tunnels_of_before_and_requests_of_before_count_on() {
    let scene = Scene::start(Kind::Wsproxy, SITE, switching());
    let first = scene.tunnel("/?k=a").expect("a tunnel");
    let second = scene.tunnel("/?k=a").expect("a tunnel");
    assert_eq!((scene.status("/rate?k=a"), scene.status("/rate?k=a")), (404, 503));
    scene.reload(&SITE.replace("limit_req zone=rate;", "limit_req zone=rate burst=1 nodelay;"), 2);
    assert_eq!(scene.tunnel("/?k=a").err(), Some(503));
    assert_eq!((scene.status("/rate?k=a"), scene.status("/rate?k=a")), (404, 503));
    drop(first);
    let mut third = None;
    until("a place is free", || {
        third = scene.tunnel("/?k=a").ok();
        third.is_some()
    });
    // Another limit is judged by the same count.
    scene.reload(&SITE.replace("limit_conn one 2", "limit_conn one 3"), 3);
    let _fourth = scene.tunnel("/?k=a").expect("a third at once");
    assert_eq!(scene.tunnel("/?k=a").err(), Some(503));
    drop((second, third));
}

#[test]
fn a_zone_of_another_size_begins_anew_and_tunnels_of_before_leave_it_alone() {
    let scene = Scene::start(Kind::Wsproxy, SITE, switching());
    let before = [scene.tunnel("/?k=a").expect("a tunnel"), scene.tunnel("/?k=a").expect("a tunnel")];
    let larger = SITE.replace("one:32k", "one:64k").replace("rate:32k", "rate:64k");
    assert_eq!(scene.status("/rate?k=a"), 404);
    scene.reload(&larger, 2);
    assert_eq!((scene.status("/rate?k=a"), scene.status("/rate?k=a")), (404, 503));
    let _one = scene.tunnel("/?k=a").expect("a tunnel");
    drop(before);
    let _two = scene.tunnel("/?k=a").expect("a tunnel");
    assert_eq!(scene.tunnel("/?k=a").err(), Some(503), "the ends of others have made no place");
}

#[test]
fn a_zone_that_would_count_by_another_key_refuses_the_reload() {
    let scene = Scene::start(Kind::Wsproxy, SITE, switching());
    let _first = scene.tunnel("/?k=a").expect("a tunnel");
    for (from, to, words) in [
        (
            "limit_conn_zone $arg_k",
            "limit_conn_zone $arg_j",
            "limit_conn_zone \"one\" uses the \"$arg_j\" key while previously it used the \"$arg_k\" key",
        ),
        (
            "limit_req_zone $arg_k",
            "limit_req_zone x$arg_k",
            "limit_req \"rate\" uses the \"x$arg_k\" key while previously it used the \"$arg_k\" key",
        ),
    ] {
        scene.server.place.write("site.conf", &SITE.replace(from, to));
        scene.server.signal(rustix::process::Signal::HUP);
        until(words, || scene.server.place.read("error.log").contains(words));
    }
    let _second = scene.tunnel("/?k=a").expect("the old configuration goes on");
    assert_eq!(scene.tunnel("/?k=a").err(), Some(503));
}
