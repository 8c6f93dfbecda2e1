//! Fuzzing on the stable toolchain, a few seconds a target: the language, heads, chunks, tunnels, tokens, files of users.
//!
//! `FUZZ_SECONDS=600 FUZZ_SEED=$RANDOM cargo test --test fuzz` searches longer and elsewhere. What it
//! finds goes into `fuzz/corpus/`, and is run by everybody from then on.

mod engine;
mod token;
mod tunnel;
mod users;

use std::io;
use std::path::{Path, PathBuf};

use engine::{Random, fuzz};
use wsproxy::diagnostics::text::render_all;
use wsproxy::directive::Catalogue;
use wsproxy::http1::body::{BodyDecoder, BodyError, CHUNK_END, LAST_CHUNK, Trailers, chunk_head};
use wsproxy::http1::response::ParsedResponse;
use wsproxy::http1::{
    Framing, HeadLimits, Headers, RequestHead, RequestParser, ResponseHead, Target, Version, escape, framing,
    headers::is_field_text, parse_response, target,
};
use wsproxy::source::Files;
use wsproxy::syntax::Reader;

/// A machine without files, so that `include` finds nothing.
struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn glob(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}

/// Any text gives a tree and findings, and every finding can be shown.
#[test]
fn language() {
    let words: [&[u8]; 16] = [
        b"server {",
        b"}",
        b";",
        b"\"",
        b"'",
        b"${",
        b"\\",
        b"#",
        b"include x;",
        b"\n",
        b"\r\n",
        b"content_by_lua_block {",
        b"map $a $b {",
        b"# wsproxy: allow(x) y\n",
        b"\xef\xbb\xbf",
        b"if ($a ~ \"{\") {",
    ];
    fuzz(&["fuzz/corpus/language", "fixtures/syntax"], &words, |input, _| {
        let reader = Reader::new(Path::new("/"), &NoFiles).hints(&Catalogue);
        let (tree, findings) = reader.text("fuzz.conf", input.to_vec()).read();
        for label in findings.iter().flat_map(|finding| &finding.labels) {
            tree.sources.bytes(label.span);
        }
        render_all(&findings, &tree.sources, false);
        (tree.roots().len().min(8), findings.iter().map(|finding| finding.code).collect::<Vec<_>>())
    });
}

const HEAD_WORDS: [&[u8]; 20] = [
    b"GET ",
    b"CONNECT ",
    b"http://",
    b"[::1]",
    b":80",
    b"/../",
    b"%2e",
    b"%00",
    b"//",
    b"?",
    b" HTTP/1.1\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"Host: a\r\n",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b" : ",
    b"HTTP/1.1 200 OK\r\n",
];

/// A request head is read the same however it is cut, and what is accepted is sound.
#[test]
fn request_head() {
    let small = HeadLimits {
        client_header_buffer_size: 64,
        large_count: 2,
        large_size: 128,
        max_headers: 8,
        ..HeadLimits::default()
    };
    let lenient =
        HeadLimits { ignore_invalid_headers: false, underscores_in_headers: true, ..HeadLimits::default() };
    fuzz(&["fuzz/corpus/request_head"], &HEAD_WORDS, |input, random| {
        let mut kinds = Vec::new();
        for limits in [HeadLimits::default(), small, lenient] {
            let (outcome, head) = read_in_pieces(input, &limits, &[input.len()]);
            let (first, second) = (random.below(input.len() + 1), random.below(input.len() + 1));
            let pieces = [first.min(second), first.max(second), input.len()];
            let (in_pieces, _) = read_in_pieces(input, &limits, &pieces);
            assert_eq!(outcome, in_pieces, "cut at {pieces:?} of {}", input.len());
            if let Ok(Some(length)) = outcome {
                assert!(length <= input.len() && head.length() <= length);
                assert_sound(&head);
            }
            let shape = (head.version(), head.framing(), head.headers.len().min(4));
            kinds.push(format!("{:?} {shape:?}", outcome.map(|length| length.is_some())));
        }
        kinds
    });
}

