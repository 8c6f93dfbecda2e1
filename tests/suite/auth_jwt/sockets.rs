//! Tokens at the handshake of a WebSocket; and secrets that lie open.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use super::{bearer, good, jwks};
use crate::support::{
    client::Client,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
    until,
};

const SITE: &str = r#"
log_format told '$status $jwt_claim_sub $jwt_header_kid';
server {
    listen @LISTEN@;
    access_log @DIR@/access.log told;
    websocket_proxy on;
    auth_jwt_key_file keys.json;
    location / { auth_jwt realm; proxy_pass http://@UPSTREAM1@; }
    location /asks { satisfy any; auth_jwt realm; auth_request /judge; proxy_pass http://@UPSTREAM1@; }
    location /judge { internal; return 401; }
}
"#;

fn handshake(target: &str, lines: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\n{lines}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

#[test]
fn a_socket_opens_for_a_good_token_only_and_its_log_line_knows_whose_it_was() {
    let place = Place::new();
    place.write("keys.json", &jwks(&["one"]));
    let switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let upstream = Origin::start(&place.address("UPSTREAM1"), vec![Answer::new(switching).then(Then::Echo)]);
    let server = Server::start(Kind::Wsproxy, place, SITE);
    let client = || Client::connect(&server.address("LISTEN"));
    for target in ["/", "/asks"] {
        for lines in ["".to_owned(), bearer("x.y.z"), bearer(&good("other"))] {
            let mut client = client();
            assert_eq!(client.ask(handshake(target, &lines)).expect("an answer").status(), 401);
            // It is an answer like any other: the connection goes on.
            client.send(handshake(target, &bearer(&good("one"))));
            assert_eq!(client.response(true).expect("a switch").status(), 101);
            client.send(b"\x81\x82\0\0\0\0hi");
            assert_eq!(client.read(8).expect("an echo"), b"\x81\x82\0\0\0\0hi");
        }
    }
    assert_eq!(upstream.received().len(), 6, "who was refused has opened nothing");
    let lines = || {
        let mut lines: Vec<String> = server.place.read("access.log").lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    until("twelve lines", || lines().len() == 12);
    assert_eq!(lines()[..6], ["101 me one"; 6]);
    assert_eq!(lines()[6..], ["401 - -"; 6]);
}

/// What the page about tokens says to try things out with.
#[test]
fn keys_and_tokens_of_our_own_making_open_the_door() {
    let place = Place::new();
    let wsproxy = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsproxy"));
        let output =
            command.arg("token").args(arguments).current_dir(place.path("")).output().expect("the binary");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    wsproxy(&["keys", "--alg", "ES256", "--alg", "EdDSA"]);
    let token = |alg: &str, expires: &str| {
        wsproxy(&[
            "new",
            "--key",
            "private.jwks.json",
            "--alg",
            alg,
            "--subject",
            "anna",
            "--expires",
            expires,
        ])
    };
    let (es, ed, old) = (token("ES256", "1h"), token("EdDSA", "1h"), token("ES256", "-1h"));
    let site = "server { listen @LISTEN@; auth_jwt chat token=$arg_token; auth_jwt_key_file jwks.json;
        location / { websocket_echo; } }";
    let server = Server::start(Kind::Wsproxy, place, site);
    let status = |token: &str| {
        let mut client = Client::connect(&server.address("LISTEN"));
        client.send(handshake(&format!("/?token={token}"), ""));
        client.response(true).expect("an answer").status()
    };
    assert_eq!((status(&es), status(&ed), status(&old), status("")), (101, 101, 401, 401));
}

#[test]
fn check_tells_of_a_secret_that_everybody_can_read() {
    let place = Place::new();
    let file = place.write("nginx.conf", "events {}\nhttp { auth_jwt_key_file keys.json; }\n");
    let public =
        r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let check = |mode: u32, keys: &str| {
        let path = place.write("keys.json", keys);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a file of ours");
        let output =
            Command::new(env!("CARGO_BIN_EXE_wsproxy")).arg("check").arg(&file).output().expect("the binary");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let said = check(0o644, &jwks(&["one"]));
    assert!(
        said.contains("warning[readable-secret]: everybody on this machine can read the secret in"),
        "{said}"
    );
    for (mode, keys) in [(0o640, jwks(&["one"])), (0o644, public.to_owned())] {
        let said = check(mode, &keys);
        assert!(!said.contains("readable-secret") && !said.contains("key-file"), "{said}");
    }
}

#[test]
fn check_tells_of_keys_that_are_fetched_in_the_clear() {
    let place = Place::new();
    for (url, is_told) in [
        ("http://id.example/keys", true),
        ("https://id.example/keys", false),
        ("http://127.0.0.1:8080/keys", false),
        ("http://[::1]/keys", false),
        ("http://localhost/keys", false),
    ] {
        let text = format!("events {{}}\nhttp {{ auth_jwt_key_request {url}; }}\n");
        let file = place.write("nginx.conf", &text);
        let output =
            Command::new(env!("CARGO_BIN_EXE_wsproxy")).arg("check").arg(&file).output().expect("the binary");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert_eq!(said.contains("info[keys-in-the-clear]"), is_told, "{url}: {said}");
    }
}
