//! WebSockets that were asked for where no upstream is asked.

use std::fmt;

use crate::source::Place;

use super::Quoted;
use super::redirect::Redirect;

/// How a handshake was answered by the configuration itself.
pub struct Here<'a> {
    pub status: u16,
    /// The reply's `Location`.
    pub location: Option<&'a [u8]>,
    /// What the client asked for.
    pub uri: &'a [u8],
    pub what: What,
    pub place: &'a Place,
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A location with `root` or `alias`.
    Files,
    /// A `return` or a `rewrite`.
    Itself,
    /// A server, outside of all its locations.
    NoLocation,
    /// What has said so already.
    Elsewhere,
}

impl<'a> Here<'a> {
    /// What there is to tell, if anything is.
    pub fn message(&'a self) -> Option<impl fmt::Display + 'a> {
        let told = self.redirect().is_some() || self.what != What::Elsewhere;
        told.then_some(Message(self))
    }

    fn redirect(&self) -> Option<&'a [u8]> {
        self.location.filter(|_| (300..400).contains(&self.status))
    }
}

struct Message<'a>(&'a Here<'a>);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Here { status, uri, what, place, .. } = self.0;
        let asked = "a WebSocket was asked for";
        if let Some(location) = self.0.redirect() {
            let (uri, to) = (Quoted(uri), Quoted(location));
            let cure = match Redirect::of(location, self.0.uri) {
                Redirect::Slash => "the client has to ask for that, or the location to be named otherwise",
                Redirect::Tls => "the page has to ask with wss://",
                Redirect::Elsewhere => "the client has to ask for that address",
            };
            return write!(
                f,
                "{asked} at {uri} and redirected ({status}, {place}) to {to}, which no browser follows: {cure}"
            );
        }
        match what {
            What::Files => write!(
                f,
                "{asked} at a location that serves files ({place}): it needs a proxy_pass, or the client \
another URI"
            ),
            What::Itself | What::Elsewhere => write!(
                f,
                "{asked} where the configuration itself answers {status} ({place}): the client needs another \
URI, or that one a location with a proxy_pass"
            ),
            What::NoLocation => write!(
                f,
                "{asked} at {}, for which the server ({place}) has no location: add one with a proxy_pass",
                Quoted(uri)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, location: Option<&str>, what: What) -> String {
        let place = Place { file: "a.conf".into(), line: 12 };
        let location = location.map(str::as_bytes);
        let here = Here { status, location, uri: b"/ws", what, place: &place };
        here.message().map_or_else(String::new, |message| message.to_string())
    }

    #[test]
    fn where_no_upstream_is_asked() {
        for (status, location, what, expected) in [
            (
                404,
                None,
                What::Files,
                "at a location that serves files (a.conf:12): it needs a proxy_pass, or the client another URI",
            ),
            (
                403,
                None,
                What::Itself,
                "where the configuration itself answers 403 (a.conf:12): the client needs another URI, or that \
one a location with a proxy_pass",
            ),
            (
                404,
                None,
                What::NoLocation,
                "at \"/ws\", for which the server (a.conf:12) has no location: add one with a proxy_pass",
            ),
            (
                301,
                Some("http://a/ws/"),
                What::Elsewhere,
                "at \"/ws\" and redirected (301, a.conf:12) to \"http://a/ws/\", which no browser follows: the \
client has to ask for that, or the location to be named otherwise",
            ),
            (
                301,
                Some("https://a/ws"),
                What::Itself,
                "at \"/ws\" and redirected (301, a.conf:12) to \"https://a/ws\", which no browser follows: the \
page has to ask with wss://",
            ),
            (
                302,
                Some("/login"),
                What::Itself,
                "at \"/ws\" and redirected (302, a.conf:12) to \"/login\", which no browser follows: the client \
has to ask for that address",
            ),
        ] {
            assert_eq!(told(status, location, what), format!("a WebSocket was asked for {expected}"));
        }
        assert_eq!(told(413, None, What::Elsewhere), "");
    }
}
