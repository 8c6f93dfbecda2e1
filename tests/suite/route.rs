//! What `wsproxy route` says is what the running wsproxy does: the same upstream, the same request line.

use std::process::Command;

use crate::support::{
    client::Client,
    origin::Origin,
    server::{Kind, Place, Server},
};

const SITE: &str = r#"
upstream one { server @UPSTREAM1@; }
upstream two { server @UPSTREAM2@; }
server {
    listen @LISTEN@ default_server;
    server_name a.example *.w.example;
    location / { proxy_pass http://one; }
    location /uri/ { proxy_pass http://two/v2/; }
    location ~ ^/re/(\w+)/(.*)$ { proxy_pass http://two/$1?rest=$2&$args; }
    location /old { rewrite ^/old/(.*)$ /uri/$1?from=old last; return 404; }
    location /if { if ($arg_two) { proxy_pass http://two; } proxy_pass http://one; }
}
server {
    listen @LISTEN@;
    server_name b.example ~^r(?<n>\d+)\.example$;
    location / { rewrite ^(.*)$ /$n$1 break; proxy_pass http://two; }
}
"#;

/// Hosts and targets as they stand in a request.
const REQUESTS: &[(&str, &str)] = &[
    ("a.example", "/"),
    ("A.EXAMPLE", "/x?y=1"),
    ("a.example.", "/x"),
    ("a.example:8080", "/x"),
    ("x.w.example", "/x"),
    ("w.example", "/x"),
    ("unknown.example", "/x"),
    ("", "/x"),
    ("b.example", "/x"),
    ("r17.example", "/x?y"),
    ("rx.example", "/x"),
    ("a.example", "/uri/x"),
    ("a.example", "/uri/"),
    ("a.example", "/uri//x///y"),
    ("a.example", "/uri/a%2Fb%20c"),
    ("a.example", "/uri/../x"),
    ("a.example", "/x/./y/../uri/z"),
    ("a.example", "/%75ri/x"),
    ("a.example", "/uri/x?a=%2F&b=%zz;c=d%26"),
    ("a.example", "/re/w/a%20b?x=1"),
    ("a.example", "/re/w/"),
    ("a.example", "/old/thing?k=v"),
    ("a.example", "/if?two=1"),
    ("a.example", "/if?two=0"),
    ("a.example", "/x?"),
    ("a.example", "/x??y=/../"),
    ("a.example", "http://b.example/x"),
    ("b.example", "http://a.example/uri/x"),
    ("a.example", "http://r3.example"),
];

#[test]
fn what_route_says_is_what_is_done() {
    let place = Place::new();
    let one = Origin::start(&place.address("UPSTREAM1"), Vec::new());
    let two = Origin::start(&place.address("UPSTREAM2"), Vec::new());
    let server = Server::start(Kind::Wsproxy, place, SITE);
    for (host, target) in REQUESTS {
        let before = [one.received().len(), two.received().len()];
        let mut client = Client::connect(&server.address("LISTEN"));
        let asked = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let status = client.ask(asked).expect("an answer").status();
        let came = [one.received(), two.received()];
        let name = (0..2).find(|at| came[*at].len() > before[*at]);
        let done = name.map(|at| {
            let line = came[at].last().expect("it came").message.first_line();
            (["UPSTREAM1", "UPSTREAM2"][at], line)
        });
        let said = said(&server, host, target);
        let find = |kind: &str, field: &str| {
            let steps = said["steps"].as_array().expect("steps");
            let step = steps.iter().find(|step| step["kind"] == kind);
            step.map(|step| step[field].clone())
        };
        match done {
            Some((name, line)) => {
                assert_eq!(find("peer", "server"), Some(server.place.value(name).into()), "{host} {target}");
                assert_eq!(find("sent", "line"), Some(line.into()), "{host} {target}");
            }
            None => assert_eq!(find("answer", "status"), Some(status.into()), "{host} {target}"),
        }
    }
}

const BALANCED: &str = r#"
upstream plain { hash $arg_k; server @UPSTREAM1@; server @UPSTREAM2@ weight=3; server @UPSTREAM3@; }
upstream downs { hash $arg_k; server @UPSTREAM1@; server @UPSTREAM2@ weight=3 down; server @UPSTREAM3@ weight=2; }
upstream ring { hash $arg_k consistent; server @UPSTREAM1@; server @UPSTREAM2@ weight=2; server @UPSTREAM3@ down; }
upstream tied { sticky route $arg_k; server @UPSTREAM1@ route=1; server @UPSTREAM2@ route=2 down; server @UPSTREAM3@ route=3; }
server {
    listen @LISTEN@;
    add_header X-Tried $upstream_addr;
    location /plain { proxy_pass http://plain; }
    location /downs { proxy_pass http://downs; }
    location /ring { proxy_pass http://ring; }
    location /tied { proxy_pass http://tied; }
}
"#;

/// The numbers that are said are those of the key, and lead to whom the running process asks.
#[test]
fn the_peer_said_is_the_one_asked_and_the_numbers_say_why() {
    let place = Place::new();
    let names = ["UPSTREAM1", "UPSTREAM2", "UPSTREAM3"];
    let _origins = names.map(|name| Origin::start(&place.address(name), Vec::new()));
    let server = Server::start(Kind::Wsproxy, place, BALANCED);
    for group in ["plain", "downs", "ring"] {
        for key in 0..40 {
            let (target, key) = (format!("/{group}?k=room{key}"), format!("room{key}"));
            let mut client = Client::connect(&server.address("LISTEN"));
            let answer = client.ask(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).expect("an answer");
            let said = said(&server, "a", &target);
            let steps = said["steps"].as_array().expect("steps");
            let end = steps.iter().position(|step| step["kind"] == "peer").expect("a peer");
            let hashes: Vec<_> = steps[..end].iter().filter(|step| step["kind"] == "hash").collect();
            let (last, peer) = (hashes.last().expect("a number"), &steps[end]["server"]);
            assert_eq!(answer.header("X-Tried").as_deref(), peer.as_str(), "{target}: {steps:#?}");
            assert_eq!((&last["server"], &last["open"]), (peer, &true.into()));
            assert_eq!(hashes[0]["crc32"], crc32fast::hash(key.as_bytes()), "{target}");
            if group == "ring" {
                assert_eq!(hashes[0]["of"], 4 * 160, "{target}");
                continue;
            }
            let mut sum = 0;
            for (rehash, step) in hashes.iter().enumerate() {
                let key = if rehash == 0 { key.clone() } else { format!("{rehash}{key}") };
                sum += (crc32fast::hash(key.as_bytes()) >> 16) & 0x7fff;
                let weights = if group == "plain" { [1, 3, 1] } else { [1, 3, 2] };
                let total: u32 = weights.iter().sum();
                let slot = sum % total;
                assert_eq!((&step["sum"], &step["slot"]), (&sum.into(), &slot.into()), "{target}");
                let at = usize::from(slot >= 1) + usize::from(slot >= 4);
                assert_eq!(step["server"], server.place.value(names[at]), "{target}");
            }
        }
    }
    for (key, owner) in [("1", Some("UPSTREAM1")), ("3", Some("UPSTREAM3")), ("2", None)] {
        let said = said(&server, "a", &format!("/tied?k={key}"));
        let find =
            |kind: &str| said["steps"].as_array().expect("steps").iter().find(|step| step["kind"] == kind);
        let peer = find("peer").expect("a peer");
        match owner {
            Some(owner) => {
                assert_eq!((&peer["server"], &peer["by"]), (&server.place.value(owner).into(), &"id".into()))
            }
            None => assert_eq!(peer["by"], "turn"),
        }
    }
}

const GUARDED: &str = r#"
auth_basic_user_file users;
server {
    listen @PORT@;
    location /network { allow 127.0.0.0/8; deny all; proxy_pass http://@UPSTREAM1@; }
    location /nobody { deny all; proxy_pass http://@UPSTREAM1@; }
    location /members { auth_basic members; proxy_pass http://@UPSTREAM1@; }
    location /either { satisfy any; deny all; auth_basic members; proxy_pass http://@UPSTREAM1@; }
    location /both { allow all; auth_basic members; auth_delay 1h; proxy_pass http://@UPSTREAM1@; }
    location /lost { auth_basic members; auth_basic_user_file nowhere; proxy_pass http://@UPSTREAM1@; }
    location /readers { limit_except GET { auth_basic members; } proxy_pass http://@UPSTREAM1@; }
}
"#;

/// What is said to let a request in or to refuse it does so.
#[test]
fn who_is_said_to_refuse_a_request_does() {
    let place = Place::new();
    place.write("users", "ann:{PLAIN}a\n");
    let _upstream = Origin::start(&place.address("UPSTREAM1"), Vec::new());
    let server = Server::start(Kind::Wsproxy, place, GUARDED);
    let right = "Authorization: Basic YW5uOmE=";
    let wrong = "Authorization: Basic YW5uOmI=";
    for (method, target, header, status, judges) in [
        ("GET", "/network", "X: y", 200, "allow+"),
        ("GET", "/nobody", "X: y", 403, "deny-"),
        ("GET", "/members", "X: y", 401, "auth_basic-"),
        ("GET", "/members", right, 200, "auth_basic+"),
        ("GET", "/members", wrong, 401, "auth_basic-"),
        ("GET", "/either", right, 200, "deny- auth_basic+"),
        ("GET", "/either", wrong, 401, "deny- auth_basic-"),
        ("GET", "/both", right, 200, "allow+ auth_basic+"),
        ("GET", "/lost", right, 403, "auth_basic-"),
        ("GET", "/readers", "X: y", 200, ""),
        ("POST", "/readers", "X: y", 401, "auth_basic-"),
        ("POST", "/readers", right, 200, "auth_basic+"),
    ] {
        let mut client = Client::connect(&server.address("PORT"));
        let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        let asked = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{header}\r\n{length}\r\n");
        assert_eq!(client.ask(asked).expect("an answer").status(), status, "{method} {target} {header}");
        let said = asked_about(&server, "PORT", target, &["-X", method, "-H", header]);
        let steps = said["steps"].as_array().expect("steps");
        let judge = |step: &serde_json::Value| {
            let sign = if step["allowed"] == true { "+" } else { "-" };
            format!("{}{sign}", step["directive"].as_str().expect("a directive"))
        };
        let judged: Vec<String> = steps.iter().filter(|step| step["kind"] == "access").map(judge).collect();
        assert_eq!(judged.join(" "), judges, "{method} {target} {header}");
        let answered = steps.iter().find(|step| step["kind"] == "answer").map(|step| step["status"].clone());
        assert_eq!(answered, (status != 200).then(|| status.into()), "{method} {target} {header}");
    }
}

fn said(server: &Server, host: &str, target: &str) -> serde_json::Value {
    asked_about(server, "LISTEN", target, &["-H", &format!("Host: {host}")])
}

/// What is said of a request to a listener.
fn asked_about(server: &Server, listen: &str, target: &str, more: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_wsproxy"))
        .args(["route", "-p", server.place.value("DIR"), "-c", "nginx.conf", "--format", "json"])
        .args(["--listen", server.place.value(listen), "--target", target])
        .args(more)
        .args(["-H", "Connection: close", "http://any.example/"])
        .output()
        .expect("the binary");
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{target} {more:?}: {why}: {error}"))
}
