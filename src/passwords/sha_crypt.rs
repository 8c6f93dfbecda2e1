//! SHA-crypt: `$5$` and `$6$` of crypt(3), written as files have them.

use sha_crypt::{Params, sha256_crypt, sha512_crypt};

use super::alphabet;

/// Bytes of salt that count.
const SALT: usize = 16;

/// Rounds where a hash does not say how many.
const ROUNDS: u32 = 5000;

/// How a hash was made, which is written in front of it: `$6$rounds=5000$salt`.
pub struct Setting<'a> {
    long: bool,
    rounds: Params,
    /// With its `$`; empty where it is not written.
    rounds_word: &'a [u8],
    salt: &'a [u8],
}

impl<'a> Setting<'a> {
    /// `None` where crypt(3) would not take it either.
    pub fn read(hash: &'a [u8]) -> Option<Setting<'a>> {
        let (long, rest) = match (hash.strip_prefix(b"$5$"), hash.strip_prefix(b"$6$")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return None,
        };
        let (rounds, rounds_word, rest) = match rest.strip_prefix(b"rounds=") {
            None => (ROUNDS, &b""[..], rest),
            Some(number) => {
                let end = number.iter().position(|byte| *byte == b'$')?;
                let (digits, behind) = (&number[..end], &number[end + 1..]);
                let leads = digits.first().is_none_or(|digit| !(b'1'..=b'9').contains(digit));
                if leads || !digits.iter().all(u8::is_ascii_digit) {
                    return None;
                }
                let rounds = str::from_utf8(digits).ok()?.parse().ok()?;
                (rounds, &rest[..b"rounds=".len() + end + 1], behind)
            }
        };
        let end = rest.iter().position(|byte| *byte == b'$').unwrap_or(rest.len());
        let salt = &rest[..end.min(SALT)];
        Some(Setting { long, rounds: Params::new(rounds).ok()?, rounds_word, salt })
    }

    /// What a password comes to.
    pub fn crypt(&self, password: &[u8]) -> Vec<u8> {
        let magic: &[u8] = if self.long { b"$6$" } else { b"$5$" };
        let mut out = [magic, self.rounds_word, self.salt, b"$"].concat();
        match self.long {
            false => short(&sha256_crypt(password, self.salt, self.rounds), &mut out),
            true => long(&sha512_crypt(password, self.salt, self.rounds), &mut out),
        }
        out
    }
}

/// The order of bytes is a walk through three thirds that changes its beginning at each step.
fn short(digest: &[u8; 32], out: &mut Vec<u8>) {
    let (mut a, mut b, mut c) = (0, 10, 20);
    for _ in 0..10 {
        push(digest, [a, b, c], out);
        (a, b, c) = (c + 1, a + 1, b + 1);
    }
    alphabet::push(u32::from_le_bytes([digest[30], digest[31], 0, 0]), 3, out);
}

fn long(digest: &[u8; 64], out: &mut Vec<u8>) {
    let (mut a, mut b, mut c) = (0, 21, 42);
    for _ in 0..21 {
        push(digest, [a, b, c], out);
        (a, b, c) = (b + 1, c + 1, a + 1);
    }
    alphabet::push(u32::from(digest[63]), 2, out);
}

fn push(digest: &[u8], [high, middle, low]: [usize; 3], out: &mut Vec<u8>) {
    alphabet::push(u32::from_le_bytes([digest[low], digest[middle], digest[high], 0]), 4, out);
}
