//! Request lines, header lines, hosts and framing.

use wsproxy::http1::{HeadLimits, Known, RequestHead, RequestParser, ResponseHead, parse_response};

use super::nginx::Nginx;
use super::sight::{Seen, assert_none, compare, fields, line, same, served_on};

#[test]
fn request_lines() {
    let mut nginx = Nginx::start(&served_on("http", ""));
    let authority_form = "1.31 knows the authority form";
    let cases = [
        line("GET / HTTP/1.1"),
        line("GET /a HTTP/1.0"),
        line("GET /a HTTP/1.2"),
        line("GET /a HTTP/1.05"),
        line("GET /a HTTP/1.999"),
        line("GET /a HTTP/1.1000"),
        line("GET /a HTTP/2.0"),
        line("GET /a HTTP/0.9"),
        line("GET /a HTTP/3"),
        line("GET /a HTTP/11.1"),
        line("GET /a HTTP/1"),
        line("GET /a http/1.1"),
        line("GET   /a   HTTP/1.1  "),
        line("GET /a b HTTP/1.1"),
        line("GET\t/a HTTP/1.1"),
        line("get / HTTP/1.1"),
        line("X_Y-Z / HTTP/1.1"),
        line("1GET / HTTP/1.1"),
        line("OPTIONS * HTTP/1.1"),
        line("OPTIONS / HTTP/1.1"),
        line("TRACE / HTTP/1.1"),
        line("PUT / HTTP/1.1"),
        same("GET /\r\n"),
        same("GET /a?b \n"),
        same("POST /\r\n"),
        same("\r\n\n\r\nGET / HTTP/1.0\r\n\r\n"),
        same("\rGET / HTTP/1.0\n\n"),
        same("GET / HTTP/1.0\n\r\n"),
        same("GET / HTTP/1.0\r\r\n\r\n"),
        same("GET / HTTP/1.0 \r\n\r\n"),
        same("\x16\x03\x01\x02"),
        line("CONNECT h:1 HTTP/1.1").since(authority_form, Seen::Refused(400), Seen::Refused(405)),
        line("CONNECT h HTTP/1.1"),
        line("CONNECT / HTTP/1.1").since(authority_form, Seen::Refused(405), Seen::Refused(400)),
    ];
    assert_none(compare(&mut nginx, "http", &HeadLimits::default(), true, &cases));
}

#[test]
fn header_lines() {
    let lenient = "ignore_invalid_headers off; underscores_in_headers on;";
    let mut nginx = Nginx::start(&(served_on("http", "") + &served_on("lenient", lenient)));
    let odd = [
        "X-Tag: a",
        "x-TAG:a",
        "X-Tag:  a b ",
        "X-Tag:",
        "X-Tag: ",
        "X-Tag : a",
        " X-Tag: a",
        "\tX-Tag: a",
        "X-Tag: a\r\n b",
        "X-Tag: a\r\n\tb",
        "X-Tag: a\r\n \r\n",
        ": a",
        "X_Tag: a",
        "X-Tag: a\r\nX_Tag: b",
        "X_: a",
        "_: a",
        "X.Tag: a",
        "X$: a",
        "X\u{e9}: a",
        "X\x01: a",
        "X\x7f: a",
        "X-Tag: a\0",
        "X\0: a",
        "X-Tag: \0",
        "X-Tag: a \0",
        "X-Tag: a\rb",
        "X-Tag\ra",
        "X-Tag: \ra",
        "X-Tag: \u{e9}",
        "X-Tag: a\nUser-Agent: b",
        "HTTP/1.1 200 OK",
        "HTTP/1.1: a",
        "\r",
    ];
    let malformed = ["X-Tag", "X-Tag\r\r", "X-Tag: a\r\r", "X-Tag: a\x01b", "X-Tag: a\x7f", "X-Tag: \x0b"];
    let field = |field: &&str| fields(&format!("Host: h\r\n{field}"));
    let malformed = malformed.iter().map(|bad| field(bad).stricter());
    let cases: Vec<_> = odd.iter().map(field).chain(malformed).collect();
    let mut differences = compare(&mut nginx, "http", &HeadLimits::default(), true, &cases);
    let limits =
        HeadLimits { ignore_invalid_headers: false, underscores_in_headers: true, ..HeadLimits::default() };
    differences.extend(compare(&mut nginx, "lenient", &limits, true, &cases));
    let tabs = "1.31 takes a tab around a value for a space";
    let served = |value: &str| Seen::Served(format!("GET|/|/|||h|HTTP/1.1|GET / HTTP/1.1|{value}|||"));
    let cases = [
        fields("Host: h\r\nX-Tag: \ta").since(tabs, served("\\ta"), served("a")),
        fields("Host: h\r\nX-Tag: a \t").since(tabs, served("a \\t"), served("a")),
        fields("Host: h\r\nX-Tag: \t").since(tabs, served("\\t"), served("")),
        fields("Host: h\r\nX-Tag: a\tb"),
        fields("Host: h\r\nX\tTag: a"),
    ];
    differences.extend(compare(&mut nginx, "http", &HeadLimits::default(), true, &cases));
    for place in ["\x00: a", "X\x00: a", "X-Tag: \x00", "X-Tag: a\x00b", "X-Tag: a \x00"] {
        let bytes = (0..=255_u8).filter(|byte| !b"\n\t".contains(byte)).map(|byte| {
            let field: Vec<_> = place.bytes().map(|own| if own == 0 { byte } else { own }).collect();
            let case = same([b"GET / HTTP/1.0\r\n", &field[..], b"\r\n\r\n"].concat());
            let in_value = place.starts_with("X-Tag");
            let refused_by_both = byte == 0 || (byte == b'\r' && place.ends_with('b'));
            if in_value && byte.is_ascii_control() && !refused_by_both { case.stricter() } else { case }
        });
        differences.extend(compare(
            &mut nginx,
            "http",
            &HeadLimits::default(),
            true,
            &bytes.collect::<Vec<_>>(),
        ));
    }
    assert_none(differences);
}

