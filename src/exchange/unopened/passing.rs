//! What a location keeps back of a handshake, and the lines to write so that it does not.

use std::fmt;

use crate::http1::connection::list;
use crate::source::Place;
use crate::websocket::handshake::WhyNot;

use super::{At, Quoted, cut};

/// Why the upstream got no handshake though the client made one.
pub struct KeptBack<'a> {
    /// What the request that was sent lacks first.
    pub why: WhyNot<'a>,
    /// `proxy_pass`
    pub pass: Option<&'a Place>,
    /// `Upgrade` and `Connection`.
    pub lines: [Line<'a>; 2],
    /// A `proxy_set_header` that holds, and because of which those of outer blocks do not.
    pub voided_by: Option<&'a Place>,
    /// `proxy_http_version 1.0`
    pub http_1_0: Option<&'a Place>,
    /// `proxy_pass_request_headers off`
    pub headers_off: Option<&'a Place>,
}

/// A header that a location has to set.
pub struct Line<'a> {
    pub name: &'static str,
    /// The value to write.
    pub wanted: &'static str,
    /// The value that was sent.
    pub sent: Option<&'a [u8]>,
    /// The `proxy_set_header` that sets it.
    pub place: Option<&'a Place>,
    /// One of an outer block, which does not hold here.
    pub voided: Option<&'a Place>,
}

impl Line<'_> {
    fn is_right(&self) -> bool {
        let sent = self.sent.unwrap_or_default();
        match self.name {
            "Upgrade" => sent.eq_ignore_ascii_case(b"websocket"),
            _ => list(sent).any(|token| token.eq_ignore_ascii_case(b"upgrade")),
        }
    }

    fn is_voided(&self) -> bool {
        self.place.is_none() && self.voided.is_some()
    }
}

/// The line as it is to be written.
impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"proxy_set_header {} {};\"", self.name, self.wanted)
    }
}

impl fmt::Display for KeptBack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a WebSocket was asked for and not passed on: ")?;
        let mut parts = Parts { f, any: false };
        if let Some(place) = self.http_1_0 {
            parts.next(format_args!("\"proxy_http_version 1.0;\" ({place}) has to be 1.1"))?;
        }
        let wrong = || self.lines.iter().filter(|line| !line.is_right());
        for line in wrong().filter(|line| line.place.is_some()) {
            let (name, place) = (line.name, At(line.place));
            match line.sent {
                None | Some(b"") => parts
                    .next(format_args!("\"proxy_set_header {name}\"{place} sends nothing: write {line}"))?,
                Some(sent) => parts.next(format_args!(
                    "\"proxy_set_header {name}\"{place} sends {}: write {line}",
                    Quoted(sent)
                ))?,
            }
        }
        let voided: Vec<&Line> = wrong().filter(|line| line.is_voided()).collect();
        if !voided.is_empty() {
            self.voided(&voided, &mut parts)?;
        }
        let unset: Vec<&Line> = wrong().filter(|line| line.place.is_none() && !line.is_voided()).collect();
        if !unset.is_empty() {
            parts.next(format_args!("add {} beside proxy_pass{}", All(&unset), At(self.pass)))?;
        }
        if wrong().next().is_some() && wrong().all(|line| line.place.is_none()) {
            write!(parts.f, ", or \"# wsproxy: websocket_proxy on;\"")?;
        }
        if let Some(place) = self.headers_off {
            let message = "keeps Sec-WebSocket-Key back";
            parts.next(format_args!("\"proxy_pass_request_headers off;\" ({place}) {message}"))?;
        }
        if !parts.any {
            let (why, pass) = (cut(self.why), At(self.pass));
            parts.next(format_args!(
                "proxy_method or proxy_set_header beside proxy_pass{pass} spoils it ({why})"
            ))?;
        }
        Ok(())
    }
}

impl KeptBack<'_> {
    /// The classic: one `proxy_set_header` in a location, and none of the server's holds any more.
    fn voided(&self, lines: &[&Line], parts: &mut Parts) -> fmt::Result {
        let (by, it) = (At(self.voided_by), if lines.len() == 1 { "it" } else { "them" });
        let names = lines.iter().map(|line| format!("{}{}", line.name, At(line.voided)));
        let names = names.collect::<Vec<_>>().join(" and ");
        parts.next(format_args!(
            "the location's own proxy_set_header{by} makes void those of the outer block, {names} among \
them: repeat {it} here"
        ))
    }
}

/// Clauses with `; ` between them.
struct Parts<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    any: bool,
}

impl Parts<'_, '_> {
    fn next(&mut self, part: fmt::Arguments) -> fmt::Result {
        if std::mem::replace(&mut self.any, true) {
            self.f.write_str("; ")?;
        }
        self.f.write_fmt(part)
    }
}

/// Lines to write, with `and` between them.
struct All<'a>(&'a [&'a Line<'a>]);

