//! Tokens and keys of the RFCs, tokens that are nearly right, keys that must not be used.

mod keys;
mod mutations;
mod refusals;
mod signing;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::{KeySet, Part, Refusal, Rules, Token, Unverified, verify};

/// A moment for tests: 2026-01-01.
const NOW: Duration = Duration::from_secs(1_767_225_600);
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn set(keys: &Value) -> Vec<Arc<KeySet>> {
    let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a JWK Set");
    vec![Arc::new(set)]
}

fn secret(kid: Option<&str>) -> Value {
    match kid {
        Some(kid) => json!({"kty": "oct", "k": BASE64URL_NOPAD.encode(SECRET), "kid": kid}),
        None => json!({"kty": "oct", "k": BASE64URL_NOPAD.encode(SECRET)}),
    }
}

/// A token of exactly these texts, signed with HS256 and the secret.
fn signed(header: &str, claims: &str) -> String {
    let message = format!(
        "{}.{}",
        BASE64URL_NOPAD.encode(header.as_bytes()),
        BASE64URL_NOPAD.encode(claims.as_bytes())
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

fn verdict(token: &str, keys: &[Arc<KeySet>]) -> Result<Token, Refusal> {
    verify(token.as_bytes(), keys, NOW, &Rules::default())
}

#[test]
fn the_tokens_of_the_rfcs() {
    let cases: Value = serde_json::from_str(include_str!("../../../fixtures/tokens/rfc.json")).expect("JSON");
    for case in cases.as_array().expect("cases") {
        let [from, token, expected] =
            ["from", "token", "verdict"].map(|name| case[name].as_str().expect(name));
        let keys = set(&case["keys"]);
        let refusal = verdict(token, &keys).expect_err(from);
        let same = match expected {
            // Its signature is right, or nobody would have looked at its claims.
            "expired" => matches!(refusal, Refusal::Expired { .. }),
            "no claims" => matches!(refusal, Refusal::Json(Part::Claims, _)),
            "unsigned" => refusal == Refusal::Unsigned,
            "encrypted" => refusal == Refusal::Encrypted,
            "detached" => refusal == Refusal::Detached,
            other => panic!("{other}"),
        };
        assert!(same, "{from}: {refusal:?}");
        if !["expired", "no claims"].contains(&expected) {
            continue;
        }
        let read = Unverified::read(token.as_bytes()).expect(from);
        assert_eq!(read.algorithm().name(), case["alg"], "{from}");
        read.signed_by(&keys).expect(from);
        let before = Duration::from_secs(1_300_819_379);
        let then = verify(token.as_bytes(), &keys, before, &Rules::default()).map(|token| token.expires());
        let wanted = Some(Duration::from_secs(1_300_819_380));
        assert!(expected != "expired" || then == Ok(wanted), "{from}: {then:?}");
    }
}

#[test]
fn claims_are_read_by_path() {
    let claims = r#"{"sub":"alice","n":12,"f":1.5,"yes":true,"no":null,"roles":["a","b",3,{"x":[1]}],
        "empty":[],"in":{"side":{"z":"last","a":"first"}},"":"nameless"}"#;
    let token = verdict(&signed(r#"{"alg":"HS256","typ":"JWT"}"#, claims), &set(&json!([secret(None)])))
        .expect("a valid token");
    let cases: [(&[&str], Option<&str>); 13] = [
        (&["sub"], Some("alice")),
        (&["n"], Some("12")),
        (&["f"], Some("1.5")),
        (&["yes"], Some("true")),
        (&["no"], None),
        (&["roles"], Some(r#"a,b,3,{"x":[1]}"#)),
        (&["empty"], Some("")),
        (&["in"], Some(r#"{"side":{"z":"last","a":"first"}}"#)),
        (&["in", "side", "a"], Some("first")),
        (&["in", "side", "b"], None),
        (&["sub", "side"], None),
        (&["roles", "0"], None),
        (&[""], Some("nameless")),
    ];
    for (path, expected) in cases {
        let names: Vec<Box<str>> = path.iter().map(|name| (*name).into()).collect();
        let mut out = Vec::new();
        let found = token.claim(&names, &mut out);
        assert_eq!((found, &*out), (expected.is_some(), expected.unwrap_or("").as_bytes()), "{path:?}");
    }
    let mut out = Vec::new();
    assert!(token.header(&["typ".into()], &mut out));
    assert_eq!((&*out, token.payload()), (&b"JWT"[..], claims.as_bytes()));
    assert_eq!(format!("{token:?}"), "Token { expires: None, .. }");
}
