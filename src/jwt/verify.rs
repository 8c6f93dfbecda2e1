//! Verifies a token: its form, its header, its signature, its times, in this order.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use super::MAX_TOKEN;
use super::algorithm::Algorithm;
use super::claims::{self, Token};
use super::json::Json;
use super::keys::{Key, KeySet};
use super::refusal::{Part, Refusal};

/// What is a matter of taste.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How far the signer's clock may be from ours.
    pub leeway: Duration,
}

/// Verifies a compact JWS that carries claims. `now` is since the Unix epoch.
///
/// A token with `kid` is tried with keys of that `kid` and with keys that have none, one without `kid` with all;
/// each key only with the algorithms it is for. Nothing in the claims is looked at before the signature is right.
pub fn verify(token: &[u8], sets: &[Arc<KeySet>], now: Duration, rules: &Rules) -> Result<Token, Refusal> {
    let token = Unverified::read(token)?;
    token.signed_by(sets)?;
    let (payload, claims) = token.claims()?;
    let expires = times(&claims, now, rules)?;
    Ok(Token { header: token.header, claims, payload, expires })
}

/// A token whose form is right and whose signature nobody has looked at.
pub struct Unverified<'t> {
    header: Json,
    algorithm: Algorithm,
    /// What is signed.
    message: &'t [u8],
    payload: &'t [u8],
    signature: Vec<u8>,
}

impl<'t> Unverified<'t> {
    pub fn read(token: &'t [u8]) -> Result<Unverified<'t>, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal::TooLong);
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let (Some(head), Some(payload), Some(signature)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Refusal::NotCompact);
        };
        match parts.count() {
            0 => {}
            2 => return Err(Refusal::Encrypted),
            _ => return Err(Refusal::NotCompact),
        }
        let message = &token[..head.len() + 1 + payload.len()];
        let header = object(Part::Header, &decode(Part::Header, head)?)?;
        let algorithm = algorithm(&header)?;
        kid(&header)?;
        extensions(&header)?;
        let signature = decode(Part::Signature, signature)?;
        Ok(Unverified { header, algorithm, message, payload, signature })
    }

    pub fn header(&self) -> &Json {
        &self.header
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that has signed it.
    pub fn signed_by<'s>(&self, sets: &'s [Arc<KeySet>]) -> Result<&'s Key, Refusal> {
        let kid = kid(&self.header)?;
        let all = || sets.iter().flat_map(|set| set.keys());
        let unknown = kid.is_some_and(|kid| !sets.iter().any(|set| set.has_kid(kid)));
        let may = |key: &&Key| kid.is_none() || key.kid().is_none() || key.kid() == kid;
        let (mut tried, named) = (false, kid.is_some());
        for key in all().filter(may).filter(|key| key.algorithms().contains(&self.algorithm)) {
            if key.has_signed(self.algorithm, self.message, &self.signature) {
                return Ok(key);
            }
            tried = true;
        }
        Err(match (all().next().is_none(), unknown, tried) {
            (true, ..) => Refusal::NoKeys,
            (_, true, _) => Refusal::UnknownKey,
            (_, _, false) => Refusal::OtherAlgorithm { named },
            (_, _, true) => Refusal::BadSignature { named },
        })
    }

    /// The claims, as they stand in the token and read.
    pub fn claims(&self) -> Result<(Vec<u8>, Json), Refusal> {
        let payload = decode(Part::Claims, self.payload)?;
        let claims = object(Part::Claims, &payload)?;
        Ok((payload, claims))
    }
}

/// The header and the claims of a token, as far as they can be read: for looking at, never for believing.
pub fn peek(token: &[u8]) -> [Result<Json, Refusal>; 2] {
    let mut parts = token.split(|byte| *byte == b'.');
    [Part::Header, Part::Claims].map(|part| {
        let text = parts.next().ok_or(Refusal::NotCompact)?;
        object(part, &decode(part, text)?)
    })
}

/// Whether the token is valid now; and until when. The moment of `exp` itself is too late (RFC 7519, 4.1.4).
pub fn times(claims: &Json, now: Duration, rules: &Rules) -> Result<Option<Duration>, Refusal> {
    let (expires, begins) = (claims::time(claims, "exp")?, claims::time(claims, "nbf")?);
    if let Some(expires) = expires
        && now >= expires.saturating_add(rules.leeway)
    {
        return Err(Refusal::Expired { ago: now - expires });
    }
    if let Some(begins) = begins
        && now.saturating_add(rules.leeway) < begins
    {
        return Err(Refusal::NotYet { within: begins - now });
    }
    Ok(expires)
}

/// base64url as RFC 7515 wants it: no padding, no line ends, no bits left over. So there is one way to write a
/// part, and no token that differs from another and says the same.
fn decode(part: Part, text: &[u8]) -> Result<Vec<u8>, Refusal> {
    BASE64URL_NOPAD.decode(text).map_err(|_| Refusal::Base64(part))
}

fn object(part: Part, text: &[u8]) -> Result<Json, Refusal> {
    Json::object(text).map_err(|fault| Refusal::Json(part, fault))
}

fn algorithm(header: &Json) -> Result<Algorithm, Refusal> {
    match header.get("alg").and_then(Json::text) {
        None => Err(Refusal::NoAlgorithm),
        Some("none") => Err(Refusal::Unsigned),
        Some(name) => Algorithm::named(name).ok_or(Refusal::UnknownAlgorithm),
    }
}

fn kid(header: &Json) -> Result<Option<&str>, Refusal> {
    header.get("kid").map(|kid| kid.text().ok_or(Refusal::KeyId)).transpose()
}

/// `crit` lists what the reader has to know of. The one thing known is `b64`, and that it is true.
fn extensions(header: &Json) -> Result<(), Refusal> {
    if header.get("b64").is_some_and(|b64| *b64 != Json::Bool(true)) {
        return Err(Refusal::Detached);
    }
    let Some(critical) = header.get("crit") else { return Ok(()) };
    match critical.items() {
        Some([only]) if only.text() == Some("b64") && header.get("b64").is_some() => Ok(()),
        _ => Err(Refusal::Critical),
    }
}
