//! What an upstream's answer to a handshake means, and what to do about it.

use std::fmt;
use std::time::Duration;

use crate::features::Set;
use crate::source::Place;
use crate::websocket::handshake::{Accept, Grant};

use super::redirect::Redirect;
use super::{At, Quoted};

/// An answer other than 101 to a handshake that was passed on whole.
pub struct Answer<'a> {
    pub status: u16,
    /// `proxy_pass`
    pub pass: Option<&'a Place>,
    /// The URI that the client asked for, and the one that the upstream was asked for.
    pub client_uri: &'a [u8],
    pub uri: &'a [u8],
    pub host: &'a [u8],
    pub host_from: From<'a>,
    pub origin: Option<&'a [u8]>,
    pub origin_from: From<'a>,
    pub credentials: Credentials,
    /// `Location` of the answer.
    pub location: Option<&'a [u8]>,
    /// `Sec-WebSocket-Version` of the answer.
    pub versions: Option<&'a [u8]>,
}

/// Who gave a header its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From<'a> {
    /// A `proxy_set_header`.
    Line(&'a Place),
    Client,
    /// nginx's own way with `Host`.
    Default,
}

/// Which credentials a handshake had with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub cookie: bool,
    pub authorization: bool,
}

impl fmt::Display for From<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            From::Line(place) => write!(f, " ({place})"),
            From::Client => f.write_str(" (the client's)"),
            From::Default => f.write_str(" (nginx's default $proxy_host)"),
        }
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.cookie, self.authorization) {
            (false, false) => "without Cookie and Authorization",
            (true, false) => "with a Cookie and without Authorization",
            (false, true) => "with Authorization and without a Cookie",
            (true, true) => "with a Cookie and Authorization",
        })
    }
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status;
        match (status, self.location) {
            (300..400, Some(location)) => return self.redirect(location, f),
            (403, _) => return self.forbidden(f),
            _ => write!(f, "upstream answered {status} to a WebSocket handshake")?,
        }
        match status {
            200..300 => write!(f, " as to a plain request: it speaks no WebSocket at {}", Uri(self)),
            404 | 405 => write!(f, ": it has no WebSocket at {}", Uri(self)),
            400 => {
                let (host, from) = (Quoted(self.host), self.host_from);
                write!(f, " that was passed on whole: often it does not know Host {host}{from}")?;
                self.advise_host(f)
            }
            401 => write!(
                f,
                " that came {}: it wants credentials, and a page can give a WebSocket none but cookies and its \
URI",
                self.credentials
            ),
            426 => match self.versions {
                Some(versions) => {
                    write!(f, " of version 13: it speaks version {} and is to be updated", Quoted(versions))
                }
                None => write!(
                    f,
                    " that was passed on whole: something between proxy_pass{} and the server takes Upgrade \
away",
                    At(self.pass)
                ),
            },
            429 => f.write_str(
                ": it counts requests, those of all clients as one unless it reads X-Forwarded-For",
            ),
            502 | 504 => f.write_str(
                ": it is a gateway itself, and what is behind it failed, or got no handshake; its own log says \
more",
            ),
            503 => f.write_str(": it is overloaded or stopping, or nothing is left behind it"),
            _ => write!(f, ": only its own log says why; it was asked for {}", Quoted(self.uri)),
        }
    }
}

impl Answer<'_> {
    fn redirect(&self, location: &[u8], f: &mut fmt::Formatter) -> fmt::Result {
        let (status, uri, to, pass) = (self.status, Quoted(self.uri), Quoted(location), At(self.pass));
        write!(
            f,
            "upstream redirected a WebSocket handshake for {uri} ({status}) to {to}, which no browser follows: "
        )?;
        match Redirect::of(location, self.uri) {
            Redirect::Slash if self.uri == self.client_uri => {
                write!(f, "the client, or a URI of proxy_pass{pass}, has to ask for that")
            }
            Redirect::Slash => write!(f, "proxy_pass{pass} has to make that of {}", Quoted(self.client_uri)),
            Redirect::Tls => write!(
                f,
                "the page has to ask with wss://, or add \"proxy_set_header X-Forwarded-Proto $scheme;\" beside \
proxy_pass{pass}"
            ),
            Redirect::Elsewhere => write!(
                f,
                "the client has to ask for that, or it is a login (the handshake came {})",
                self.credentials
            ),
        }
    }

    fn forbidden(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (host, host_from) = (Quoted(self.host), self.host_from);
        let Some(origin) = self.origin else {
            return write!(
                f,
                "upstream answered 403 to a WebSocket handshake without Origin and with Host {host}{host_from}: a \
server that checks origins wants one"
            );
        };
        let (shown, from) = (Quoted(origin), self.origin_from);
        write!(
            f,
            "upstream answered 403 to a WebSocket handshake with Origin {shown}{from} and Host \
{host}{host_from}: "
        )?;
        if authority(origin).eq_ignore_ascii_case(self.host) {
            return f.write_str("they agree, so its own list of origins or a login decides");
        }
        f.write_str("servers want the two to agree, or have a list of origins")?;
        self.advise_host(f)
    }

    /// The line that sends the client's host, where nobody wrote one.
    fn advise_host(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.host_from != From::Default {
            return Ok(());
        }
        write!(f, "; add \"proxy_set_header Host $http_host;\" beside proxy_pass{}", At(self.pass))
    }
}

