//! Keys that are fetched from a URL in the background: from an endpoint that is well, turns its keys, hangs, lies,
//! or is not who it should be.

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpListener},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use super::{Scene, good, jwks, keys_answer, misbehaviours};
use crate::support::{
    client::Client,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server, whole},
    stream::Address,
    until,
};

const SITE: &str = "
server {
    listen @LISTEN@;
    location / { auth_jwt realm; auth_jwt_key_request http://@TCP1@/keys?tenant=1; proxy_pass http://@UPSTREAM1@; }
    location /file { auth_jwt realm; auth_jwt_key_file keys.json; proxy_pass http://@UPSTREAM1@; }
    location /both {
        auth_jwt realm;
        auth_jwt_key_request http://@TCP1@/keys?tenant=1;
        auth_jwt_key_file keys.json;
        proxy_pass http://@UPSTREAM1@;
    }
    location /open { proxy_pass http://@UPSTREAM1@; }
    location /echo { websocket_echo; }
}
";

fn endpoint(answer: Answer) -> Origin {
    let anywhere = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    Origin::start(&anywhere, vec![answer])
}

fn scene(answer: Answer) -> (Scene, Origin) {
    let (mut place, keys) = (Place::new(), endpoint(answer));
    place.name_tcp(1, &keys);
    (Scene::at(place, SITE, &[("keys.json", &jwks(&["file"]))]), keys)
}

#[test]
fn keys_are_fetched_once_for_all_and_before_they_are_needed() {
    let (scene, keys) = scene(keys_answer(&["one"]));
    until("the first fetch, which nobody asked for", || keys.received().len() == 1);
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for _ in 0..5 {
                    assert_eq!(scene.status("/", &good("one")), 200);
                }
            });
        }
    });
    assert_eq!((scene.status("/both", &good("one")), scene.status("/both", &good("file"))), (200, 200));
    let received = keys.received();
    assert_eq!(received.len(), 1);
    let host = keys.address().to_string();
    assert_eq!(
        String::from_utf8_lossy(&received[0].message.head.join(&b"\n"[..])),
        format!(
            "GET /keys?tenant=1 HTTP/1.1\nHost: {host}\nUser-Agent: wsproxy/{}\n\
             Accept: application/jwk-set+json, application/json\nConnection: close",
            env!("CARGO_PKG_VERSION")
        )
    );
    let log = scene.log();
    assert!(log.contains(&format!("keys were fetched from \"http://{host}/keys\"")), "{log}");
    assert!(!log.contains("tenant"), "a query may hold a secret: {log}");
}

