//! A handshake that brings a token may allocate: its header, its claims, what verifies them. Not more than that.

use std::sync::Arc;
use std::time::Duration;

use wsproxy::jwt::signing::{SigningKey, new_key, public_part};
use wsproxy::jwt::{Algorithm, Json, KeySet, Rules, verify};

use crate::allocations;

const CLAIMS: &[u8] =
    br#"{"iss":"https://id.example","sub":"alice","aud":["chat","files"],"exp":4000000000}"#;

/// What verifying one token of an algorithm allocates, with as many other keys in the set.
fn verifying(algorithm: Algorithm, others: usize) -> u64 {
    let private = new_key(algorithm).unwrap();
    let key = SigningKey::of(&private).unwrap();
    let header = format!(r#"{{"alg":"{algorithm}","typ":"JWT","kid":"{}"}}"#, key.kid().unwrap());
    let token = key.token(algorithm, header.as_bytes(), CLAIMS).unwrap();
    let other = || public_part(&new_key(Algorithm::Es256).unwrap());
    let mut keys: Vec<_> = (0..others).map(|_| other()).collect();
    keys.push(public_part(&private));
    let set = Json::Object(Vec::new()).with("keys", Json::Array(keys)).to_string();
    let sets = [Arc::new(KeySet::parse(set.as_bytes()).unwrap())];
    let rules = Rules::default();
    allocations(|| drop(verify(token.as_bytes(), &sets, Duration::from_secs(1), &rules).unwrap()))
}

#[test]
fn a_token_is_verified_with_few_allocations() {
    for algorithm in Algorithm::all() {
        let (alone, among_others) = (verifying(algorithm, 0), verifying(algorithm, 20));
        println!("{algorithm}: {alone}");
        assert!(alone <= 40, "{algorithm}: {alone}");
        assert_eq!(alone, among_others, "{algorithm}: keys that are not asked cost nothing");
    }
}
