//! yescrypt: `$y$` of crypt(3), the form in which Debian keeps its own passwords.

use subtle::ConstantTimeEq;
use yescrypt::Params;

use super::alphabet;

/// Memory that a hash may want. What Debian makes by default wants 16 MiB; a slip of the pen wants more than there is.
const MEMORY: u64 = 512 * 1024 * 1024;

/// How much time it may want beyond its memory's share.
const MOST_TIME: u64 = 16;

/// Bytes of salt, at most.
const SALT: usize = 64;

/// A hash in its parts.
pub struct Setting {
    params: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl Setting {
    /// `None` where it is none, or wants more than can be given.
    pub fn read(hash: &[u8]) -> Option<Setting> {
        let mut parts = hash.strip_prefix(b"$y$")?.split(|byte| *byte == b'$');
        let (params, salt, digest) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let params: Params = str::from_utf8(params).ok()?.parse().ok()?;
        let block = 128 * u64::from(params.r());
        let memory = params.n().checked_mul(block)?;
        let parallel = block.checked_mul(u64::from(params.p()))?;
        if memory > MEMORY || parallel > MEMORY || u64::from(params.p()) > MOST_TIME {
            return None;
        }
        let (salt, digest) = (alphabet::decode(salt)?, alphabet::decode(digest)?);
        (salt.len() <= SALT && digest.len() == 32).then_some(Setting { params, salt, digest })
    }

    pub fn is_of(&self, password: &[u8]) -> bool {
        let mut digest = [0; 32];
        let made = yescrypt::yescrypt(password, &self.salt, &self.params, &mut digest);
        made.is_ok() && bool::from(digest[..].ct_eq(&self.digest))
    }
}
