//! Heads nobody thought of.

use wsproxy::http1::body::{BodyDecoder, Trailers};
use wsproxy::http1::{HeadLimits, RequestError, RequestHead, RequestParser};

use super::engine;
use super::nginx::Nginx;
use super::sight::{Seen, assert_none, by_nginx, by_us, served_on};

/// `FUZZ_SEED` and `FUZZ_COUNT` search elsewhere and longer.
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
