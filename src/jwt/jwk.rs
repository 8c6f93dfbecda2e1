//! One JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037): what it may be used for, and that it is sound.
//!
//! What is wrong with a key is a sentence that has nothing of the key in it.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::DecodingKey;

use super::algorithm::{self, Algorithm, Curve};
use super::json::Json;
use super::keys::{Check, Key};

/// RFC 7518, 3.3; and what AWS-LC takes.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// An exponent with more bits makes each signature slow to verify; AWS-LC draws the same line.
const EXPONENT_BITS: usize = 33;

/// A key that signatures can be verified with, or why this is none. `op` is what it is wanted for: `verify` or
/// `sign`.
pub(super) fn read(jwk: &Json, op: &str) -> Result<Key, String> {
    let Json::Object(_) = jwk else { return Err("not a JSON object".into()) };
    let kty = string(jwk, "kty")?.ok_or("it has no kty")?;
    may(jwk, op)?;
    let kid = string(jwk, "kid")?.map(Into::into);
    let (mut algorithms, check) = match kty {
        "oct" => secret(jwk)?,
        "RSA" => rsa(jwk)?,
        "EC" => ec(jwk)?,
        "OKP" => okp(jwk)?,
        _ => return Err("its kty is none of oct, RSA, EC and OKP".into()),
    };
    if let Some(name) = string(jwk, "alg")? {
        let only = Algorithm::named(name).ok_or("its alg is none that signs tokens")?;
        if !algorithms.contains(&only) {
            return Err(format!("{only} is not for a key of this kind"));
        }
        algorithms = vec![only];
    }
    let doubt = if kty == "oct" { too_short(&bytes(jwk, "k")?, &algorithms) } else { None };
    Ok(Key { kid, algorithms, check, doubt })
}

/// A secret that is shorter than the hash can be found by trying (RFC 7518, 3.2). nginx takes it all the same: that
/// of its documentation's own examples has 12 bytes.
fn too_short(secret: &[u8], algorithms: &[Algorithm]) -> Option<String> {
    let least = algorithms.iter().min_by_key(|algorithm| algorithm.hash_length())?;
    let (length, wanted) = (secret.len(), least.hash_length());
    let is_short = length < wanted;
    is_short.then(|| {
        format!("its secret has {length} bytes, less than the {wanted} that {least} wants (RFC 7518, 3.2)")
    })
}

/// `use` and `key_ops`, where they are, have to be about signatures.
fn may(jwk: &Json, op: &str) -> Result<(), String> {
    if string(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err("its use is not sig".into());
    }
    let Some(ops) = jwk.get("key_ops") else { return Ok(()) };
    let ops = ops.items().ok_or("its key_ops is not an array")?;
    let allowed = ops.iter().any(|own| own.text() == Some(op));
    if allowed { Ok(()) } else { Err(format!("its key_ops have no {op}")) }
}

fn secret(jwk: &Json) -> Result<(Vec<Algorithm>, Check), String> {
    let secret = bytes(jwk, "k")?;
    if secret.is_empty() {
        return Err("its secret is empty".into());
    }
    if is_a_public_key(&secret) {
        return Err("its secret is the text of a key: whoever knows a public key could sign with it".into());
    }
    let key = DecodingKey::from_secret(&secret).map_err(|_| "its secret is empty")?;
    Ok((algorithm::HMAC.to_vec(), Check::Library(key)))
}

/// A PEM or a DER that somebody gave out as a secret.
pub(super) fn is_a_public_key(secret: &[u8]) -> bool {
    secret.trim_ascii_start().starts_with(b"-----BEGIN ") || is_der_of_a_key(secret)
}

/// One SEQUENCE from the first byte to the last that begins with another, or with a number.
fn is_der_of_a_key(bytes: &[u8]) -> bool {
    let inner = match bytes {
        [0x30, length @ 0..=0x7f, inner @ ..] if inner.len() == usize::from(*length) => inner,
        [0x30, 0x81, length, inner @ ..] if inner.len() == usize::from(*length) => inner,
        [0x30, 0x82, high, low, inner @ ..]
            if inner.len() == usize::from(u16::from_be_bytes([*high, *low])) =>
        {
            inner
        }
        _ => return false,
    };
    matches!(inner.first(), Some(0x30 | 0x02))
}

fn rsa(jwk: &Json) -> Result<(Vec<Algorithm>, Check), String> {
    let (modulus, exponent) = (number(jwk, "n")?, number(jwk, "e")?);
    let size = bits(&modulus);
    if size < *RSA_BITS.start() {
        return Err(format!("its modulus has {size} bits, less than 2048 (RFC 7518, 3.3)"));
    }
    if size > *RSA_BITS.end() {
        return Err(format!("its modulus has {size} bits, more than 8192"));
    }
    let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !odd(&modulus) || !odd(&exponent) || !(2..=EXPONENT_BITS).contains(&bits(&exponent)) {
        return Err("its n and e are those of no RSA key".into());
    }
    let key = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
    Ok((algorithm::RSA.to_vec(), Check::Library(key)))
}

fn ec(jwk: &Json) -> Result<(Vec<Algorithm>, Check), String> {
    let curve = string(jwk, "crv")?.and_then(Curve::named).ok_or("its crv is none of P-256, P-384, P-521")?;
    let point = point(jwk, curve)?;
    let verifying = match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED,
    };
    let parsed = ParsedPublicKey::new(verifying, &point).map_err(|_| "its point is not on its curve")?;
    let check = match curve {
        Curve::P521 => Check::P521(parsed),
        Curve::P256 | Curve::P384 => Check::Library(DecodingKey::from_ec_der(&point)),
    };
    Ok((vec![curve.algorithm()], check))
}

/// The point of an EC key as SEC1 writes it. Coordinates have their full length (RFC 7518, 6.2.1.2).
pub(super) fn point(jwk: &Json, curve: Curve) -> Result<Vec<u8>, String> {
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != curve.length() || y.len() != curve.length() {
        return Err(format!("its x and y are not the {} bytes that {} has", curve.length(), curve.name()));
    }
    Ok([&[4], &*x, &*y].concat())
}

fn okp(jwk: &Json) -> Result<(Vec<Algorithm>, Check), String> {
    if string(jwk, "crv")? != Some("Ed25519") {
        return Err("its crv is not Ed25519".into());
    }
    let x = bytes(jwk, "x")?;
    ParsedPublicKey::new(&ED25519, &x).map_err(|_| "its x is no Ed25519 key")?;
    Ok((vec![Algorithm::EdDsa], Check::Library(DecodingKey::from_ed_der(&x))))
}

pub(super) fn string<'j>(jwk: &'j Json, name: &str) -> Result<Option<&'j str>, String> {
    match jwk.get(name) {
        None => Ok(None),
        Some(value) => Ok(Some(value.text().ok_or_else(|| format!("its {name} is not a string"))?)),
    }
}

pub(super) fn bytes(jwk: &Json, name: &str) -> Result<Vec<u8>, String> {
    let text = string(jwk, name)?.ok_or_else(|| format!("it has no {name}"))?;
    BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| format!("its {name} is not base64url without padding"))
}

/// A number without the zeros in front of it, which RFC 7518 forbids and some write.
pub(super) fn number(jwk: &Json, name: &str) -> Result<Vec<u8>, String> {
    let mut bytes = bytes(jwk, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    Ok(bytes)
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}
