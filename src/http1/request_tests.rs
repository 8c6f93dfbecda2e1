//! Heads of requests: what is read, what is refused and in which words, wherever they are cut.

use proptest::prelude::*;

use super::*;

fn parse_with(bytes: &[u8], limits: &HeadLimits) -> (Result<Option<usize>, RequestError>, RequestHead) {
    let mut head = RequestHead::new();
    let outcome = RequestParser::new().parse(bytes, limits, &mut head);
    (outcome, head)
}

fn parse(bytes: &[u8]) -> (Result<Option<usize>, RequestError>, RequestHead) {
    parse_with(bytes, &HeadLimits::default())
}

fn head(text: &str) -> RequestHead {
    let (outcome, head) = parse(text.as_bytes());
    assert_eq!(outcome, Ok(Some(text.len())), "{text:?}");
    head
}

fn refusal(text: &str) -> (u16, String) {
    let (outcome, _) = parse(text.as_bytes());
    let error = outcome.expect_err(text);
    (error.status(), error.to_string())
}

#[test]
fn a_plain_head() {
    let head = head("GET /a?b HTTP/1.1\r\nHost: Example.COM:8080\r\nX-Foo:  b a r \r\n\r\n");
    assert_eq!(head.line(), b"GET /a?b HTTP/1.1");
    assert_eq!((head.method(), head.method_name()), (Method::Get, &b"GET"[..]));
    assert_eq!((head.target(), head.protocol()), (&b"/a?b"[..], &b"HTTP/1.1"[..]));
    assert_eq!((head.host(), head.port()), (&b"example.com"[..], Some(8080)));
    assert_eq!(head.headers.first(Known::Host), Some(&b"Example.COM:8080"[..]));
    assert_eq!(head.headers.named(b"x-foo").next(), Some(&b"b a r"[..]));
    assert_eq!((head.version(), head.framing(), head.keep_alive()), (Version::Http11, Framing::None, true));
    assert_eq!(head.length(), 61);
}

#[test]
fn line_ends_spaces_and_empty_lines_are_taken_as_nginx_takes_them() {
    let head = |text| {
        let head = head(text);
        (head.line().to_vec(), head.protocol().to_vec())
    };
    assert_eq!(head("\r\n\n\rGET / HTTP/1.0\n\n"), (b"GET / HTTP/1.0".into(), b"HTTP/1.0".into()));
    assert_eq!(head("GET   /   HTTP/1.0  \r\n\n"), (b"GET   /   HTTP/1.0  ".into(), b"HTTP/1.0  ".into()));
    assert_eq!(head("GET /\r\n"), (b"GET /".into(), b"".into()));
    assert_eq!(head("GET / \n"), (b"GET / ".into(), b"".into()));
    let (outcome, _) = parse(b"GET / HTTP/1.0\r\n\r\nPOST");
    assert_eq!(outcome, Ok(Some(18)));
}

#[test]
fn targets() {
    let target = |target: &str| {
        let head = head(&format!("GET {target} HTTP/1.0\r\n\r\n"));
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        (text(head.target()), text(head.host()), head.port())
    };
    assert_eq!(target("/\"<>`{}|\\^#x"), ("/\\\"<>`{}|\\\\^#x".into(), "".into(), None));
    assert_eq!(target("/\u{e9}"), ("/\\xc3\\xa9".into(), "".into(), None));
    assert_eq!(target("http://A.b/c?d"), ("/c?d".into(), "a.b".into(), None));
    assert_eq!(target("http://a.b:81"), ("/".into(), "a.b".into(), Some(81)));
    assert_eq!(target("x-y+z.1://[::1]:81?q"), ("?q".into(), "[::1]".into(), Some(81)));
    assert_eq!(head("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n").host(), b"a");
    assert_eq!(head("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n").scheme(), b"http");
}

#[test]
fn versions() {
    let version = |protocol: &str| head(&format!("GET / {protocol}\r\nHost: a\r\n\r\n")).version();
    assert_eq!(version("HTTP/1.0"), Version::Http10);
    assert_eq!(version("HTTP/1.00"), Version::Http10);
    assert_eq!(version("HTTP/1.1"), Version::Http11);
    assert_eq!(version("HTTP/1.2"), Version::Http11);
    assert_eq!(version("HTTP/1.999"), Version::Http11);
    for protocol in ["HTTP/2.0", "HTTP/2", "HTTP/3.1", "HTTP/10.0"] {
        let refused = (505, "client sent invalid version".into());
        assert_eq!(refusal(&format!("GET / {protocol}\r\n\r\n")), refused, "{protocol}");
    }
    for protocol in
        ["HTTP/0.9", "HTTP/1", "HTTP/1.", "HTTP/1.1x", "HTTP/1.1000", "http/1.1", "HTTPS/1.1", "x"]
    {
        let refused = (400, "client sent invalid request".into());
        assert_eq!(refusal(&format!("GET / {protocol}\r\n\r\n")), refused, "{protocol}");
    }
}

