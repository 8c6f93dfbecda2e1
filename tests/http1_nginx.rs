//! HTTP/1 beside a real nginx: the same bytes go to nginx and through `http1`, and both have to see the
//! same request, or refuse it with the same status in the same words.
//!
//! nginx is Debian's 1.22. Where nginx 1.31, whose behaviour wsproxy has, differs from it, the case says
//! so with [`Case::since`]; where wsproxy is stricter on purpose, with [`Case::stricter`].

#[path = "fuzz/engine.rs"]
mod engine;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use wsproxy::http1::body::{BodyDecoder, Trailers};
use wsproxy::http1::response::ParsedResponse;
use wsproxy::http1::status::{error_page_body, reason, shown_status};
use wsproxy::http1::{
    Framing, HeadLimits, Known, RequestError, RequestHead, RequestParser, ResponseHead, Target, Version,
    framing, parse_response, target,
};

/// An nginx of our own in a directory of its own, stopped when dropped.
struct Nginx {
    process: Child,
    directory: tempfile::TempDir,
}

impl Nginx {
    /// Starts nginx with `http` inside its `http` block; `DIR` stands for the directory.
    fn start(http: &str) -> Nginx {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().to_str().expect("a path in UTF-8");
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log error.log info;
             events {{ worker_connections 64; }}
             http {{
                 access_log off; server_tokens on; lingering_time 1s; lingering_timeout 100ms;
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                 {}
             }}",
            http.replace("DIR", path)
        );
        fs::write(directory.path().join("nginx.conf"), configuration).expect("nginx.conf");
        let process = Command::new("nginx")
            .args(["-p", path, "-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start nginx ({error}): apt-get install nginx-light"));
        Nginx { process, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn connect(&mut self, socket: &str) -> UnixStream {
        let path = self.path(socket);
        loop {
            if let Ok(stream) = UnixStream::connect(&path) {
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a read timeout");
                return stream;
            }
            if let Some(status) = self.process.try_wait().expect("nginx's state") {
                panic!("nginx ended with {status}:\n{}", self.log(0));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The error log behind its first `from` bytes; what is not printable ASCII is written as we write it.
    fn log(&self, from: u64) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(self.path("error.log")) {
            file.seek(SeekFrom::Start(from)).expect("a place in the log");
            file.read_to_end(&mut bytes).expect("the log");
        }
        let printable = |byte: u8| match byte {
            b' '..=b'~' | b'\n' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02X}"),
        };
        bytes.into_iter().map(printable).collect()
    }

    fn log_length(&self) -> u64 {
        fs::metadata(self.path("error.log")).map_or(0, |log| log.len())
    }

    /// Sends `bytes` and reads the answer to its end.
    fn exchange(&mut self, socket: &str, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect(socket);
        // nginx may refuse and close before it has read everything.
        let _ = stream.write_all(bytes);
        read_answer(stream)
    }

    /// The same for a head that may not be whole: nginx gives it up when nothing more can come.
    fn exchange_all(&mut self, socket: &str, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect(socket);
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        read_answer(stream)
    }
}

fn read_answer(mut stream: UnixStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut part) {
        answer.extend_from_slice(&part[..read]);
        if is_whole(&answer) {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
    answer
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether an answer has all its body; one without a head goes on until nginx closes.
fn is_whole(answer: &[u8]) -> bool {
    let mut head = ResponseHead::new();
    match parse_response(answer, usize::MAX, &mut head) {
        Ok(ParsedResponse::Head(length)) => match framing::response_framing(&head, false) {
            Ok(Framing::Length(body)) => answer.len() >= length + body as usize,
            _ => false,
        },
        _ => false,
    }
}

/// What a request comes to: what nginx serves, or the status it refuses with.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// The fields of [`SEEN`], with `|` between them.
    Served(String),
    Refused(u16),
    /// Nothing: the head is not whole.
    Waiting,
}

const SEEN: &str = "$request_method|$request_uri|$uri|$args|$is_args|$host|$server_protocol|$request|\
                    $http_x_tag|$http_x_|$http_content_length|$http_user_agent";

fn by_nginx(answer: &[u8]) -> Seen {
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

struct Ours {
    seen: Seen,
    error: Option<RequestError>,
}

fn by_us(bytes: &[u8], limits: &HeadLimits, merge_slashes: bool) -> Ours {
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

struct Case {
    bytes: Vec<u8>,
    expected: Expected,
}

enum Expected {
    Same,
    /// nginx 1.22 sees the first, nginx 1.31 and we see the second, because of the third.
    Since(Seen, Seen, &'static str),
    /// nginx serves what we refuse.
    Stricter,
}

fn same(bytes: impl AsRef<[u8]>) -> Case {
    Case { bytes: bytes.as_ref().to_vec(), expected: Expected::Same }
}

fn line(line: &str) -> Case {
    same(format!("{line}\r\nHost: h\r\n\r\n"))
}

fn fields(fields: &str) -> Case {
    same(format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n"))
}

impl Case {
    fn since(self, why: &'static str, then: Seen, now: Seen) -> Case {
        Case { expected: Expected::Since(then, now, why), ..self }
    }

    fn stricter(self) -> Case {
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

fn served_on(socket: &str, more: &str) -> String {
    format!(
        "server {{ listen unix:DIR/{socket}; server_name fallback; {more}
         location / {{ default_type text/plain; return 200 '{SEEN}'; }} }}"
    )
}

/// Sends every case to nginx and to us; gives those that differ.
fn compare(nginx: &mut Nginx, socket: &str, limits: &HeadLimits, merge: bool, cases: &[Case]) -> Vec<String> {
    let mut differences = Vec::new();
    for case in cases {
        let logged = nginx.log_length();
        let theirs = by_nginx(&nginx.exchange(socket, &case.bytes));
        let ours = by_us(&case.bytes, limits, merge);
        differences.extend(case.judge(&theirs, &ours.seen));
        if let (Some(error), Expected::Same) = (&ours.error, &case.expected) {
            let log = nginx.log(logged);
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

fn assert_none(differences: Vec<String>) {
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

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
fn targets() {
    let mut nginx = Nginx::start(&(served_on("http", "") + &served_on("slashes", "merge_slashes off;")));
    let targets = [
        "/a%20b",
        "/a+b",
        "/%41%2f%2F%2e%2E",
        "/a%2fb",
        "/%",
        "/%4",
        "/%zz",
        "/%00",
        "/a%00b",
        "/a%0Ab",
        "/a?%zz",
        "/a?%00",
        "//a//b",
        "///",
        "/./a",
        "/a/./b",
        "/a/.",
        "/a/..",
        "/a/../",
        "/..",
        "/../",
        "/a/../../b",
        "/a/..b",
        "/a/...",
        "/a/.b",
        "/.a/..b./",
        "/%2e/%2E%2e/a",
        "/a/%2e%2e/b",
        "/a/%2e%2e",
        "/a%2f..%2fb",
        "/a//../b",
        "/a/b//../../c",
        "/#",
        "/a#b",
        "/a#b?c",
        "/a?b#c",
        "/a?b#c#d",
        "/a/..?b/../..",
        "/a/..#b",
        "/a/.?b",
        "/?",
        "/a?",
        "/a??",
        "/a?b?c",
        "/%23",
        "/%3F",
        "/%3fa",
        "/%25",
        "/%2541",
        "/%2e%3f/..",
        "/a%5Cb",
        "/a\\..\\b",
        "/\"<>`{}|^",
        "/\u{e9}",
        "/\u{80}%80",
        "/a;b=c,d",
        "/a:b@c",
        "*",
        "a",
        "?",
        "http://x/",
        "http://X.y/a?b",
        "http://x",
        "http://x?a",
        "http://x:80",
        "http://x:80/",
        "http://x:/",
        "http://x.:80/a",
        "https://x/",
        "a+b-1.c://x/",
        "1a://x/",
        "http:/x",
        "http//x/",
        "http:///",
        "http://[::1]/",
        "http://[::1]:8/a",
        "http://[::1/",
        "http://x_y/",
        "http://x y/",
        "http://x#a",
        "http://x/#a",
        "http://x../",
        "http://x/../a",
        "http://x/a/../b//c?d",
    ];
    let cases: Vec<_> = targets.iter().map(|target| line(&format!("GET {target} HTTP/1.1"))).collect();
    let limits = HeadLimits::default();
    let mut differences = compare(&mut nginx, "http", &limits, true, &cases);
    differences.extend(compare(&mut nginx, "slashes", &limits, false, &cases));
    let bytes =
        (1..=255_u8).map(|byte| same([&b"GET /"[..], &[byte], b"/x HTTP/1.1\r\nHost: h\r\n\r\n"].concat()));
    differences.extend(compare(&mut nginx, "http", &limits, true, &bytes.collect::<Vec<_>>()));
    assert_none(differences);
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

#[test]
fn limits() {
    let directives = |limits: &HeadLimits| {
        let HeadLimits { client_header_buffer_size, large_count, large_size, .. } = limits;
        format!(
            "client_header_buffer_size {client_header_buffer_size};
             large_client_header_buffers {large_count} {large_size};"
        )
    };
    let small = served_on("small", &directives(&SMALL));
    let mut nginx = Nginx::start(&(small + &served_on("large", &directives(&LARGE))));
    let line = |length: usize| format!("GET /{} HTTP/1.0\r\n", "a".repeat(length - 16));
    let field = |length: usize| format!("A: {}\r\n", "b".repeat(length - 5));
    let mut cases = Vec::new();
    for first in [20, 254, 255, 256, 257, 258, 510, 511, 512, 513, 514, 767, 768, 769] {
        cases.push(line(first) + "\r\n");
        cases.push(line(first));
        for second in [5, 254, 255, 256, 257, 510, 511, 512, 513, 700, 768] {
            cases.push(line(first) + &field(second) + "\r\n");
            cases.push(line(first) + &field(second) + &field(256) + &field(254) + "\r\n");
            cases.push(line(first) + &field(second) + &field(256) + &field(255) + "\r\n");
            cases.push(line(first) + &field(second) + &field(512) + "\r\n");
            cases.push(line(first) + &field(second) + &field(511) + "\r\n");
            cases.push(line(first) + &field(second) + &field(510)[..509]);
        }
    }
    let mut differences = Vec::new();
    for (socket, limits) in [("small", &SMALL), ("large", &LARGE)] {
        // To a head that may go on nginx says nothing.
        let answered = |case: &&String| by_us(case.as_bytes(), limits, true).seen != Seen::Waiting;
        let cases: Vec<_> = cases.iter().filter(answered).map(same).collect();
        assert!(cases.len() > 700);
        differences.extend(compare(&mut nginx, socket, limits, true, &cases));
    }
    assert_none(differences);
}

const SMALL: HeadLimits = HeadLimits {
    client_header_buffer_size: 256,
    large_count: 2,
    large_size: 512,
    max_headers: 1000,
    ignore_invalid_headers: true,
    underscores_in_headers: false,
};

const LARGE: HeadLimits = HeadLimits { client_header_buffer_size: 768, large_count: 1, ..SMALL };

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

/// Heads nobody thought of. `FUZZ_SEED` and `FUZZ_COUNT` search elsewhere and longer.
#[test]
fn mutated_heads() {
    let number = |variable, default| {
        std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let words: [&[u8]; 22] = [
        b"GET ",
        b"/",
        b"http://",
        b"[::1]",
        b":80",
        b"/../",
        b"%2e",
        b"%00",
        b"//",
        b"?",
        b"#",
        b" HTTP/1.1\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"Host: a\r\n",
        b"Content-Length: 1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"X-Tag: b\r\n",
        b" : ",
        b"_",
        b"Connection: close\r\n",
    ];
    let (seed, count) = (number("FUZZ_SEED", 1), number("FUZZ_COUNT", 3000));
    let heads = engine::mutations(&["fuzz/corpus/request_head"], &words, seed, count as usize);
    let mut nginx = Nginx::start(&served_on("http", ""));
    let mut differences = Vec::new();
    for bytes in heads {
        let ours = by_us(&bytes, &HeadLimits::default(), true);
        // Where 1.31 differs from Debian's nginx, or we from both; each has its cases above.
        let differs = bytes.contains(&b'\t')
            || bytes.windows(7).any(|word| word == b"CONNECT")
            || matches!(ours.error, Some(RequestError::InvalidHost | RequestError::InvalidHostInLine));
        let malformed = matches!(ours.error, Some(RequestError::InvalidHeaderLine(_, 1..0x20 | 0x7f)));
        // nginx refuses a request for bad chunks that came with its head, too.
        if differs || malformed || chunks_are_bad(&bytes) {
            continue;
        }
        let theirs = by_nginx(&nginx.exchange_all("http", &bytes));
        // nginx judges header lines as they come, we when the head is whole: then we refuse it too.
        let ended = [&bytes, &b"\r\n\r\n"[..]].concat();
        let refused_later = ours.seen == Seen::Waiting
            && matches!(theirs, Seen::Refused(_))
            && theirs == by_us(&ended, &HeadLimits::default(), true).seen;
        if theirs != ours.seen && !refused_later {
            let request = bytes.escape_ascii();
            differences.push(format!("b\"{request}\"\n  nginx {theirs:?}\n  we    {:?}", ours.seen));
        }
    }
    assert_none(differences);
}

fn chunks_are_bad(bytes: &[u8]) -> bool {
    let mut head = RequestHead::new();
    let Ok(Some(length)) = RequestParser::new().parse(bytes, &HeadLimits::default(), &mut head) else {
        return false;
    };
    let mut decoder = BodyDecoder::new(head.framing(), Trailers::Drop);
    let mut rest = &bytes[length..];
    loop {
        match decoder.decode(rest) {
            Ok(found) if found.consumed > 0 => rest = &rest[found.consumed..],
            outcome => return outcome.is_err(),
        }
    }
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

/// nginx's directory is gone when a test is over.
#[test]
fn nginx_leaves_nothing_behind() {
    let mut nginx = Nginx::start(&served_on("http", ""));
    nginx.connect("http");
    let path = nginx.directory.path().to_owned();
    drop(nginx);
    assert!(!Path::exists(&path));
}
