//! `Authorization: Basic`, read as nginx reads it (`ngx_http_auth_basic_user`).

use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

/// What is decoded in one go: a name, a colon, a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    decoded: Vec<u8>,
    colon: usize,
}

impl Credentials {
    /// The value of an `Authorization`; `None` where it is not `Basic`, or names nobody.
    pub fn read(value: &[u8]) -> Option<Credentials> {
        let (scheme, rest) = value.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let encoded = rest.trim_ascii_start();
        // Padding may be missing, and what stands behind it counts for nothing (`ngx_decode_base64`).
        let end = encoded.iter().position(|byte| *byte == b'=').unwrap_or(encoded.len());
        let decoded = LENIENT.as_ref()?.decode(&encoded[..end]).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0)?;
        Some(Credentials { decoded, colon })
    }

    pub fn user(&self) -> &[u8] {
        &self.decoded[..self.colon]
    }

    pub fn password(&self) -> &[u8] {
        &self.decoded[self.colon + 1..]
    }
}

/// Base64 in which bits that are too many are no mistake. It is well formed: there always is one.
static LENIENT: LazyLock<Option<Encoding>> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    specification.check_trailing_bits = false;
    specification.encoding().ok()
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is sent, it names somebody or nobody, and what names somebody is read as it was written.
        #[test]
        fn nothing_that_is_sent_is_too_much(value in proptest::collection::vec(any::<u8>(), 0..60), basic: bool) {
            let start: &[u8] = if basic { b"Basic " } else { b"" };
            if let Some(found) = Credentials::read(&[start, &value].concat()) {
                prop_assert!(!found.user().is_empty() && !found.user().contains(&b':'));
            }
            let written = format!("Basic {}", data_encoding::BASE64.encode(&value));
            let parts = value.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0);
            let read = Credentials::read(written.as_bytes());
            prop_assert_eq!(read.is_some(), parts.is_some());
            if let (Some(colon), Some(read)) = (parts, read) {
                prop_assert_eq!((read.user(), read.password()), (&value[..colon], &value[colon + 1..]));
            }
        }
    }

    #[test]
    fn credentials_are_read_as_nginx_reads_them() {
        let read = |value: &str| {
            let found = Credentials::read(value.as_bytes())?;
            Some((String::from_utf8_lossy(found.user()).into_owned(), found.password().to_vec()))
        };
        let ann = Some(("ann".to_owned(), b"a:b".to_vec()));
        for value in ["Basic YW5uOmE6Yg==", "bAsIc   YW5uOmE6Yg", "basic YW5uOmE6Yh", "Basic YW5uOmE6Yg=x!"] {
            assert_eq!(read(value), ann, "{value}");
        }
        assert_eq!(read("Basic YW5uOg=="), Some(("ann".to_owned(), Vec::new())));
        for value in
            ["", "Basic", "Basic ", "Basic =", "Bearer YW5uOmE=", "Basic YW5u", "Basic OmE=", "Basic YW5uO"]
        {
            assert_eq!(read(value), None, "{value}");
        }
    }
}
