//! Targets: `$uri`, `$args` and what is none.

use wsproxy::http1::HeadLimits;

use super::nginx::Nginx;
use super::sight::{assert_none, compare, line, same, served_on};

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
