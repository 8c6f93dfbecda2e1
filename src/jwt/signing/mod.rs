//! Makes tokens, and keys for them: for trying things out, and for tests. Nothing that serves comes here.
//!
//! Every key is a JWK first; `pem.rs` makes one out of what OpenSSL writes.

mod der;
mod new;
mod pem;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{digest, hmac};
use data_encoding::BASE64URL_NOPAD;

use super::algorithm::{Algorithm, Curve};
use super::json::Json;
use super::jwk::{self, bytes, number, string};
use super::keys::Key;

pub use new::{new_key, secret_key};
pub use pem::{from_pem, is_pem};

/// Members of a JWK that nobody but the signer may know.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A private key, or a secret.
pub struct SigningKey {
    public: Key,
    private: Private,
}

enum Private {
    Secret(Vec<u8>),
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl SigningKey {
    /// A private JWK, or why this is none; with nothing of the key in the sentence.
    pub fn of(jwk: &Json) -> Result<SigningKey, String> {
        let public = jwk::read(jwk, "sign")?;
        let private = match (string(jwk, "kty")?, jwk.get("d")) {
            (Some("oct"), _) => Private::Secret(bytes(jwk, "k")?),
            (_, None) => return Err("it is a public key, which cannot sign".into()),
            (Some("RSA"), _) => Private::Rsa(rsa(jwk)?),
            (Some("EC"), _) => Private::Ec(ec(jwk)?),
            _ => Private::Ed(ed(jwk)?),
        };
        Ok(SigningKey { public, private })
    }

    pub fn kid(&self) -> Option<&str> {
        self.public.kid()
    }

    pub fn algorithms(&self) -> &[Algorithm] {
        self.public.algorithms()
    }

    /// Why nobody should rely on it, where that is so.
    pub fn doubt(&self) -> Option<&str> {
        self.public.doubt()
    }

    /// A token of these texts, which are taken as they are: a test may want what no token should be.
    pub fn token(&self, algorithm: Algorithm, header: &[u8], claims: &[u8]) -> Result<String, String> {
        let mut token = format!("{}.{}", BASE64URL_NOPAD.encode(header), BASE64URL_NOPAD.encode(claims));
        let signature = self.sign(algorithm, token.as_bytes())?;
        token.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut token);
        Ok(token)
    }

    fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, String> {
        if !self.algorithms().contains(&algorithm) {
            return Err(format!("{algorithm} is not for this key"));
        }
        let signature = match &self.private {
            Private::Secret(secret) => {
                let key = hmac::Key::new(hmac_of(algorithm), secret);
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa_of(algorithm), &SystemRandom::new(), message, &mut signature)
                    .map(|()| signature)
            }
            Private::Ec(pair) => pair.sign(&SystemRandom::new(), message).map(|made| made.as_ref().to_vec()),
            Private::Ed(pair) => pair.try_sign(message).map(|made| made.as_ref().to_vec()),
        };
        signature.map_err(|_| "the key does not sign".into())
    }
}

fn hmac_of(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm.hash_length() {
        32 => hmac::HMAC_SHA256,
        48 => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    }
}

fn rsa_of(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Ps384 => &RSA_PSS_SHA384,
        Algorithm::Ps512 => &RSA_PSS_SHA512,
        Algorithm::Rs384 => &RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_SHA512,
        _ => &RSA_PKCS1_SHA256,
    }
}

fn ecdsa(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}

fn rsa(jwk: &Json) -> Result<RsaKeyPair, String> {
    let public_key = PublicKeyComponents { n: number(jwk, "n")?, e: number(jwk, "e")? };
    let components = KeyPairComponents {
        public_key,
        d: number(jwk, "d")?,
        p: number(jwk, "p")?,
        q: number(jwk, "q")?,
        dP: number(jwk, "dp")?,
        dQ: number(jwk, "dq")?,
        qInv: number(jwk, "qi")?,
    };
    RsaKeyPair::from_components(&components).map_err(|_| "its numbers are not those of one RSA key".into())
}

fn ec(jwk: &Json) -> Result<EcdsaKeyPair, String> {
    let curve = string(jwk, "crv")?.and_then(Curve::named).ok_or("its crv is not known")?;
    let (private, point) = (bytes(jwk, "d")?, jwk::point(jwk, curve)?);
    EcdsaKeyPair::from_private_key_and_public_key(ecdsa(curve), &private, &point)
        .map_err(|_| "its d does not belong to its x and y".into())
}

fn ed(jwk: &Json) -> Result<Ed25519KeyPair, String> {
    Ed25519KeyPair::from_seed_and_public_key(&bytes(jwk, "d")?, &bytes(jwk, "x")?)
        .map_err(|_| "its d does not belong to its x".into())
}

/// What a verifier may know of a key: all but what is private. Of a secret nothing is left, so it stays.
pub fn public_part(jwk: &Json) -> Json {
    let Json::Object(members) = jwk else { return jwk.clone() };
    let shared = jwk.get("kty").and_then(Json::text) == Some("oct");
    let stays = |name: &str| (shared && name == "k") || (!PRIVATE.contains(&name) && name != "key_ops");
    Json::Object(members.iter().filter(|(name, _)| stays(name)).cloned().collect())
}

/// The name that a key gives itself (RFC 7638): the same whoever computes it.
pub fn thumbprint(jwk: &Json) -> Option<String> {
    let names: &[&str] = match jwk.get("kty").and_then(Json::text)? {
        "oct" => &["k", "kty"],
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let members = names.iter().map(|name| Some(((*name).into(), jwk.get(name)?.clone())));
    let text = Json::Object(members.collect::<Option<_>>()?).to_string();
    Some(BASE64URL_NOPAD.encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()))
}
