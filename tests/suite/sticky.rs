//! Requests that stick to a server: by a cookie, by a variable, by sessions that are learnt. What nginx 1.31 does
//! is written down here, since the nginx that tests run beside is too old for `sticky`.

use crate::support::{
    client::Client,
    message::Message,
    server::{Kind, Place, Server},
    until,
};

/// Two servers that say who they are and begin sessions, a third that nobody listens at, and a door to them.
fn site(workers: u8, upstream: &str, location: &str) -> String {
    let server = |number: u8| {
        format!(
            "server {{
                listen unix:@DIR@/s{number};
                add_header Set-Cookie \"session=$arg_begin\" always;
                location / {{ return 200 {number}; }}
                location /ws {{ websocket_echo; }}
            }}\n"
        )
    };
    let (one, two) = (server(2), server(3));
    format!(
        "worker_processes {workers}; pid @DIR@/pid; error_log @DIR@/error.log info;
events {{}}
http {{
    access_log off;
    upstream rooms {{ {upstream} }}
    {one} {two}
    server {{
        listen @LISTEN@;
        location / {{ websocket_proxy on; proxy_pass http://rooms; add_header X-Later 1 always; {location} }}
    }}
}}
"
    )
}

const PAIR: &str = "server unix:@DIR@/s2 route=a; server unix:@DIR@/s3 route=b;";

fn start(site: &str) -> Server {
    Server::start(Kind::Wsproxy, Place::new(), site)
}

/// A request on a connection of its own, so that any worker may get it.
fn ask(server: &Server, target: &str, headers: &str) -> Message {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    Client::connect(&server.address("LISTEN")).ask(request).expect("an answer")
}

/// Who answers.
fn who(server: &Server, target: &str, headers: &str) -> String {
    let answer = ask(server, target, headers);
    assert_eq!(answer.status(), 200);
    answer.body_text()
}

fn cookies(answer: &Message) -> Vec<String> {
    answer.values("Set-Cookie").map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

/// A WebSocket, and what was answered.
fn open(server: &Server, target: &str, headers: &str) -> (Client, Message) {
    let mut client = Client::connect(&server.address("LISTEN"));
    let handshake = format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    );
    let answer = client.ask(handshake).expect("an answer");
    assert_eq!(answer.status(), 101);
    (client, answer)
}

#[test]
fn a_cookie_is_set_with_every_answer_and_followed() {
    let upstream =
        format!("{PAIR} sticky cookie srv expires=max domain=$host httponly secure samesite=Lax path=/x;");
    let server = start(&site(2, &upstream, ""));
    let rest = "expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000; domain=a; httponly; secure; \
                samesite=Lax; path=/x";
    let first = cookies(&ask(&server, "/", ""));
    assert_eq!(first, [format!("srv=a; {rest}"), "session=".into()]);
    assert_eq!(cookies(&ask(&server, "/", ""))[0], format!("srv=b; {rest}"));
    let (_tunnel, answer) = open(&server, "/ws", "Cookie: x=1; srv=b\r\n");
    assert_eq!(cookies(&answer)[0], format!("srv=b; {rest}"));
    for (id, number) in [("a", "2"), ("b", "3")] {
        for _ in 0..6 {
            let answer = ask(&server, "/", &format!("Cookie: srv={id}\r\n"));
            assert_eq!(
                (answer.body_text(), &cookies(&answer)[0]),
                (number.into(), &format!("srv={id}; {rest}"))
            );
        }
    }
}

#[test]
fn the_cookie_stands_before_the_headers_of_others() {
    let server = start(&site(1, &format!("{PAIR} sticky cookie srv;"), ""));
    let text = String::from_utf8(ask(&server, "/?begin=1", "").head.join(&b"\n"[..])).expect("text");
    let at = |line: &str| text.find(line).unwrap_or_else(|| panic!("{line} in {text}"));
    assert!(at("Connection:") < at("srv=a\n"), "{text}");
    assert!(at("srv=a\n") < at("session=1") && at("session=1") < at("X-Later"), "{text}");
    let (_tunnel, answer) = open(&server, "/ws", "");
    let text = String::from_utf8(answer.head.join(&b"\n"[..])).expect("text");
    assert!(text.find("srv=b\n").expect(&text) < text.find("Upgrade: websocket").expect(&text), "{text}");
}

#[test]
fn an_id_that_cannot_be_had_is_given_anew() {
    let upstream =
        "server unix:@DIR@/s2 route=a; server unix:@DIR@/nobody route=gone max_fails=1; sticky cookie srv;";
    let server = start(&site(1, upstream, ""));
    for id in ["gone", "gone", "unknown"] {
        let answer = ask(&server, "/", &format!("Cookie: srv={id}\r\n"));
        assert_eq!((answer.body_text(), cookies(&answer)[0].clone()), ("2".into(), "srv=a".into()), "{id}");
    }
    let without = "server unix:@DIR@/s2 route=a down; server unix:@DIR@/s3 route=b; sticky cookie srv;";
    server.reload(&site(1, without, ""), 2);
    assert_eq!(cookies(&ask(&server, "/", "Cookie: srv=a\r\n"))[0], "srv=b");
    let drains = "server unix:@DIR@/s2 route=a drain; server unix:@DIR@/s3 route=b; sticky cookie srv;";
    server.reload(&site(1, drains, ""), 3);
    assert_eq!(who(&server, "/", "Cookie: srv=a\r\n"), "2");
    assert!((0..4).all(|_| who(&server, "/", "") == "3"), "nobody else goes there");
}

#[test]
fn the_cookie_of_the_last_try_goes_out_with_an_error_page() {
    let upstream = "server unix:@DIR@/no1 route=a; server unix:@DIR@/no2 route=b; sticky cookie srv;";
    let server = start(&site(1, upstream, ""));
    let answer = ask(&server, "/", "");
    assert_eq!((answer.status(), cookies(&answer)), (502, vec!["srv=b".to_owned()]));
    // Both rest now: nobody is picked.
    assert_eq!(cookies(&ask(&server, "/", "")), Vec::<String>::new());
}

#[test]
fn backups_are_not_asked_by_their_ids_while_others_can_be() {
    let upstream = "server unix:@DIR@/s2 route=a; server unix:@DIR@/s3 route=b backup; sticky cookie srv;";
    let server = start(&site(1, upstream, ""));
    assert_eq!(who(&server, "/", "Cookie: srv=b\r\n"), "2");
    let down = "server unix:@DIR@/s2 route=a down; server unix:@DIR@/s3 route=b backup; sticky cookie srv;";
    server.reload(&site(1, down, ""), 2);
    assert_eq!(cookies(&ask(&server, "/", "Cookie: srv=a\r\n"))[0], "srv=b");
}

#[test]
fn the_first_variable_that_is_not_empty_is_the_route() {
    let server = start(&site(2, &format!("{PAIR} sticky route $cookie_r $arg_r;"), ""));
    for _ in 0..4 {
        assert_eq!(who(&server, "/?r=b", ""), "3");
        assert_eq!(who(&server, "/?r=b", "Cookie: r=\r\n"), "3");
        assert_eq!(who(&server, "/?r=b", "Cookie: r=a\r\n"), "2");
    }
    assert_eq!(cookies(&ask(&server, "/?r=b", "")), ["session="]);
}

fn learn(more: &str) -> String {
    format!("{PAIR} sticky learn create=$upstream_cookie_session lookup=$cookie_session zone=s:32k {more};")
}

/// Begins a session on server 2, with one on server 3 before and behind, so that their turns are known.
fn is_learnt(server: &Server, name: &str, on: &str) {
    let cookie = format!("Cookie: session={name}\r\n");
    assert!((0..5).all(|_| who(server, "/?begin=", &cookie) == on), "{name} is on {on}");
}

#[test]
fn sessions_are_learnt_from_answers_by_all_workers_and_kept_over_reloads() {
    let server = start(&site(2, &learn(""), ""));
    assert_eq!(who(&server, "/?begin=x", ""), "2");
    assert_eq!(who(&server, "/?begin=y", ""), "3");
    until("both are learnt", || who(&server, "/", "Cookie: session=x\r\n") == "2");
    is_learnt(&server, "y", "3");
    is_learnt(&server, "x", "2");
    server.reload(&site(2, &learn("timeout=1h"), ""), 2);
    is_learnt(&server, "y", "3");
    is_learnt(&server, "x", "2");
}

#[test]
fn without_header_a_tunnel_teaches_when_it_has_ended() {
    let server = start(&site(1, &learn(""), "proxy_hide_header X-None;"));
    let (tunnel, _) = open(&server, "/ws?begin=w", "");
    let told: Vec<String> = (0..4).map(|_| who(&server, "/", "Cookie: session=w\r\n")).collect();
    assert!(told.contains(&"3".to_owned()), "its session is not known so far: {told:?}");
    drop(tunnel);
    until("the tunnel's end", || server.place.read("error.log").contains("tunnel ended"));
    is_learnt(&server, "w", "2");
}

#[test]
fn with_header_a_tunnel_teaches_at_its_101() {
    let server = start(&site(2, &learn("header"), ""));
    let (_tunnel, _) = open(&server, "/ws?begin=w", "");
    is_learnt(&server, "w", "2");
    let (_other, _) = open(&server, "/ws?begin=v", "");
    is_learnt(&server, "v", "3");
}

#[test]
fn the_oldest_session_goes_where_the_zone_is_full() {
    let server = start(&site(1, &learn("header"), ""));
    assert_eq!(who(&server, "/?begin=first", ""), "2");
    for number in 0..256 {
        who(&server, &format!("/?begin=n{number}"), "");
    }
    let words = "could not allocate node in sticky session zone \"s\", expiring least recently used session";
    assert!(server.place.read("error.log").contains(words));
    let told: Vec<String> = (0..4).map(|_| who(&server, "/", "Cookie: session=first\r\n")).collect();
    assert!(told.contains(&"2".to_owned()) && told.contains(&"3".to_owned()), "{told:?}");
}
