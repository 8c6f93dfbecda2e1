//! Chunked bodies, responses of upstreams, and nginx's own pages.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use wsproxy::http1::body::{BodyDecoder, Trailers};
use wsproxy::http1::response::ParsedResponse;
use wsproxy::http1::status::{error_page_body, reason, shown_status};
use wsproxy::http1::{Framing, ResponseHead, framing, parse_response};

use super::nginx::Nginx;
use super::sight::{Seen, assert_none, by_nginx, served_on};

/// A body that nginx reads whole before it passes it on; the upstream then says how long it was.
#[test]
fn chunked_bodies() {
    let mut nginx = Nginx::start(&format!(
        "server {{ listen unix:DIR/http;
            location / {{ proxy_pass http://unix:DIR/sink:; proxy_http_version 1.1;
                          proxy_set_header X-Tag '$request_body'; }} }}
         {}",
        served_on("sink", "")
    ));
    let before_1_29 = "1.29.4 wants CRLF behind every line of a chunk";
    let bodies: [(&[u8], Option<&str>); 25] = [
        (b"0\r\n\r\n", None),
        (b"5\r\nhello\r\n0\r\n\r\n", None),
        (b"005\r\nhello\r\n1;x=y\r\n!\r\n000;z\r\n\r\n", None),
        (b"5 \t;a\r\nhello\r\n0 \r\n\r\n", None),
        (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", None),
        (b"1\r\na\r\n0\r\nTrailer: x\r\n y\r\n\r\n", None),
        (b"1\r\na\r\n0\r\n\r\nGET /next", None),
        (b"x\r\n", None),
        (b"\r\n", None),
        (b" 5\r\nhello\r\n0\r\n\r\n", None),
        (b"-5\r\nhello", None),
        (b"0x5\r\nhello", None),
        (b"5\r\nhelloX\r\n", None),
        (b"5\r\nhello0\r\n\r\n", None),
        (b"5;\rhello", None),
        (b"5\rhello", None),
        (b"5\r\nhello\r0\r\n\r\n", None),
        (b"8000000000000000\r\n", None),
        (b"fffffffffffffffff\r\n", None),
        (b"5\nhello\n0\n\n", Some(before_1_29)),
        (b"5;x\nhello\r\n0\r\n\r\n", Some(before_1_29)),
        (b"5\r\nhello\n0\r\n\r\n", Some(before_1_29)),
        (b"0\n\r\n", Some(before_1_29)),
        (b"0\r\n\n", Some(before_1_29)),
        (b"0\r\na: b\n\r\n", Some(before_1_29)),
    ];
    let mut differences = Vec::new();
    for (body, since) in bodies {
        let head = &b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"[..];
        let answer = nginx.exchange("http", &[head, body].concat());
        let theirs = match by_nginx(&answer) {
            Seen::Served(fields) => {
                let fields: Vec<_> = fields.split('|').map(String::from).collect();
                Ok((fields[8].clone(), fields[10].clone()))
            }
            Seen::Refused(status) => Err(status),
            Seen::Waiting => panic!("no answer to {}", body.escape_ascii()),
        };
        let ours = decode(body).map(|data| (data.escape_ascii().to_string(), data.len().to_string()));
        match since {
            None if ours != theirs => {
                differences.push(format!("{}\n  nginx {theirs:?}\n  we {ours:?}", body.escape_ascii()));
            }
            Some(why) if ours != Err(400) || theirs.is_err() => {
                differences.push(format!("{} ({why}): {theirs:?}, {ours:?}", body.escape_ascii()));
            }
            _ => {}
        }
    }
    assert_none(differences);
}

fn decode(body: &[u8]) -> Result<Vec<u8>, u16> {
    let mut decoder = BodyDecoder::new(Framing::Chunked, Trailers::Drop);
    let (mut data, mut rest) = (Vec::new(), body);
    while !decoder.is_done() {
        let found = decoder.decode(rest).map_err(|_| 400_u16)?;
        data.extend_from_slice(&rest[found.data]);
        rest = &rest[found.consumed..];
        assert!(found.consumed > 0 || found.done, "cut off: {}", body.escape_ascii());
    }
    Ok(data)
}

