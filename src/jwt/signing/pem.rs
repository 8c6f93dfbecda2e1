//! Keys as OpenSSL writes them, read as JSON Web Keys.

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};

use super::der::{Der, INTEGER, OBJECT, OCTET_STRING, SEQUENCE};
use super::ecdsa;
use crate::jwt::{Curve, Json};

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const CURVES: [(&[u8], Curve); 3] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], Curve::P256),
    (&[0x2b, 0x81, 0x04, 0, 0x22], Curve::P384),
    (&[0x2b, 0x81, 0x04, 0, 0x23], Curve::P521),
];

const NOT_READABLE: &str =
    "what is in it is no key of a kind that signs tokens: RSA, P-256, P-384, P-521, Ed25519";

/// Whether a text looks like a PEM.
pub fn is_pem(text: &[u8]) -> bool {
    text.windows(11).any(|window| window == b"-----BEGIN ")
}

/// The first key of a PEM as a JWK, public or private as it is.
pub fn from_pem(text: &[u8]) -> Result<Json, String> {
    let text = str::from_utf8(text).map_err(|_| "it is not text")?;
    for (label, body) in blocks(text) {
        if label == "ENCRYPTED PRIVATE KEY" || body.contains("Proc-Type: 4,ENCRYPTED") {
            return Err("it is encrypted: openssl pkey -in FILE takes the password off".into());
        }
        let der = || {
            let joined: String = body.split_whitespace().collect();
            BASE64
                .decode(joined.as_bytes())
                .map_err(|_| format!("what is behind BEGIN {label} is not base64"))
        };
        let jwk = match label {
            "PUBLIC KEY" => public_key(&der()?),
            "RSA PUBLIC KEY" => rsa_public(&der()?),
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => private_key(&der()?),
            "CERTIFICATE" => {
                let how = "openssl x509 -in FILE -noout -pubkey takes the key out";
                return Err(format!("it is a certificate: {how}"));
            }
            // Such as EC PARAMETERS, which stand in front of the key.
            _ => continue,
        };
        return jwk.ok_or_else(|| NOT_READABLE.into());
    }
    Err("there is no key in it: -----BEGIN PUBLIC KEY----- or -----BEGIN PRIVATE KEY----- is expected".into())
}

/// The labels of a PEM and what stands behind them.
fn blocks(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("-----BEGIN ").skip(1).filter_map(|rest| {
        let (label, rest) = rest.split_once("-----")?;
        let (body, _) = rest.split_once("-----END ")?;
        Some((label, body))
    })
}

/// SubjectPublicKeyInfo (RFC 5280).
fn public_key(der: &[u8]) -> Option<Json> {
    let mut info = Der(der).inside(SEQUENCE)?;
    let mut algorithm = info.inside(SEQUENCE)?;
    let kind = algorithm.take(OBJECT)?;
    let key = info.bits()?;
    match kind {
        RSA => rsa_public(key),
        EC => {
            let named = algorithm.take(OBJECT)?;
            let (_, curve) = CURVES.iter().find(|(id, _)| *id == named)?;
            ec(*curve, key, None)
        }
        ED25519 => Some(okp(key, None)),
        _ => None,
    }
}

/// RSAPublicKey (RFC 8017, A.1.1).
fn rsa_public(der: &[u8]) -> Option<Json> {
    let mut key = Der(der).inside(SEQUENCE)?;
    let (n, e) = (key.number()?, key.number()?);
    Some(jwk("RSA", &[("n", n), ("e", e)]))
}

/// PrivateKeyInfo (RFC 5958), RSAPrivateKey (RFC 8017) or ECPrivateKey (RFC 5915).
pub(super) fn private_key(der: &[u8]) -> Option<Json> {
    rsa_private(der).or_else(|| ec_private(der)).or_else(|| ed_private(der))
}

fn rsa_private(der: &[u8]) -> Option<Json> {
    let mut outer = Der(der).inside(SEQUENCE)?;
    outer.take(INTEGER)?;
    let mut inner = outer;
    let mut key = match inner.inside(SEQUENCE) {
        Some(mut algorithm) => {
            (algorithm.take(OBJECT)? == RSA).then_some(())?;
            let mut key = inner.inside(OCTET_STRING)?.inside(SEQUENCE)?;
            key.take(INTEGER)?;
            key
        }
        None => outer,
    };
    let mut members = Vec::new();
    for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        members.push((name, key.number()?));
    }
    Some(jwk("RSA", &members))
}

fn ec_private(der: &[u8]) -> Option<Json> {
    CURVES.iter().find_map(|(_, curve)| {
        let pair = EcdsaKeyPair::from_private_key_der(ecdsa(*curve), der).ok()?;
        let private = pair.private_key().as_be_bytes().ok()?;
        ec(*curve, pair.public_key().as_ref(), Some(private.as_ref()))
    })
}

fn ed_private(der: &[u8]) -> Option<Json> {
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
    let seed = pair.seed().ok()?.as_be_bytes().ok()?;
    Some(okp(pair.public_key().as_ref(), Some(seed.as_ref())))
}

fn ec(curve: Curve, point: &[u8], private: Option<&[u8]>) -> Option<Json> {
    let [4, coordinates @ ..] = point else { return None };
    let (x, y) = coordinates.split_at_checked(curve.length())?;
    let members = [("x", x), ("y", y), ("d", private.unwrap_or_default())];
    Some(curved("EC", curve.name(), &members[..if private.is_some() { 3 } else { 2 }]))
}

fn okp(public: &[u8], private: Option<&[u8]>) -> Json {
    let members = [("x", public), ("d", private.unwrap_or_default())];
    curved("OKP", "Ed25519", &members[..if private.is_some() { 2 } else { 1 }])
}

fn curved(kty: &str, crv: &str, members: &[(&str, &[u8])]) -> Json {
    let Json::Object(mut key) = jwk(kty, members) else { unreachable!("a JWK is an object") };
    key.insert(1, ("crv".into(), Json::String(crv.into())));
    Json::Object(key)
}

pub(super) fn jwk(kty: &str, members: &[(&str, &[u8])]) -> Json {
    let kty = ("kty".into(), Json::String(kty.into()));
    let encoded =
        |(name, bytes): &(&str, &[u8])| ((*name).into(), Json::String(BASE64URL_NOPAD.encode(bytes).into()));
    Json::Object([kty].into_iter().chain(members.iter().map(encoded)).collect())
}