#[test]
fn request_lines_that_are_refused() {
    for (line, status, words) in [
        ("get / HTTP/1.1", 400, "client sent invalid method"),
        ("G=T / HTTP/1.1", 400, "client sent invalid method"),
        (" GET / HTTP/1.1", 400, "client sent invalid method"),
        ("\x16\x03\x01", 400, "client sent invalid method"),
        ("GET", 400, "client sent invalid method"),
        ("GET *", 400, "client sent invalid request"),
        ("OPTIONS * HTTP/1.1", 400, "client sent invalid request"),
        ("GET /\x01 HTTP/1.1", 400, "client sent invalid request"),
        ("GET /\x7f HTTP/1.1", 400, "client sent invalid request"),
        ("GET /\tHTTP/1.1", 400, "client sent invalid request"),
        ("GET / x HTTP/1.1", 400, "client sent invalid request"),
        ("GET http:/a HTTP/1.1", 400, "client sent invalid request"),
        ("GET http://a_b/ HTTP/1.1", 400, "client sent invalid request"),
        ("GET http:///a HTTP/1.1", 400, "client sent invalid host in request line"),
        ("GET http://a:66000/ HTTP/1.1", 400, "client sent invalid host in request line"),
        ("POST /", 400, "client sent invalid method in HTTP/0.9 request"),
        ("GET / HTTP/1.1\rx", 400, "client sent invalid request"),
        ("CONNECT a HTTP/1.1", 400, "client sent invalid request"),
        ("CONNECT a:1 HTTP/1.1", 405, "client sent CONNECT method"),
        ("TRACE / HTTP/1.1", 405, "client sent TRACE method"),
    ] {
        assert_eq!(refusal(&format!("{line}\r\nHost: a\r\n\r\n")), (status, words.into()), "{line:?}");
    }
}

#[test]
fn header_fields_that_are_refused() {
    for (fields, status, words) in [
        ("", 400, "client sent HTTP/1.1 request without \"Host\" header"),
        (
            "Host: a\r\nHost: b",
            400,
            "client sent duplicate host header: \"Host: b\", previous value: \"Host: a\"",
        ),
        ("Host:", 400, "client sent invalid host header"),
        ("Host: a/b", 400, "client sent invalid host header"),
        ("Host : a", 400, "client sent invalid header line: \"Host\\x20...\""),
        ("Host: a\r\nFoo", 400, "client sent invalid header line: \"Foo\\x0d...\""),
        ("Host: a\r\nFoo: \x1b[1m", 400, "client sent invalid header line: \"Foo: \\x1b...\""),
        ("Host: a\r\n b", 400, "client sent invalid header line: \"\\x20...\""),
        ("Host: a\r\nA: b\rc\x1b", 400, "client sent invalid header line: \"A: b\\x0d...\""),
        (
            "Host: a\r\nContent-Length: 1\r\ncontent-length: 1",
            400,
            "client sent duplicate header line: \"content-length: 1\", previous value: \"Content-Length: 1\"",
        ),
        ("Host: a\r\nContent-Length: x", 400, "client sent invalid \"Content-Length\" header"),
        (
            "Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1",
            400,
            "client sent \"Content-Length\" and \"Transfer-Encoding\" headers at the same time",
        ),
        (
            "Host: a\r\nTransfer-Encoding: gzip,\tchunked",
            501,
            "client sent unknown \"Transfer-Encoding\": \"gzip,\\x09chunked\"",
        ),
    ] {
        let head = if fields.is_empty() { "\r\n".into() } else { format!("{fields}\r\n\r\n") };
        assert_eq!(refusal(&format!("GET / HTTP/1.1\r\n{head}")), (status, words.into()), "{fields:?}");
    }
    let http10 = "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(
        refusal(http10),
        (400, "client sent HTTP/1.0 request with \"Transfer-Encoding\" header".into())
    );
}

#[test]
fn after_a_refusal_the_log_has_what_came() {
    let (_, head) = parse(b"BAD\x01 / HTTP/1.1\r\n\r\n");
    assert_eq!((head.line(), head.method_name()), (&b"BAD\x01 / HTTP/1.1"[..], &b""[..]));
    let (_, head) = parse(b"GET / HTTP/1.1\r\nUser-Agent: x\r\nHost: /\r\nCookie: y\r\n\r\n");
    assert_eq!(head.line(), b"GET / HTTP/1.1");
    assert_eq!(head.headers.first(Known::UserAgent), Some(&b"x"[..]));
    assert_eq!(head.headers.first(Known::Cookie), None);
}

