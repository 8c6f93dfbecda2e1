//! MD5-crypt: `$1$` of crypt(3) and Apache's `$apr1$`, which differ by that word alone. A thousand rounds.

use md5::{Digest, Md5};

use super::alphabet;

/// Bytes of salt that count.
const SALT: usize = 8;

/// What a password comes to with the salt behind `magic`, written as files have it.
pub fn crypt(password: &[u8], magic: &[u8], salt: &[u8]) -> Vec<u8> {
    let salt = &salt[..salt.len().min(SALT)];
    let mut digest = stretch(password, salt, begin(password, magic, salt));
    let mut out = [magic, salt, b"$"].concat();
    // The last of the sixteen bytes is out of turn.
    let last = digest[11];
    digest[11] = digest[5];
    for (first, second, third) in [(0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 11)] {
        let bytes = [digest[third], digest[second], digest[first], 0];
        alphabet::push(u32::from_le_bytes(bytes), 4, &mut out);
    }
    alphabet::push(u32::from(last), 2, &mut out);
    out
}

fn begin(password: &[u8], magic: &[u8], salt: &[u8]) -> [u8; 16] {
    let inner: [u8; 16] =
        Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize().into();
    let mut outer = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    for at in (0..password.len()).step_by(16) {
        outer.update(&inner[..(password.len() - at).min(16)]);
    }
    let mut bits = password.len();
    while bits > 0 {
        // The first author's slip, which has to be made by everybody since.
        outer.update(if bits & 1 == 1 { &[0] } else { &password[..1] });
        bits >>= 1;
    }
    outer.finalize().into()
}

fn stretch(password: &[u8], salt: &[u8], mut digest: [u8; 16]) -> [u8; 16] {
    for round in 0..1000 {
        let odd = round & 1 == 1;
        let mut hash = Md5::new();
        hash.update(if odd { password } else { &digest });
        if round % 3 != 0 {
            hash.update(salt);
        }
        if round % 7 != 0 {
            hash.update(password);
        }
        hash.update(if odd { &digest } else { password });
        digest = hash.finalize().into();
    }
    digest
}
