//! What rules about proxying say of a configuration is what a real nginx does with it: what reaches the upstream, or
//! what the client is answered. The configurations are the rules' examples.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::support::client::Client;
use crate::support::origin::Origin;
use crate::support::server::{Kind, Place, Server};
use crate::support::stream::Address;

/// An example of a rule behind a real nginx, with an upstream where it passes to.
struct Scene {
    nginx: Server,
    origin: Origin,
}

impl Scene {
    /// `fixtures/rules/<example>.conf`.
    fn of(example: &str) -> Scene {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules").join(example);
        let text = fs::read_to_string(path.with_extension("conf")).unwrap();
        let from = text.find("http {").expect("an http block") + "http {".len();
        let inner = text[from..].trim_end().strip_suffix('}').expect("its end");
        let origin = Origin::start(&Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))), Vec::new());
        let upstream = origin.address().to_string();
        let local = upstream.replace("127.0.0.1", "localhost");
        let served = inner
            .replace("127.0.0.1:8080", "@LISTEN@")
            .replace("127.0.0.1:9000", &upstream)
            .replace("localhost:9000", &local);
        let nginx = Server::start(Kind::Nginx, Place::new(), &format!("root @DIR@;\n{served}"));
        Scene { nginx, origin }
    }

    /// What a client is answered who asks for a path.
    fn status(&self, path: &str) -> u16 {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: chat.example.com\r\nCookie: beta=yes\r\nConnection: close\r\n\r\n"
        );
        Client::connect(&self.nginx.address("LISTEN")).ask(&request).expect("an answer").status()
    }

    /// The head with which a request for a path reaches the upstream.
    fn reaches(&self, path: &str) -> String {
        assert_eq!(self.status(path), 200, "{path}");
        let received = self.origin.received();
        let last = received.last().unwrap_or_else(|| panic!("{path} never reached the upstream"));
        String::from_utf8_lossy(&last.message.head.join(&b'\n')).into_owned()
    }

    /// The path that the upstream is asked for.
    fn path(&self, path: &str) -> String {
        self.reaches(path).split(' ').nth(1).expect("a path").to_owned()
    }
}

#[test]
fn a_slash_too_many_and_one_too_few() {
    let extra = Scene::of("proxy-pass-slash-extra/bad");
    assert_eq!(extra.path("/ws/chat"), "//chat");
    assert_eq!(extra.path("/wschat"), "/chat");
    assert_eq!(Scene::of("proxy-pass-slash-extra/good").path("/ws/chat"), "/chat");
    assert_eq!(Scene::of("proxy-pass-slash-extra/good-rewritten").path("/api/users"), "/v2/users");
    assert_eq!(Scene::of("proxy-pass-slash-missing/bad").path("/api/users"), "/v1users");
    assert_eq!(Scene::of("proxy-pass-slash-missing/good").path("/api/users"), "/v1/users");
    assert_eq!(Scene::of("proxy-pass-slash-missing/good-rewritten").path("/api/users"), "/users");
}

#[test]
fn a_uri_has_the_path_encoded_anew() {
    assert_eq!(Scene::of("proxy-pass-normalized/bad").path("/x/a%2Fb"), "/y/a/b");
    assert_eq!(Scene::of("proxy-pass-normalized/good").path("/x/a%2Fb"), "/x/a%2Fb");
}

#[test]
fn a_name_in_a_variable_needs_a_resolver() {
    for example in ["bad", "bad-request-uri", "bad-map", "bad-clients-host", "bad-port"] {
        let scene = Scene::of(&format!("proxy-pass-variable-no-resolver/{example}"));
        assert_eq!(scene.status("/"), 502, "{example}");
        assert!(scene.nginx.logs().contains("no resolver defined to resolve"), "{example}");
    }
    let addresses = Scene::of("proxy-pass-variable-no-resolver/good-upstreams");
    assert_eq!(addresses.path("/api/a"), "/api/a");
    let elsewhere = Scene::of("proxy-pass-variable-no-resolver/good-resolved-elsewhere");
    assert_eq!(elsewhere.path("/api/"), "/api/");
}

#[test]
fn a_uri_beside_variables_is_all_that_is_sent() {
    let rewritten = Scene::of("proxy-pass-variable-uri/bad-rewritten");
    assert_eq!(rewritten.path("/p/q?a=1"), "/");
    let depends = Scene::of("proxy-pass-variable-uri/good-depends");
    assert_eq!(depends.path("/x?a=1"), "/x?a=1");
    assert_eq!(depends.path("/p/q"), "/base/q");
    assert_eq!(depends.path("/none?a=1"), "/none?a=1");
}

#[test]
fn one_header_line_cancels_those_around_it() {
    let lost = Scene::of("proxy-headers-lost/bad").reaches("/");
    assert!(!lost.contains("Host: chat.example.com") && !lost.contains("X-Forwarded-For"), "{lost}");
    assert!(lost.contains("X-Real-IP"), "{lost}");
    let kept = Scene::of("proxy-headers-lost/good").reaches("/");
    assert!(kept.contains("Host: chat.example.com") && kept.contains("X-Forwarded-For"), "{kept}");
    let same = Scene::of("proxy-headers-lost/good-same-names").reaches("/");
    assert!(same.to_ascii_lowercase().contains("x-forwarded-proto: http\n"), "{same}");
}

#[test]
fn a_location_inside_does_not_pass_on_by_itself() {
    let settings = Scene::of("proxy-settings-without-proxy-pass/bad");
    assert_eq!((settings.status("/"), settings.status("/ws")), (200, 404));
    assert_eq!(Scene::of("proxy-settings-without-proxy-pass/good").path("/ws"), "/ws");
    let inside = Scene::of("proxy-settings-without-proxy-pass/good-inside");
    assert_eq!((inside.status("/if?fast=1"), inside.status("/limit")), (200, 404));
}

#[test]
fn a_return_comes_before_everything() {
    assert_eq!(Scene::of("unreachable-handler/bad").status("/"), 204);
    assert_eq!(Scene::of("unreachable-handler/good").path("/"), "/");
    assert_eq!(Scene::of("unreachable-handler/bad-server").status("/.well-known/acme-challenge/x"), 301);
    let breaks = Scene::of("unreachable-handler/good-breaks");
    assert_eq!(breaks.path("/api/v1/users"), "/v1/users");
    assert_eq!((breaks.status("/api/v2"), breaks.status("/")), (404, 403));
    let named = Scene::of("unreachable-handler/good-server");
    assert_eq!((named.status("/"), named.origin.received().len()), (403, 1), "error_page leads there");
    assert_eq!(Scene::of("unreachable-handler/good-server-leaves").status("/.well-known/x"), 404);
}

#[test]
fn a_field_that_is_set_twice_is_sent_twice() {
    let twice = Scene::of("duplicate-proxy-header/bad").reaches("/");
    assert_eq!(twice.matches("Host: chat.example.com").count(), 2, "{twice}");
    let one = Scene::of("duplicate-proxy-header/good-one-is-empty").reaches("/");
    assert_eq!(one.matches("Accept-Encoding").count(), 1, "{one}");
}

#[test]
fn try_files_lets_the_upstream_have_what_exists() {
    let bad = Scene::of("try-files-with-proxy/bad");
    assert_eq!(bad.status("/chat"), 404);
    assert!(bad.origin.received().is_empty());
    assert_eq!(Scene::of("try-files-with-proxy/good").path("/chat"), "/chat");
    assert_eq!(Scene::of("try-files-with-proxy/good-server").path("/chat"), "/chat");
}
