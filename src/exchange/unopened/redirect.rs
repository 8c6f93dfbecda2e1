//! Redirects: no browser follows one when it opens a WebSocket.

/// What a redirect changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// Only the slash at the end of the path.
    Slash,
    /// Only the scheme, which becomes `https`.
    Tls,
    Elsewhere,
}

impl Redirect {
    /// `location` is the header's value, `uri` what was asked for.
    pub fn of(location: &[u8], uri: &[u8]) -> Redirect {
        let (scheme, there) = path_of(location);
        let here = path(uri);
        let bare = |path: &[u8]| path.strip_suffix(b"/").unwrap_or(path).to_vec();
        if there == here && scheme.eq_ignore_ascii_case(b"https") {
            Redirect::Tls
        } else if there != here && bare(there) == bare(here) {
            Redirect::Slash
        } else {
            Redirect::Elsewhere
        }
    }
}

/// The scheme of an address, if it has one, and its path.
fn path_of(location: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = location.windows(3).position(|part| part == b"://") else {
        return (b"", path(location));
    };
    let rest = &location[colon + 3..];
    let start = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let found = path(&rest[start..]);
    (&location[..colon], if found.is_empty() { b"/" } else { found })
}

fn path(uri: &[u8]) -> &[u8] {
    let end = uri.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(uri.len());
    &uri[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_redirect_changes() {
        for (location, uri, expected) in [
            ("/ws/", "/ws", Redirect::Slash),
            ("http://a:8080/ws/?a=b", "/ws?a=b", Redirect::Slash),
            ("/ws", "/ws/", Redirect::Slash),
            ("https://a/ws", "/ws", Redirect::Tls),
            ("HTTPS://a", "/", Redirect::Tls),
            ("https://a/ws/", "/ws", Redirect::Slash),
            ("https://a/login", "/ws", Redirect::Elsewhere),
            ("http://b/ws", "/ws", Redirect::Elsewhere),
            ("/login?next=/ws", "/ws", Redirect::Elsewhere),
        ] {
            assert_eq!(Redirect::of(location.as_bytes(), uri.as_bytes()), expected, "{location} {uri}");
        }
    }
}
