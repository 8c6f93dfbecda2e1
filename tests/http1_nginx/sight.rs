//! What nginx and we see in the same bytes, and what the difference is.

use wsproxy::http1::response::ParsedResponse;
use wsproxy::http1::status::shown_status;
use wsproxy::http1::{
    Framing, HeadLimits, Known, RequestError, RequestHead, RequestParser, ResponseHead, Target, Version,
    framing, parse_response, target,
};

use super::nginx::Nginx;

/// What a request comes to: what nginx serves, or the status it refuses with.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// The fields of [`SEEN`], with `|` between them.
    Served(String),
    Refused(u16),
    /// Nothing: the head is not whole.
    Waiting,
}

pub const SEEN: &str = "$request_method|$request_uri|$uri|$args|$is_args|$host|$server_protocol|$request|\
                    $http_x_tag|$http_x_|$http_content_length|$http_user_agent";

pub fn by_nginx(answer: &[u8]) -> Seen {
    let mut head = ResponseHead::new();
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match parse_response(answer, usize::MAX, &mut head) {
        Ok(ParsedResponse::Head(length)) if head.status == 200 => {
            let Ok(Framing::Length(body)) = framing::response_framing(&head, false) else {
                panic!("no length in {}", answer.escape_ascii());
            };
            Seen::Served(text(&answer[length..][..body as usize]))
        }
        Ok(ParsedResponse::Head(_)) => Seen::Refused(head.status),
        Ok(ParsedResponse::Partial) => Seen::Waiting,
        // HTTP/0.9: the body alone.
        Ok(ParsedResponse::Http09) => match answer.strip_prefix(b"<html>\r\n<head><title>") {
            Some(page) => Seen::Refused(text(&page[..3]).parse().expect("a status in the title")),
            None => Seen::Served(text(answer)),
        },
        other => panic!("{other:?} for {}", answer.escape_ascii()),
    }
}

pub struct Ours {
    pub seen: Seen,
    pub error: Option<RequestError>,
}

pub fn by_us(bytes: &[u8], limits: &HeadLimits, merge_slashes: bool) -> Ours {
    let (mut head, mut normal) = (RequestHead::new(), Target::new());
    let mut outcome = RequestParser::new().parse(bytes, limits, &mut head);
    // nginx judges the target before the header lines.
    if outcome != Ok(None) && !head.target().is_empty() {
        let target = target::normalise(head.target(), merge_slashes, &mut normal);
        outcome = target.and(outcome);
    }
    match outcome {
        Ok(None) => Ours { seen: Seen::Waiting, error: None },
        Ok(Some(_)) => Ours { seen: Seen::Served(seen(&head, &normal)), error: None },
        Err(error) => Ours { seen: Seen::Refused(shown_status(error.status())), error: Some(error) },
    }
}

fn seen(head: &RequestHead, target: &Target) -> String {
    let named = |name: &'static [u8]| head.headers.named_underscore(name).next().unwrap_or_default().to_vec();
    let host = if head.host().is_empty() { &b"fallback"[..] } else { head.host() };
    let content_length = head.headers.first(Known::ContentLength).unwrap_or_default();
    let protocol = if head.version() == Version::Http09 { &b""[..] } else { head.protocol() };
    let fields = [
        head.method_name(),
        head.target(),
        &target.path,
        &target.args,
        if target.args.is_empty() { b"" } else { b"?" },
        host,
        protocol,
        head.line(),
        &named(b"x_tag"),
        &named(b"x_"),
        content_length,
        &named(b"user_agent"),
    ];
    fields.map(|field| field.escape_ascii().to_string()).join("|")
}

pub struct Case {
    pub bytes: Vec<u8>,
    expected: Expected,
}

pub enum Expected {
    Same,
    /// nginx 1.22 sees the first, nginx 1.31 and we see the second, because of the third.
    Since(Seen, Seen, &'static str),
    /// nginx serves what we refuse.
    Stricter,
}

pub fn same(bytes: impl AsRef<[u8]>) -> Case {
    Case { bytes: bytes.as_ref().to_vec(), expected: Expected::Same }
}

pub fn line(line: &str) -> Case {
    same(format!("{line}\r\nHost: h\r\n\r\n"))
}

pub fn fields(fields: &str) -> Case {
    same(format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n"))
}

impl Case {
    pub fn since(self, why: &'static str, then: Seen, now: Seen) -> Case {
        Case { expected: Expected::Since(then, now, why), ..self }
    }

    pub fn stricter(self) -> Case {
        Case { expected: Expected::Stricter, ..self }
    }

    /// What is wrong with what the two saw.
    fn judge(&self, theirs: &Seen, ours: &Seen) -> Option<String> {
        let (as_expected, why) = match &self.expected {
            Expected::Same => (theirs == ours, ""),
            Expected::Since(then, now, why) => (theirs == then && ours == now, *why),
            Expected::Stricter => (
                matches!(theirs, Seen::Served(_)) && *ours == Seen::Refused(400),
                "nginx serves what is malformed",
            ),
        };
        let request = self.bytes.escape_ascii();
        (!as_expected).then(|| format!("{request} {why}\n  nginx {theirs:?}\n  we    {ours:?}"))
    }
}

pub fn served_on(socket: &str, more: &str) -> String {
    format!(
        "server {{ listen unix:DIR/{socket}; server_name fallback; {more}
         location / {{ default_type text/plain; return 200 '{SEEN}'; }} }}"
    )
}

/// Sends every case to nginx and to us; gives those that differ.
pub fn compare(
    nginx: &mut Nginx,
    socket: &str,
    limits: &HeadLimits,
    merge: bool,
    cases: &[Case],
) -> Vec<String> {
    let mut differences = Vec::new();
    for case in cases {
        let logged = nginx.log_length();
        let theirs = by_nginx(&nginx.exchange(socket, &case.bytes));
        let ours = by_us(&case.bytes, limits, merge);
        differences.extend(case.judge(&theirs, &ours.seen));
        if let (Some(error), Expected::Same) = (&ours.error, &case.expected) {
            let log = without_secrets(&nginx.log(logged));
            // Where a line ends with the last buffer, nginx blames that line, and for more than it is.
            let also = match error {
                RequestError::TooLargeRequest => "client sent too long header line",
                _ => "",
            };
            if !log.contains(&error.to_string()) && (also.is_empty() || !log.contains(also)) {
                let request = case.bytes.escape_ascii();
                differences.push(format!("{request}\n  nginx logs {log}\n  we log     {error}"));
            }
        }
    }
    differences
}

/// Header lines whose value only wsproxy keeps to itself.
const SECRET: [&str; 4] = ["Authorization", "Cookie", "Proxy-Authorization", "Sec-WebSocket-Protocol"];

/// A log of nginx with `***` where wsproxy has it: in quoted header lines that hold what lets a client in.
fn without_secrets(log: &str) -> String {
    let mut parts = log.split('"').map(|part| {
        let name = part.split_once(": ").map_or("", |(name, _)| name);
        let is_secret = SECRET.iter().any(|secret| secret.eq_ignore_ascii_case(name));
        if is_secret { format!("{name}: ***") } else { part.to_owned() }
    });
    let first = parts.next().unwrap_or_default();
    parts.fold(first, |log, part| format!("{log}\"{part}"))
}

pub fn assert_none(differences: Vec<String>) {
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}
