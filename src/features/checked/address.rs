//! Addresses as `ngx_parse_url` reads them where it resolves nothing.

use crate::directive::values;

/// A host and a port, or a socket's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    Unix(&'a [u8]),
    Host { host: &'a [u8], port: Option<u16> },
}

impl Target<'_> {
    /// Whether it has to be resolved.
    pub fn is_name(&self) -> bool {
        match self {
            Target::Unix(_) => false,
            Target::Host { host, .. } => !host.starts_with(b"[") && values::ipv4(host).is_none(),
        }
    }
}

/// `host`, `host:port`, `[v6]:port` or `unix:path`; the error is in nginx's words. Where a URI may
/// follow it is left out.
pub fn parse(word: &[u8], uri: bool) -> Result<Target<'_>, &'static str> {
    if word.len() >= 5 && word[..5].eq_ignore_ascii_case(b"unix:") {
        return unix(&word[5..]);
    }
    let end = word.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let word = match end {
        Some(_) if !uri => return Err("invalid host"),
        Some(end) => &word[..end],
        None => word,
    };
    if word.starts_with(b"[") {
        return bracketed(word);
    }
    let (host, port) = match word.iter().position(|byte| *byte == b':') {
        Some(colon) => (&word[..colon], Some(port(&word[colon + 1..])?)),
        None => (word, None),
    };
    if host.is_empty() { Err("no host") } else { Ok(Target::Host { host, port }) }
}

fn unix(path: &[u8]) -> Result<Target<'_>, &'static str> {
    match path.len() {
        0 => Err("no path in the unix domain socket"),
        108.. => Err("too long path in the unix domain socket"),
        _ => Ok(Target::Unix(path)),
    }
}

fn bracketed(word: &[u8]) -> Result<Target<'_>, &'static str> {
    let close = word.iter().position(|byte| *byte == b']').ok_or("invalid host")?;
    let inside = std::str::from_utf8(&word[1..close]).map_err(|_| "invalid IPv6 address")?;
    inside.parse::<std::net::Ipv6Addr>().map_err(|_| "invalid IPv6 address")?;
    let port = match &word[close + 1..] {
        b"" => None,
        [b':', digits @ ..] => Some(port(digits)?),
        _ => return Err("invalid host"),
    };
    Ok(Target::Host { host: &word[..=close], port })
}

fn port(digits: &[u8]) -> Result<u16, &'static str> {
    let port = values::number(digits).and_then(|port| u16::try_from(port).ok());
    port.filter(|port| *port > 0).ok_or("invalid port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split() {
        let host = |host: &'static str, port| Ok(Target::Host { host: host.as_bytes(), port });
        assert_eq!(parse(b"php:9000", false), host("php", Some(9000)));
        assert_eq!(parse(b"[::1]:80", false), host("[::1]", Some(80)));
        assert_eq!(parse(b"auth/path", true), host("auth", None));
        assert_eq!(parse(b"unix:/run/php.sock", false), Ok(Target::Unix(b"/run/php.sock")));
        assert_eq!(parse(b"php:", false), Err("invalid port"));
        assert_eq!(parse(b"php:65536", false), Err("invalid port"));
        assert_eq!(parse(b":80", false), Err("no host"));
        assert_eq!(parse(b"[::x]", false), Err("invalid IPv6 address"));
        assert_eq!(parse(b"php/x", false), Err("invalid host"));
        assert_eq!(parse(b"unix:", false), Err("no path in the unix domain socket"));
    }
}
