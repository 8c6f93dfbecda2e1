//! Bodies: where the data lies in what came, and how chunks are written.

use std::fmt;
use std::ops::Range;

use super::field_lines::{LineError, LineRules, read_fields};
use super::framing::Framing;
use super::headers::Headers;
use super::request_error::Printable;

/// The longest chunk head: size, extension and line end, in bytes. nginx has no such limit.
pub const MAX_CHUNK_LINE: usize = 4096;
/// The largest trailer section, in bytes. nginx has no limit of its own.
pub const MAX_TRAILERS_SIZE: usize = 32 * 1024;
/// The most fields of a kept trailer section.
pub const MAX_TRAILERS: usize = 100;

/// What to do with trailers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trailers {
    /// Read and forget them, as nginx does with those of a request. Lines end in CRLF only.
    Drop,
    /// Keep them for [`BodyDecoder::trailers`], read as header lines of an upstream
    /// (`proxy_pass_trailers`).
    Keep,
}

/// Finds the data of a body in the bytes of a connection, wherever those are cut.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    /// Data to come: of the body, or of the chunk that is being read.
    remaining: u64,
    keep: Trailers,
    /// Bytes of the chunk head, or of the trailer section, that is being read.
    line_length: usize,
    trailers: Headers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length,
    UntilClose,
    Done,
    ChunkStart,
    ChunkSize,
    ChunkExtension,
    ChunkLf,
    ChunkData,
    DataCr,
    DataLf,
    LastExtension,
    LastLf,
    TrailerStart,
    TrailerEndLf,
    TrailerLine,
    TrailerLf,
    /// Trailers to be kept: bytes are gathered until an empty line.
    TrailerBlock,
}

/// What [`BodyDecoder::decode`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// How many bytes of the input are dealt with; the caller passes on `data` and drops these.
    pub consumed: usize,
    /// Where in the input the next data of the body lies; may be empty. Ends at or before `consumed`.
    pub data: Range<usize>,
    /// The body is over. Bytes behind `consumed` belong to what follows.
    pub done: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// A chunk head, the end of a chunk or a trailer that is not as RFC 9112 has it.
    InvalidChunk,
    InvalidTrailer(Box<[u8]>, u8),
    /// A chunk head over [`MAX_CHUNK_LINE`].
    TooLongChunkLine,
    /// Trailers over [`MAX_TRAILERS_SIZE`] or [`MAX_TRAILERS`].
    TooManyTrailers,
}

/// The part of nginx's line behind `client sent` or `upstream sent`.
impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::InvalidChunk => f.write_str("invalid chunked body"),
            BodyError::InvalidTrailer(line, byte) => {
                write!(f, "invalid trailer: \"{}\\x{byte:02x}...\"", Printable(line))
            }
            BodyError::TooLongChunkLine => f.write_str("too long chunk extension"),
            BodyError::TooManyTrailers => f.write_str("too many trailers"),
        }
    }
}

impl std::error::Error for BodyError {}

impl BodyDecoder {
    pub fn new(framing: Framing, keep: Trailers) -> BodyDecoder {
        let (state, remaining) = match framing {
            Framing::None | Framing::Length(0) => (State::Done, 0),
            Framing::Length(length) => (State::Length, length),
            Framing::Chunked => (State::ChunkStart, 0),
            Framing::Close => (State::UntilClose, 0),
        };
        BodyDecoder { state, remaining, keep, line_length: 0, trailers: Headers::new() }
    }

