//! Connections to upstreams that are kept for the next request.

use std::{thread, time::Duration};

use super::scene::{Scene, get, post};
use crate::support::{
    client::Client,
    handshake::{SWITCHING, handshake},
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
};

const HEADERS: &str = "proxy_http_version 1.1; proxy_set_header Connection $connection_upgrade; \
    proxy_set_header Upgrade $http_upgrade;";

const MAP: &str = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }";

fn scene(groups: &str, locations: &str, upstreams: Vec<Vec<Answer>>, requests: Vec<Vec<u8>>) -> Scene {
    let site = format!("{MAP}\n{groups}\nserver {{ listen @LISTEN@; {HEADERS}\n{locations} }}\n");
    Scene { site, upstreams, requests, at_once: false }
}

/// The connections that requests came on, as one upstream counts them.
fn connections(scene: &Scene) -> Vec<String> {
    let shown = scene.play(Kind::Wsproxy).text;
    let numbers = shown.lines().filter_map(|line| line.strip_prefix("-- connection "));
    numbers.map(str::to_owned).collect()
}

#[test]
fn a_connection_carries_so_many_requests() {
    let group = "upstream one { server @TCP1@; keepalive 1; keepalive_requests 2; }";
    scene(
        group,
        "location / { proxy_pass http://one; }",
        vec![vec![Answer::text("a")]],
        ["/1", "/2", "/3", "/4", "/5"].map(get).to_vec(),
    )
    .alike();
}

#[test]
fn of_too_many_the_one_used_longest_ago_is_closed() {
    let groups = "upstream one { server @TCP1@; server @TCP2@; keepalive 1; }
        upstream two { server @TCP1@; server @TCP2@; keepalive 2; }";
    let locations = "location /one { proxy_pass http://one; } location /two { proxy_pass http://two; }";
    let upstreams = vec![vec![Answer::text("a")], vec![Answer::text("b")]];
    let requests = ["/one"; 4].into_iter().chain(["/two"; 6]).map(get).collect();
    scene(groups, locations, upstreams, requests).alike();
}

#[test]
fn a_handshake_takes_a_kept_connection_and_a_tunnel_gives_none_back() {
    let group = "upstream one { server @TCP1@; keepalive 1; }";
    let answers = vec![
        Answer::text("a"),
        Answer::new(SWITCHING).then(Then::Echo),
        Answer::text("b"),
        Answer::text("c"),
    ];
    scene(
        group,
        "location / { proxy_pass http://one; }",
        vec![answers],
        vec![get("/1"), handshake("/ws"), get("/3"), get("/4")],
    )
    .alike();
}

/// nginx counts that as a failure of the peer and asks another; wsproxy asks the same once more, and says so at
/// `info`.
#[test]
fn a_kept_connection_that_is_gone_is_no_failure_of_its_peer() {
    let group = "upstream one { server @TCP1@; keepalive 1; }";
    let answers = vec![Answer::text("a"), Answer::new("").then(Then::Close)];
    let mut shows = Vec::new();
    for request in [get("/2"), handshake("/ws"), post("/2")] {
        let mut answers = answers.clone();
        answers.push(if request.starts_with(b"GET /ws") {
            Answer::new(SWITCHING).then(Then::Echo)
        } else {
            Answer::text("b")
        });
        let locations = "location / { proxy_pass http://one; }";
        let (nginx, ours) = scene(group, locations, vec![answers], vec![get("/1"), request]).both();
        assert_eq!(nginx.text, ours.text);
        shows.push((nginx.errors.len(), ours.errors.len()));
    }
    // A POST is not sent twice, so that the last is an error for both.
    assert_eq!(shows, [(1, 0), (1, 0), (1, 1)]);
}

