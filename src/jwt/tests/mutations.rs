//! Whatever is done to a valid token, it is valid no more.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::jwt::Algorithm;
use crate::jwt::signing::{SigningKey, new_key, public_part};

/// A key for each algorithm, two tokens of each, and the set that all of them are verified with.
struct Scene {
    keys: Vec<SigningKey>,
    tokens: Vec<[String; 2]>,
    public: Vec<Value>,
    set: Vec<Arc<KeySet>>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let private: Vec<_> = Algorithm::all().map(|one| new_key(one).expect("a key")).collect();
    let public: Vec<_> =
        private.iter().map(|key| serde_json::to_value(public_part(key)).expect("JSON")).collect();
    let keys: Vec<_> = private.iter().map(|key| SigningKey::of(key).expect("it signs")).collect();
    let token = |key: &SigningKey, claims: &[u8]| {
        let header = json!({"alg": key.algorithms()[0].name(), "kid": key.kid()}).to_string();
        key.token(key.algorithms()[0], header.as_bytes(), claims).expect("a token")
    };
    let claims = [&br#"{"sub":"alice","exp":4000000000}"#[..], br#"{"sub":"mallory","exp":4000000001}"#];
    let tokens = keys.iter().map(|key| claims.map(|claims| token(key, claims))).collect();
    let set = set(&json!(public));
    Scene { keys, tokens, public, set }
});

fn valid(token: &[u8]) -> bool {
    verify(token, &SCENE.set, NOW, &Rules::default()).is_ok()
}

fn which() -> impl Strategy<Value = usize> {
    0..SCENE.tokens.len()
}

/// The token with another part in the place of one.
fn with_part(token: &str, at: usize, part: &str) -> String {
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[at] = part;
    parts.join(".")
}

fn part(token: &str, at: usize) -> &str {
    token.split('.').nth(at).expect("a part")
}

#[test]
fn the_tokens_are_valid_to_begin_with() {
    for pair in &SCENE.tokens {
        assert!(pair.iter().all(|token| valid(token.as_bytes())));
    }
}

/// Every header that could be swapped for another one, with every signature there is.
#[test]
fn nothing_of_one_token_fits_another() {
    let all: Vec<&String> = SCENE.tokens.iter().flatten().collect();
    for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
        for at in 0..3 {
            let mixed = with_part(one, at, part(other, at));
            assert!(!valid(mixed.as_bytes()) || mixed == **one || mixed == **other, "{mixed}");
        }
    }
}

/// The oldest trick: what everybody knows of a public key, taken for a secret.
#[test]
fn the_text_of_a_public_key_signs_nothing() {
    for key in SCENE.public.iter().filter(|key| key["kty"] != "oct") {
        let part = |name: &str| decoded(key[name].as_str().unwrap_or_default());
        let point = [vec![4], part("x"), part("y")].concat();
        let texts =
            [part("n"), part("x"), point, key.to_string().into_bytes(), key["n"].to_string().into_bytes()];
        for (secret, alg) in texts.iter().flat_map(|text| [(text, "HS256"), (text, "HS512")]) {
            let header = json!({"alg": alg, "kid": key["kid"]}).to_string();
            let message =
                format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(b"{}"));
            let hash = if alg == "HS256" { hmac::HMAC_SHA256 } else { hmac::HMAC_SHA512 };
            let tag = hmac::sign(&hmac::Key::new(hash, secret), message.as_bytes());
            let token = format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()));
            let refusal = verdict(&token, &SCENE.set).expect_err("no HMAC with such a key");
            assert_eq!(refusal, Refusal::OtherAlgorithm { named: true });
        }
    }
}

fn decoded(text: &str) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url")
}

