//! `http://` and `https://` addresses.

use std::fmt;

use crate::http1::validate_host;

/// Where something can be fetched from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    pub tls: bool,
    /// A name or an address, without the brackets of IPv6.
    pub host: Box<str>,
    pub port: u16,
    /// Host and port as they were written: what `Host` says.
    pub authority: Box<str>,
    /// The path and the query; it begins with a `/`.
    pub target: Box<str>,
}

/// Why a text is no URL that can be fetched; the texts follow "the URL …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    Scheme,
    Byte,
    User,
    Host,
    Port,
    Fragment,
}

impl Url {
    /// Whether a text is meant to be one.
    pub fn is_meant(text: &[u8]) -> bool {
        split_scheme(text).is_some()
    }

    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Url, UrlError> {
        let (tls, rest) = split_scheme(text).ok_or(UrlError::Scheme)?;
        let is_plain = rest.iter().all(u8::is_ascii_graphic);
        let rest = str::from_utf8(rest).ok().filter(|_| is_plain).ok_or(UrlError::Byte)?;
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlError::User);
        }
        let (host, port) = split_port(authority);
        let port = match port {
            None => [80, 443][usize::from(tls)],
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(UrlError::Port)?,
        };
        validate_host(authority.as_bytes()).ok_or(UrlError::Host)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(UrlError::Host);
        }
        let target = if target.starts_with('/') { target.into() } else { format!("/{target}").into() };
        Ok(Url { tls, host: host.into(), port, authority: authority.into(), target })
    }
}

/// Without the query, which may hold a secret.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority)
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UrlError::Scheme => "begins neither with http:// nor with https://",
            UrlError::Byte => "has a byte that has to be written as %XX",
            UrlError::User => "has a user or a password in it",
            UrlError::Host => "has no host that could be looked up",
            UrlError::Port => "has a port that is not between 1 and 65535",
            UrlError::Fragment => "has a fragment, which is nothing that could be fetched",
        })
    }
}

fn split_scheme(text: &[u8]) -> Option<(bool, &[u8])> {
    [(false, "http://"), (true, "https://")].into_iter().find_map(|(tls, scheme)| {
        let (start, rest) = text.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme.as_bytes()).then_some((tls, rest))
    })
}

/// The host and what stands behind its colon; those of an IPv6 address are in brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    let behind = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    match authority[behind..].find(':') {
        Some(colon) => (&authority[..behind + colon], Some(&authority[behind + colon + 1..])),
        None => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Result<(bool, String, u16, String, String), UrlError> {
        let Url { tls, host, port, authority, target } = Url::parse(text.as_bytes())?;
        Ok((tls, host.into(), port, authority.into(), target.into()))
    }

    fn url(
        tls: bool,
        host: &str,
        port: u16,
        authority: &str,
        target: &str,
    ) -> Result<(bool, String, u16, String, String), UrlError> {
        Ok((tls, host.into(), port, authority.into(), target.into()))
    }

    #[test]
    fn what_can_be_fetched() {
        assert_eq!(parts("http://a.test"), url(false, "a.test", 80, "a.test", "/"));
        assert_eq!(parts("HTTPS://a.test/k?x=1"), url(true, "a.test", 443, "a.test", "/k?x=1"));
        assert_eq!(parts("https://a.test:8443?x"), url(true, "a.test", 8443, "a.test:8443", "/?x"));
        assert_eq!(parts("http://[::1]:8080/"), url(false, "::1", 8080, "[::1]:8080", "/"));
        assert_eq!(parts("http://[::1]/a:b@c"), url(false, "::1", 80, "[::1]", "/a:b@c"));
    }

    #[test]
    fn what_cannot() {
        for (text, error) in [
            ("/keys", UrlError::Scheme),
            ("httpx://a/", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http:///x", UrlError::Host),
            ("http://:80/", UrlError::Host),
            ("http://[]/", UrlError::Host),
            ("http://a:0/", UrlError::Port),
            ("http://a:65536/", UrlError::Port),
            ("http://a:/", UrlError::Port),
            ("http://a:b:c/", UrlError::Port),
            ("http://me:secret@a/", UrlError::User),
            ("http://a/\r\nX: y", UrlError::Byte),
            ("http://a/ b", UrlError::Byte),
            ("http://a/\u{e9}", UrlError::Byte),
            ("http://a/#b", UrlError::Fragment),
        ] {
            assert_eq!(Url::parse(text.as_bytes()), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_query_is_not_shown() {
        let url = Url::parse(b"https://a.test:8443/keys?secret=1").unwrap();
        assert_eq!(url.to_string(), "https://a.test:8443/keys");
    }
}
