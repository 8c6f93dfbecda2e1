//! Algorithms of RFC 7518 and RFC 8037 that signatures are verified and made with.

use std::fmt;

/// How a token is signed. There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

/// A curve of ECDSA keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    P256,
    P384,
    P521,
}

use Algorithm::{EdDsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};

/// By the name that `alg` has. RFC 9864 gives EdDSA with Ed25519 a name of its own.
const NAMES: [(&str, Algorithm); 14] = [
    ("HS256", Hs256),
    ("HS384", Hs384),
    ("HS512", Hs512),
    ("RS256", Rs256),
    ("RS384", Rs384),
    ("RS512", Rs512),
    ("PS256", Ps256),
    ("PS384", Ps384),
    ("PS512", Ps512),
    ("ES256", Es256),
    ("ES384", Es384),
    ("ES512", Es512),
    ("EdDSA", EdDsa),
    ("Ed25519", EdDsa),
];

pub(super) const HMAC: [Algorithm; 3] = [Hs256, Hs384, Hs512];
pub(super) const RSA: [Algorithm; 6] = [Rs256, Rs384, Rs512, Ps256, Ps384, Ps512];

impl Algorithm {
    /// Names are compared as they stand: `hs256` is none.
    pub fn named(name: &str) -> Option<Algorithm> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }

    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, algorithm)| *algorithm == self).map_or("", |(name, _)| *name)
    }

    /// All there are, in the order of RFC 7518.
    pub fn all() -> impl Iterator<Item = Algorithm> {
        NAMES.iter().map(|(_, algorithm)| *algorithm).take(NAMES.len() - 1)
    }

    /// Length of the hash in bytes.
    pub(super) fn hash_length(self) -> usize {
        match self {
            Hs256 | Rs256 | Ps256 | Es256 => 32,
            Hs384 | Rs384 | Ps384 | Es384 => 48,
            Hs512 | Rs512 | Ps512 | Es512 | EdDsa => 64,
        }
    }

    /// What jsonwebtoken calls it; it has no ES512.
    pub(super) fn of_library(self) -> Option<jsonwebtoken::Algorithm> {
        Some(match self {
            Hs256 => jsonwebtoken::Algorithm::HS256,
            Hs384 => jsonwebtoken::Algorithm::HS384,
            Hs512 => jsonwebtoken::Algorithm::HS512,
            Rs256 => jsonwebtoken::Algorithm::RS256,
            Rs384 => jsonwebtoken::Algorithm::RS384,
            Rs512 => jsonwebtoken::Algorithm::RS512,
            Ps256 => jsonwebtoken::Algorithm::PS256,
            Ps384 => jsonwebtoken::Algorithm::PS384,
            Ps512 => jsonwebtoken::Algorithm::PS512,
            Es256 => jsonwebtoken::Algorithm::ES256,
            Es384 => jsonwebtoken::Algorithm::ES384,
            EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Es512 => return None,
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Curve {
    pub fn named(name: &str) -> Option<Curve> {
        [Curve::P256, Curve::P384, Curve::P521].into_iter().find(|curve| curve.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Curve::P256 => "P-256",
            Curve::P384 => "P-384",
            Curve::P521 => "P-521",
        }
    }

    /// A curve has one algorithm.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Curve::P256 => Es256,
            Curve::P384 => Es384,
            Curve::P521 => Es512,
        }
    }

    /// Length of a coordinate in bytes.
    pub fn length(self) -> usize {
        match self {
            Curve::P256 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }
}
