//! What rules about WebSockets say of a configuration is what a real nginx does with it: whether a handshake comes to
//! a 101. The configurations are the rules' examples, the backend is one that knows RFC 6455.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::support::client::Client;
use crate::support::handshake::{SWITCHING, handshake};
use crate::support::message::Message;
use crate::support::server::{Kind, Place, Server};

/// An example of a rule behind a real nginx, with a backend where it passes to.
struct Scene(Server);

impl Scene {
    /// `fixtures/rules/<example>.conf`, with a backend that takes a handshake for one if `is_one` does.
    fn with(example: &str, is_one: fn(&str) -> bool) -> Scene {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules").join(example);
        let text = fs::read_to_string(path.with_extension("conf")).unwrap();
        let from = text.find("http {").expect("an http block") + "http {".len();
        let inner = text[from..].trim_end().strip_suffix('}').expect("its end");
        let backend = backend(is_one).to_string();
        let served = inner
            .replace("127.0.0.1:8080", "@LISTEN@")
            .replace("127.0.0.1:9000", &backend)
            .replace("127.0.0.1:9001", &backend);
        Scene(Server::start(Kind::Nginx, Place::new(), &format!("root @DIR@;\n{served}")))
    }

    fn of(example: &str) -> Scene {
        Scene::with(example, is_handshake)
    }

    fn ask(&self, request: impl AsRef<[u8]>) -> std::io::Result<Message> {
        Client::connect(&self.0.address("LISTEN")).ask(request)
    }

    /// What a handshake is answered.
    fn opened(&self, path: &str) -> u16 {
        self.ask(handshake(path)).expect("an answer").status()
    }

    /// What a plain request is answered.
    fn got(&self, path: &str) -> u16 {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        self.ask(request).expect("an answer").status()
    }
}

/// Answers handshakes with a 101, and all else with a 200, each connection once.
fn backend(is_one: fn(&str) -> bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer(stream, is_one));
        }
    });
    address
}

fn answer(mut stream: TcpStream, is_one: fn(&str) -> bool) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let opens = is_one(&head.join("\n").to_ascii_lowercase());
    let answer =
        if opens { SWITCHING } else { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok" };
    let _ = stream.write_all(answer.as_bytes());
    // A tunnel is open until the other side ends it.
    let _ = opens.then(|| lines.next());
}

/// As RFC 6455, 4.2.1 asks for it; in lower case.
fn is_handshake(head: &str) -> bool {
    let (first, fields) = head.split_once('\n').unwrap_or((head, ""));
    let has = |name: &str, word: &str| {
        let mut values = fields.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        values.any(|value| value.split(',').any(|own| own.trim() == word))
    };
    first.ends_with("http/1.1") && has("upgrade", "websocket") && has("connection", "upgrade")
}

/// Upgrade alone is enough for some.
fn has_upgrade(head: &str) -> bool {
    head.contains("\nupgrade: websocket")
}

#[test]
fn what_is_said_to_break_handshakes_does() {
    for (example, path) in [
        ("ws-upgrade-header-missing/bad", "/chat"),
        ("ws-upgrade-header-missing/bad-inherited", "/chat"),
        ("ws-connection-header-missing/bad", "/chat"),
        ("ws-connection-header-missing/bad-keep-alive", "/hub"),
        ("ws-connection-header-missing/bad-map-without-upgrade", "/chat"),
        ("ws-http-version/bad", "/chat"),
        ("ws-http-version/bad-older", "/chat"),
        ("ws-http-version/bad-written-outside", "/chat"),
        ("ws-headers-lost/bad", "/chat"),
        ("ws-headers-lost/bad-two-levels", "/news"),
        ("ws-headers-lost/bad-named-for-it", "/api/ws"),
        ("ws-upgrade-connection-swapped/bad", "/chat"),
        ("ws-upgrade-connection-swapped/bad-both", "/chat"),
        ("ws-upgrade-connection-swapped/bad-client-s-connection", "/chat"),
        ("ws-upgrade-connection-swapped/bad-connection", "/chat"),
        ("ws-connection-empty/bad", "/"),
        ("ws-connection-empty/bad-through-set", "/chat"),
    ] {
        assert_eq!(Scene::of(example).opened(path), 200, "{example}");
    }
}

