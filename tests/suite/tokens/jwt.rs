//! `auth_jwt` with tokens as browsers send them, and sockets that end by their `exp`.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

use super::{ECHOED, HI, expired, handshake, switching};
use crate::support::{
    client::Client,
    message::Message,
    origin::Origin,
    server::{Kind, Place, Server},
    until,
};

const SECRET: &[u8] = b"a secret of thirty-two bytes ...";

/// A token that expires in so many seconds.
fn token(seconds: i64) -> String {
    let key = EncodingKey::from_secret(SECRET).expect("a secret");
    let claims = json!({ "sub": "anna", "exp": now() as i64 + seconds });
    encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set").as_secs()
}

/// wsproxy with `lines` in a server, and `$websocket_close_code` in its log.
struct Door {
    server: Server,
    upstream: Origin,
}

impl Door {
    fn open(lines: &str) -> Door {
        let place = Place::new();
        let key = data_encoding::BASE64URL_NOPAD.encode(SECRET);
        place.write("jwks", &json!({ "keys": [{ "kty": "oct", "k": key }] }).to_string());
        let upstream = Origin::start(&place.address("UPSTREAM1"), vec![switching("")]);
        let site = format!(
            "log_format all '$request|$http_cookie|$http_sec_websocket_protocol|$http_authorization|$websocket_close_code';
server {{
    listen @LISTEN@;
    access_log @DIR@/access.log all;
    error_log @DIR@/told.log info;
    websocket_proxy on;
    auth_jwt_key_file @DIR@/jwks;
    {lines}
}}"
        );
        Door { server: Server::start(Kind::Wsproxy, place, &site), upstream }
    }

    fn client(&self) -> Client {
        Client::connect(&self.server.address("LISTEN"))
    }

    fn logs(&self) -> String {
        ["access.log", "told.log", "error.log"].map(|log| self.server.place.read(log)).concat()
    }

    /// Ends it: what the upstream got, and every log, in which no token may be.
    fn end(mut self) -> (Vec<Message>, String) {
        self.server.quit().expect("a graceful end");
        let logs = self.logs();
        assert!(!logs.contains("eyJ"), "{logs}");
        (self.upstream.finish().into_iter().map(|received| received.message).collect(), logs)
    }
}

#[test]
fn an_argument_a_cookie_or_a_subprotocol_opens_the_door_and_stays_there() {
    let token = token(3600);
    let cookie = format!("Cookie: a=b; jwt={token}");
    let protocol = format!("Sec-WebSocket-Protocol: chat, bearer, {token}");
    for (variable, target, line, log) in [
        ("$arg_jwt", format!("/ws?x=1&jwt={token}"), "X: y", "GET /ws?x=1&jwt=*** HTTP/1.1|-|-|-|"),
        ("$cookie_jwt", "/ws?x=1".to_owned(), &*cookie, "GET /ws?x=1 HTTP/1.1|a=b; jwt=***|-|-|"),
        (
            "$websocket_protocol_token",
            "/ws?x=1".to_owned(),
            &*protocol,
            "GET /ws?x=1 HTTP/1.1|-|chat, bearer, ***|-|",
        ),
    ] {
        let lines = format!("location / {{ auth_jwt '' token={variable}; proxy_pass http://@UPSTREAM1@; }}");
        let door = Door::open(&lines);
        let mut client = door.client();
        let answer = client.ask(handshake(&target, &[line])).expect("an answer");
        assert_eq!(answer.status(), 101, "{variable}");
        let protocols = answer.header("Sec-WebSocket-Protocol");
        assert_eq!(protocols.as_deref(), (line == protocol).then_some("bearer"));
        drop(client);
        let (received, logs) = door.end();
        let [received] = &received[..] else { panic!("{received:?}") };
        assert_eq!(received.first_line(), "GET /ws?x=1 HTTP/1.1");
        assert_eq!(received.header("Cookie").as_deref(), (line == cookie).then_some("a=b"));
        let protocols = received.header("Sec-WebSocket-Protocol");
        assert_eq!(protocols.as_deref(), (line == protocol).then_some("chat"));
        assert!(logs.starts_with(log), "{variable}\n{logs}");
    }
}

