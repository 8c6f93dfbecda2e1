//! Rules and their look-alikes: what each finds stands in `fixtures/mistakes`, here is what it leaves alone.

use std::path::Path;

use wsproxy::directive::{Catalogue, Context};
use wsproxy::features::Options;
use wsproxy::source::Disk;
use wsproxy::syntax::{Reader, understand};
use wsproxy::{lint, model};

/// The rules that the five mistakes are found by.
const STORY: [&str; 5] = [
    "ws-idle-timeout",
    "ws-no-stickiness",
    "ws-close-unexplained",
    "ws-room-split",
    "ws-handshake-unchecked",
];

/// The names of what is found in an `http` block, in order.
fn found(http: &str) -> Vec<&'static str> {
    let text = format!("events {{}} http {{ {http} }}");
    let folder = Path::new("");
    let options = Options {
        prefix: folder.into(),
        conf_prefix: folder.into(),
        context: Context::MAIN,
        fragment: false,
    };
    let reader = Reader::new(folder, &Disk).hints(&Catalogue).text("test.conf", text.into_bytes());
    let (tree, model, mistakes) = understand(&reader, |tree| model::read(tree, &Disk, &options));
    let errors: Vec<&str> = mistakes.iter().map(|one| &one.message[..]).collect();
    assert!(errors.is_empty(), "{errors:?}");
    lint::findings(&tree, &model, &options, &mistakes, &STORY.into_iter().collect())
        .iter()
        .map(|one| one.code)
        .collect()
}

/// A server with one location, these lines around and in it.
fn location(name: &str, around: &str, lines: &str) -> Vec<&'static str> {
    found(&format!(
        "upstream chat {{ server 127.0.0.1:1; server 127.0.0.1:2; hash $arg_room consistent; }}
        server {{ listen 127.0.0.1:8099; {around} location {name} {{ proxy_pass http://chat; {lines} }} }}"
    ))
}

const RECIPE: &str = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";

#[test]
fn what_is_no_websocket_is_nobodys_matter() {
    assert_eq!(location("/", "", ""), [""; 0]);
    assert_eq!(location("/", "", &format!("proxy_http_version 1.0; {RECIPE}")), [""; 0]);
    assert_eq!(found("server { listen 127.0.0.1:8099; location / { websocket_echo; } }"), [""; 0]);
}

#[test]
fn a_rule_looks_at_what_holds_and_not_at_lines() {
    assert_eq!(location("/", "", RECIPE), ["ws-idle-timeout", "ws-handshake-unchecked"]);
    // Said two levels up, in another order, or lost to a line of its own further in.
    let around = format!("deny 10.0.0.1; proxy_read_timeout 1h; {RECIPE}");
    assert_eq!(location("/", &around, ""), [""; 0]);
    assert_eq!(location("/", &around, "proxy_set_header Host $host;"), [""; 0], "no Upgrade goes out");
    assert_eq!(location("/", &around, "proxy_read_timeout 30s;"), ["ws-idle-timeout"]);
    assert_eq!(location("/", &around, "websocket_close_notify off;"), ["ws-close-unexplained"]);
    let pings = format!("allow all; deny all; websocket_ping_interval 20s; {RECIPE}");
    assert_eq!(location("/", "", &pings), [""; 0]);
}

#[test]
fn checks_that_people_write_by_themselves_are_checks() {
    let with = |lines: &str| location("/", "proxy_read_timeout 1h;", &format!("{RECIPE} {lines}"));
    assert_eq!(with("if ($http_origin = '') { return 403; }"), [""; 0]);
    assert_eq!(with("auth_request /session;"), [""; 0]);
    assert_eq!(with("websocket_origins same;"), [""; 0]);
    assert_eq!(with("auth_jwt chat; auth_jwt_key_request /keys;"), [""; 0]);
    assert_eq!(with("auth_require $arg_key;"), [""; 0]);
    assert_eq!(with("if ($arg_old) { return 301 /new; }"), ["ws-handshake-unchecked"]);
    assert_eq!(with("allow all;"), ["ws-handshake-unchecked"], "nobody is refused");
}

#[test]
fn one_server_holds_every_room() {
    let upstream = |lines: &str| {
        found(&format!(
            "upstream chat {{ {lines} }} server {{ listen 127.0.0.1:8099; deny 10.0.0.1; location /socket.io/ {{
            proxy_pass http://chat; proxy_read_timeout 1h; {RECIPE} }} }}"
        ))
    };
    let both = ["ws-no-stickiness", "ws-room-split"];
    assert_eq!(upstream("server 127.0.0.1:1; server 127.0.0.1:2;"), both);
    assert_eq!(upstream("least_conn; server 127.0.0.1:1; server 127.0.0.1:2;"), both);
    assert_eq!(upstream("server 127.0.0.1:1; server 127.0.0.1:2 backup;"), [""; 0]);
    assert_eq!(upstream("server 127.0.0.1:1; server 127.0.0.1:2 down;"), [""; 0]);
    assert_eq!(upstream("ip_hash; server 127.0.0.1:1; server 127.0.0.1:2;"), ["ws-room-split"]);
    assert_eq!(upstream("server 127.0.0.1:1; server 127.0.0.1:2; sticky cookie srv;"), ["ws-room-split"]);
    assert_eq!(upstream("hash $arg_room; server 127.0.0.1:1; server 127.0.0.1:2;"), [""; 0]);
}

/// From some size on rules are asked by several threads: what is found, and in which order, is the same.
#[test]
fn a_large_configuration_is_told_in_the_order_of_its_lines() {
    let one = |number: usize| {
        format!(
            "server {{ listen 127.0.0.1:8099; server_name s{number}.example.com; deny 10.0.0.1;
            location / {{ proxy_pass http://127.0.0.1:1; {RECIPE} }} location /plain {{ return 204; }} }}"
        )
    };
    let sizes = "server_names_hash_max_size 8192;";
    let small = found(&one(0));
    let large = found(&format!("{sizes}{}", (0..1000).map(one).collect::<String>()));
    assert_eq!(small, ["ws-idle-timeout"]);
    assert_eq!(large, vec!["ws-idle-timeout"; 1000]);
}
