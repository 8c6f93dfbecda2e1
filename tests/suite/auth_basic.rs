//! `auth_basic`, `auth_delay`, `allow` and `deny` where time, files that change and clients that leave have a part in
//! it, and what the log says; what is answered is in `fixtures/nginx/auth_basic*`.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::support::{
    client::Client,
    server::{Kind, Place, Server},
    stream::Address,
    until,
};

/// `secret`, which takes a quarter of a second to find out.
const SLOW: &str = "$2b$12$abcdefghijklmnopqrstuuT1Iwu6o8Wx7BoOyIMHfgVJq6JO/IJhW";

const SITE: &str = r#"
log_format told '$remote_user $request_method $uri $status';
server {
    listen @LISTEN@;
    access_log @DIR@/access.log told;
    auth_basic_user_file users;
    location / { auth_basic closed; return 200; }
    location = /quick { auth_basic off; root @DIR@; }
    location /file { auth_basic closed; root @DIR@; error_page 404 =204 @ok; }
    location /delayed { auth_basic closed; auth_delay 700ms; root @DIR@; error_page 404 =204 @ok; }
    location /forbidden { deny all; auth_delay 1h; root @DIR@; }
    location /any { satisfy any; deny all; auth_basic closed; auth_delay 300ms; root @DIR@; error_page 404 =204 @ok; }
    location /missing { auth_basic closed; auth_basic_user_file nowhere; root @DIR@; }
    location /folder { auth_basic closed; auth_basic_user_file @DIR@; root @DIR@; }
    location @ok { auth_basic off; return 204; }
}
"#;

fn start(kind: Kind, users: &str) -> Server {
    let place = Place::new();
    place.write("users", users);
    Server::start(kind, place, SITE)
}

fn both(test: fn(Kind)) {
    thread::scope(|threads| {
        let nginx = threads.spawn(|| test(Kind::Nginx));
        test(Kind::Wsproxy);
        nginx.join().expect("nginx does the same");
    });
}

fn request(path: &str, credentials: &str) -> String {
    let line = match credentials {
        "" => String::new(),
        _ => format!("Authorization: Basic {}\r\n", data_encoding::BASE64.encode(credentials.as_bytes())),
    };
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{line}\r\n")
}

fn ask(server: &Server, path: &str, credentials: &str) -> u16 {
    let mut client = Client::connect(&server.address("LISTEN"));
    client.ask(request(path, credentials)).expect("an answer").status()
}

/// What the error log says of requests, with the time, the process and the connection taken off.
fn said(server: &Server) -> Vec<String> {
    let log = server.place.read("error.log");
    let lines = log.lines().filter_map(|line| {
        let level = line.split_once('[')?.1;
        let (level, rest) = level.split_once("] ")?;
        let message = rest.split_once(": *")?.1.split_once(' ')?.1;
        Some(server.place.unfill(&format!("[{level}] {message}")))
    });
    lines.filter(|line| line.contains(", client: ") && !line.contains("client closed")).collect()
}

#[test]
fn the_log_has_nginxs_words() {
    let told = [Kind::Nginx, Kind::Wsproxy].map(|kind| {
        let server = start(kind, "ann:{PLAIN}a\nben:$3$nonsense\n");
        for (path, credentials, status) in [
            ("/any", "", 401),
            ("/any", "nobody:x", 401),
            ("/any", "ann:wrong", 401),
            ("/any", "qu\"ote\\d:x", 401),
            ("/any", "ann:a", 204),
            ("/missing", "ann:a", 403),
            ("/missing", "", 401),
            ("/folder", "ann:a", 500),
            ("/forbidden", "ann:a", 403),
        ] {
            assert_eq!(ask(&server, path, credentials), status, "{kind:?} {path} {credentials}");
        }
        until("its last line", || said(&server).iter().any(|line| line.contains("forbidden by rule")));
        said(&server)
    });
    let [nginx, ours] = told;
    // A quote of a peer could end a message early: it is escaped, which nginx 1.22 does not do.
    let escaped: Vec<String> = nginx.iter().map(|line| line.replace("qu\"ote", "qu\\x22ote")).collect();
    assert_eq!(escaped, ours);
    assert!(
        ours.iter().any(|line| line.starts_with("[error] user \"nobody\" was not found in \"@DIR@/users\""))
    );
}

#[test]
fn a_password_in_no_known_form_is_told_of_with_its_line() {
    let server = start(Kind::Wsproxy, "# users\nben:$3$nonsense\n");
    assert_eq!(ask(&server, "/file", "ben:x"), 401);
    let words = "user \"ben\": password mismatch: line 2 of \"";
    until("the log says so", || server.place.read("error.log").contains(words));
}

#[test]
fn a_realm_stays_on_its_line() {
    let place = Place::new();
    place.write("users", "");
    let site = "server { listen @LISTEN@; auth_basic $uri; auth_basic_user_file users; root @DIR@; }";
    let server = Server::start(Kind::Wsproxy, place, site);
    let mut client = Client::connect(&server.address("LISTEN"));
    let answer = client.ask(request("/a%0d%0aX-Evil:%201", "")).expect("an answer");
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.header("X-Evil"), None);
    assert_eq!(answer.header("WWW-Authenticate").as_deref(), Some("Basic realm=\"/a  X-Evil: 1\""));
}