#[test]
fn what_is_left_alone_passes_handshakes_on() {
    for (example, path) in [
        ("ws-upgrade-header-missing/good", "/chat"),
        ("ws-upgrade-header-missing/good-outer-lines", "/chat"),
        ("ws-connection-header-missing/good", "/chat"),
        ("ws-connection-header-missing/good-any-case", "/chat"),
        ("ws-connection-header-missing/good-among-others", "/chat"),
        ("ws-connection-header-missing/good-two-lines", "/chat"),
        ("ws-connection-header-missing/good-copied", "/chat"),
        ("ws-connection-header-missing/good-chosen-by-set", "/chat"),
        ("ws-http-version/good", "/chat"),
        ("ws-http-version/good-outside", "/chat"),
        ("ws-headers-lost/good", "/chat"),
        ("ws-headers-lost/good-repeated", "/chat"),
        ("ws-headers-lost/good-pages-among-others", "/"),
        ("ws-upgrade-connection-swapped/good-other-name", "/chat"),
        ("ws-connection-empty/good", "/"),
        ("ws-connection-empty/good-two-lines", "/"),
        ("ws-upgrade-hardcoded/good-sent-on", "/"),
        ("ws-upgrade-hardcoded/good-in-an-if", "/"),
        ("ws-shadowed-by-regex/good-passes-too", "/api/ws"),
    ] {
        assert_eq!(Scene::of(example).opened(path), 101, "{example}");
    }
}

#[test]
fn a_constant_upgrade_leaves_plain_requests_without_an_answer() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let silent = Scene::with("ws-upgrade-hardcoded/bad", has_upgrade);
    let mut client = Client::connect(&silent.0.address("LISTEN"));
    client.stream().set_timeout(Duration::from_millis(300)).unwrap();
    assert!(client.ask(request).is_err(), "the backend's 101 is nothing to who did not ask for it");
    assert_eq!(silent.opened("/"), 101, "handshakes work");
    assert_eq!(Scene::with("ws-upgrade-hardcoded/good", has_upgrade).got("/"), 200);
    assert_eq!(Scene::with("ws-upgrade-hardcoded/good-filtered", has_upgrade).got("/"), 200);
}

#[test]
fn a_question_that_is_a_handshake_ends_the_connection() {
    for example in ["bad", "bad-other-lines", "bad-own-lines"] {
        let asked = Scene::of(&format!("ws-auth-request-upgrade/{example}"));
        assert!(asked.ask(handshake("/chat")).is_err(), "{example}");
        assert!(asked.0.place.read("error.log").contains("connection upgrade in subrequest"), "{example}");
    }
    for example in ["good", "good-own-line", "good-older-http", "good-off", "good-set-in-the-location"] {
        let asked = Scene::of(&format!("ws-auth-request-upgrade/{example}"));
        assert_eq!(asked.opened("/chat"), 101, "{example}");
    }
}

#[test]
fn a_slash_is_added_before_patterns_are_looked_at() {
    let redirected = Scene::of("ws-slash-redirect/bad");
    assert_eq!(redirected.opened("/ws"), 301);
    assert_eq!(redirected.opened("/ws/"), 101);
    for example in ["good", "good-exact-beside", "good-rewritten"] {
        assert_eq!(Scene::of(&format!("ws-slash-redirect/{example}")).opened("/ws"), 101, "{example}");
    }
    let without_its_own = Scene::of("ws-slash-redirect/good-in-an-if");
    assert_eq!(without_its_own.opened("/ws/"), 101);
    assert_eq!(without_its_own.opened("/ws"), 404);
}

#[test]
fn patterns_take_what_prefixes_have_found() {
    assert_eq!(Scene::of("ws-shadowed-by-regex/bad").got("/socket.io/socket.io.js"), 404);
    assert_eq!(Scene::of("ws-shadowed-by-regex/good").got("/socket.io/socket.io.js"), 200);
    assert_eq!(
        Scene::of("ws-shadowed-by-regex/bad-handshake").opened("/api/ws"),
        502,
        "nobody answers on port 3000"
    );
    assert_eq!(Scene::of("ws-shadowed-by-regex/good-exact").opened("/api/ws"), 101);
}

#[test]
fn an_upgrade_may_be_hidden_from_clients() {
    for (example, shows) in [
        ("bad", false),
        ("bad-outer", false),
        ("good", true),
        ("good-passed-again", true),
        ("good-own-list", true),
    ] {
        let answer =
            Scene::of(&format!("ws-hide-upgrade/{example}")).ask(handshake("/chat")).expect("an answer");
        assert_eq!((answer.status(), answer.header("Upgrade").is_some()), (101, shows), "{example}");
    }
}

#[test]
fn a_timeout_of_nothing_is_over_at_once() {
    assert_eq!(Scene::of("ws-timeout-zero/bad").opened("/chat"), 504);
    assert_eq!(Scene::of("ws-timeout-zero/bad-connect").got("/"), 504);
    assert_eq!(Scene::of("ws-timeout-zero/good-send").opened("/chat"), 101);
    assert_eq!(Scene::of("ws-timeout-zero/good-other-zeros").got("/"), 200);
}
