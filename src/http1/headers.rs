//! A list of header fields in the order and case they came in.

use std::fmt;

use super::known::{Known, KnownSet};

/// Header fields over one buffer. [`Headers::clear`] keeps what was allocated, so a value that is
/// used for one head after another stops allocating once it has seen a large one.
#[derive(Clone, Default)]
pub struct Headers {
    /// What the fields point into; a request's line stands in front of its header lines.
    pub(super) bytes: Vec<u8>,
    fields: Vec<Field>,
    /// What the fields are known as, so that most questions for one are answered without a search.
    seen: KnownSet,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub name: Bounds,
    pub value: Bounds,
    pub known: Known,
}

/// A range of the bytes of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    pub start: u32,
    pub end: u32,
}

impl Bounds {
    pub fn new(start: usize, end: usize) -> Bounds {
        Bounds { start: start as u32, end: end as u32 }
    }

    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

impl Headers {
    pub fn new() -> Headers {
        Headers::default()
    }

    /// Forgets all fields and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.fields.clear();
        self.seen = KnownSet::default();
    }

    pub(super) fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Adds a field that lies in `bytes`.
    pub(super) fn add(&mut self, field: Field) {
        self.seen.add(field.known);
        self.fields.push(field);
    }

    /// Forgets the fields behind the first `length`.
    pub(super) fn truncate(&mut self, length: usize) {
        self.fields.truncate(length);
        self.look_again();
    }

    fn look_again(&mut self) {
        self.seen = KnownSet::default();
        self.fields.iter().for_each(|field| self.seen.add(field.known));
    }

    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Every field as name, value and what the name is known as, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8], Known)> {
        self.fields.iter().map(|field| (field.name.of(&self.bytes), field.value.of(&self.bytes), field.known))
    }

    /// The value of the first field of this name. `Known::Other` finds nothing useful.
    pub fn first(&self, known: Known) -> Option<&[u8]> {
        self.all(known).next()
    }

    /// The values of all fields of this name, in order.
    pub fn all(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        let fields = if self.seen.has(known) { &self.fields[..] } else { &[] };
        fields.iter().filter(move |field| field.known == known).map(|field| field.value.of(&self.bytes))
    }

    pub fn contains(&self, known: Known) -> bool {
        self.seen.has(known)
    }

    /// The values of all fields called `name`, whatever its case.
    pub fn named<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(own, _, _)| own.eq_ignore_ascii_case(name)).map(|(_, value, _)| value)
    }

    /// The values of all fields that `$http_NAME` means, where `name` is the lower-case text behind
    /// `http_`: a `-` of the header is written `_` (ngx_http_variable_unknown_header).
    pub fn named_underscore<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(own, _, _)| spelled_with_underscores(own, name)).map(|(_, value, _)| value)
    }

    /// Adds a field behind all others. Neither part may hold a line end; who builds a head from
    /// words of others asks [`is_field_text`] first.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        debug_assert!(is_field_text(name) && is_field_text(value));
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        let end = self.bytes.len();
        let (name_at, value_at) = (Bounds::new(start, middle), Bounds::new(middle, end));
        self.add(Field { name: name_at, value: value_at, known: Known::of(name) });
    }

    /// Keeps the fields for which `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8], Known) -> bool) {
        let bytes = &self.bytes;
        self.fields.retain(|field| keep(field.name.of(bytes), field.value.of(bytes), field.known));
        self.look_again();
    }

    /// Writes every field as a header line, without the empty line that ends a head.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (name, value, _) in self.iter() {
            write_field(name, value, out);
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        f.debug_map().entries(self.iter().map(|(name, value, _)| (text(name), text(value)))).finish()
    }
}

/// Writes one header line: `Name: value` and CRLF.
pub fn write_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes a number in decimal.
pub fn write_number(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

/// Whether `text` can stand in a header line without ending it or being cut by its reader.
pub fn is_field_text(text: &[u8]) -> bool {
    !text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))
}

fn spelled_with_underscores(header: &[u8], name: &[u8]) -> bool {
    header.len() == name.len()
        && header.iter().zip(name).all(|(own, wanted)| match own {
            b'-' => *wanted == b'_',
            own => own.to_ascii_lowercase() == *wanted,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for number in [0, 9, 10, 4711, u64::MAX] {
            let mut out = Vec::new();
            write_number(number, &mut out);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }

    #[test]
    fn keeps_order_and_case_and_finds_by_every_spelling() {
        let mut headers = Headers::new();
        headers.push(b"X-Forwarded-For", b"1.1.1.1");
        headers.push(b"hOST", b"a");
        headers.push(b"x-forwarded-for", b"2.2.2.2");
        headers.push(b"X_Tag", b"t");
        let names: Vec<_> = headers.iter().map(|(name, _, _)| name).collect();
        assert_eq!(names, [&b"X-Forwarded-For"[..], b"hOST", b"x-forwarded-for", b"X_Tag"]);
        assert_eq!(headers.first(Known::Host), Some(&b"a"[..]));
        assert_eq!(headers.all(Known::XForwardedFor).count(), 2);
        assert_eq!(headers.named(b"X-FORWARDED-FOR").collect::<Vec<_>>(), [b"1.1.1.1", b"2.2.2.2"]);
        assert_eq!(headers.named_underscore(b"x_forwarded_for").count(), 2);
        assert_eq!(headers.named_underscore(b"x_tag").count(), 1);
        headers.retain(|_, _, known| known != Known::XForwardedFor);
        assert!(headers.contains(Known::Host) && !headers.contains(Known::XForwardedFor));
        let mut out = Vec::new();
        headers.write(&mut out);
        assert_eq!(out, b"hOST: a\r\nX_Tag: t\r\n");
    }
}
