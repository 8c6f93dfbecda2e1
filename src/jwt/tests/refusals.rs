//! Tokens that are signed, and refused all the same; each with its own word.

use super::*;
use crate::jwt::{Fault, MAX_TOKEN};

const HEADER: &str = r#"{"alg":"HS256"}"#;

fn refusal(token: &str) -> Refusal {
    verdict(token, &set(&json!([secret(Some("k"))]))).expect_err(token)
}

#[test]
fn headers() {
    let cases = [
        ("{}", Refusal::NoAlgorithm),
        (r#"{"alg":256}"#, Refusal::NoAlgorithm),
        (r#"{"alg":null}"#, Refusal::NoAlgorithm),
        (r#"{"alg":"none"}"#, Refusal::Unsigned),
        (r#"{"alg":"None"}"#, Refusal::UnknownAlgorithm),
        (r#"{"alg":"hs256"}"#, Refusal::UnknownAlgorithm),
        (r#"{"alg":"HS256 "}"#, Refusal::UnknownAlgorithm),
        (r#"{"alg":"RSA-OAEP"}"#, Refusal::UnknownAlgorithm),
        (r#"{"alg":"HS384"}"#, Refusal::BadSignature { named: false }),
        (r#"{"alg":"RS256"}"#, Refusal::OtherAlgorithm { named: false }),
        (r#"{"alg":"RS256","kid":"k"}"#, Refusal::OtherAlgorithm { named: true }),
        (r#"{"alg":"HS256","alg":"HS256"}"#, Refusal::Json(Part::Header, Fault::Duplicate)),
        (r#"{"alg":"HS256","\u0061lg":"none"}"#, Refusal::Json(Part::Header, Fault::Duplicate)),
        (r#"{"alg":"HS256","x":{"y":1,"y":2}}"#, Refusal::Json(Part::Header, Fault::Duplicate)),
        (r#"["HS256"]"#, Refusal::Json(Part::Header, Fault::NotAnObject)),
        (r#""HS256""#, Refusal::Json(Part::Header, Fault::NotAnObject)),
        ("", Refusal::Json(Part::Header, Fault::Malformed)),
        ("\u{feff}{\"alg\":\"HS256\"}", Refusal::Json(Part::Header, Fault::Malformed)),
        (r#"{"alg":"HS256"}}"#, Refusal::Json(Part::Header, Fault::Malformed)),
        (r#"{"alg":"HS256",}"#, Refusal::Json(Part::Header, Fault::Malformed)),
        (r#"{"alg":"HS256","x":"\ud800"}"#, Refusal::Json(Part::Header, Fault::Malformed)),
        (r#"{"alg":"HS256","kid":7}"#, Refusal::KeyId),
        (r#"{"alg":"HS256","kid":null}"#, Refusal::KeyId),
        (r#"{"alg":"HS256","kid":"K"}"#, Refusal::UnknownKey),
        (r#"{"alg":"HS256","kid":""}"#, Refusal::UnknownKey),
        (r#"{"alg":"HS256","crit":["exp"]}"#, Refusal::Critical),
        (r#"{"alg":"HS256","crit":[]}"#, Refusal::Critical),
        (r#"{"alg":"HS256","crit":"b64","b64":true}"#, Refusal::Critical),
        (r#"{"alg":"HS256","crit":["b64"]}"#, Refusal::Critical),
        (r#"{"alg":"HS256","crit":["b64","b64"],"b64":true}"#, Refusal::Critical),
        (r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, Refusal::Detached),
        (r#"{"alg":"HS256","b64":false}"#, Refusal::Detached),
        (r#"{"alg":"HS256","b64":"true"}"#, Refusal::Detached),
    ];
    for (header, expected) in cases {
        assert_eq!(refusal(&signed(header, "{}")), expected, "{header}");
    }
    let fine = [
        HEADER,
        " {\"alg\" :\t\"HS256\"}\r\n",
        r#"{"alg":"HS256","kid":"k"}"#,
        r#"{"\u0061lg":"HS256"}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":true}"#,
        r#"{"alg":"HS256","jwk":{"kty":"oct"},"jku":"http://evil.example/","x5u":7}"#,
    ];
    for header in fine {
        verdict(&signed(header, "{}"), &set(&json!([secret(Some("k"))]))).expect(header);
    }
}

#[test]
fn claims() {
    let json = |fault| Refusal::Json(Part::Claims, fault);
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(16), "]".repeat(16));
    let cases = [
        ("", json(Fault::Malformed)),
        ("null", json(Fault::NotAnObject)),
        ("[{}]", json(Fault::NotAnObject)),
        ("Payload", json(Fault::Malformed)),
        ("{'a':1}", json(Fault::Malformed)),
        (r#"{"exp":NaN}"#, json(Fault::Malformed)),
        (r#"{"exp":Infinity}"#, json(Fault::Malformed)),
        (r#"{"exp":1e400}"#, json(Fault::Huge)),
        (r#"{"exp":9999999999999999999999}"#, json(Fault::Huge)),
        (r#"{"nbf":-9223372036854775809}"#, json(Fault::Huge)),
        (r#"{"id":18446744073709551616}"#, json(Fault::Huge)),
        (r#"{"exp":4000000000,"exp":1}"#, json(Fault::Duplicate)),
        (r#"{"e\u0078p":4000000000,"exp":4000000000}"#, json(Fault::Duplicate)),
        (r#"{"a":[{"b":{"c":1,"d":2,"c":1}}]}"#, json(Fault::Duplicate)),
        (&deep, json(Fault::Deep)),
        (r#"{"exp":"4000000000"}"#, Refusal::NotATime("exp")),
        (r#"{"exp":null}"#, Refusal::NotATime("exp")),
        (r#"{"exp":[4000000000]}"#, Refusal::NotATime("exp")),
        (r#"{"nbf":true}"#, Refusal::NotATime("nbf")),
    ];
    for (claims, expected) in cases {
        assert_eq!(refusal(&signed(HEADER, claims)), expected, "{claims}");
    }
    let bytes = [b"{\"a\":\"", &b"\xff"[..], b"\"}"].concat();
    let message = format!("{}.{}", BASE64URL_NOPAD.encode(HEADER.as_bytes()), BASE64URL_NOPAD.encode(&bytes));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    let token = format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()));
    assert_eq!(refusal(&token), json(Fault::Malformed));
}

#[test]
fn forms() {
    let token = signed(HEADER, "{}");
    let parts: Vec<&str> = token.split('.').collect();
    let joined = |parts: &[&str]| parts.join(".");
    let last = parts[2].len() - 1;
    // The last of 43 letters has two bits that no byte has room for.
    let stray = format!("{}{}", &parts[2][..last], char::from(parts[2].as_bytes()[last] + 1));
    let cases = [
        (String::new(), Refusal::NotCompact),
        (joined(&parts[..2]), Refusal::NotCompact),
        (joined(&[parts[0], parts[1], parts[2], ""]), Refusal::NotCompact),
        (joined(&["a", "b", "c", "d", "e"]), Refusal::Encrypted),
        (joined(&["a", "b", "c", "d", "e", "f"]), Refusal::NotCompact),
        ("..".into(), Refusal::Json(Part::Header, Fault::Malformed)),
        (format!("{token}="), Refusal::Base64(Part::Signature)),
        (format!("{token}\n"), Refusal::Base64(Part::Signature)),
        (format!(" {token}"), Refusal::Base64(Part::Header)),
        (joined(&[parts[0], parts[1], &stray]), Refusal::Base64(Part::Signature)),
        (joined(&[parts[0], parts[1], "+/+/"]), Refusal::Base64(Part::Signature)),
        (joined(&[&format!("{}=", parts[0]), parts[1], parts[2]]), Refusal::Base64(Part::Header)),
        (joined(&[parts[0], parts[1], ""]), Refusal::BadSignature { named: false }),
        (joined(&[parts[0], parts[1], &parts[2][..40]]), Refusal::BadSignature { named: false }),
        (joined(&[parts[0], &format!("{}==", parts[1]), parts[2]]), Refusal::BadSignature { named: false }),
        ("a".repeat(MAX_TOKEN + 1), Refusal::TooLong),
    ];
    for (token, expected) in cases {
        assert_eq!(refusal(&token), expected, "{token}");
    }
    // Claims are decoded behind the signature: whoever may sign may still write them wrong.
    let message = format!("{}.e30=", parts[0]);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    let padded = format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()));
    assert_eq!(refusal(&padded), Refusal::Base64(Part::Claims));
}

#[test]
fn times() {
    let keys = set(&json!([secret(None)]));
    let at = |now: f64, leeway: u64, claims: &str| {
        let rules = Rules { leeway: Duration::from_secs(leeway) };
        verify(signed(HEADER, claims).as_bytes(), &keys, Duration::from_secs_f64(now), &rules)
            .map(|token| token.expires())
    };
    let seconds = Duration::from_secs_f64;
    assert_eq!(at(999.9, 0, r#"{"exp":1000}"#), Ok(Some(seconds(1000.0))));
    assert_eq!(at(1000.0, 0, r#"{"exp":1000}"#), Err(Refusal::Expired { ago: Duration::ZERO }));
    assert_eq!(at(1002.0, 3, r#"{"exp":1000}"#), Ok(Some(seconds(1000.0))));
    assert_eq!(at(1003.0, 3, r#"{"exp":1000}"#), Err(Refusal::Expired { ago: seconds(3.0) }));
    assert_eq!(at(1000.4, 0, r#"{"exp":1000.5}"#), Ok(Some(seconds(1000.5))));
    assert_eq!(at(1000.5, 0, r#"{"exp":1.0005e3}"#), Err(Refusal::Expired { ago: Duration::ZERO }));
    assert_eq!(at(0.0, 0, r#"{"exp":-5}"#), Err(Refusal::Expired { ago: Duration::ZERO }));
    assert_eq!(at(7.0, 0, r#"{"exp":-1e9}"#), Err(Refusal::Expired { ago: seconds(7.0) }));
    assert_eq!(at(7.0, 0, r#"{"nbf":-1e9}"#), Ok(None));
    assert_eq!(at(1000.0, 0, r#"{"nbf":1000}"#), Ok(None));
    assert_eq!(at(999.0, 0, r#"{"nbf":1000}"#), Err(Refusal::NotYet { within: seconds(1.0) }));
    assert_eq!(at(998.0, 2, r#"{"nbf":1000}"#), Ok(None));
    assert_eq!(at(5.0, u64::MAX, r#"{"exp":1,"nbf":18446744073709551615}"#), Ok(Some(seconds(1.0))));
    assert_eq!(at(1e9, 0, r#"{"exp":18446744073709551615}"#), Ok(Some(Duration::from_secs(u64::MAX))));
    // The clock jumps ahead and back: only what it says counts.
    let claims = r#"{"nbf":1000,"exp":1060}"#;
    let valid: Vec<bool> =
        [1030.0, 5000.0, 1030.0, 0.0, 1059.9].iter().map(|now| at(*now, 0, claims).is_ok()).collect();
    assert_eq!(valid, [true, false, true, false, true]);
}

#[test]
fn only_a_key_that_may_be_new_is_worth_asking_for() {
    let none = verdict(&signed(HEADER, "{}"), &[]).expect_err("no keys");
    assert!(none == Refusal::NoKeys && none.may_be_a_new_key());
    let other = json!([{"kty": "oct", "k": BASE64URL_NOPAD.encode(&[7; 32]), "kid": "k"}]);
    let ask = |header: &str, keys: &Value| {
        let refusal = verdict(&signed(header, "{}"), &set(keys)).expect_err(header);
        (refusal, refusal.may_be_a_new_key())
    };
    assert_eq!(ask(r#"{"alg":"HS256","kid":"new"}"#, &other), (Refusal::UnknownKey, true));
    assert_eq!(ask(r#"{"alg":"HS256"}"#, &other), (Refusal::BadSignature { named: false }, true));
    let named = ask(r#"{"alg":"HS256","kid":"k"}"#, &other);
    assert_eq!(named, (Refusal::BadSignature { named: true }, false));
    let expired =
        verdict(&signed(HEADER, r#"{"exp":1}"#), &set(&json!([secret(None)]))).expect_err("expired");
    assert!(!expired.may_be_a_new_key() && !Refusal::Unsigned.may_be_a_new_key());
    // A key without kid has signed a token that names one nobody has.
    let nameless = json!([{"kty": "oct", "k": BASE64URL_NOPAD.encode(&[7; 32])}]);
    assert_eq!(ask(r#"{"alg":"HS256","kid":"new"}"#, &nameless), (Refusal::UnknownKey, true));
}

#[test]
fn no_sentence_has_a_byte_of_the_token() {
    for token in ["Zq9.Zq9.Zq9", "Zq9", &signed(r#"{"alg":"Zq9","kid":"Zq9"}"#, "{}"), &signed(HEADER, "Zq9")]
    {
        assert!(!refusal(token).to_string().contains("Zq9"));
    }
}
