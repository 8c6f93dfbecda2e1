//! `auth_jwt` and what goes with it, from outside. There is no NGINX Plus to stand beside: what is expected is
//! what its documentation says (nginx.org/en/docs/http/ngx_http_auth_jwt_module.html), quoted where it decides.

mod keys;
mod saying;
mod sockets;
mod urls;

use std::time::SystemTime;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::support::{
    client::Client,
    message::Message,
    origin::{Answer, Origin, Then},
    server::{Kind, Place, Server},
};

/// A secret that signs with HS256, made of its name.
fn secret(kid: &str) -> Vec<u8> {
    format!("{kid:=<32}").into_bytes()
}

/// A JWK Set with these secrets.
fn jwks(kids: &[&str]) -> String {
    let key = |kid: &&str| {
        let k = data_encoding::BASE64URL_NOPAD.encode(&secret(kid));
        json!({ "kty": "oct", "kid": kid, "k": k })
    };
    json!({ "keys": kids.iter().map(key).collect::<Vec<_>>() }).to_string()
}

/// A token that names its key.
fn token(kid: &str, claims: Value) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) };
    let key = EncodingKey::from_secret(&secret(kid)).expect("a secret");
    encode(&header, &claims, &key).expect("a token")
}

/// One that is good.
fn good(kid: &str) -> String {
    token(kid, json!({ "sub": "me", "exp": from_now(3600) }))
}

/// So many seconds from now, since the Unix epoch.
fn from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
    now.as_secs() as i64 + seconds
}

/// wsproxy with one upstream.
struct Scene {
    server: Server,
    upstream: Origin,
}

impl Scene {
    /// Starts it with these files beside the configuration.
    fn start(site: &str, files: &[(&str, &str)]) -> Scene {
        Scene::at(Place::new(), site, files)
    }

    fn at(place: Place, site: &str, files: &[(&str, &str)]) -> Scene {
        let upstream = Origin::start(&place.address("UPSTREAM1"), vec![Answer::text("upstream\n")]);
        for (name, text) in files {
            place.write(name, text);
        }
        Scene { server: Server::start(Kind::Wsproxy, place, site), upstream }
    }

    /// Asks for a target with header lines, each with its end.
    fn ask(&self, target: &str, lines: &str) -> Message {
        let mut client = Client::connect(&self.server.address("LISTEN"));
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{lines}Connection: close\r\n\r\n");
        client.ask(request).expect("an answer")
    }

    fn with(&self, target: &str, token: &str) -> Message {
        self.ask(target, &bearer(token))
    }

    fn status(&self, target: &str, token: &str) -> u16 {
        self.with(target, token).status()
    }

    fn log(&self) -> String {
        self.server.place.read("error.log")
    }
}

/// A set of keys as an upstream answers with it.
fn keys_answer(kids: &[&str]) -> Answer {
    Answer::text(&jwks(kids))
}

/// What an endpoint for keys may do wrong, and what is said of it. None of it takes long.
fn misbehaviours() -> Vec<(Answer, &'static str)> {
    let large =
        format!("HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n{}", " ".repeat(10 * 1024 * 1024));
    let endless = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", " ".repeat(10 * 1024 * 1024));
    let none_fits = json!({ "keys": [{ "kty": "RSA", "n": "AQAB", "e": "AQAB" }, { "kty": 7 }] }).to_string();
    vec![
        (Answer::text("<html>Welcome</html>"), "it is not JSON"),
        (Answer::text("{\"keys\": \"none\"}"), "it is no JWK Set"),
        (Answer::text("[]"), "it is not a JSON object"),
        (Answer::text(""), "it is not JSON"),
        (Answer::text(&none_fits), "none of its keys can be used"),
        (Answer::new(large).then(Then::Close), "more than 1048576 bytes"),
        (Answer::new(endless).then(Then::Close), "more than 1048576 bytes"),
        (Answer::new("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "it was answered 404"),
        (Answer::new("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), "it was answered 500"),
    ]
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn challenge(answer: &Message) -> Vec<String> {
    answer.values("www-authenticate").map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}
