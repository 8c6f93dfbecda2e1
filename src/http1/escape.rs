//! Percent-escapes: `ngx_escape_uri` and `ngx_unescape_uri` with nginx's tables.

/// Writes `text` with what a path may not hold as `%XX` (NGX_ESCAPE_URI): control bytes, the space,
/// everything above `~`, and `" # % < > ? \ ^ { | }` and the backtick.
pub fn escape_uri(text: &[u8], out: &mut Vec<u8>) {
    escape(text, |byte| !is_uri_byte(byte) || matches!(byte, b'#' | b'%' | b'?'), out);
}

/// Writes `text` for one argument of a query (NGX_ESCAPE_ARGS): as [`escape_uri`], and `& + ;` too.
pub fn escape_args(text: &[u8], out: &mut Vec<u8>) {
    let escaped = |byte| !is_uri_byte(byte) || matches!(byte, b'#' | b'%' | b'?' | b'&' | b'+' | b';');
    escape(text, escaped, out);
}

/// Writes `text` so that nothing of it means anything (NGX_ESCAPE_URI_COMPONENT): letters, digits and
/// `- . _ ~` alone stay.
pub fn escape_uri_component(text: &[u8], out: &mut Vec<u8>) {
    escape(text, |byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')), out);
}

/// Makes what stands in `out` from `start` on one word of a request line: whatever would end the word or
/// the line becomes `%XX`. nginx writes it as it is, and with `%0d%0a` in a captured path a client writes
/// the rest of the head.
pub fn keep_one_word(out: &mut Vec<u8>, start: usize) {
    let ends_it = |byte: u8| byte <= b' ' || byte == 0x7f;
    if out[start..].iter().copied().any(ends_it) {
        let text = out.split_off(start);
        escape(&text, ends_it, out);
    }
}

/// Writes `text` with its `%XX` decoded. What is no escape loses its `%` and, if one hex digit stood
/// behind it, that digit and the byte that followed, as in nginx.
pub fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let Some(first) = bytes.next() else { return };
        let Some(high) = hex_digit(first) else {
            out.push(first);
            continue;
        };
        let Some(second) = bytes.next() else { return };
        if let Some(low) = hex_digit(second) {
            out.push(high << 4 | low);
        }
    }
}

pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn escape(text: &[u8], escaped: impl Fn(u8) -> bool, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text {
        if escaped(*byte) {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.push(*byte);
        }
    }
}

/// The bytes RFC 3986 lets stand in a URI.
fn is_uri_byte(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~')
        && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(escape: fn(&[u8], &mut Vec<u8>), text: &[u8]) -> String {
        let mut out = Vec::new();
        escape(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The tables of ngx_escape_uri, as bit masks of 32 bytes each.
    #[test]
    fn the_tables_are_nginx_s() {
        type Escape = fn(&[u8], &mut Vec<u8>);
        let tables: [(Escape, [u32; 3]); 3] = [
            (escape_uri, [0xd000_002d, 0x5000_0000, 0xb800_0001]),
            (escape_args, [0xd800_086d, 0x5000_0000, 0xb800_0001]),
            (escape_uri_component, [0xfc00_9fff, 0x7800_0001, 0xb800_0001]),
        ];
        for (escape, masks) in tables {
            for byte in 0..=255_u8 {
                let word = usize::from(byte) / 32;
                let mask = if (1..4).contains(&word) { masks[word - 1] } else { u32::MAX };
                let escaped = mask >> (byte % 32) & 1 == 1;
                let expected = if escaped { format!("%{byte:02X}") } else { char::from(byte).to_string() };
                assert_eq!(with(escape, &[byte]), expected);
            }
        }
    }

    #[test]
    fn unescapes() {
        assert_eq!(with(unescape, b"a%20b%2Fc%41"), "a b/cA");
        assert_eq!(with(unescape, b"%zz%4%41%"), "zz41");
        assert_eq!(with(unescape, b"100%"), "100");
    }
}