    /// Looks for data in `input`, the bytes behind those consumed so far. One call yields at most one
    /// run of data; call again with the rest until nothing is consumed or the body is done. Framing
    /// behind the run is consumed in the same call.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, BodyError> {
        let mut found = Decoded::default();
        while found.consumed < input.len() {
            match self.state {
                State::Done => break,
                State::UntilClose => {
                    found.data = found.consumed..input.len();
                    found.consumed = input.len();
                }
                State::Length | State::ChunkData if !found.data.is_empty() => break,
                State::Length | State::ChunkData => {
                    let rest = input.len() - found.consumed;
                    let length =
                        usize::try_from(self.remaining).map_or(rest, |remaining| remaining.min(rest));
                    found.data = found.consumed..found.consumed + length;
                    found.consumed += length;
                    self.remaining -= length as u64;
                    if self.remaining == 0 {
                        self.state = if self.state == State::Length { State::Done } else { State::DataCr };
                    }
                }
                State::TrailerBlock => found.consumed += self.gather_trailers(&input[found.consumed..])?,
                _ => {
                    self.framing_byte(input[found.consumed])?;
                    found.consumed += 1;
                }
            }
        }
        found.done = self.is_done();
        Ok(found)
    }

    /// Nothing of the body is to come.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The connection ended: whether that is how this body ends. Otherwise it was cut.
    pub fn ends_at_close(&self) -> bool {
        matches!(self.state, State::Done | State::UntilClose)
    }

    /// How much data is still to come, if that is known: of the whole body, or at least of its chunk.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The trailers of a chunked body that is done, if they were to be kept.
    pub fn trailers(&self) -> &Headers {
        &self.trailers
    }

    /// Takes a byte of a chunk's head or end, or of trailers that are dropped (ngx_http_parse_chunked
    /// of nginx 1.31; before 1.29.4 a bare LF ended these lines too).
    fn framing_byte(&mut self, byte: u8) -> Result<(), BodyError> {
        self.state = match (self.state, byte) {
            (State::ChunkStart, _) => {
                self.line_length = 0;
                self.remaining = 0;
                self.size_digit(byte).ok_or(BodyError::InvalidChunk)?
            }
            (State::ChunkSize, b'\r') if self.remaining == 0 => State::LastLf,
            (State::ChunkSize, b'\r') => State::ChunkLf,
            (State::ChunkSize, b';' | b' ' | b'\t') if self.remaining == 0 => State::LastExtension,
            (State::ChunkSize, b';' | b' ' | b'\t') => State::ChunkExtension,
            (State::ChunkSize, _) => self.size_digit(byte).ok_or(BodyError::InvalidChunk)?,
            (State::ChunkExtension, b'\r') => State::ChunkLf,
            (State::LastExtension, b'\r') => State::LastLf,
            (State::TrailerLine, b'\r') => State::TrailerLf,
            (State::ChunkExtension | State::LastExtension | State::TrailerLine, b'\n') => {
                return Err(BodyError::InvalidChunk);
            }
            (State::ChunkExtension | State::LastExtension | State::TrailerLine, _) => self.state,
            (State::ChunkLf, b'\n') => State::ChunkData,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::ChunkStart,
            (State::LastLf, b'\n') => {
                self.line_length = 0;
                if self.keep == Trailers::Keep { State::TrailerBlock } else { State::TrailerStart }
            }
            (State::TrailerStart, b'\r') => State::TrailerEndLf,
            (State::TrailerStart, b'\n') => return Err(BodyError::InvalidChunk),
            (State::TrailerStart, _) => State::TrailerLine,
            (State::TrailerEndLf, b'\n') => State::Done,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            _ => return Err(BodyError::InvalidChunk),
        };
        self.bound_line()
    }

    fn bound_line(&mut self) -> Result<(), BodyError> {
        self.line_length += 1;
        match self.state {
            State::ChunkSize | State::ChunkExtension | State::LastExtension
                if self.line_length > MAX_CHUNK_LINE =>
            {
                Err(BodyError::TooLongChunkLine)
            }
            State::TrailerLine | State::TrailerStart if self.line_length > MAX_TRAILERS_SIZE => {
                Err(BodyError::TooManyTrailers)
            }
            _ => Ok(()),
        }
    }

    /// A size of 2^59 or more is none, as in nginx.
    fn size_digit(&mut self, byte: u8) -> Option<State> {
        let digit = u64::from(super::escape::hex_digit(byte)?);
        self.remaining = self.remaining * 16 + digit;
        (self.remaining <= i64::MAX as u64 / 16).then_some(State::ChunkSize)
    }

    /// Takes bytes up to and including the empty line behind the trailers, then reads them.
    fn gather_trailers(&mut self, input: &[u8]) -> Result<usize, BodyError> {
        let bytes = &mut self.trailers.bytes;
        let at_start = bytes.is_empty();
        if let Some(end) = [&b"\r\n"[..], b"\n"].into_iter().find(|end| at_start && input.starts_with(end)) {
            // There are none, as nearly always; that costs no memory.
            self.state = State::Done;
            return Ok(end.len());
        }
        let mut taken = 0;
        while let Some(length) = memchr::memchr(b'\n', &input[taken..]) {
            let next = taken + length + 1;
            bytes.extend_from_slice(&input[taken..next]);
            taken = next;
            if bytes.len() > MAX_TRAILERS_SIZE {
                return Err(BodyError::TooManyTrailers);
            }
            if matches!(&bytes[self.line_length..], b"\n" | b"\r\n") {
                self.state = State::Done;
                return self.read_trailers().map(|()| taken);
            }
            self.line_length = bytes.len();
        }
        bytes.extend_from_slice(&input[taken..]);
        if bytes.len() > MAX_TRAILERS_SIZE { Err(BodyError::TooManyTrailers) } else { Ok(input.len()) }
    }

    fn read_trailers(&mut self) -> Result<(), BodyError> {
        let rules = LineRules { max_fields: MAX_TRAILERS, ..LineRules::UPSTREAM };
        match read_fields(&mut self.trailers, 0, rules, &mut Vec::new()) {
            Ok(()) => Ok(()),
            Err(LineError::TooMany) => Err(BodyError::TooManyTrailers),
            Err(LineError::Invalid { start, at }) => {
                let bytes = &self.trailers.bytes;
                let byte = bytes.get(at).copied().unwrap_or(b'\n');
                Err(BodyError::InvalidTrailer(bytes[start..at].into(), byte))
            }
        }
    }
}