/// As in nginx.
#[test]
fn authorization_goes_on_and_no_log_shows_it() {
    let door = Door::open("location / { auth_jwt ''; proxy_pass http://@UPSTREAM1@; }");
    let line = format!("Authorization: Bearer {}", token(3600));
    assert_eq!(door.client().ask(handshake("/", &[&line])).expect("an answer").status(), 101);
    let (received, _) = door.end();
    assert_eq!(
        received[0].header("Authorization").map(|value| format!("Authorization: {value}")),
        Some(line)
    );
}

#[test]
fn a_token_that_is_refused_is_no_less_secret() {
    let lines = "location / { auth_jwt '' token=$arg_jwt; proxy_pass http://@UPSTREAM1@; }
        location /denied { deny all; auth_jwt '' token=$arg_jwt; }
        location /gone { return 410; auth_jwt '' token=$arg_jwt; }";
    let door = Door::open(lines);
    for (target, status) in [("/", 401), ("/denied", 403), ("/gone", 410)] {
        for token in [token(-60), format!("{}x", token(60)), token(60).replace('.', "%2e")] {
            let answer =
                door.client().ask(handshake(&format!("{target}?jwt={token}"), &[])).expect("an answer");
            assert_eq!(answer.status(), status, "{target}");
        }
    }
    let (received, logs) = door.end();
    assert!(received.is_empty());
    assert_eq!(logs.matches("?jwt=*** HTTP/1.1|").count(), 9, "{logs}");
}

/// Sockets at some paths, opened with one token, and the second in which that expires. On a machine that is busy it may
/// have expired before all of them are open: then they are opened with one that lives longer.
fn open_with_one_token<const N: usize>(door: &Door, paths: [&str; N]) -> ([Client; N], u64) {
    for life in [3, 6, 12] {
        let (expires, token) = (now() + life, token(life as i64));
        let opened = paths.map(|path| {
            let mut client = door.client();
            let answer = client.ask(handshake(&format!("{path}?jwt={token}"), &[])).expect("an answer");
            (client, answer.status())
        });
        if opened.iter().all(|(_, status)| *status == 101) {
            return (opened.map(|(client, _)| client), expires);
        }
    }
    panic!("{paths:?} do not open within twelve seconds")
}

#[test]
fn a_socket_ends_when_exp_has_passed() {
    let lines = "location / { auth_jwt '' token=$arg_jwt; proxy_pass http://@UPSTREAM1@; }
        location /echo { auth_jwt '' token=$arg_jwt; websocket_echo; }";
    let door = Door::open(lines);
    let (mut clients, expires) = open_with_one_token(&door, ["/", "/echo"]);
    for client in &mut clients {
        assert_eq!(client.read_to_end().expect("an end"), expired());
        assert!(now() >= expires);
    }
    until("a line in the log", || door.logs().contains("|4401\n"));
    assert!(door.logs().contains("tunnel ended: token expired: websocket_token_expiry; "));
    drop(clients);
    door.end();
}

/// Each is opened with a token that has yet a moment to live, and is there when it has none.
#[test]
fn leeway_grace_and_doors_without_a_token_give_more_time() {
    let lines = "location /leeway { auth_jwt_leeway 1h; auth_jwt '' token=$arg_jwt; websocket_echo; }
        location /grace { websocket_token_expiry close 1h; auth_jwt '' token=$arg_jwt; websocket_echo; }
        location /ignored { websocket_token_expiry ignore; auth_jwt '' token=$arg_jwt; websocket_echo; }
        location /any { satisfy any; allow all; auth_jwt '' token=$arg_jwt; websocket_echo; }
        location /end { auth_jwt '' token=$arg_jwt; websocket_echo; }";
    let door = Door::open(lines);
    let paths = ["/end", "/leeway", "/grace", "/ignored", "/any"];
    let ([mut first, mut others @ ..], _) = open_with_one_token(&door, paths);
    assert_eq!(first.read_to_end().expect("an end"), expired());
    for client in &mut others {
        client.send(HI);
        assert_eq!(client.read(ECHOED.len()).expect("an echo"), ECHOED);
    }
    drop((first, others));
    door.end();
}
