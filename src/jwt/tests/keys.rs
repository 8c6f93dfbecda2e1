//! Which keys of a set are used, what for, and why the others are not.

use super::*;
use crate::jwt::{Fault, KeySetError, MAX_KEY_SET, MAX_KEYS};

const RFC_KEYS: &str = include_str!("../../../fixtures/tokens/rfc_keys.json");

fn rfc(from: &str) -> Value {
    let all: Value = serde_json::from_str(RFC_KEYS).expect("JSON");
    all[from]["keys"].clone()
}

/// What a set says of its one key: the names of its algorithms, or why it has none.
fn said(key: Value) -> String {
    let sets = set(&json!([key]));
    match sets[0].keys() {
        [] => sets[0].remarks().join("; "),
        [key] => key.algorithms().iter().map(|one| one.name()).collect::<Vec<_>>().join(" "),
        _ => unreachable!("one key"),
    }
}

fn with(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

#[test]
fn the_keys_of_the_rfcs() {
    let told = |from: &str| {
        let sets = set(&rfc(from));
        let used = sets[0].keys().iter().map(|key| (key.kid().map(str::to_owned), key.algorithms().len()));
        (used.collect::<Vec<_>>(), sets[0].remarks().to_vec())
    };
    let only_for_encryption = "key 1 \"1\" is not used: its use is not sig".to_owned();
    let expected = (vec![(Some("2011-04-29".to_owned()), 1)], vec![only_for_encryption]);
    assert_eq!(told("RFC 7517, A.1"), expected);
    assert_eq!(told("RFC 7517, A.2"), expected);
    let (used, skipped) = told("RFC 7517, A.3");
    assert_eq!(used, [(Some("HMAC key used in JWS A.1 example".to_owned()), 3)]);
    assert_eq!(skipped, ["key 1 is not used: its alg is none that signs tokens"]);
    assert_eq!(told("RFC 7517, B"), (vec![(Some("1b94c".to_owned()), 6)], vec![]));
    assert_eq!(told("RFC 7517, C.1").1, ["key 1 \"juliet@capulet.lit\" is not used: its use is not sig"]);
    assert_eq!(told("RFC 8037, A.2"), (vec![(None, 1)], vec![]));
}

#[test]
fn a_secret_that_is_shorter_than_the_hash_is_used_and_told() {
    let of = |length: usize| json!({"kty": "oct", "k": BASE64URL_NOPAD.encode(&vec![b's'; length])});
    let doubts = |key: Value| set(&json!([key]))[0].remarks().join("; ");
    assert_eq!(said(of(1)), "HS256 HS384 HS512");
    assert_eq!(said(with(of(64), "alg", json!("HS384"))), "HS384");
    let short =
        "key 1 is used, but its secret has 63 bytes, less than the 64 that HS512 wants (RFC 7518, 3.2)";
    assert_eq!(doubts(with(of(63), "alg", json!("HS512"))), short);
    assert_eq!(doubts(with(of(64), "alg", json!("HS512"))), "");
    assert!(doubts(of(31)).contains("has 31 bytes, less than the 32 that HS256 wants"));
    assert_eq!(doubts(of(32)), "");
    assert!(said(of(0)).ends_with("its secret is empty"));
    assert!(said(with(of(64), "alg", json!("RS256"))).ends_with("RS256 is not for a key of this kind"));
    assert!(said(with(of(64), "alg", json!("none"))).ends_with("its alg is none that signs tokens"));
}

#[test]
fn the_text_of_a_key_is_no_secret() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----\n";
    let spki = [&[0x30, 0x59, 0x30, 0x13][..], &[1; 0x57]].concat();
    let pkcs1 = [&[0x30, 0x82, 1, 10, 2, 0x82][..], &[1; 264]].concat();
    let medium = [&[0x30, 0x81, 0x9f, 0x30][..], &[1; 0x9e]].concat();
    for text in [pem.as_bytes(), format!("\n {pem}").as_bytes(), &spki, &pkcs1, &medium] {
        let key = json!({"kty": "oct", "k": BASE64URL_NOPAD.encode(text)});
        assert!(said(key).contains("its secret is the text of a key"));
    }
    // Nearly one, and a fine secret.
    let key = json!({"kty": "oct", "k": BASE64URL_NOPAD.encode(&spki[..spki.len() - 1])});
    assert_eq!(said(key), "HS256 HS384 HS512");
}

#[test]
fn an_rsa_key_is_for_rsa_alone() {
    let rsa = rfc("RFC 7517, B")[0].clone();
    assert_eq!(said(rsa.clone()), "RS256 RS384 RS512 PS256 PS384 PS512");
    assert_eq!(said(with(rsa.clone(), "alg", json!("PS512"))), "PS512");
    assert!(said(with(rsa.clone(), "alg", json!("HS256"))).ends_with("HS256 is not for a key of this kind"));
    let n = BASE64URL_NOPAD.decode(rsa["n"].as_str().expect("n").as_bytes()).expect("base64url");
    let sized = |bytes: &[u8]| with(rsa.clone(), "n", json!(BASE64URL_NOPAD.encode(bytes)));
    assert!(said(sized(&n[128..])).contains("bits, less than 2048 (RFC 7518, 3.3)"));
    assert!(said(sized(&[&n[..], &[1; 1024]].concat())).contains("bits, more than 8192"));
    assert_eq!(said(sized(&[&[0; 3], &n[..]].concat())), "RS256 RS384 RS512 PS256 PS384 PS512");
    for e in ["AA", "AQ", "Ag", "", "AgAAAAAB", "////"] {
        assert!(
            said(with(rsa.clone(), "e", json!(e))).starts_with("key 1 \"1b94c\" is not used: its "),
            "{e}"
        );
    }
    assert!(said(with(rsa.clone(), "e", json!("AQAB="))).ends_with("its e is not base64url without padding"));
    assert!(said(with(rsa, "n", json!(7))).ends_with("its n is not a string"));
}