/// Writes the head of a chunk of `length` bytes, which must not be 0. Data and [`CHUNK_END`] follow.
pub fn chunk_head(length: usize, out: &mut Vec<u8>) {
    debug_assert!(length > 0, "a chunk without data ends the body");
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[length >> (place * 4) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Stands behind the data of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";
/// Ends a chunked body that has no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Writes the end of a chunked body with trailers.
pub fn last_chunk(trailers: &Headers, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    trailers.write(out);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `input` in pieces and gives the data, what was left over, and whether the body is done.
    fn decode(
        decoder: &mut BodyDecoder,
        input: &[u8],
        pieces: &[usize],
    ) -> Result<(Vec<u8>, Vec<u8>, bool), BodyError> {
        let (mut data, mut held, mut done, mut at) = (Vec::new(), Vec::new(), decoder.is_done(), 0);
        let cuts = pieces.iter().copied().chain([input.len()]);
        for cut in cuts {
            held.extend_from_slice(&input[at..cut]);
            at = cut;
            while !held.is_empty() && !done {
                let found = decoder.decode(&held)?;
                assert!(found.consumed > 0 && found.data.end <= found.consumed);
                data.extend_from_slice(&held[found.data]);
                held.drain(..found.consumed);
                done = found.done;
            }
        }
        Ok((data, held, done))
    }

    fn chunked(input: &[u8], keep: Trailers) -> Result<(Vec<u8>, Vec<u8>, bool), BodyError> {
        decode(&mut BodyDecoder::new(Framing::Chunked, keep), input, &[])
    }

    #[test]
    fn lengths() {
        let mut decoder = BodyDecoder::new(Framing::Length(5), Trailers::Drop);
        assert_eq!(decode(&mut decoder, b"helloGET", &[2, 4]), Ok((b"hello".into(), b"GET".into(), true)));
        assert!(BodyDecoder::new(Framing::Length(0), Trailers::Drop).is_done());
        assert!(BodyDecoder::new(Framing::None, Trailers::Drop).is_done());
        let mut decoder = BodyDecoder::new(Framing::Length(5), Trailers::Drop);
        assert_eq!(decode(&mut decoder, b"he", &[]), Ok((b"he".into(), b"".into(), false)));
        assert_eq!((decoder.remaining(), decoder.ends_at_close()), (3, false));
        let mut decoder = BodyDecoder::new(Framing::Close, Trailers::Drop);
        assert_eq!(decode(&mut decoder, b"any", &[]), Ok((b"any".into(), b"".into(), false)));
        assert!(decoder.ends_at_close());
    }

    #[test]
    fn chunks_are_one_run_each_and_the_end_comes_with_the_last() {
        let mut decoder = BodyDecoder::new(Framing::Chunked, Trailers::Drop);
        let input = b"5;a=\"b\"\r\nhello\r\n0A \r\n, world!!!\r\n00;x\r\nT: 1\r\n\r\nrest";
        let first = decoder.decode(input).unwrap();
        assert_eq!((&input[first.data.clone()], first.done), (&b"hello"[..], false));
        let rest = &input[first.consumed..];
        let second = decoder.decode(rest).unwrap();
        assert_eq!(
            (&rest[second.data], &rest[second.consumed..], second.done),
            (&b", world!!!"[..], &b"rest"[..], true)
        );
    }

    #[test]
    fn invalid_chunks() {
        let bad: [&[u8]; 16] = [
            b"\r\n",
            b"x\r\n",
            b"-1\r\n",
            b"0x5\r\n",
            b" 5\r\n",
            b"5\n",
            b"5;a\nhello",
            b"5\r\rhello",
            b"5\r\nhelloX",
            b"5\r\nhello\n",
            b"0\n",
            b"0\r\n\n",
            b"0\r\nA: b\n",
            b"0\r\nA: b\rc",
            b"0;\n",
            b"800000000000000\r\n",
        ];
        for input in bad {
            assert_eq!(
                chunked(input, Trailers::Drop),
                Err(BodyError::InvalidChunk),
                "{}",
                input.escape_ascii()
            );
        }
        let mut decoder = BodyDecoder::new(Framing::Chunked, Trailers::Drop);
        assert_eq!(decode(&mut decoder, b"7ffffffffffffff\r\n", &[]), Ok((vec![], vec![], false)));
        assert_eq!(decoder.remaining(), 0x07ff_ffff_ffff_ffff);
        let zeros = b"0".repeat(MAX_CHUNK_LINE + 1);
        assert_eq!(chunked(&zeros, Trailers::Drop), Err(BodyError::TooLongChunkLine));
        let extension = [&b"5;"[..], &b"a".repeat(MAX_CHUNK_LINE)].concat();
        assert_eq!(chunked(&extension, Trailers::Drop), Err(BodyError::TooLongChunkLine));
        let trailers = [&b"0\r\n"[..], &b"A: b\r\n".repeat(MAX_TRAILERS_SIZE / 6 + 1)].concat();
        assert_eq!(chunked(&trailers, Trailers::Drop), Err(BodyError::TooManyTrailers));
        assert_eq!(chunked(&trailers, Trailers::Keep), Err(BodyError::TooManyTrailers));
    }

    #[test]
    fn trailers_are_kept_or_dropped() {
        let input = b"1\r\na\r\n0\r\nX-Sum: 1\r\nb:2\n\r\nnext";
        let mut decoder = BodyDecoder::new(Framing::Chunked, Trailers::Keep);
        assert_eq!(decode(&mut decoder, input, &[12, 20]), Ok((b"a".into(), b"next".into(), true)));
        let mut out = Vec::new();
        last_chunk(decoder.trailers(), &mut out);
        assert_eq!(out, b"0\r\nX-Sum: 1\r\nb: 2\r\n\r\n");
        assert_eq!(chunked(input, Trailers::Drop), Err(BodyError::InvalidChunk));
        let bad = chunked(b"0\r\nA : b\r\n\r\n", Trailers::Keep);
        assert_eq!(bad, Err(BodyError::InvalidTrailer(b"A".as_slice().into(), b' ')));
    }

    #[test]
    fn chunk_heads() {
        for length in [1, 9, 10, 15, 16, 255, 256, 4095, 65536, usize::MAX] {
            let mut out = Vec::new();
            chunk_head(length, &mut out);
            assert_eq!(out, format!("{length:x}\r\n").into_bytes());
        }
    }

    proptest! {
        /// What is written in chunks is read again, wherever it is cut, byte by byte too.
        #[test]
        fn encoded_bodies_decode_wherever_they_are_cut(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..20), 0..5),
            keep: bool,
        ) {
            let mut encoded = Vec::new();
            for chunk in &chunks {
                chunk_head(chunk.len(), &mut encoded);
                encoded.extend_from_slice(chunk);
                encoded.extend_from_slice(CHUNK_END);
            }
            encoded.extend_from_slice(LAST_CHUNK);
            let length = encoded.len();
            encoded.extend_from_slice(b"GET ");
            let keep = if keep { Trailers::Keep } else { Trailers::Drop };
            let expected = Ok((chunks.concat(), b"GET ".to_vec(), true));
            for cut in 0..=length {
                let mut decoder = BodyDecoder::new(Framing::Chunked, keep);
                prop_assert_eq!(&decode(&mut decoder, &encoded, &[cut]), &expected);
            }
            let all: Vec<_> = (0..=length).collect();
            let mut decoder = BodyDecoder::new(Framing::Chunked, keep);
            prop_assert_eq!(&decode(&mut decoder, &encoded, &all), &expected);
        }
    }
}