/// Accepts no key that is gone once it was fetched anew, and refuses no good one.
#[test]
fn keys_turn_under_load() {
    let (scene, keys) = scene(keys_answer(&["old"]));
    assert_eq!(scene.status("/", &good("old")), 200);
    let (old, new, accepted) = (good("old"), good("new"), AtomicUsize::new(0));
    keys.say(keys_answer(&["new"]));
    thread::scope(|threads| {
        for _ in 0..6 {
            threads.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(scene.status("/", &new), 200, "a good token");
                    accepted.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for _ in 0..2 {
            threads.spawn(|| {
                for _ in 0..20 {
                    let turned = accepted.load(Ordering::SeqCst) > 0;
                    let status = scene.status("/", &old);
                    assert!(status == 401 || status == 200 && !turned, "a key that is gone: {status}");
                }
            });
        }
    });
    let fetched = keys.received().len();
    assert_eq!(fetched, 2);
    for unknown in 0..20 {
        assert_eq!(scene.status("/", &good(&format!("unknown{unknown}"))), 401);
    }
    assert_eq!(keys.received().len(), fetched, "once in ten seconds, whatever is asked");
}

#[test]
fn an_endpoint_that_lies_costs_its_locations_their_requests_and_nothing_else() {
    let redirect = "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"keys\":";
    let more = [
        (Answer::new(redirect), "answered 302, and redirects are not followed"),
        (Answer::new("HTTP/1.1 304 Not Modified\r\n\r\n"), "answered 304 in place of 200"),
        (
            Answer::new("HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)).then(Then::Close),
            "the answer cannot be read",
        ),
        (Answer::new("").then(Then::Close), "the connection ended before the answer did"),
        (Answer::new(cut).then(Then::Close), "the connection ended before the answer did"),
        (Answer::new("220 mail.test ESMTP\r\n\r\n").then(Then::Close), "the answer is not HTTP/1"),
        (
            Answer::new(format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(20_000))),
            "the answer cannot be read",
        ),
        (
            Answer::new("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
            "the answer cannot be read",
        ),
    ];
    for (answer, why) in misbehaviours().into_iter().chain(more) {
        let (scene, keys) = scene(answer);
        assert_eq!(
            (scene.status("/", &good("one")), scene.status("/both", &good("one"))),
            (500, 500),
            "{why}"
        );
        assert_eq!((scene.status("/file", &good("file")), scene.ask("/open", "").status()), (200, 200));
        let told = |words: &str| scene.log().lines().any(|line| line.contains(words) && line.contains(why));
        assert!(told("no keys to verify a JWT with: \"http://"), "{why}");
        until(why, || told("[error]") && told("no keys from \"http://") && told("is answered 500"));
        keys.say(keys_answer(&["one"]));
        until("it is well again", || scene.status("/", &good("one")) == 200);
    }
}

#[test]
fn an_endpoint_that_is_not_there_costs_the_same() {
    let site = SITE.replace("@TCP1@", "@REFUSED@");
    let scene = Scene::start(&site, &[("keys.json", &jwks(&["file"]))]);
    assert_eq!((scene.status("/", &good("one")), scene.status("/file", &good("file"))), (500, 200));
    assert!(scene.log().contains("failed (111: Connection refused)"), "{}", scene.log());
}

/// What hangs is waited for, and not for ever; meanwhile nothing else waits.
#[test]
fn an_endpoint_that_hangs_holds_up_nobody_else() {
    let (scene, keys) = scene(Answer::new("").then(Then::Silence));
    let mut tunnel = Client::connect(&scene.server.address("LISTEN"));
    tunnel.send("GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    tunnel.send("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    thread::scope(|threads| {
        let waiting = threads.spawn(|| scene.status("/", &good("one")));
        assert_eq!(tunnel.response(true).expect("a switch").status(), 101);
        for _ in 0..20 {
            assert_eq!((scene.status("/file", &good("file")), scene.ask("/open", "").status()), (200, 200));
            tunnel.send(b"\x81\x82\0\0\0\0hi");
            assert_eq!(tunnel.read(4).expect("an echo"), b"\x81\x02hi");
        }
        assert!(!waiting.is_finished());
        assert_eq!(waiting.join().expect("an answer"), 500);
    });
    let log = scene.log();
    assert!(
        log.contains("the answer took too long") || log.contains("they are still being fetched"),
        "{log}"
    );
    keys.say(keys_answer(&["one"]));
    keys.cut();
    until("it is well again", || scene.status("/", &good("one")) == 200);
}

/// Nobody who has gone is waited with: neither for a fetch, nor for a subrequest that another one makes.
#[test]
fn who_leaves_while_keys_are_got_holds_nothing() {
    let (mut place, keys) = (Place::new(), endpoint(Answer::new("").then(Then::Silence)));
    place.name_tcp(1, &keys);
    let site = "log_format status $status; server { listen @LISTEN@; auth_jwt realm; access_log @DIR@/gone.log status;
        location /url { auth_jwt_key_request http://@TCP1@/keys; proxy_pass http://@UPSTREAM1@; }
        location /inside { auth_jwt_key_request /keys; auth_jwt_key_cache 1m; proxy_pass http://@UPSTREAM1@; }
        location /keys { proxy_pass http://@TCP1@; } }";
    let scene = Scene::at(place, site, &[]);
    let come = |path: &str| {
        let mut client = Client::connect(&scene.server.address("LISTEN"));
        let token = good("one");
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"));
        client
    };
    let stays = come("/inside");
    until("keys are asked for", || keys.received().len() == 2);
    [come("/inside"), come("/inside"), come("/url")].into_iter().for_each(drop);
    until("they are gone", || scene.server.place.read("gone.log").matches("499").count() == 3);
    drop(stays);
}

/// A byte now and then is no answer, and who does not say hello is not waited for as long.
#[test]
fn an_endpoint_that_drips_or_never_says_hello_comes_to_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // Connections wait in its queue, and nobody ever takes them.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let site = format!(
        "server {{ listen @LISTEN@; auth_jwt realm;
            location /drips {{ auth_jwt_key_request http://{address}/; proxy_pass http://@UPSTREAM1@; }}
            location /tls {{ auth_jwt_key_request https://{}/; proxy_pass http://@UPSTREAM1@; }} }}",
        silent.local_addr().expect("an address")
    );
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a fetch");
        let mut more = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while more.is_ok() {
            thread::sleep(Duration::from_millis(100));
            more = stream.write_all(b" ");
        }
    });
    let place = Place::new();
    let made =
        Command::new("sh").args(["-c", CERTIFICATES, "sh"]).arg(place.path("")).output().expect("a shell");
    assert!(made.status.success());
    fs::copy(place.path("root.pem"), place.path("trusted.pem")).expect("a certificate");
    let scene = Scene::at(place, &site, &[]);
    assert_eq!((scene.status("/tls", &good("one")), scene.status("/drips", &good("one"))), (500, 500));
    let log = scene.log();
    assert!(log.contains("connecting took too long") && log.contains("the answer took too long"), "{log}");
}

#[test]
fn a_reload_keeps_what_was_fetched() {
    let (scene, keys) = scene(keys_answer(&["one"]));
    assert_eq!(scene.status("/", &good("one")), 200);
    keys.say(Answer::new("").then(Then::Close));
    scene.server.reload(&whole(SITE), 2);
    until("a fetch that fails", || scene.log().contains("those from before stay for"));
    assert_eq!(scene.status("/", &good("one")), 200);
}

/// Who signs for whom: a root, and a certificate of it for `localhost`.
const CERTIFICATES: &str = r#"
cd "$1" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=root \
    -keyout root.key -out root.pem -addext basicConstraints=critical,CA:true &&
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout host.key -out host.csr &&
printf 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n' > host.ext &&
openssl x509 -req -in host.csr -CA root.pem -CAkey root.key -CAcreateserial -days 1 -extfile host.ext -out host.pem &&
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other \
    -keyout other.key -out other.pem -addext basicConstraints=critical,CA:true
"#;

/// nginx with TLS, which has keys.
fn with_tls() -> Server {
    let place = Place::new();
    let made =
        Command::new("sh").args(["-c", CERTIFICATES, "sh"]).arg(place.path("")).output().expect("a shell");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::write(place.path("keys.json"), jwks(&["one"])).expect("a file");
    let site =
        "server { listen @PORT@ ssl; ssl_certificate @DIR@/host.pem; ssl_certificate_key @DIR@/host.key;
        location / { root @DIR@; } }";
    Server::start(Kind::Nginx, place, site)
}

#[test]
fn keys_come_over_tls_from_who_is_trusted() {
    let secure = with_tls();
    let port = secure.place.value("NUMBER");
    let site = |host: &str| {
        format!(
            "server {{ listen @LISTEN@; auth_jwt realm; auth_jwt_key_request https://{host}:{port}/keys.json;
                location / {{ proxy_pass http://@UPSTREAM1@; }} }}"
        )
    };
    let trusting = |who: &str, host: &str| {
        let place = Place::new();
        fs::copy(secure.place.path(who), place.path("trusted.pem")).expect("a certificate");
        Scene::at(place, &site(host), &[])
    };
    let scene = trusting("root.pem", "localhost");
    assert_eq!(scene.status("/", &good("one")), 200);
    let stranger = trusting("other.pem", "localhost");
    assert_eq!(stranger.status("/", &good("one")), 500);
    assert!(stranger.log().contains("TLS handshake failed (invalid peer certificate"), "{}", stranger.log());
    let misnamed = trusting("root.pem", "127.0.0.1");
    assert_eq!(misnamed.status("/", &good("one")), 500);
    assert!(misnamed.log().contains("TLS handshake failed (invalid peer certificate"), "{}", misnamed.log());
}
