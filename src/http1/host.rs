//! The host of a request, checked as `ngx_http_validate_host` of nginx 1.31 checks it.

/// What `Host`, or the authority of an absolute-form target, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// Without port and trailing dot, in the case it came in; a literal address keeps its brackets.
    pub name: &'a [u8],
    /// The port behind the name (`$request_port`); 0 counts as none, as in nginx.
    pub port: Option<u16>,
}

/// Takes a host apart, or says that it is none (nginx answers 400).
///
/// nginx before 1.29 let more bytes through, such as `"`, `<` and those above 0x7f.
pub fn validate_host(host: &[u8]) -> Option<Host<'_>> {
    let (mut name, port) = match host {
        [b'[', ..] => {
            let end = host.iter().position(|byte| *byte == b']')?;
            let behind = &host[end + 1..];
            (&host[..=end], if behind.is_empty() { behind } else { behind.strip_prefix(b":")? })
        }
        _ => match host.iter().position(|byte| *byte == b':') {
            Some(colon) => (&host[..colon], &host[colon + 1..]),
            None => (host, &host[host.len()..]),
        },
    };
    let inside = name.strip_prefix(b"[").map_or(name, |literal| &literal[..literal.len() - 1]);
    let literal = inside.len() != name.len();
    let allowed = |byte: u8| is_host_byte(byte) || byte == if literal { b':' } else { b'%' };
    if !inside.iter().all(|byte| allowed(*byte)) || inside.windows(2).any(|pair| pair == b"..") {
        return None;
    }
    name = name.strip_suffix(b".").unwrap_or(name);
    if name.is_empty() {
        return None;
    }
    Some(Host { name, port: read_port(port)? })
}

fn read_port(digits: &[u8]) -> Option<Option<u16>> {
    let port = digits.iter().try_fold(0_u16, |port, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        port.checked_mul(10)?.checked_add(digit as u16)
    })?;
    Some((port != 0).then_some(port))
}

/// Unreserved and sub-delims of RFC 3986.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'')
        || matches!(byte, b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Option<(&str, Option<u16>)> {
        validate_host(text.as_bytes()).map(|host| (str::from_utf8(host.name).unwrap(), host.port))
    }

    #[test]
    fn names_ports_and_literals() {
        assert_eq!(host("Example.com"), Some(("Example.com", None)));
        assert_eq!(host("a.b.:80"), Some(("a.b", Some(80))));
        assert_eq!(host("a:"), Some(("a", None)));
        assert_eq!(host("a:0"), Some(("a", None)));
        assert_eq!(host("a:065535"), Some(("a", Some(65535))));
        assert_eq!(host("[::1]"), Some(("[::1]", None)));
        assert_eq!(host("[::1]:8080"), Some(("[::1]", Some(8080))));
        assert_eq!(host("a_b%2f*"), Some(("a_b%2f*", None)));
    }

    #[test]
    fn what_is_no_host() {
        for text in [
            "",
            ".",
            ":80",
            "a..b",
            "a/b",
            "a b",
            "a\tb",
            "a@b",
            "a:65536",
            "a:x",
            "a:80:80",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "[::1%eth0]",
            "[a[b]",
            "a[b]",
            "\u{e9}",
            "a\\b",
            "a\0",
        ] {
            assert_eq!(host(text), None, "{text:?}");
        }
    }
}