impl fmt::Display for All<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, line) in self.0.iter().enumerate() {
            write!(f, "{}{line}", if at == 0 { "" } else { " and " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sent` and the lines that set and do not set `Upgrade` and `Connection`, as numbers of lines.
    type Case = (Option<&'static str>, Option<u32>, Option<u32>);

    struct Facts {
        lines: [Case; 2],
        voided_by: Option<u32>,
        http_1_0: Option<u32>,
        headers_off: Option<u32>,
    }

    const RIGHT: [Case; 2] = [(Some("websocket"), Some(3), None), (Some("Upgrade"), Some(4), None)];

    fn facts(lines: [Case; 2]) -> Facts {
        Facts { lines, voided_by: None, http_1_0: None, headers_off: None }
    }

    fn told(facts: Facts) -> String {
        let places: Vec<Place> = (0..30).map(|line| Place { file: "a.conf".into(), line }).collect();
        let at = |line: Option<u32>| line.map(|line| &places[line as usize]);
        let [upgrade, connection] = facts.lines;
        let line = |name, wanted, (sent, place, voided): Case| Line {
            name,
            wanted,
            sent: sent.map(str::as_bytes),
            place: at(place),
            voided: at(voided),
        };
        let kept = KeptBack {
            why: WhyNot::Method,
            pass: at(Some(12)),
            lines: [line("Upgrade", "$http_upgrade", upgrade), line("Connection", "upgrade", connection)],
            voided_by: at(facts.voided_by),
            http_1_0: at(facts.http_1_0),
            headers_off: at(facts.headers_off),
        };
        let text = kept.to_string();
        assert!(text.len() < 320, "{} bytes: {text}", text.len());
        text.strip_prefix("a WebSocket was asked for and not passed on: ").unwrap().to_owned()
    }

    #[test]
    fn nothing_set() {
        assert_eq!(
            told(facts([(None, None, None), (None, None, None)])),
            "add \"proxy_set_header Upgrade $http_upgrade;\" and \"proxy_set_header Connection upgrade;\" beside \
proxy_pass (a.conf:12), or \"# wsproxy: websocket_proxy on;\""
        );
    }

    #[test]
    fn one_of_two_set() {
        assert_eq!(
            told(facts([RIGHT[0], (None, None, None)])),
            "add \"proxy_set_header Connection upgrade;\" beside proxy_pass (a.conf:12), or \
\"# wsproxy: websocket_proxy on;\""
        );
    }

    #[test]
    fn set_to_something_else() {
        assert_eq!(
            told(facts([(None, Some(3), None), RIGHT[1]])),
            "\"proxy_set_header Upgrade\" (a.conf:3) sends nothing: write \"proxy_set_header Upgrade \
$http_upgrade;\""
        );
        assert_eq!(
            told(facts([RIGHT[0], (Some("keep-alive"), Some(4), Some(2))])),
            "\"proxy_set_header Connection\" (a.conf:4) sends \"keep-alive\": write \"proxy_set_header \
Connection upgrade;\""
        );
    }

    #[test]
    fn made_void_by_a_line_of_the_location() {
        let lines = [(None, None, Some(5)), (None, None, Some(6))];
        assert_eq!(
            told(Facts { voided_by: Some(20), ..facts(lines) }),
            "the location's own proxy_set_header (a.conf:20) makes void those of the outer block, Upgrade \
(a.conf:5) and Connection (a.conf:6) among them: repeat them here, or \"# wsproxy: websocket_proxy on;\""
        );
        assert_eq!(
            told(Facts { voided_by: Some(20), ..facts([RIGHT[0], (None, None, Some(6))]) }),
            "the location's own proxy_set_header (a.conf:20) makes void those of the outer block, Connection \
(a.conf:6) among them: repeat it here, or \"# wsproxy: websocket_proxy on;\""
        );
    }

    #[test]
    fn an_old_version() {
        assert_eq!(
            told(Facts { http_1_0: Some(9), ..facts(RIGHT) }),
            "\"proxy_http_version 1.0;\" (a.conf:9) has to be 1.1"
        );
        assert_eq!(
            told(Facts { http_1_0: Some(9), ..facts([(None, None, None), RIGHT[1]]) }),
            "\"proxy_http_version 1.0;\" (a.conf:9) has to be 1.1; add \"proxy_set_header Upgrade $http_upgrade;\" \
beside proxy_pass (a.conf:12), or \"# wsproxy: websocket_proxy on;\""
        );
    }

    #[test]
    fn the_key_kept_back() {
        assert_eq!(
            told(Facts { headers_off: Some(7), ..facts(RIGHT) }),
            "\"proxy_pass_request_headers off;\" (a.conf:7) keeps Sec-WebSocket-Key back"
        );
        assert_eq!(
            told(facts(RIGHT)),
            "proxy_method or proxy_set_header beside proxy_pass (a.conf:12) spoils it (method is not GET)"
        );
    }
}
