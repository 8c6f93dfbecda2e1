//! Tokens that we make, and the keys they are made with.

use super::*;
use crate::jwt::signing::{SigningKey, from_pem, new_key, public_part, secret_key, thumbprint};
use crate::jwt::{Algorithm, Json};

fn json(value: &Value) -> Json {
    Json::object(value.to_string().as_bytes()).expect("JSON")
}

fn value(json: &Json) -> Value {
    serde_json::to_value(json).expect("JSON")
}

/// What `why` a key cannot sign.
fn unfit(key: &Value) -> String {
    SigningKey::of(&json(key)).err().expect("it cannot sign")
}

#[test]
fn every_algorithm_there_and_back() {
    for algorithm in Algorithm::all() {
        let private = new_key(algorithm).expect("a key");
        let key = SigningKey::of(&private).expect("it signs");
        assert_eq!((key.algorithms(), key.kid()), (&[algorithm][..], thumbprint(&private).as_deref()));
        let header = json!({"alg": algorithm.name(), "kid": key.kid()}).to_string();
        let token = key.token(algorithm, header.as_bytes(), b"{\"sub\":\"alice\"}").expect("a token");
        let public = value(&public_part(&private));
        let name = algorithm.name();
        verdict(&token, &set(&json!([public]))).expect(name);
        let own = SigningKey::of(&json(&public));
        assert_eq!(own.is_ok(), public["kty"] == "oct", "{algorithm}: nothing private is left");
    }
}

/// Signatures that are the same whoever makes them.
#[test]
fn the_signatures_of_the_rfcs() {
    let cases: Value = serde_json::from_str(include_str!("../../../fixtures/tokens/rfc.json")).expect("JSON");
    let keys: Value =
        serde_json::from_str(include_str!("../../../fixtures/tokens/rfc_keys.json")).expect("JSON");
    let mut made = 0;
    for case in cases.as_array().expect("cases") {
        let from = case["from"].as_str().expect("a name");
        let key = match from {
            "RFC 8037, A.4" => &keys["RFC 8037, A.1"]["keys"][0],
            _ => &case["keys"][0],
        };
        let Ok(key) = SigningKey::of(&json(key)) else { continue };
        let Some(algorithm) = Algorithm::named(case["alg"].as_str().expect("alg")) else { continue };
        if ["ES256", "ES512", "PS384"].contains(&algorithm.name()) {
            continue;
        }
        let parts: Vec<Vec<u8>> =
            case["token"].as_str().expect("a token").split('.').take(2).map(decoded).collect();
        assert_eq!(key.token(algorithm, &parts[0], &parts[1]).expect(from), case["token"], "{from}");
        made += 1;
    }
    assert_eq!(made, 4, "HS256 and RS256 of RFC 7515, HS256 of RFC 7520, EdDSA of RFC 8037");
}

fn decoded(part: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(part.as_bytes()).expect("base64url")
}

#[test]
fn thumbprints_of_the_rfcs() {
    let keys: Value =
        serde_json::from_str(include_str!("../../../fixtures/tokens/rfc_keys.json")).expect("JSON");
    for from in ["RFC 7517, A.1", "RFC 8037, A.2"] {
        let own: Vec<_> =
            keys[from]["keys"].as_array().expect("keys").iter().map(|key| thumbprint(&json(key))).collect();
        assert_eq!(json!(own), keys[from]["thumbprints"], "{from}");
    }
}

#[test]
fn keys_that_cannot_sign() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let private = value(&new_key(Algorithm::named(algorithm).expect(algorithm)).expect("a key"));
        let other = value(&new_key(Algorithm::named(algorithm).expect(algorithm)).expect("a key"));
        assert_eq!(unfit(&value(&public_part(&json(&private)))), "it is a public key, which cannot sign");
        let mut mixed = private.clone();
        mixed["d"] = other["d"].clone();
        assert!(unfit(&mixed).starts_with("its "), "{algorithm}");
        let mut only_verifies = private.clone();
        only_verifies["key_ops"] = json!(["verify"]);
        assert_eq!(unfit(&only_verifies), "its key_ops have no sign");
    }
    let mut half = value(&new_key(Algorithm::Rs256).expect("a key"));
    half.as_object_mut().expect("an object").remove("qi");
    assert_eq!(unfit(&half), "it has no qi");
    assert_eq!(unfit(&value(&secret_key(b""))), "its secret is empty");
}

/// What OpenSSL 3 wrote: keys in every frame that it has for them.
#[test]
fn keys_of_openssl() {
    let spki = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    // RFC 8410, 10.1 and 10.3.
    let pkcs8 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let public = value(&from_pem(spki.as_bytes()).unwrap_or_else(|why| panic!("{why}")));
    let private = from_pem(pkcs8.as_bytes()).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(
        public,
        json!({"kty": "OKP", "crv": "Ed25519", "x": "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE"})
    );
    assert_eq!(value(&public_part(&private)), public);
}

#[test]
fn pems_that_are_no_keys() {
    let told = |text: &str| from_pem(text.as_bytes()).err().expect("no key");
    assert!(told("").starts_with("there is no key in it"));
    assert!(told("-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----").contains("is not base64"));
    assert!(
        told("-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----").contains("is no key of a kind")
    );
    assert!(
        told("-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----").contains("is no key of a kind")
    );
    assert!(told("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----").contains("openssl x509"));
    let locked = "it is encrypted: openssl pkey -in FILE takes the password off";
    assert_eq!(
        told("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----"),
        locked
    );
    let old =
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END RSA PRIVATE KEY-----";
    assert_eq!(told(old), locked);
    assert!(
        told("-----BEGIN EC PARAMETERS-----\nMAA=\n-----END EC PARAMETERS-----")
            .starts_with("there is no key")
    );
}