#[test]
fn hosts_and_framing() {
    let mut nginx = Nginx::start(&served_on("http", ""));
    let served = |host: &str| Seen::Served(format!("GET|/|/|||{host}|HTTP/1.1|GET / HTTP/1.1||||"));
    let stricter = "1.31 checks the host by RFC 3986";
    let unsure = "1.31 checks the port";
    let cases = [
        same("GET / HTTP/1.1\r\n\r\n"),
        same("GET / HTTP/1.0\r\n\r\n"),
        same("GET / HTTP/1.2\r\n\r\n"),
        fields("Host:"),
        fields("Host: "),
        fields("Host: A.b.C"),
        fields("Host: a:80"),
        fields("Host: a:"),
        fields("Host: a."),
        fields("Host: a.:80"),
        fields("Host: ."),
        fields("Host: :80"),
        fields("Host: a..b"),
        fields("Host: a/b"),
        fields("Host: a b"),
        fields("Host: [::1]:80"),
        fields("Host: [::1]"),
        fields("Host: a_b!$&'()*+,;=~%20"),
        fields("Host: a\r\nHost: a"),
        fields("Host: a\r\nhost: b"),
        fields("Host: a:65536").since(unsure, served("a"), Seen::Refused(400)),
        fields("Host: a:x").since(unsure, served("a"), Seen::Refused(400)),
        fields("Host: a:80:80").since(unsure, served("a"), Seen::Refused(400)),
        fields("Host: [::1").since(stricter, served("[::1"), Seen::Refused(400)),
        fields("Host: [::1]x").since(stricter, served("[::1]"), Seen::Refused(400)),
        fields("Host: a@b").since(stricter, served("a@b"), Seen::Refused(400)),
        fields("Host: a<b").since(stricter, served("a<b"), Seen::Refused(400)),
        fields("Host: \u{e9}").since(stricter, served("\\xc3\\xa9"), Seen::Refused(400)),
        fields("Host: a\r\nContent-Length: 0"),
        fields("Host: a\r\nContent-Length: 00"),
        fields("Host: a\r\nContent-Length:"),
        fields("Host: a\r\nContent-Length: -1"),
        fields("Host: a\r\nContent-Length: +1"),
        fields("Host: a\r\nContent-Length: 1x"),
        fields("Host: a\r\nContent-Length: 0, 0"),
        fields("Host: a\r\nContent-Length: 9223372036854775808"),
        fields("Host: a\r\nContent-Length: 99999999999999999999"),
        fields("Host: a\r\nContent-Length: 0\r\nContent-Length: 0"),
        fields("Host: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked"),
        fields("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        fields("Host: a\r\nTransfer-Encoding: gzip, chunked"),
        fields("Host: a\r\nTransfer-Encoding: xchunked"),
        fields("Host: a\r\nTransfer-Encoding: identity"),
        fields("Host: a\r\nTransfer-Encoding:"),
        same("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        same("GET / HTTP/1.0\r\nTransfer-Encoding: gzip\r\nContent-Length: x\r\n\r\n"),
        fields("Host: a\r\nAuthorization: a\r\nAuthorization: a"),
        fields("Host: a\r\nExpect: a\r\nExpect: a"),
        fields("Host: a\r\nIf-Match: a\r\nif-match: a"),
        fields("Host: a\r\nIf-None-Match: a\r\nIf-None-Match: a"),
        fields("Host: a\r\nIf-Modified-Since: a\r\nIf-Modified-Since: a"),
        fields("Host: a\r\nIf-Unmodified-Since: a\r\nIf-Unmodified-Since: a"),
        fields("Host: a\r\nIf-Range: a\r\nIf-Range: a"),
        fields("Host: a\r\nRange: a\r\nRange: a"),
        fields("Host: a\r\nReferer: a\r\nReferer: a"),
        fields("Host: a\r\nUser-Agent: a\r\nUser-Agent: b"),
        fields("Host: a\r\nContent-Type: a\r\nContent-Type: b"),
        fields("Host: a\r\nUpgrade: a\r\nUpgrade: b\r\nTE: a\r\nTE: b\r\nVia: a\r\nVia: b"),
        fields("Host: a\r\nKeep-Alive: a\r\nKeep-Alive: b\r\nCookie: a\r\nCookie: b"),
        fields("Host: a\r\nConnection: a\r\nConnection: b"),
    ];
    assert_none(compare(&mut nginx, "http", &HeadLimits::default(), true, &cases));
}

/// A connection persists where nginx says so.
#[test]
fn persistence() {
    let mut nginx = Nginx::start(&served_on("http", ""));
    let requests = [
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE, keep-alive\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: disclosed\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nConnection: Keep-Alive\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: upgrade\r\n\r\n",
    ];
    for request in requests {
        let answer = nginx.exchange("http", request.as_bytes());
        let mut answered = ResponseHead::new();
        parse_response(&answer, usize::MAX, &mut answered).expect(request);
        let theirs = answered.headers.first(Known::Connection) == Some(b"keep-alive");
        let mut head = RequestHead::new();
        RequestParser::new().parse(request.as_bytes(), &HeadLimits::default(), &mut head).expect(request);
        assert_eq!(head.keep_alive(), theirs, "{request:?}");
    }
}
