//! As much of DER as the frames around keys need.

pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OBJECT: u8 = 0x06;
pub const SEQUENCE: u8 = 0x30;

/// What is left to be read.
#[derive(Clone, Copy)]
pub struct Der<'d>(pub &'d [u8]);

impl<'d> Der<'d> {
    /// The contents of the next value, if it has this tag.
    pub fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        let (first, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        if *first != tag || rest.len() < length {
            return None;
        }
        let (contents, rest) = rest.split_at(length);
        self.0 = rest;
        Some(contents)
    }

    pub fn inside(&mut self, tag: u8) -> Option<Der<'d>> {
        self.take(tag).map(Der)
    }

    /// A whole number that is not negative, without zeros in front of it.
    pub fn number(&mut self) -> Option<&'d [u8]> {
        let contents = self.take(INTEGER)?;
        let zeros = contents.iter().take_while(|byte| **byte == 0).count();
        (contents.first()? & 0x80 == 0).then(|| &contents[zeros..])
    }

    /// A string of bits that are whole bytes.
    pub fn bits(&mut self) -> Option<&'d [u8]> {
        match self.take(BIT_STRING)? {
            [0, bytes @ ..] => Some(bytes),
            _ => None,
        }
    }
}

/// No key has more than 65535 bytes.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [short @ 0..=0x7f, rest @ ..] => Some((usize::from(*short), rest)),
        [0x81, one, rest @ ..] => Some((usize::from(*one), rest)),
        [0x82, high, low, rest @ ..] => Some((usize::from(u16::from_be_bytes([*high, *low])), rest)),
        _ => None,
    }
}
