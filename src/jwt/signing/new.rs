//! New keys.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};

use super::pem::{jwk, private_key};
use super::{ecdsa, thumbprint};
use crate::jwt::{Algorithm, Curve, Json};

/// A new private key for this algorithm and no other, named by its thumbprint. None where the system has no
/// random bytes.
pub fn new_key(algorithm: Algorithm) -> Option<Json> {
    let key = match algorithm {
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
            let mut secret = vec![0; algorithm.hash_length()];
            rand::fill(&mut secret).ok()?;
            secret_key(&secret)
        }
        Algorithm::Es256 => new_ec(Curve::P256)?,
        Algorithm::Es384 => new_ec(Curve::P384)?,
        Algorithm::Es512 => new_ec(Curve::P521)?,
        Algorithm::EdDsa => private_key(Ed25519KeyPair::generate().ok()?.to_pkcs8().ok()?.as_ref())?,
        _ => private_key(RsaKeyPair::generate(KeySize::Rsa2048).ok()?.as_der().ok()?.as_ref())?,
    };
    let kid = thumbprint(&key)?;
    Some(key.with("kid", &*kid).with("alg", algorithm.name()).with("use", "sig"))
}

fn new_ec(curve: Curve) -> Option<Json> {
    private_key(EcdsaKeyPair::generate(ecdsa(curve)).ok()?.to_pkcs8v1().ok()?.as_ref())
}

/// A secret as a JWK.
pub fn secret_key(secret: &[u8]) -> Json {
    jwk("oct", &[("k", secret)])
}
