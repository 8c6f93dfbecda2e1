//! `{SHA}` and `{SSHA}` of RFC 2307 (`ngx_crypt`).

use data_encoding::BASE64;
use sha1::{Digest, Sha1};

const DIGEST: usize = 20;

/// What a password comes to under `{SHA}`.
pub fn sha(password: &[u8]) -> Vec<u8> {
    let digest = Sha1::digest(password);
    [b"{SHA}", BASE64.encode(&digest).as_bytes()].concat()
}

/// The salt of a `{SSHA}`: what follows the digest. `None` where there is no digest.
pub fn salt_of(hash: &[u8]) -> Option<Vec<u8>> {
    // What is not written as an encoder would write it never equals what nginx encodes.
    let mut decoded = BASE64.decode(hash.strip_prefix(b"{SSHA}")?).ok()?;
    (decoded.len() >= DIGEST).then(|| decoded.split_off(DIGEST))
}

/// What a password comes to under `{SSHA}`.
pub fn ssha(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut digest = Sha1::new().chain_update(password).chain_update(salt).finalize().to_vec();
    digest.extend_from_slice(salt);
    [b"{SSHA}", BASE64.encode(&digest).as_bytes()].concat()
}