#[test]
fn points_are_on_their_curve() {
    let ec = rfc("RFC 7517, A.1")[0].clone();
    let ec = with(ec, "use", json!("sig"));
    assert_eq!(said(ec.clone()), "ES256");
    assert!(said(with(ec.clone(), "alg", json!("ES384"))).ends_with("ES384 is not for a key of this kind"));
    let (x, y) = (ec["x"].clone(), ec["y"].clone());
    let swapped = with(with(ec.clone(), "x", y), "y", x);
    assert!(said(swapped).ends_with("its point is not on its curve"));
    let zero = json!(BASE64URL_NOPAD.encode(&[0; 32]));
    assert!(
        said(with(with(ec.clone(), "x", zero.clone()), "y", zero)).ends_with("its point is not on its curve")
    );
    let short = json!(BASE64URL_NOPAD.encode(&[1; 31]));
    assert!(said(with(ec.clone(), "x", short)).ends_with("its x and y are not the 32 bytes that P-256 has"));
    assert!(
        said(with(ec.clone(), "crv", json!("P-384")))
            .ends_with("its x and y are not the 48 bytes that P-384 has")
    );
    assert!(said(with(ec, "crv", json!("secp256k1"))).ends_with("its crv is none of P-256, P-384, P-521"));
    let ed = rfc("RFC 8037, A.2")[0].clone();
    assert_eq!(said(ed.clone()), "EdDSA");
    assert_eq!(said(with(ed.clone(), "alg", json!("Ed25519"))), "EdDSA");
    assert!(said(with(ed.clone(), "crv", json!("Ed448"))).ends_with("its crv is not Ed25519"));
    assert!(said(with(ed, "x", json!("AAAA"))).ends_with("its x is no Ed25519 key"));
}

#[test]
fn what_a_key_may_be_used_for() {
    let key = secret(None);
    assert_eq!(said(with(key.clone(), "use", json!("sig"))), "HS256 HS384 HS512");
    assert_eq!(said(with(key.clone(), "key_ops", json!(["sign", "verify"]))), "HS256 HS384 HS512");
    assert!(said(with(key.clone(), "use", json!("enc"))).ends_with("its use is not sig"));
    assert!(said(with(key.clone(), "key_ops", json!(["sign"]))).ends_with("its key_ops have no verify"));
    assert!(said(with(key.clone(), "key_ops", json!("verify"))).ends_with("its key_ops is not an array"));
    assert!(said(with(key.clone(), "kid", json!(1))).ends_with("its kid is not a string"));
    assert!(said(with(key, "kty", json!("AKP"))).ends_with("its kty is none of oct, RSA, EC and OKP"));
    assert!(said(json!({})).ends_with("it has no kty"));
    assert!(said(json!(7)).ends_with("not a JSON object"));
    let told = said(json!({"kty": "x", "kid": format!("a\n\"{}", "b".repeat(100))}));
    assert_eq!(
        told,
        format!("key 1 \"a\\n\\\"{}\" is not used: its kty is none of oct, RSA, EC and OKP", "b".repeat(61))
    );
}

#[test]
fn sets_that_are_none() {
    let parse = |text: &str| KeySet::parse(text.as_bytes()).map(|set| set.keys().len());
    assert_eq!(parse(r#"{"keys":[]}"#), Ok(0));
    assert_eq!(parse("{}"), Err(KeySetError::NoKeys));
    assert_eq!(parse(r#"{"keys":{}}"#), Err(KeySetError::NoKeys));
    assert_eq!(parse(&secret(None).to_string()), Err(KeySetError::OneKey));
    assert_eq!(parse("<html>"), Err(KeySetError::Json(Fault::Malformed)));
    assert_eq!(parse(r#"{"keys":[],"keys":[]}"#), Err(KeySetError::Json(Fault::Duplicate)));
    assert_eq!(parse(&" ".repeat(MAX_KEY_SET + 1)), Err(KeySetError::TooLong));
    let many = set(&json!(vec![secret(None); MAX_KEYS + 1]));
    assert_eq!(many[0].keys().len(), MAX_KEYS);
    assert_eq!(many[0].remarks(), ["keys behind the 64th are not used: there are 65"]);
}

#[test]
fn keys_with_one_kid_are_all_tried() {
    let other = json!({"kty": "oct", "k": BASE64URL_NOPAD.encode(&[7; 32]), "kid": "k"});
    let ed = with(rfc("RFC 8037, A.2")[0].clone(), "kid", json!("k"));
    let token = signed(r#"{"alg":"HS256","kid":"k"}"#, "{}");
    for keys in [json!([other, ed, secret(Some("k"))]), json!([other, secret(None)])] {
        verdict(&token, &set(&keys)).expect("one of them has signed it");
    }
    let two = [set(&json!([other])), set(&json!([secret(Some("k"))]))].concat();
    verdict(&token, &two).expect("it is in the second set");
    let elsewhere = set(&json!([secret(Some("j"))]));
    assert_eq!(verdict(&token, &elsewhere).expect_err("it names another"), Refusal::UnknownKey);
}

#[test]
fn secrets_are_in_no_debugging_text() {
    let text = format!("{:?}", set(&json!([secret(Some("k"))])));
    assert!(!text.contains("0123456789") && !text.contains("48, 49, 50"), "{text}");
}
