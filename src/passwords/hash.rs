//! One password as a file keeps it.

use std::fmt;

use subtle::ConstantTimeEq;

use super::{des, digests, md5, sha_crypt, yescrypt};

/// The longest password that crypt(3) takes: one byte less than this.
const CRYPT_MOST: usize = 512;

/// How a password is kept. What takes longer to check comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// `{PLAIN}`: as it is.
    Plain,
    /// `{SHA}`: one SHA-1, no salt.
    Sha,
    /// `{SSHA}`
    Ssha,
    /// Two digits of salt and eleven of DES.
    Des,
    /// `$1$`
    Md5,
    /// `$apr1$`
    Apr1,
    /// `$5$` and `$6$`
    ShaCrypt,
    /// `$2a$`, `$2b$`, `$2y$`
    Bcrypt,
    /// `$y$`
    Yescrypt,
}

impl Form {
    /// Checking it takes so long that others would notice.
    pub fn is_slow(self) -> bool {
        self > Form::Des
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Plain => "{PLAIN}",
            Form::Sha => "{SHA}",
            Form::Ssha => "{SSHA}",
            Form::Des => "DES",
            Form::Md5 => "$1$",
            Form::Apr1 => "$apr1$",
            Form::ShaCrypt => "SHA-crypt",
            Form::Bcrypt => "bcrypt",
            Form::Yescrypt => "yescrypt",
        })
    }
}

/// A password as a file keeps it, in a form that is known. It does not show in `Debug`, so that no log has it.
#[derive(Clone)]
pub struct Hash {
    pub form: Form,
    text: Box<[u8]>,
}

impl Hash {
    /// `None` where it is in no form that is known, so that no password is right.
    pub fn read(text: &[u8]) -> Option<Hash> {
        let form = match text {
            _ if text.starts_with(b"{PLAIN}") => Form::Plain,
            _ if text.starts_with(b"{SHA}") => Form::Sha,
            _ if text.starts_with(b"{SSHA}") => digests::salt_of(text).map(|_| Form::Ssha)?,
            _ if text.starts_with(b"$apr1$") => Form::Apr1,
            [b'$', b'1', b'$', ..] => Form::Md5,
            [b'$', b'5' | b'6', b'$', ..] => sha_crypt::Setting::read(text).map(|_| Form::ShaCrypt)?,
            [b'$', b'2', b'a' | b'b' | b'y', b'$', ..] if is_bcrypt(text) => Form::Bcrypt,
            [b'$', b'y', b'$', ..] => yescrypt::Setting::read(text).map(|_| Form::Yescrypt)?,
            [first, second, ..] if text.len() == 13 => {
                des::crypt(b"", [*first, *second]).map(|_| Form::Des)?
            }
            _ => return None,
        };
        Some(Hash { form, text: text.into() })
    }

    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether it is a password's. How long that takes says nothing of how much of it is right.
    pub fn is_of(&self, password: &[u8]) -> bool {
        // To nginx and crypt(3) a password ends where a zero is.
        let end = password.iter().position(|byte| *byte == 0).unwrap_or(password.len());
        let password = &password[..end];
        let text = &self.text[..];
        let same = |made: &[u8]| bool::from(made.ct_eq(text));
        match self.form {
            Form::Plain => same(&[b"{PLAIN}", password].concat()),
            Form::Sha => same(&digests::sha(password)),
            Form::Ssha => digests::salt_of(text).is_some_and(|salt| same(&digests::ssha(password, &salt))),
            Form::Apr1 => same(&md5::crypt(password, b"$apr1$", md5_salt(&text[6..]))),
            _ if password.len() >= CRYPT_MOST => false,
            Form::Md5 => same(&md5::crypt(password, b"$1$", md5_salt(&text[3..]))),
            Form::Des => des::crypt(password, [text[0], text[1]]).is_some_and(|made| same(&made)),
            Form::ShaCrypt => {
                sha_crypt::Setting::read(text).is_some_and(|setting| same(&setting.crypt(password)))
            }
            Form::Bcrypt => {
                let text = str::from_utf8(text).unwrap_or_default();
                bcrypt::verify(password, text).unwrap_or(false)
            }
            Form::Yescrypt => yescrypt::Setting::read(text).is_some_and(|setting| setting.is_of(password)),
        }
    }
}

/// What stands between the magic word and the next `$`.
fn md5_salt(rest: &[u8]) -> &[u8] {
    rest.split(|byte| *byte == b'$').next().unwrap_or_default()
}

/// `$2b$10$` and 53 digits; a cost from 4 to 31.
fn is_bcrypt(text: &[u8]) -> bool {
    let parts = str::from_utf8(text).ok().and_then(|text| text.parse::<bcrypt::HashParts>().ok());
    parts.is_some_and(|parts| (4..=31).contains(&parts.get_cost()))
        && text[4..6].iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
#[path = "hash_tests.rs"]
mod tests;