/// What an upstream sends goes through nginx and through us.
#[test]
fn responses() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let socket = directory.path().join("upstream");
    let upstream = UnixListener::bind(&socket).expect("a socket for the upstream");
    let mut nginx = Nginx::start(&format!(
        "server {{ listen unix:DIR/http; location / {{ proxy_pass http://unix:{}:; proxy_http_version 1.1;
           proxy_buffer_size 512; proxy_buffers 4 512; }} }}",
        socket.display()
    ));
    let both = "1.23 refuses what could be read in two ways";
    let big = [&b"HTTP/1.1 200 OK\r\nA: "[..], &b"a".repeat(600), b"\r\n\r\n"].concat();
    let answers: [(&[u8], Option<&str>); 26] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", None),
        (b"HTTP/1.0 201 Made\r\nContent-Length: 2\r\n\r\nok", None),
        (b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 403.7 Odd\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1  299  X\nContent-Length: 0\n\n", None),
        (b"HTTP/9.9 200 OK\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nX_y: 1\r\nZ\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", None),
        (b"HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nX: a\x01b\x7f\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 204 No\r\n\r\n", None),
        (b"HTTP/1.1 20 OK\r\n\r\n", None),
        (b"HTTP/1.1 20x OK\r\n\r\n", None),
        (b"HTTP/1.x 200 OK\r\n\r\n", None),
        (b"hello", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", None),
        (&big, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Some(both)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", Some(both)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Some(both)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok", Some(both)),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Some(both),
        ),
    ];
    let mut differences = Vec::new();
    for (answer, since) in answers {
        let sent = answer.to_vec();
        let listener = upstream.try_clone().expect("the upstream's socket");
        let serve = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("nginx's connection");
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(&sent);
        });
        let passed = nginx.exchange("http", b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        serve.join().expect("the upstream");
        let mut head = ResponseHead::new();
        let theirs = match parse_response(&passed, usize::MAX, &mut head) {
            Ok(ParsedResponse::Head(_)) => head.status_line().escape_ascii().to_string(),
            Ok(ParsedResponse::Partial) => "nothing".into(),
            _ => "raw".into(),
        };
        let mut head = ResponseHead::new();
        let parsed = parse_response(answer, 512, &mut head);
        let ours = match parsed {
            Ok(ParsedResponse::Head(_)) if framing::response_framing(&head, false).is_ok() => {
                head.status_line().escape_ascii().to_string()
            }
            Ok(ParsedResponse::Http09) => "raw".into(),
            Ok(ParsedResponse::Partial) => "partial".into(),
            _ => format!("502 {}", reason(502)),
        };
        let expected = if since.is_some() { "502 Bad Gateway" } else { &theirs };
        if ours != expected {
            differences.push(format!("{}\n  nginx {theirs}\n  we {ours}", answer.escape_ascii()));
        }
    }
    assert_none(differences);
}

/// Every page and every reason phrase that nginx has, as it writes them.
#[test]
fn error_pages() {
    let statuses: Vec<u16> =
        (300..=599).filter(|status| ![301, 302, 303, 307, 308, 444].contains(status)).collect();
    let locations = |statuses: &[u16]| {
        let location = |status: &u16| format!("location = /{status} {{ return {status}; }}\n");
        statuses.iter().map(location).collect::<String>()
    };
    let redirects = [301, 302, 303, 307, 308];
    let redirect = |status: &u16| format!("location = /{status} {{ return {status} http://h/; }}\n");
    let mut nginx = Nginx::start(&format!(
        "server {{ listen unix:DIR/http; {} {} }}",
        locations(&statuses),
        redirects.iter().map(redirect).collect::<String>()
    ));
    let mut differences = Vec::new();
    for status in statuses.iter().chain(&redirects) {
        // nginx 1.31 has words for a proxy that asks for a password; Debian's has none. A 499 is closed.
        if [407, 499].contains(status) {
            continue;
        }
        for (agent, padding) in [("x", false), ("Chrome/1", true)] {
            let request = format!(
                "GET /{status} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nUser-Agent: {agent}\r\n\r\n"
            );
            let answer = nginx.exchange("http", request.as_bytes());
            let mut head = ResponseHead::new();
            let Ok(ParsedResponse::Head(length)) = parse_response(&answer, usize::MAX, &mut head) else {
                // 408 and its kin close the connection without a word.
                assert!(answer.is_empty(), "{status}: {}", answer.escape_ascii());
                continue;
            };
            let mut page = Vec::new();
            error_page_body(*status, "nginx/1.22.1", padding, &mut page);
            let expected = format!("{} {}", shown_status(*status), reason(shown_status(*status)));
            let theirs = String::from_utf8_lossy(head.status_line());
            if theirs != expected || answer[length..] != page[..] {
                let body = answer[length..].escape_ascii();
                differences
                    .push(format!("{status}: {theirs:?} {body}\n  we {expected:?} {}", page.escape_ascii()));
            }
        }
    }
    assert_none(differences);
}