#[test]
fn limits() {
    let limits = HeadLimits {
        client_header_buffer_size: 64,
        large_count: 2,
        large_size: 128,
        ..HeadLimits::default()
    };
    let line = |length: usize| format!("GET /{} HTTP/1.0\r\n", "a".repeat(length - 16));
    let field = |length: usize| format!("A: {}\r\n", "b".repeat(length - 5));
    let refusal = |text: String| {
        let (outcome, head) = parse_with(text.as_bytes(), &limits);
        (outcome.map_err(|error| error.status()), head.line().len())
    };
    assert_eq!(refusal(line(128) + "\r\n").0, Ok(Some(130)));
    assert_eq!(refusal(line(129) + "\r\n").0, Err(414));
    assert_eq!(refusal(line(300)[..127].into()).0, Ok(None));
    assert_eq!(refusal(line(300)[..128].into()), (Err(414), 128));
    assert_eq!(refusal(line(64) + &field(128) + &field(126) + "\r\n").0, Ok(Some(320)));
    assert_eq!(refusal(line(64) + &field(128) + &field(127) + "\r\n"), (Err(494), 62));
    assert_eq!(refusal(line(64) + &field(129) + "\r\n").0, Err(494));
    assert_eq!(refusal(line(64) + &field(300)[..128]).0, Err(494));
    assert_eq!(refusal(line(64) + "B : x\r\n" + &field(300)).0, Err(400));
    let bad_behind_the_last_that_fits = line(64) + &field(128) + &field(128) + "B : x\r\n\r\n";
    assert_eq!(refusal(bad_behind_the_last_that_fits).0, Err(494));
    assert_eq!(parse_with(&[b'\n'; 129], &limits).0, Err(RequestError::InvalidRequest));
    let few = HeadLimits { max_headers: 1, ..HeadLimits::default() };
    let (outcome, _) = parse_with(b"GET / HTTP/1.0\r\nA: 1\r\nX_X: 2\r\nB: 3\r\n\r\n", &few);
    assert_eq!(outcome, Err(RequestError::TooManyHeaders));
}

#[test]
fn invalid_names_are_noted() {
    let head = head("GET / HTTP/1.0\r\nA_b: c\r\nUpgrade: x\r\nd.e:\r\n\r\n");
    assert_eq!(head.headers.len(), 1);
    assert_eq!(head.dropped().collect::<Vec<_>>(), [&b"A_b: c"[..], b"d.e:"]);
}

/// Pieces of heads, good and bad.
fn any_head() -> impl Strategy<Value = Vec<u8>> {
    let line = "(GET|POST|get|X-Y|CONNECT|_)( {1,2})(/|/a\\?b|http://h|http://h:8/x|\\[::1\\]:9|h:1|\\*|)( {0,2})(HTTP/1\\.[0-2]|HTTP/2\\.0|)";
    let field = "(Host: ?[a-z./]{0,3}|Content-Length: [0-9]|Transfer-Encoding: chunked|Connection: (close|keep-alive)|[A-C_]{1,2} ?:[ -~]{0,6}| x|Z)";
    let end = "(\r\n|\n|\r\r\n)";
    ("[\r\n]{0,2}", line, proptest::collection::vec(field, 0..5), proptest::collection::vec(end, 7)).prop_map(
        |(empty, line, fields, ends)| {
            let mut ends = ends.into_iter();
            let mut text = empty + &line;
            for part in fields.into_iter().chain([String::new()]) {
                text += &ends.next().unwrap_or_default();
                text += &part;
            }
            (text + "\r\n").into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// A head is read the same in one piece, in two cut anywhere, and byte by byte.
    #[test]
    fn the_cuts_do_not_matter(bytes in any_head(), small: bool) {
        let limits = if small {
            HeadLimits { client_header_buffer_size: 16, large_count: 2, large_size: 32, ..HeadLimits::default() }
        } else {
            HeadLimits::default()
        };
        let whole = parse_with(&bytes, &limits);
        let feed = |cuts: &mut dyn Iterator<Item = usize>| {
            let (mut parser, mut head) = (RequestParser::new(), RequestHead::new());
            for cut in cuts {
                let outcome = parser.parse(&bytes[..cut], &limits, &mut head);
                if outcome != Ok(None) {
                    return (outcome, head);
                }
            }
            (Ok(None), head)
        };
        let same = |other: &(Result<Option<usize>, RequestError>, RequestHead)| {
            let status = |outcome: &Result<Option<usize>, RequestError>| {
                outcome.clone().map_err(|error| error.status())
            };
            prop_assert_eq!(status(&whole.0), status(&other.0));
            if matches!(whole.0, Ok(Some(_))) {
                prop_assert_eq!(format!("{:?}", &whole.1), format!("{:?}", &other.1));
            }
            Ok(())
        };
        for cut in 0..bytes.len() {
            same(&feed(&mut [cut, bytes.len()].into_iter()))?;
        }
        same(&feed(&mut (0..=bytes.len())))?;
    }
}