#[test]
fn a_refusal_is_held_back_and_nothing_else_is() {
    both(|kind| {
        let server = start(kind, "ann:{PLAIN}a\n");
        for (credentials, status, delayed) in [("", 401, true), ("ann:b", 401, true), ("ann:a", 204, false)] {
            let before = server.place.read("error.log").matches("delaying unauthorized request").count();
            let began = Instant::now();
            assert_eq!(ask(&server, "/delayed", credentials), status, "{kind:?} {credentials}");
            let after = server.place.read("error.log").matches("delaying unauthorized request").count();
            assert_eq!(after - before, usize::from(delayed), "{kind:?} {credentials}");
            // Never early; how late, a busy machine decides.
            assert!(
                !delayed || began.elapsed() >= Duration::from_millis(690),
                "{kind:?} {:?}",
                began.elapsed()
            );
        }
        assert_eq!(ask(&server, "/forbidden", ""), 403);
        assert_eq!(ask(&server, "/any", ""), 401);
        // What was sent meanwhile is answered afterwards.
        let mut client = Client::connect(&server.address("LISTEN"));
        client.send(request("/delayed", "") + &request("/delayed", "ann:a"));
        let answers =
            [client.response(false), client.response(false)].map(|one| one.expect("an answer").status());
        assert_eq!(answers, [401, 204]);
    });
}

#[test]
fn who_leaves_while_held_back_is_gone_at_once() {
    both(|kind| {
        let place = Place::new();
        place.write("users", "");
        let server = Server::start(kind, place, &SITE.replace("700ms", "1h"));
        let mut client = Client::connect(&server.address("LISTEN"));
        client.send(request("/delayed", "ann:b"));
        until("it is held back", || server.place.read("error.log").contains("delaying unauthorized request"));
        drop(client);
        until("a line of the log", || !server.place.read("access.log").is_empty());
        let line = server.place.read("access.log");
        assert_eq!(line, "ann GET /delayed 499\n");
    });
}

#[test]
fn a_file_that_changes_holds_at_once() {
    both(|kind| {
        let server = start(kind, "ann:{PLAIN}a\n");
        assert_eq!(ask(&server, "/file", "ann:a"), 204);
        for round in 0..20 {
            // The same size and, on most systems, the same time.
            let (known, gone) = if round % 2 == 0 { ("ben", "ann") } else { ("ann", "ben") };
            server.place.write("users", &format!("{known}:{{PLAIN}}a\n"));
            assert_eq!(ask(&server, "/file", &format!("{known}:a")), 204, "{kind:?} {round}");
            assert_eq!(ask(&server, "/file", &format!("{gone}:a")), 401, "{kind:?} {round}");
        }
        fs::remove_file(server.place.path("users")).expect("removing");
        assert_eq!(ask(&server, "/file", "ann:a"), 403, "{kind:?}");
        assert_eq!(ask(&server, "/file", ""), 401, "{kind:?}");
    });
}

/// More than may wait and be checked at once, whatever the machine.
const CROWD: usize = 400;

#[test]
fn who_guesses_slow_passwords_keeps_nobody_else_waiting() {
    let server = start(Kind::Wsproxy, &format!("ann:{SLOW}\n"));
    server.place.write("quick", "quick\n");
    assert_eq!(ask(&server, "/file", "ann:secret"), 204);
    let mut crowd: Vec<Client> = (0..CROWD)
        .map(|at| {
            let mut client = Client::connect(&server.address("LISTEN"));
            let user = if at % 2 == 0 { "ann" } else { "nobody" };
            client.send(request("/file", &format!("{user}:guess {at}")));
            client
        })
        .collect();
    // Those who are too many are told so while the others still wait.
    until("some are too many", || {
        server.place.read("error.log").contains("others wait for theirs to be checked")
    });
    assert_eq!(ask(&server, "/quick", ""), 200);
    // Who was right a moment ago need not wait either, nor does anybody become somebody else by it.
    assert_eq!(ask(&server, "/file", "ann:secret"), 204);
    let refused = crowd.pop().expect("a crowd").response(false).expect("an answer");
    assert_eq!(refused.status(), 503);
    // Whoever leaves makes room.
    drop(crowd);
    until("there is room again", || ask(&server, "/file", "nobody:x") == 401);
}

#[test]
fn a_check_that_nobody_waits_for_does_not_hold_up_the_end() {
    let place = Place::new();
    // A minute's work, as it came out of nobody's password.
    place.write("users", &format!("ann:{}\n", SLOW.replace("$12$", "$22$")));
    place.write("quick", "quick\n");
    let mut server = Server::start(Kind::Wsproxy, place, SITE);
    let mut client = Client::connect(&server.address("LISTEN"));
    client.send(request("/file", "ann:guess"));
    assert_eq!(ask(&server, "/quick", ""), 200);
    drop(client);
    server.quit().expect("it ends");
}

#[test]
fn addresses_of_both_families_are_told_apart() {
    const SITE: &str = "
    server {
        listen @PORT@;
        listen [::1]:@NUMBER@;
        root @DIR@/nothing;
        error_page 404 =204 @ok;
        location @ok { allow all; return 204; }
        location /v6 { allow ::1; deny all; }
        location /v4 { allow 127.0.0.0/8; deny all; }
        location /not-v6 { deny ::/0; }
        location /network { allow ::/127; deny all; }
    }";
    both(|kind| {
        let server = Server::start(kind, Place::new(), SITE);
        let Address::Tcp(v4) = server.address("PORT") else { panic!("a port") };
        let v6 = format!("[::1]:{}", v4.port()).parse().expect("an address");
        for (path, by_v4, by_v6) in
            [("/v6", 403, 204), ("/v4", 204, 403), ("/not-v6", 204, 403), ("/network", 403, 204)]
        {
            for (address, status) in [(v4, by_v4), (v6, by_v6)] {
                let mut client = Client::connect(&Address::Tcp(address));
                let answer = client.ask(request(path, "")).expect("an answer");
                assert_eq!(answer.status(), status, "{kind:?} {path} from {address}");
            }
        }
    });
}