#[test]
fn a_kept_connection_that_is_gone_is_followed_by_another_to_the_same_peer() {
    let group = "upstream two { server @TCP1@; server @TCP2@; keepalive 2; }";
    let answers = vec![Answer::text("a"), Answer::new("").then(Then::Close), Answer::text("c")];
    let requests = ["/1", "/2", "/3", "/4", "/5"].map(get).to_vec();
    let upstreams = vec![answers, vec![Answer::text("b")]];
    let scene = scene(group, "location / { proxy_pass http://two; }", upstreams, requests);
    let shown = scene.play(Kind::Wsproxy).text;
    let tries: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.split_once(" 200 ")?.1.split_once(" con"))
        .map(|x| x.0)
        .collect();
    assert_eq!(
        tries,
        [
            "[@TCP1@] [200]",
            "[@TCP2@] [200]",
            "[@TCP1@, @TCP1@] [502, 200]",
            "[@TCP2@] [200]",
            "[@TCP1@] [200]"
        ]
    );
}

#[test]
fn an_address_that_is_no_group_keeps_none() {
    scene(
        "",
        "location / { proxy_pass http://@TCP1@; }",
        vec![vec![Answer::text("a")]],
        vec![get("/1"), get("/2")],
    )
    .alike();
}

/// nginx has `local` since 1.29.7.
#[test]
fn a_connection_that_is_local_is_for_its_location_only() {
    let locations = "location /a { proxy_pass http://one; } location /b { proxy_pass http://one; }";
    for (keepalive, expected) in [
        ("# Nothing of keepalive.\n", ["1", "1", "2", "2", "1"]),
        ("keepalive 4 local;", ["1", "1", "2", "2", "1"]),
        ("keepalive 4;", ["1", "1", "1", "1", "1"]),
        ("keepalive 1 local;", ["1", "1", "2", "2", "3"]),
        ("keepalive 0;", ["1", "2", "3", "4", "5"]),
    ] {
        let group = format!("upstream one {{ server @TCP1@; {keepalive} }}");
        let requests = ["/a", "/a", "/b", "/b", "/a"].map(get).to_vec();
        let scene = scene(&group, locations, vec![vec![Answer::text("a")]], requests);
        assert_eq!(connections(&scene), expected, "{keepalive}");
    }
}

/// The connections of six requests that come with pauses longer than a millisecond.
fn with_pauses(kind: Kind, lines: &str) -> Vec<usize> {
    let place = Place::new();
    let origin = Origin::start(&place.address("UPSTREAM1"), vec![Answer::text("a")]);
    let group = format!("upstream one {{ server @UPSTREAM1@; keepalive 4; {lines} }}");
    let site = format!(
        "{MAP}\n{group}\nserver {{ listen @LISTEN@; {HEADERS} location / {{ proxy_pass http://one; }} }}"
    );
    let server = Server::start(kind, place, &site);
    for _ in 0..6 {
        let mut client = Client::connect(&server.address("LISTEN"));
        assert_eq!(client.ask(get("/")).expect("an answer").status(), 200);
        thread::sleep(Duration::from_millis(5));
    }
    origin.received().iter().map(|received| received.connection).collect()
}

#[test]
fn a_connection_that_is_too_old_is_not_kept() {
    for kind in [Kind::Nginx, Kind::Wsproxy] {
        assert_eq!(with_pauses(kind, "keepalive_time 1h;"), [1; 6], "{kind:?}");
        // One may carry a request within its first millisecond, and the one behind that.
        let connections = with_pauses(kind, "keepalive_time 1ms;");
        let most = connections.chunk_by(|a, b| a == b).map(<[usize]>::len).max();
        assert!(most <= Some(2), "{kind:?}: {connections:?}");
    }
}

#[test]
fn a_connection_that_idles_for_too_long_is_not_used() {
    for kind in [Kind::Nginx, Kind::Wsproxy] {
        assert_eq!(with_pauses(kind, "keepalive_timeout 1h;"), [1; 6], "{kind:?}");
    }
    // When nginx closes it is its timer's doing, which may be late.
    assert_eq!(with_pauses(Kind::Wsproxy, "keepalive_timeout 1ms;"), [1, 2, 3, 4, 5, 6]);
}