proptest! {
    #[test]
    fn a_bit_is_another(which in which(), at: Index, bit in 0_u8..8) {
        let mut bytes = SCENE.tokens[which][0].clone().into_bytes();
        bytes[at.index(SCENE.tokens[which][0].len())] ^= 1 << bit;
        prop_assert!(!valid(&bytes));
    }

    #[test]
    fn a_byte_is_another_or_one_more_or_gone(which in which(), at: Index, byte: u8, how in 0..3) {
        let token = SCENE.tokens[which][0].as_bytes();
        let mut bytes = token.to_vec();
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        prop_assert!(bytes == token || !valid(&bytes));
    }

    #[test]
    fn it_is_cut(which in which(), from: Index, to: Index) {
        let token = SCENE.tokens[which][0].as_bytes();
        let (from, to) = (from.index(token.len()), to.index(token.len() + 1));
        prop_assume!(from.min(to) > 0 || from.max(to) < token.len());
        prop_assert!(!valid(&token[from.min(to)..from.max(to)]));
    }

    #[test]
    fn another_algorithm_or_key_is_named(which in which(), alg in select(vec![
        "none", "None", "HS256", "HS384", "HS512", "RS256", "PS256", "RS512", "ES256", "ES384", "ES512", "EdDSA",
    ]), kid: Option<Index>, signature in 0..4) {
        let scene = &*SCENE;
        let own = &scene.keys[which];
        let kid = kid.and_then(|at| at.get(&scene.keys).kid());
        prop_assume!(alg != own.algorithms()[0].name() || kid != own.kid());
        let token = &scene.tokens[which][0];
        let header = BASE64URL_NOPAD.encode(json!({"alg": alg, "kid": kid}).to_string().as_bytes());
        let changed = with_part(token, 0, &header);
        let changed = match signature {
            0 => with_part(&changed, 2, ""),
            1 => with_part(&changed, 2, "AAAA"),
            2 => with_part(&changed, 2, &"A".repeat(part(token, 2).len())),
            _ => changed,
        };
        prop_assert!(!valid(changed.as_bytes()));
    }

    #[test]
    fn it_is_written_in_another_way(which in which(), at in 0_usize..3, how in 0..6) {
        let token = &SCENE.tokens[which][0];
        let text = part(token, at);
        let raw = BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url");
        let other = match how {
            0 => data_encoding::BASE64URL.encode(&raw),
            1 => data_encoding::BASE64_NOPAD.encode(&raw),
            2 => format!("{text}\n"),
            3 => format!("{} {}", &text[..4], &text[4..]),
            4 => format!("{text}A"),
            _ => data_encoding::HEXLOWER.encode(&raw),
        };
        let changed = with_part(token, at, &other);
        prop_assert!(changed == *token || !valid(changed.as_bytes()));
    }

    #[test]
    fn its_json_is_written_in_another_way(which in which(), at in 0_usize..2, how in 0..3) {
        let token = &SCENE.tokens[which][0];
        let text = BASE64URL_NOPAD.decode(part(token, at).as_bytes()).expect("base64url");
        let text = String::from_utf8(text).expect("text");
        let other = match how {
            0 => format!("{text} "),
            1 => text.replacen(':', ": ", 1),
            _ => text.replacen("\"", "\"\\u0000", 1),
        };
        prop_assert!(!valid(with_part(token, at, &BASE64URL_NOPAD.encode(other.as_bytes())).as_bytes()));
    }

    #[test]
    fn it_is_anything(bytes in proptest::collection::vec(any::<u8>(), 0..300), dots in 0..5_usize) {
        let mut bytes = bytes;
        for dot in 1..=dots {
            let at = bytes.len() * dot / (dots + 1);
            bytes.insert(at, b'.');
        }
        prop_assert!(!valid(&bytes));
        let sets = KeySet::parse(&bytes);
        prop_assert!(sets.is_err());
    }

    /// Only the clock decides, whatever it said before.
    #[test]
    fn the_clock_jumps(times in proptest::collection::vec(0_u64..200, 1..8), leeway in 0_u64..20) {
        let keys = set(&json!([secret(None)]));
        let token = signed(r#"{"alg":"HS256"}"#, r#"{"nbf":50,"exp":100}"#);
        let rules = Rules { leeway: Duration::from_secs(leeway) };
        for now in times {
            let valid = verify(token.as_bytes(), &keys, Duration::from_secs(now), &rules).is_ok();
            prop_assert_eq!(valid, now + leeway >= 50 && now < 100 + leeway);
        }
    }
}