fn read_in_pieces(
    input: &[u8],
    limits: &HeadLimits,
    ends: &[usize],
) -> (Result<Option<usize>, u16>, RequestHead) {
    let (mut parser, mut head) = (RequestParser::new(), RequestHead::new());
    let mut outcome = Ok(None);
    for end in ends {
        outcome = parser.parse(&input[..*end], limits, &mut head);
        if outcome != Ok(None) {
            break;
        }
    }
    if let Err(error) = &outcome {
        assert!(error.to_string().starts_with("client sent ") && (400..600).contains(&error.status()));
        assert!(error.to_string().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
    (outcome.map_err(|error| error.status()), head)
}

fn assert_sound(head: &RequestHead) {
    assert!(head.headers.iter().all(|(name, value, _)| is_field_text(name) && is_field_text(value)));
    assert!(head.headers.iter().all(|(name, _, _)| !name.is_empty() && !name.contains(&b' ')));
    assert!(!head.line().iter().any(|byte| matches!(byte, b'\r' | b'\n')));
    assert!(head.version() < Version::Http11 || !head.host().is_empty());
    assert!(!head.host().iter().any(u8::is_ascii_uppercase));
    assert_written_again_is_the_same(head);
    let mut normal = Target::new();
    if target::normalise(head.target(), true, &mut normal).is_ok() {
        assert!(normal.path.starts_with(b"/") && !normal.path.contains(&0));
        assert!(!normal.path.split(|byte| *byte == b'/').any(|segment| segment == b".." || segment == b"."));
        let mut escaped = Vec::new();
        escape::escape_uri(&normal.path, &mut escaped);
        let mut again = Target::new();
        assert_eq!(target::normalise(&escaped, true, &mut again), Ok(()));
        assert_eq!(again.path, normal.path);
    }
}

/// What would be forwarded is read as what was received.
fn assert_written_again_is_the_same(head: &RequestHead) {
    if head.version() == Version::Http09 {
        return;
    }
    let mut bytes = [head.line(), b"\r\n"].concat();
    head.headers.write(&mut bytes);
    bytes.extend_from_slice(b"\r\n");
    let limits = HeadLimits {
        client_header_buffer_size: 1 << 16,
        ignore_invalid_headers: false,
        underscores_in_headers: true,
        ..HeadLimits::default()
    };
    let mut again = RequestHead::new();
    assert_eq!(RequestParser::new().parse(&bytes, &limits, &mut again), Ok(Some(bytes.len())));
    assert_eq!((again.framing(), again.host(), again.target()), (head.framing(), head.host(), head.target()));
    assert!(again.headers.iter().eq(head.headers.iter()));
}

/// The head of a response is read or refused; more bytes behind it change nothing.
#[test]
fn response_head() {
    fuzz(&["fuzz/corpus/response_head"], &HEAD_WORDS, |input, random| {
        let (mut head, mut again) = (ResponseHead::new(), ResponseHead::new());
        let outcome = parse_response(input, 512, &mut head);
        if let Ok(ParsedResponse::Head(length)) = outcome {
            assert!(length <= input.len().min(512) && head.status < 1000);
            assert!(head.headers.iter().all(|(name, value, _)| is_field_text(name) && is_field_text(value)));
            let more = random.below(input.len() - length + 1);
            assert_eq!(parse_response(&input[..length + more], 512, &mut again), outcome);
            assert_eq!(parse_response(&input[..length - 1], 512, &mut again), Ok(ParsedResponse::Partial));
        }
        let framed = framing::response_framing(&head, false).map(|framing| format!("{framing:?}"));
        let kind = outcome.as_ref().map(|parsed| matches!(parsed, ParsedResponse::Head(_)));
        (kind.map_err(|error| error.to_string().len()), framed.map_err(|error| error.to_string().len()))
    });
}

type Decoding = Result<(Vec<u8>, Vec<u8>, bool, Headers), BodyError>;

/// A chunked body is decoded the same however it is cut, and what was decoded survives another coding.
#[test]
fn chunked() {
    let words: [&[u8]; 10] = [
        b"\r\n",
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b";a=b",
        b"\n",
        b"fffffff",
        b"0",
        b"A: b\r\n",
        b" ",
        b"7ffffff",
    ];
    fuzz(&["fuzz/corpus/chunked"], &words, |input, random| {
        let mut kinds = Vec::new();
        for keep in [Trailers::Drop, Trailers::Keep] {
            let decoded = decode(input, &[], keep);
            let cuts = [random.below(input.len() + 1), random.below(input.len() + 1)];
            let cuts = [cuts[0].min(cuts[1]), cuts[0].max(cuts[1])];
            let in_pieces = decode(input, &cuts, keep);
            match (&decoded, &in_pieces) {
                (Ok((data, rest, done, trailers)), Ok(pieces)) => {
                    assert_eq!((data, rest, done), (&pieces.0, &pieces.1, &pieces.2));
                    assert!(trailers.iter().eq(pieces.3.iter()));
                    assert_eq!(decode(&encode(data, random), &[], keep).expect("our own coding").0, *data);
                    kinds.push(format!("{done} {} {}", data.len().min(8), trailers.len().min(4)));
                }
                (Err(error), Err(other)) => {
                    assert_eq!(error, other);
                    kinds.push(format!("{error:?}"));
                }
                _ => panic!("cut at {cuts:?}: {decoded:?} or {in_pieces:?}"),
            }
        }
        kinds
    });
}

fn decode(input: &[u8], cuts: &[usize], keep: Trailers) -> Decoding {
    let mut decoder = BodyDecoder::new(Framing::Chunked, keep);
    let (mut data, mut held, mut at) = (Vec::new(), Vec::new(), 0);
    for cut in cuts.iter().copied().chain([input.len()]) {
        held.extend_from_slice(&input[at..cut]);
        at = cut;
        while !held.is_empty() && !decoder.is_done() {
            let found = decoder.decode(&held)?;
            assert!(found.consumed > 0 && found.consumed <= held.len() && found.data.end <= found.consumed);
            data.extend_from_slice(&held[found.data]);
            held.drain(..found.consumed);
        }
    }
    Ok((data, held, decoder.is_done(), decoder.trailers().clone()))
}

fn encode(data: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(1 + random.below(rest.len()));
        chunk_head(chunk.len(), &mut out);
        out.extend_from_slice(chunk);
        out.extend_from_slice(CHUNK_END);
        rest = behind;
    }
    out.extend_from_slice(LAST_CHUNK);
    out
}
