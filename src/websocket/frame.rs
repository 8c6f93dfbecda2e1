//! Frame heads (RFC 6455 section 5.2): 2 to 14 bytes before each payload.

use std::fmt;

/// Two bytes, a length of eight and a masking key.
pub const MAX_HEAD: usize = 14;

/// Payload of a control frame (RFC 6455 section 5.5).
pub const MAX_CONTROL_PAYLOAD: u64 = 125;

/// What a frame is; four bits, of which not all values are defined.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Opcode(u8);

impl Opcode {
    pub const CONTINUATION: Opcode = Opcode(0x0);
    pub const TEXT: Opcode = Opcode(0x1);
    pub const BINARY: Opcode = Opcode(0x2);
    pub const CLOSE: Opcode = Opcode(0x8);
    pub const PING: Opcode = Opcode(0x9);
    pub const PONG: Opcode = Opcode(0xa);

    /// May stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        self.0 & 0x8 != 0
    }

    pub fn is_defined(self) -> bool {
        matches!(self.0, 0x0..=0x2 | 0x8..=0xa)
    }
}

impl fmt::Debug for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0 => f.write_str("continuation"),
            0x1 => f.write_str("text"),
            0x2 => f.write_str("binary"),
            0x8 => f.write_str("close"),
            0x9 => f.write_str("ping"),
            0xa => f.write_str("pong"),
            other => write!(f, "opcode {other:#x}"),
        }
    }
}

/// The head of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last fragment of its message.
    pub fin: bool,
    /// The bits RSV1, RSV2 and RSV3 as a number of 0 to 7; RSV1 is 4. Extensions give them a meaning.
    pub rsv: u8,
    pub opcode: Opcode,
    /// Set in every frame of a client and in none of a server.
    pub mask: Option<[u8; 4]>,
    /// Bytes of the payload.
    pub length: u64,
}

/// Why bytes are no head. Nothing behind them can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// Lengths are written in as few bytes as possible.
    LengthNotMinimal,
    /// The first of 64 bits has to be zero.
    LengthTooBig,
}

/// What a head must not say, whoever sends it (RFC 6455 sections 5.2 and 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    UndefinedOpcode,
    FragmentedControl,
    LongControl,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeadError::LengthNotMinimal => "frame length is not written in as few bytes as possible",
            HeadError::LengthTooBig => "frame length does not fit into 63 bits",
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Violation::UndefinedOpcode => "frame with an undefined opcode",
            Violation::FragmentedControl => "fragmented control frame",
            Violation::LongControl => "control frame with more than 125 bytes",
        })
    }
}

impl Head {
    /// A whole message in one frame.
    pub fn message(opcode: Opcode, mask: Option<[u8; 4]>, length: u64) -> Head {
        Head { fin: true, rsv: 0, opcode, mask, length }
    }

    /// Reads the head at the start of `bytes` and gives the bytes it takes; `None` if it goes on behind them.
    pub fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
        let Some(([first, second], rest)) = bytes.split_first_chunk() else { return Ok(None) };
        let (length, rest) = match second & 0x7f {
            126 => match rest.split_first_chunk() {
                None => return Ok(None),
                Some((length, rest)) => (minimal(u16::from_be_bytes(*length).into(), 126)?, rest),
            },
            127 => match rest.split_first_chunk() {
                None => return Ok(None),
                Some((length, rest)) => (minimal(u64::from_be_bytes(*length), 1 << 16)?, rest),
            },
            length => (length.into(), rest),
        };
        let (mask, rest) = match second & 0x80 {
            0 => (None, rest),
            _ => match rest.split_first_chunk() {
                None => return Ok(None),
                Some((mask, rest)) => (Some(*mask), rest),
            },
        };
        let (fin, rsv, opcode) = (first & 0x80 != 0, first >> 4 & 0x7, Opcode(first & 0xf));
        Ok(Some((Head { fin, rsv, opcode, mask, length }, bytes.len() - rest.len())))
    }

    /// Writes the head and gives the bytes it takes.
    pub fn write(&self, bytes: &mut [u8; MAX_HEAD]) -> usize {
        bytes[0] = u8::from(self.fin) << 7 | (self.rsv & 0x7) << 4 | self.opcode.0;
        let mut size = match self.length {
            short @ ..126 => {
                bytes[1] = short as u8;
                2
            }
            middle @ 126..0x1_0000 => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(middle as u16).to_be_bytes());
                4
            }
            long => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&long.to_be_bytes());
                10
            }
        };
        if let Some(mask) = self.mask {
            bytes[1] |= 0x80;
            bytes[size..][..4].copy_from_slice(&mask);
            size += 4;
        }
        size
    }

    /// The first rule it breaks by itself, apart from the reserved bits, which are an extension's matter.
    pub fn violation(&self) -> Option<Violation> {
        if !self.opcode.is_defined() {
            return Some(Violation::UndefinedOpcode);
        }
        if !self.opcode.is_control() {
            return None;
        }
        if !self.fin {
            return Some(Violation::FragmentedControl);
        }
        (self.length > MAX_CONTROL_PAYLOAD).then_some(Violation::LongControl)
    }
}

