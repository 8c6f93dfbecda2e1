//! Tokens among subprotocols: `$websocket_protocol_token`, what goes upstream then, and what the client is answered.

use super::{Gateway, handshake, switching};
use crate::support::origin::Answer;

/// A location with `lines`, whose upstream's 101 has `chosen`.
fn gateway(lines: &str, chosen: &str) -> Gateway {
    let site = format!(
        "log_format seen '$http_sec_websocket_protocol|$websocket_protocol_token|$sent_http_sec_websocket_protocol';
server {{
    listen @LISTEN@;
    access_log @DIR@/access.log seen;
    websocket_proxy on;
    location / {{
        {lines}
        proxy_set_header X-Token $websocket_protocol_token;
        proxy_pass http://@UPSTREAM1@;
    }}
    location /unused {{ proxy_pass http://@UPSTREAM1@; }}
    location /echo {{
        {lines}
        add_header X-Token $websocket_protocol_token always;
        auth_request /judge;
        websocket_echo;
    }}
    location /judge {{
        internal;
        proxy_pass http://@UPSTREAM2@;
        proxy_set_header Authorization 'Bearer $websocket_protocol_token';
    }}
}}"
    );
    Gateway::start(&site, switching(chosen), Answer::new("HTTP/1.1 204 No Content\r\n\r\n"))
}

/// The protocol header lines of the upstream's request and of the client's answer, and the token.
fn seen(lines: &str, chosen: &str, offered: &[&str]) -> (Vec<String>, Vec<String>, Option<String>) {
    let mut gateway = gateway(lines, chosen);
    let offered: Vec<String> = offered.iter().map(|line| format!("Sec-WebSocket-Protocol: {line}")).collect();
    let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
    let mut client = gateway.client();
    let answer = client.ask(handshake("/", &offered)).expect("an answer");
    assert_eq!(answer.status(), 101);
    drop(client);
    gateway.server.quit().expect("a graceful end");
    let received = gateway.upstream.finish().remove(0).message;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let values = |message: &crate::support::message::Message| {
        message.values("Sec-WebSocket-Protocol").map(text).collect()
    };
    (values(&received), values(&answer), received.header("X-Token"))
}

/// What goes upstream, what is answered, and the token that is found.
#[track_caller]
fn assert_seen(lines: &str, chosen: &str, offered: &[&str], expected: (&[&str], &[&str], Option<&str>)) {
    let (up, down, token) = seen(lines, chosen, offered);
    let strings = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let (up_expected, down_expected, token_expected) = expected;
    let expected = (strings(up_expected), strings(down_expected), token_expected.map(str::to_owned));
    assert_eq!((up, down, token), expected, "{offered:?}");
}

const CHAT: &str = "Sec-WebSocket-Protocol: chat\r\n";

#[test]
fn what_the_upstream_chooses_is_answered_and_the_token_does_not_reach_it() {
    assert_seen("", CHAT, &["chat, bearer, abc.def"], (&["chat"], &["chat"], Some("abc.def")));
    assert_seen("", CHAT, &["bearer, abc", "superchat,chat"], (&["superchat, chat"], &["chat"], Some("abc")));
    assert_seen("", CHAT, &["access_token.abc, chat, jwt.def"], (&["chat"], &["chat"], Some("abc")));
    assert_seen("", CHAT, &["chat", "bearer", "abc"], (&["chat"], &["chat"], Some("abc")));
    assert_seen("", CHAT, &["abc, bearer, abc, abc, chat"], (&["chat"], &["chat"], Some("abc")));
}

#[test]
fn where_it_chooses_nothing_something_harmless_is_answered() {
    assert_seen("", "", &["Bearer, abc.def"], (&[], &["Bearer"], Some("abc.def")));
    assert_seen("", "", &["chat, bearer, abc"], (&["chat"], &["bearer"], Some("abc")));
    let kubernetes = "base64url.bearer.authorization.k8s.io.YWJjLmRlZg, base64.binary.k8s.io";
    assert_seen(
        "",
        "",
        &[kubernetes],
        (&["base64.binary.k8s.io"], &["base64.binary.k8s.io"], Some("abc.def")),
    );
    // Nothing but the token was offered, and a browser wants to hear one of its words.
    assert_seen("", "", &["access_token.abc"], (&[], &["access_token.abc"], Some("abc")));
    let lines = "websocket_protocols chat;";
    assert_seen(lines, "", &["superchat, chat, jwt.abc"], (&["superchat, chat"], &["chat"], Some("abc")));
}

#[test]
fn without_a_token_nothing_changes() {
    assert_seen("", "", &["chat,  superchat", "more"], (&["chat,  superchat", "more"], &[], None));
    assert_seen("", "", &["chat, bearer"], (&["chat, bearer"], &[], None));
    assert_seen("", "", &[], (&[], &[], None));
    let bad = "base64url.bearer.authorization.k8s.io.====, chat";
    assert_seen("", "", &[bad], (&[bad], &[], None));
}

#[test]
fn spellings_can_be_ones_own_and_tokens_can_be_passed_on() {
    let lines = "websocket_token_protocols auth my.*;";
    assert_seen(lines, "", &["bearer, my.abc, chat"], (&["bearer, chat"], &["bearer"], Some("abc")));
    assert_seen(lines, CHAT, &["auth, abc, jwt.def"], (&["jwt.def"], &["chat"], Some("abc")));
    let lines = "websocket_pass_tokens on;";
    assert_seen(lines, "", &["bearer, abc"], (&["bearer, abc"], &[], Some("abc")));
}

/// A header that the location sets by itself is no way around it: it is copied from recipes for the opposite.
#[test]
fn a_header_set_by_hand_is_the_same() {
    let lines = "proxy_set_header Sec-WebSocket-Protocol $http_sec_websocket_protocol;
        proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
    assert_seen(lines, CHAT, &["chat, bearer, abc"], (&["chat"], &["chat"], Some("abc")));
}

#[test]
fn who_does_not_use_it_gets_it() {
    let mut gateway = gateway("", "");
    let offered = "Sec-WebSocket-Protocol: bearer, abc";
    let mut client = gateway.client();
    let answer = client.ask(handshake("/unused", &[offered])).expect("an answer");
    assert_eq!(answer.header("Sec-WebSocket-Protocol"), None);
    drop(client);
    gateway.server.quit().expect("a graceful end");
    let received = gateway.upstream.finish().remove(0).message;
    assert_eq!(received.header("Sec-WebSocket-Protocol").as_deref(), Some("bearer, abc"));
}

#[test]
fn no_log_shows_it() {
    let mut gateway = gateway("", "");
    let list = "Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.YWJjLmRlZg, bearer, def, chat";
    drop(gateway.client().ask(handshake("/", &[list])).expect("an answer"));
    gateway.server.quit().expect("a graceful end");
    let log = gateway.server.place.read("access.log");
    assert_eq!(log, "***, bearer, ***, chat|***|bearer\n");
}

/// It may be refused before anybody has asked for the token.
#[test]
fn a_refusal_that_names_what_was_offered_does_not_name_the_token() {
    let mut gateway = gateway("websocket_protocols graphql;", "");
    let offered = "Sec-WebSocket-Protocol: chat, bearer, a-secret, token.another-secret";
    let answer = gateway.client().ask(handshake("/unused", &[offered])).expect("an answer");
    assert_eq!(answer.status(), 101);
    let answer = gateway.client().ask(handshake("/", &[offered])).expect("an answer");
    assert_eq!(answer.status(), 403);
    gateway.server.quit().expect("a graceful end");
    let log = gateway.server.place.read("error.log");
    assert!(
        log.contains("WebSocket with the subprotocols \"chat, bearer, ***, ***\" forbidden by "),
        "{log}"
    );
    assert!(!log.contains("secret"), "{log}");
}

/// The judge gets the token, in its own header and where it stood; the echo answers in the spirit of the others.
#[test]
fn an_echo_is_judged_by_the_token_too() {
    for (offered, answered) in [
        ("chat, bearer, abc.def", "chat"),
        ("bearer, abc.def", "bearer"),
        ("token.abc.def", "token.abc.def"),
        ("token.abc.def, superchat", "superchat"),
    ] {
        let mut gateway = gateway("", "");
        let line = format!("Sec-WebSocket-Protocol: {offered}");
        let mut client = gateway.client();
        let answer = client.ask(handshake("/echo", &[&line])).expect("an answer");
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.header("Sec-WebSocket-Protocol").as_deref(), Some(answered), "{offered}");
        drop(client);
        gateway.server.quit().expect("a graceful end");
        let asked = gateway.judge.finish().remove(0).message;
        assert_eq!(asked.header("Authorization").as_deref(), Some("Bearer abc.def"));
        assert_eq!(asked.header("Sec-WebSocket-Protocol").as_deref(), Some(offered));
    }
}

/// A list that is made to keep somebody busy: what is behind the limit is no token, and does not go on with one.
#[test]
fn a_hostile_list_costs_nobody_anything() {
    let many = "a,".repeat(64);
    let list = format!("{many} bearer, abc");
    assert_seen("", "", &[&list], (&[&list], &[], None));
    let list = format!("bearer, abc, {many} bearer, other");
    let kept = vec!["a"; 62].join(", ");
    assert_seen("", "", &[&list], (&[&kept], &["bearer"], Some("abc")));
    assert_seen("", "", &[",,, ,", "bearer,,,", ",abc"], (&[], &["bearer"], Some("abc")));
}