/// What stands behind the scheme of an origin.
fn authority(origin: &[u8]) -> &[u8] {
    let colon = origin.windows(3).position(|part| part == b"://");
    colon.map_or(origin, |colon| &origin[colon + 3..])
}

/// The URI that the upstream was asked for, and how it came to be.
struct Uri<'a>(&'a Answer<'a>);

impl fmt::Display for Uri<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answer { uri, client_uri, pass, .. } = self.0;
        let pass = At(*pass);
        write!(f, "{}, ", Quoted(uri))?;
        match uri == client_uri {
            true => write!(f, "as the client sent it; a URI in proxy_pass{pass} would change it"),
            false => {
                let client = Quoted(client_uri);
                write!(
                    f,
                    "which the location made of the client's {client}: see its rewrites and proxy_pass{pass}"
                )
            }
        }
    }
}

/// What a client will not like about a 101, and who has to mend it.
pub fn oddities(grant: &Grant) -> Option<String> {
    let odd: Vec<&str> = grant.oddities().collect();
    let closes = grant.accept != Accept::Right || !grant.protocol_offered;
    let cure = match (closes, grant.accept) {
        (true, Accept::Wrong) => {
            "the client will close it; the upstream answers another key than the client's Sec-WebSocket-Key"
        }
        (true, _) => "the client will close it; mend the upstream",
        (false, _) => "the client gets one from here; mend the upstream",
    };
    (!odd.is_empty()).then(|| format!("upstream answered 101 {}: {cure}", odd.join(" and ")))
}

/// A limit that was reached before an answer to a handshake.
pub struct Waited<'a>(pub &'static str, pub &'a Set<Duration>);

