//! A key as a zone keeps it: short ones, such as addresses, without an allocation.

use std::ops::Deref;

/// An IPv6 address in 16 bytes, and most written IPv4 addresses, are no longer.
const SHORT: usize = 22;

pub enum Key {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

impl From<&[u8]> for Key {
    fn from(key: &[u8]) -> Key {
        if key.len() > SHORT {
            return Key::Long(key.into());
        }
        let mut bytes = [0; SHORT];
        bytes[..key.len()].copy_from_slice(key);
        Key::Short { length: key.len() as u8, bytes }
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Key::Short { length, bytes } => &bytes[..usize::from(*length)],
            Key::Long(key) => key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_it_was_made_of() {
        for length in [0, 1, SHORT, SHORT + 1, 65_535] {
            let bytes = vec![7; length];
            assert_eq!(&*Key::from(&bytes[..]), bytes);
        }
        assert_eq!(size_of::<Key>(), 24);
    }
}
