//! The oldest form of crypt(3): DES, 25 times over, with two digits of salt. Of a password eight bytes count.
//!
//! It is here because files have it; it protects nobody.

use super::alphabet;

/// What a password comes to with a salt of two digits; `None` where they are no digits.
pub fn crypt(password: &[u8], salt: [u8; 2]) -> Option<[u8; 13]> {
    let keys = keys(key_of(password));
    let expansion = salted(alphabet::value(salt[0])?, alphabet::value(salt[1])?);
    let mut block = 0;
    for _ in 0..25 {
        block = encrypt(block, &keys, &expansion);
    }
    let mut out = [salt[0]; 13];
    out[1] = salt[1];
    for (at, byte) in out[2..].iter_mut().enumerate() {
        // Eleven digits, the highest bits first; the last has two bits that are none of the block's.
        let shift = 58 - 6 * at as i32;
        let bits = if shift >= 0 { block >> shift } else { block << -shift };
        *byte = alphabet::digit((bits & 0x3f) as u32);
    }
    Some(out)
}

/// Seven bits of each of the first eight bytes, and room for a parity that nobody looks at.
fn key_of(password: &[u8]) -> u64 {
    (0..8).fold(0, |key, at| key << 8 | u64::from(password.get(at).copied().unwrap_or(0) << 1))
}

/// Bits of an input of `width` bits in another order; bits are counted from 1 at the highest.
fn permute(input: u64, width: u32, order: &[u8]) -> u64 {
    order.iter().fold(0, |out, from| out << 1 | (input >> (width - u32::from(*from)) & 1))
}

fn keys(key: u64) -> [u64; 16] {
    let chosen = permute(key, 64, &PC1);
    let (mut left, mut right) = (chosen >> 28, chosen & 0xfff_ffff);
    let turn = |half: u64, by: u32| (half << by | half >> (28 - by)) & 0xfff_ffff;
    SHIFTS.map(|by| {
        (left, right) = (turn(left, by), turn(right, by));
        permute(left << 28 | right, 56, &PC2)
    })
}

/// The expansion with its halves changed over where the salt has a bit.
fn salted(first: u32, second: u32) -> [u8; 48] {
    let salt = first | second << 6;
    let mut table = EXPANSION;
    for at in 0..12 {
        if salt >> at & 1 == 1 {
            table.swap(at, at + 24);
        }
    }
    table
}

fn encrypt(block: u64, keys: &[u64; 16], expansion: &[u8; 48]) -> u64 {
    let begun = permute(block, 64, &INITIAL);
    let (mut left, mut right) = (begun >> 32, begun & 0xffff_ffff);
    for key in keys {
        (left, right) = (right, left ^ mangle(right, *key, expansion));
    }
    permute(right << 32 | left, 64, &FINAL)
}

fn mangle(half: u64, key: u64, expansion: &[u8; 48]) -> u64 {
    let mixed = permute(half, 32, expansion) ^ key;
    let mut out = 0;
    for (at, table) in BOXES.iter().enumerate() {
        let six = (mixed >> (42 - 6 * at) & 0x3f) as usize;
        // The outer bits choose the row.
        let row = six >> 4 & 2 | six & 1;
        out = out << 4 | u64::from(table[row << 4 | six >> 1 & 0xf]);
    }
    permute(out, 32, &PERMUTATION)
}

// The tables of FIPS 46.

const INITIAL: [u8; 64] = [
    58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6, 64, 56, 48,
    40, 32, 24, 16, 8, 57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61, 53, 45, 37, 29, 21,
    13, 5, 63, 55, 47, 39, 31, 23, 15, 7,
];

const FINAL: [u8; 64] = [
    40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30, 37, 5, 45,
    13, 53, 21, 61, 29, 36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27, 34, 2, 42, 10, 50, 18,
    58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
];

const EXPANSION: [u8; 48] = [
    32, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 12, 13, 14, 15, 16, 17, 16, 17, 18, 19, 20,
    21, 20, 21, 22, 23, 24, 25, 24, 25, 26, 27, 28, 29, 28, 29, 30, 31, 32, 1,
];

const PERMUTATION: [u8; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6,
    22, 11, 4, 25,
];

const PC1: [u8; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44,
    36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20,
    12, 4,
];

const PC2: [u8; 48] = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37,
    47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];

const SHIFTS: [u32; 16] = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];

const BOXES: [[u8; 64]; 8] = [
    [
        14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12, 11, 9, 5,
        3, 8, 4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9, 1, 7, 5, 11, 3, 14,
        10, 0, 6, 13,
    ],
    [
        15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1, 10, 6, 9,
        11, 5, 0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15, 4, 2, 11, 6, 7, 12,
        0, 5, 14, 9,
    ],
    [
        10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5, 14, 12, 11,
        15, 1, 13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6, 9, 8, 7, 4, 15, 14, 3,
        11, 5, 2, 12,
    ],
    [
        7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2, 12, 1, 10,
        14, 9, 10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1, 13, 8, 9, 4, 5, 11,
        12, 7, 2, 14,
    ],
    [
        2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9,
        8, 6, 4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9,
        10, 4, 5, 3,
    ],
    [
        12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13, 14, 0, 11,
        3, 8, 9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5, 15, 10, 11, 14, 1, 7,
        6, 0, 8, 13,
    ],
    [
        4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5, 12, 2, 15,
        8, 6, 1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4, 10, 7, 9, 5, 0, 15,
        14, 2, 3, 12,
    ],
    [
        13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6, 11, 0, 14,
        9, 2, 7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10, 8, 13, 15, 12, 9, 0,
        3, 5, 6, 11,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What Debian's crypt(3) says.
    #[test]
    fn passwords_come_to_what_crypt_says() {
        for (password, hash) in [
            (&b"secret"[..], b"Ff48yvE6UR/aM"),
            (&b""[..], b"E6npaD93TqV0."),
            (&b"12345678"[..], b"THrvvbclqtVYQ"),
            (&b"123456789longer"[..], b"8ii9NeW18drLQ"),
            (&b"\xfcml\xe4ut"[..], b".3iUDFWaGgBYE"),
            (&b"\x01\x7f\x80\xff"[..], b"mte3YsP9hq/KA"),
            (&b"a b:c"[..], b"WsMAUZoC6jk7A"),
            (&b"0"[..], b"GOp68OTgIOAoY"),
            (&b"correct horse"[..], b"/1MdsjJZfILts"),
            (&b"zzzzzzzz"[..], b"KT.fEh.L1xbaY"),
        ] {
            let salt = [hash[0], hash[1]];
            assert_eq!(crypt(password, salt).as_ref(), Some(hash), "{}", String::from_utf8_lossy(hash));
        }
        assert_eq!(crypt(b"x", *b"$a"), None);
    }
}
