//! The digits of crypt(3), in which hashes and salts are written.

const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Writes the lowest bits of a value, six to a digit, the lowest first.
pub fn push(mut value: u32, digits: usize, out: &mut Vec<u8>) {
    for _ in 0..digits {
        out.push(digit(value));
        value >>= 6;
    }
}

/// The digit for the lowest six bits.
pub fn digit(value: u32) -> u8 {
    DIGITS[(value & 0x3f) as usize]
}

pub fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'.' | b'/' => digit - b'.',
        b'0'..=b'9' => digit - b'0' + 2,
        b'A'..=b'Z' => digit - b'A' + 12,
        b'a'..=b'z' => digit - b'a' + 38,
        _ => return None,
    };
    Some(u32::from(value))
}

/// Bytes out of digits, three out of four, as yescrypt writes them. `None` where that does not come out even.
pub fn decode(digits: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for chunk in digits.chunks(4) {
        let mut bits = 0;
        for (at, byte) in chunk.iter().enumerate() {
            bits |= value(*byte)? << (6 * at);
        }
        let whole = chunk.len() * 6 / 8;
        if whole == 0 || bits >> (8 * whole) != 0 {
            return None;
        }
        bytes.extend_from_slice(&bits.to_le_bytes()[..whole]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_digit_has_its_value() {
        for (at, byte) in DIGITS.iter().enumerate() {
            assert_eq!(value(*byte), Some(at as u32));
        }
        assert_eq!(value(b'$'), None);
    }

    #[test]
    fn what_was_pushed_is_decoded() {
        let mut digits = Vec::new();
        push(u32::from_le_bytes([1, 2, 3, 0]), 4, &mut digits);
        push(u32::from_le_bytes([250, 0, 0, 0]), 2, &mut digits);
        assert_eq!(decode(&digits), Some(vec![1, 2, 3, 250]));
        assert_eq!(decode(b"."), None);
        assert_eq!(decode(b"zz"), None);
        assert_eq!(decode(b""), Some(vec![]));
    }
}
