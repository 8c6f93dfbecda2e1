//! Limits by user, as the page about access has them: its own lines are what is served here.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;

use super::*;

const SECRET: &[u8] = b"a secret of thirty-two bytes....";

/// The page's example with these words in it, made to serve here.
fn example(words: &str) -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/access.md")).unwrap();
    let mut blocks = page.split("```nginx http\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let block = blocks.find(|block| block.contains(words)).expect("an example");
    let upstream = "upstream chat { server @UPSTREAM1@; }";
    let places =
        [("8080", "@LISTEN@"), ("unix:/run/chat.sock", "@LISTEN2@"), ("jwks.json", "@DIR@/jwks.json")];
    places.iter().fold(format!("{upstream}\n{block}"), |text, (real, own)| text.replace(real, own))
}

fn start(words: &str) -> Scene {
    let place = Place::new();
    let key = json!({ "keys": [{ "kty": "oct", "k": data_encoding::BASE64URL_NOPAD.encode(SECRET) }] });
    place.write("jwks.json", &key.to_string());
    let upstream = Origin::start(&place.address("UPSTREAM1"), vec![switching()]);
    Scene { server: Server::start(Kind::Wsproxy, place, &example(words)), upstream }
}

/// A tunnel to a target, with a token of this user.
fn open(scene: &Scene, target: &str, user: &str) -> Result<Client, u16> {
    let key = EncodingKey::from_secret(SECRET).expect("a secret");
    let token = encode(&Header::new(Algorithm::HS256), &json!({ "sub": user }), &key).expect("a token");
    let mut client = scene.client();
    let asked = handshake(target);
    let asked = asked.strip_suffix("\r\n").unwrap();
    let answer = client.ask(format!("{asked}Authorization: Bearer {token}\r\n\r\n")).expect("an answer");
    if answer.status() == 101 { Ok(client) } else { Err(answer.status()) }
}

#[test]
fn whom_the_uri_names_and_the_token_confirms() {
    let scene = start("$is_own");
    let held: Vec<Client> = (0..3).map(|_| open(&scene, "/ws/ann", "ann").expect("a tunnel")).collect();
    assert_eq!(open(&scene, "/ws/ann", "ann").err(), Some(503));
    assert_eq!(open(&scene, "/ws/bob", "ann").err(), Some(403), "she is somebody else");
    assert_eq!(open(&scene, "/ws/ann", "bob").err(), Some(503));
    assert_eq!(open(&scene, "/ws/", "ann").err(), Some(403), "nobody is not counted, and is let in nowhere");
    let _bob = open(&scene, "/ws/bob", "bob").expect("a tunnel");
    drop(held);
    until("there is a place again", || open(&scene, "/ws/ann", "ann").is_ok());
}

#[test]
fn whom_the_first_server_names_to_the_second() {
    let scene = start("$http_x_user");
    let held: Vec<Client> = (0..3).map(|_| open(&scene, "/ws/1", "ann").expect("a tunnel")).collect();
    assert_eq!(open(&scene, "/ws/2", "ann").err(), Some(503));
    let _bob = open(&scene, "/ws/3", "bob").expect("a tunnel");
    drop(held);
    until("there is a place again", || open(&scene, "/ws/4", "ann").is_ok());
}