fn minimal(length: u64, least: u64) -> Result<u64, HeadError> {
    match length {
        _ if length < least => Err(HeadError::LengthNotMinimal),
        _ if length >> 63 != 0 => Err(HeadError::LengthTooBig),
        _ => Ok(length),
    }
}

/// Masks a payload, or unmasks it, which is the same; `bytes` start `offset` bytes into it.
pub fn mask(bytes: &mut [u8], key: [u8; 4], offset: u64) {
    let mut key = key;
    key.rotate_left((offset % 4) as usize);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// Follows frames through one direction of a WebSocket. It keeps a head that is not complete and how much
/// payload is to come; payloads it only points out.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    head: [u8; MAX_HEAD],
    /// Bytes of `head` that have come.
    came: u8,
    /// Bytes of payload to come.
    left: u64,
    error: Option<HeadError>,
}

/// What comes next in a stream of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A frame begins; its payload follows, in pieces, if it has one.
    Head(Head),
    /// Bytes of the payload, masked if the frame is.
    Payload(&'a [u8]),
}

impl Scanner {
    /// Takes the next piece off `input`; `None` once it is all taken. After an error there is no next piece.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, HeadError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.left > 0 && !input.is_empty() {
            let length = self.left.min(input.len() as u64);
            self.left -= length;
            let (payload, rest) = input.split_at(length as usize);
            *input = rest;
            return Ok(Some(Piece::Payload(payload)));
        }
        let head = self.read(input).inspect_err(|error| self.error = Some(*error))?;
        Ok(head.map(|head| {
            self.left = head.length;
            Piece::Head(head)
        }))
    }

    /// Between frames: here another frame may be put into the stream.
    pub fn is_at_boundary(&self) -> bool {
        self.came == 0 && self.left == 0 && self.error.is_none()
    }

    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Head>, HeadError> {
        let came = usize::from(self.came);
        let taken = input.len().min(MAX_HEAD - came);
        self.head[came..][..taken].copy_from_slice(&input[..taken]);
        match Head::read(&self.head[..came + taken])? {
            Some((head, size)) => {
                *input = &input[size - came..];
                self.came = 0;
                Ok(Some(head))
            }
            None => {
                *input = &input[taken..];
                self.came += taken as u8;
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(head: &Head) -> Vec<u8> {
        let mut bytes = [0; MAX_HEAD];
        let size = head.write(&mut bytes);
        bytes[..size].to_vec()
    }

    /// The examples of RFC 6455 section 5.7.
    #[test]
    fn the_frames_of_the_rfc() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let cases: [(&[u8], Head); 6] = [
            (b"\x81\x05", Head::message(Opcode::TEXT, None, 5)),
            (b"\x81\x85\x37\xfa\x21\x3d", Head::message(Opcode::TEXT, Some(key), 5)),
            (b"\x01\x03", Head { fin: false, ..Head::message(Opcode::TEXT, None, 3) }),
            (b"\x80\x02", Head::message(Opcode::CONTINUATION, None, 2)),
            (b"\x82\x7e\x01\x00", Head::message(Opcode::BINARY, None, 256)),
            (b"\x82\x7f\0\0\0\0\0\x01\0\0", Head::message(Opcode::BINARY, None, 65536)),
        ];
        for (bytes, head) in cases {
            assert_eq!(Head::read(bytes), Ok(Some((head, bytes.len()))));
            assert_eq!(written(&head), bytes);
            assert_eq!(head.violation(), None);
        }
        let mut payload = *b"\x7f\x9f\x4d\x51\x58";
        mask(&mut payload, key, 0);
        assert_eq!(&payload, b"Hello");
    }

    #[test]
    fn lengths_take_as_few_bytes_as_possible() {
        for (length, size) in [(0, 2), (125, 2), (126, 4), (65535, 4), (65536, 10), (u64::MAX >> 1, 10)] {
            let head = Head::message(Opcode::BINARY, None, length);
            assert_eq!(written(&head).len(), size);
        }
        let errors: [(&[u8], HeadError); 3] = [
            (b"\x82\x7e\x00\x7d", HeadError::LengthNotMinimal),
            (b"\x82\x7f\0\0\0\0\0\0\xff\xff", HeadError::LengthNotMinimal),
            (b"\x82\x7f\x80\0\0\0\0\0\0\0", HeadError::LengthTooBig),
        ];
        for (bytes, error) in errors {
            assert_eq!(Head::read(bytes), Err(error));
        }
    }

    #[test]
    fn control_frames_are_short_and_whole() {
        let violation = |bytes: &[u8]| Head::read(bytes).unwrap().unwrap().0.violation();
        assert_eq!(violation(b"\x89\x7d"), None);
        assert_eq!(violation(b"\x89\x7e\x00\x7e"), Some(Violation::LongControl));
        assert_eq!(violation(b"\x09\x00"), Some(Violation::FragmentedControl));
        assert_eq!(violation(b"\x83\x00"), Some(Violation::UndefinedOpcode));
        assert_eq!(violation(b"\x8b\x00"), Some(Violation::UndefinedOpcode));
        assert_eq!(violation(b"\x02\x7e\x01\x00"), None);
    }

    #[test]
    fn an_error_is_the_end() {
        let mut scanner = Scanner::default();
        let mut input: &[u8] = b"\x82\x7e\x00";
        assert_eq!(scanner.next(&mut input), Ok(None));
        assert!(!scanner.is_at_boundary());
        let mut input: &[u8] = b"\x01";
        assert_eq!(scanner.next(&mut input), Err(HeadError::LengthNotMinimal));
        assert_eq!(scanner.next(&mut &b"\x82\x00"[..]), Err(HeadError::LengthNotMinimal));
        assert!(!scanner.is_at_boundary());
    }

    fn any_head() -> impl Strategy<Value = Head> {
        let length = prop_oneof![0..200u64, 65000..66000u64];
        (any::<bool>(), 0..8u8, 0..16u8, any::<Option<[u8; 4]>>(), length).prop_map(
            |(fin, rsv, opcode, mask, length)| Head { fin, rsv, opcode: Opcode(opcode), mask, length },
        )
    }

    proptest! {
        #[test]
        fn frames_are_followed_however_they_are_split(
            heads in prop::collection::vec(any_head(), 0..5),
            splits in prop::collection::vec(1..70_000usize, 1..50),
        ) {
            let mut stream = Vec::new();
            for (at, head) in heads.iter().enumerate() {
                stream.extend(written(head));
                stream.extend(std::iter::repeat_n(at as u8, head.length as usize));
            }
            let mut scanner = Scanner::default();
            let mut seen: Vec<(Head, Vec<u8>)> = Vec::new();
            let mut rest = &stream[..];
            for split in splits.iter().cycle() {
                let (mut input, behind) = rest.split_at(rest.len().min(*split));
                while let Some(piece) = scanner.next(&mut input).unwrap() {
                    match piece {
                        Piece::Head(head) => seen.push((head, Vec::new())),
                        Piece::Payload(bytes) => seen.last_mut().unwrap().1.extend_from_slice(bytes),
                    }
                }
                prop_assert!(input.is_empty());
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert!(scanner.is_at_boundary());
            prop_assert_eq!(seen.len(), heads.len());
            for (at, (head, payload)) in seen.iter().enumerate() {
                prop_assert_eq!(head, &heads[at]);
                prop_assert_eq!(payload.len() as u64, head.length);
                prop_assert!(payload.iter().all(|byte| *byte == at as u8));
            }
        }

        #[test]
        fn single_bytes_make_heads_too(head in any_head()) {
            let bytes = written(&head);
            let mut scanner = Scanner::default();
            for (at, byte) in bytes.chunks(1).enumerate() {
                let piece = scanner.next(&mut &*byte).unwrap();
                prop_assert_eq!(piece, (at + 1 == bytes.len()).then_some(Piece::Head(head)));
            }
        }

        #[test]
        fn any_bytes_are_followed_without_a_panic(bytes: Vec<u8>) {
            let mut scanner = Scanner::default();
            let mut input = &bytes[..];
            while let Ok(Some(_)) = scanner.next(&mut input) {}
        }

        #[test]
        fn masking_goes_on_where_it_stopped(bytes: Vec<u8>, key: [u8; 4], split: prop::sample::Index) {
            let mut whole = bytes.clone();
            mask(&mut whole, key, 0);
            for (at, byte) in whole.iter().enumerate() {
                prop_assert_eq!(*byte, bytes[at] ^ key[at % 4]);
            }
            let split = split.index(bytes.len() + 1);
            let mut parts = bytes;
            let (before, behind) = parts.split_at_mut(split);
            mask(before, key, 0);
            mask(behind, key, split as u64);
            prop_assert_eq!(parts, whole);
        }
    }
}
