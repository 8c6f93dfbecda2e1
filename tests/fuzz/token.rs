//! Tokens that somebody with the key signed, whatever is in them; and sets of keys, whatever they are.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::Value;
use wsproxy::jwt::signing::{SigningKey, from_pem, public_part, secret_key, thumbprint};
use wsproxy::jwt::{Algorithm, Json, KeySet, MAX_KEYS, Refusal, Rules, verify};

use crate::engine::fuzz;

const NOW: Duration = Duration::from_secs(1_300_000_000);

static KEY: LazyLock<(SigningKey, [Arc<KeySet>; 1])> = LazyLock::new(|| {
    let jwk = secret_key(b"0123456789abcdef0123456789abcdef").with("kid", "k");
    let set = Json::Object(Vec::new()).with("keys", Json::Array(vec![public_part(&jwk)]));
    let set = KeySet::parse(set.to_string().as_bytes()).expect("a set");
    (SigningKey::of(&jwk).expect("a key"), [Arc::new(set)])
});

/// An input is a header, a line end, and claims.
#[test]
fn token() {
    let words: [&[u8]; 20] = [
        b"\"alg\":\"HS256\"",
        b"\"none\"",
        b"\"kid\":\"k\"",
        b"\"crit\":[\"b64\"]",
        b"\"b64\":true",
        b"\"exp\":",
        b"\"nbf\":",
        b"4000000000",
        b"1.5e9",
        b"-1",
        b"1e400",
        b"18446744073709551616",
        b"\\u0065",
        b"\\ud800",
        b"{\"a\":",
        b"[[[[[[[[",
        b"null",
        b"{}",
        b"\n",
        b",",
    ];
    fuzz(&["fuzz/corpus/token"], &words, |input, random| {
        let (key, sets) = &*KEY;
        let cut = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
        let (header, claims) = (&input[..cut], input.get(cut + 1..).unwrap_or_default());
        let signed = key.token(Algorithm::Hs256, header, claims).expect("it signs");
        let verdict = verify(signed.as_bytes(), sets, NOW, &Rules::default());
        assert!(!matches!(
            verdict,
            Err(Refusal::Base64(_) | Refusal::NotCompact | Refusal::BadSignature { .. })
        ));
        assert!(verify(input, sets, NOW, &Rules::default()).is_err());
        if let Ok(token) = &verdict {
            assert_eq!(token.payload(), claims);
            // Another reader of JSON sees the same.
            let theirs: [Value; 2] = [header, claims].map(|text| serde_json::from_slice(text).expect("JSON"));
            let ours = [header, claims].map(|text| Json::object(text).expect("an object"));
            assert_eq!(ours.map(|json| serde_json::to_value(json).expect("JSON")), theirs);
            assert_eq!(theirs[0]["alg"], "HS256");
            assert!(theirs[1]["exp"].as_f64().is_none_or(|exp| exp > NOW.as_secs_f64()));
            assert_eq!(theirs[1].get("exp").is_some(), token.expires().is_some());
            let mut changed = signed.into_bytes();
            let at = random.below(changed.len());
            changed[at] ^= 1 << random.below(8);
            assert!(verify(&changed, sets, NOW, &Rules::default()).is_err());
        }
        verdict.map(|token| token.expires().is_some()).map_err(|refusal| match refusal {
            // How long ago is no kind.
            Refusal::Expired { .. } => Refusal::Expired { ago: Duration::ZERO },
            Refusal::NotYet { .. } => Refusal::NotYet { within: Duration::ZERO },
            other => other,
        })
    });
}

/// An input is a JWK Set, or a PEM.
#[test]
fn key_set() {
    let words: [&[u8]; 16] = [
        b"{\"keys\":[",
        b"\"kty\":\"oct\"",
        b"\"kty\":\"RSA\"",
        b"\"kty\":\"EC\"",
        b"\"crv\":\"P-384\"",
        b"\"alg\":\"ES512\"",
        b"\"use\":\"sig\"",
        b"\"key_ops\":[\"verify\"]",
        b"\"e\":\"AQAB\"",
        b"\"d\":\"AA\"",
        b"-----BEGIN RSA PRIVATE KEY-----",
        b"-----BEGIN PUBLIC KEY-----",
        b"-----END PUBLIC KEY-----",
        b"MIIB",
        b"AAAA",
        b"}",
    ];
    fuzz(&["fuzz/corpus/key_set"], &words, |input, _| {
        let pem = from_pem(input);
        if let Ok(jwk) = &pem {
            assert!(thumbprint(jwk).is_some());
            // What OpenSSL wrote may still be too short to sign with.
            let _ = SigningKey::of(jwk);
            assert!(public_part(jwk).get("d").is_none());
        }
        let set = KeySet::parse(input);
        if let Ok(set) = &set {
            assert!(
                set.keys().len() <= MAX_KEYS && set.keys().iter().all(|key| !key.algorithms().is_empty())
            );
            assert!(set.remarks().iter().all(|why| why.len() < 700 && !why.contains(char::is_control)));
        }
        let kinds = set.as_ref().map(|set| {
            let used: Vec<_> = set.keys().iter().map(|key| key.algorithms().to_vec()).collect();
            let why = |told: &String| told.rsplit("not used").next().unwrap_or_default().len();
            (used, set.remarks().iter().map(why).collect::<Vec<_>>())
        });
        (pem.map(|jwk| thumbprint(&jwk).map(|name| name.len())), kinds.map_err(|error| error.to_string()))
    });
}