impl fmt::Display for Waited<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Waited(name, Set { value, place }) = self;
        match place {
            Some(place) => write!(f, "a WebSocket handshake has {value:?} for this ({name}, {place})"),
            None => write!(f, "a WebSocket handshake has {value:?} for this (the default of {name})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    static PASS: LazyLock<Place> = LazyLock::new(|| place(12));

    fn place(line: u32) -> Place {
        Place { file: "a.conf".into(), line }
    }

    /// What is told of an answer that `change` makes of one to a plain handshake for `/ws`.
    fn told<'a>(change: impl FnOnce(&mut Answer<'a>)) -> String {
        let mut answer = Answer {
            status: 0,
            pass: Some(&PASS),
            client_uri: b"/ws",
            uri: b"/ws",
            host: b"backend",
            host_from: From::Default,
            origin: Some(b"http://a:8080"),
            origin_from: From::Client,
            credentials: Credentials { cookie: false, authorization: false },
            location: None,
            versions: None,
        };
        change(&mut answer);
        let text = answer.to_string();
        assert!(text.len() < 400, "{} bytes: {text}", text.len());
        text
    }

    #[test]
    fn statuses() {
        for (status, expected) in [
            (
                200,
                " as to a plain request: it speaks no WebSocket at \"/ws\", as the client sent it; a URI in \
proxy_pass (a.conf:12) would change it",
            ),
            (
                400,
                " that was passed on whole: often it does not know Host \"backend\" (nginx's default \
$proxy_host); add \"proxy_set_header Host $http_host;\" beside proxy_pass (a.conf:12)",
            ),
            (
                401,
                " that came without Cookie and Authorization: it wants credentials, and a page can give a \
WebSocket none but cookies and its URI",
            ),
            (
                404,
                ": it has no WebSocket at \"/ws\", as the client sent it; a URI in proxy_pass \
(a.conf:12) would change it",
            ),
            (
                426,
                " that was passed on whole: something between proxy_pass (a.conf:12) and the server takes \
Upgrade away",
            ),
            (429, ": it counts requests, those of all clients as one unless it reads X-Forwarded-For"),
            (500, ": only its own log says why; it was asked for \"/ws\""),
            (
                502,
                ": it is a gateway itself, and what is behind it failed, or got no handshake; its own log says \
more",
            ),
            (503, ": it is overloaded or stopping, or nothing is left behind it"),
        ] {
            let expected = format!("upstream answered {status} to a WebSocket handshake{expected}");
            assert_eq!(told(|answer| answer.status = status), expected);
        }
    }

    #[test]
    fn the_uri_that_proxy_pass_made() {
        let text = told(|answer| {
            answer.status = 404;
            answer.uri = b"//chat";
            answer.client_uri = b"/ws/chat";
        });
        assert!(text.ends_with(
            "no WebSocket at \"//chat\", which the location made of the client's \"/ws/chat\": see its rewrites \
and proxy_pass (a.conf:12)"
        ));
    }

    #[test]
    fn a_host_that_a_line_sets() {
        let at = place(14);
        let text = told(|answer| {
            answer.status = 400;
            answer.host_from = From::Line(&at);
        });
        assert!(text.ends_with("does not know Host \"backend\" (a.conf:14)"), "{text}");
    }

    #[test]
    fn a_version_that_only_the_upstream_speaks() {
        let text = told(|answer| {
            answer.status = 426;
            answer.versions = Some(b"8, 7");
        });
        assert!(text.ends_with(" of version 13: it speaks version \"8, 7\" and is to be updated"), "{text}");
    }

    #[test]
    fn origin_and_host() {
        let forbidden = "upstream answered 403 to a WebSocket handshake with";
        assert_eq!(
            told(|answer| answer.status = 403),
            format!(
                "{forbidden} Origin \"http://a:8080\" (the client's) and Host \"backend\" (nginx's default \
$proxy_host): servers want the two to agree, or have a list of origins; add \"proxy_set_header Host $http_host;\" \
beside proxy_pass (a.conf:12)"
            )
        );
        let (host, origin) = (place(14), place(15));
        let with_lines = told(|answer| {
            answer.status = 403;
            (answer.host, answer.host_from) = (b"a", From::Line(&host));
            answer.origin_from = From::Line(&origin);
        });
        assert_eq!(
            with_lines,
            format!(
                "{forbidden} Origin \"http://a:8080\" (a.conf:15) and Host \"a\" (a.conf:14): servers want the \
two to agree, or have a list of origins"
            )
        );
        let agree = told(|answer| {
            answer.status = 403;
            (answer.host, answer.host_from) = (b"A:8080", From::Client);
        });
        assert!(agree.ends_with(": they agree, so its own list of origins or a login decides"), "{agree}");
        let without = told(|answer| (answer.status, answer.origin) = (403, None));
        assert_eq!(
            without,
            format!(
                "{}out Origin and with Host \"backend\" (nginx's default $proxy_host): a server that checks \
origins wants one",
                forbidden
            )
        );
    }

    #[test]
    fn redirects() {
        for (location, uri, expected) in [
            ("/ws/", "/ws", "the client, or a URI of proxy_pass (a.conf:12), has to ask for that"),
            ("/chat/", "/chat", "proxy_pass (a.conf:12) has to make that of \"/ws\""),
            (
                "https://a/ws",
                "/ws",
                "the page has to ask with wss://, or add \"proxy_set_header X-Forwarded-Proto $scheme;\" beside \
proxy_pass (a.conf:12)",
            ),
            (
                "/login",
                "/ws",
                "the client has to ask for that, or it is a login (the handshake came without Cookie and \
Authorization)",
            ),
        ] {
            let text = told(|answer| {
                answer.status = 301;
                answer.location = Some(location.as_bytes());
                answer.uri = uri.as_bytes();
            });
            assert_eq!(
                text,
                format!(
                    "upstream redirected a WebSocket handshake for \"{uri}\" (301) to \"{location}\", which no \
browser follows: {expected}"
                )
            );
        }
    }

    #[test]
    fn long_values_are_cut() {
        told(|answer| {
            answer.status = 301;
            answer.location = Some(&[b'x'; 4000]);
            answer.uri = &[b'y'; 4000];
        });
    }

    #[test]
    fn what_is_odd_about_a_switch() {
        let right = Grant { connection_upgrade: true, accept: Accept::Right, protocol_offered: true };
        assert_eq!(oddities(&right), None);
        for (grant, expected) in [
            (
                Grant { accept: Accept::Wrong, ..right },
                "with a wrong Sec-WebSocket-Accept: the client will close it; the upstream answers another key \
than the client's Sec-WebSocket-Key",
            ),
            (
                Grant { accept: Accept::Missing, ..right },
                "without a Sec-WebSocket-Accept: the client will close it; mend the upstream",
            ),
            (
                Grant { protocol_offered: false, ..right },
                "with a Sec-WebSocket-Protocol that the client did not offer: the client will close it; mend the \
upstream",
            ),
            (
                Grant { connection_upgrade: false, ..right },
                "without Connection: upgrade: the client gets one from here; mend the upstream",
            ),
        ] {
            assert_eq!(oddities(&grant).unwrap(), format!("upstream answered 101 {expected}"));
        }
    }

    #[test]
    fn limits() {
        let minute = Set::default_of(Duration::from_secs(60));
        assert_eq!(
            Waited("proxy_read_timeout", &minute).to_string(),
            "a WebSocket handshake has 60s for this (the default of proxy_read_timeout)"
        );
        let written = Set { value: Duration::from_millis(300), place: Some(place(7)) };
        assert_eq!(
            Waited("proxy_connect_timeout", &written).to_string(),
            "a WebSocket handshake has 300ms for this (proxy_connect_timeout, a.conf:7)"
        );
    }
}
