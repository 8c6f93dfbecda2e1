use std::ops::Range;

use proptest::prelude::*;

use crate::websocket::frame::{Head, HeadError, MAX_HEAD, Opcode, Violation, mask};

use super::{Breach, Close, Excess, Follower, PING_PAYLOAD, Step, Then, Watch, Who};

const OURS: &[u8; PING_PAYLOAD] = b"wsproxy\x2a";
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn all(pass: usize) -> Step {
    Step { pass, then: Then::All }
}

/// A frame as a test says it; `from` decides whether it is masked.
#[derive(Clone, Debug)]
struct Frame {
    fin: bool,
    rsv: u8,
    opcode: Opcode,
    payload: Vec<u8>,
    key: [u8; 4],
}

impl Frame {
    fn new(opcode: Opcode, payload: &[u8]) -> Frame {
        Frame { fin: true, rsv: 0, opcode, payload: payload.to_vec(), key: KEY }
    }

    fn part(opcode: Opcode, payload: &[u8]) -> Frame {
        Frame { fin: false, ..Frame::new(opcode, payload) }
    }

    fn written(&self, from: Who) -> Vec<u8> {
        let mask_key = (from == Who::Client).then_some(self.key);
        let (length, mut head) = (self.payload.len() as u64, [0; MAX_HEAD]);
        let size = Head { fin: self.fin, rsv: self.rsv, opcode: self.opcode, mask: mask_key, length }
            .write(&mut head);
        let mut bytes = head[..size].to_vec();
        bytes.extend_from_slice(&self.payload);
        mask(&mut bytes[size..], mask_key.unwrap_or_default(), 0);
        bytes
    }

    fn is_data(&self) -> bool {
        !self.opcode.is_control()
    }

    fn is_ours(&self) -> bool {
        self.fin && self.rsv == 0 && self.opcode == Opcode::PONG && self.payload == OURS
    }
}

fn written(frames: &[Frame], from: Who) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.written(from)).collect()
}

/// Where frames stand in what [`written`] gives.
fn places(frames: &[Frame], from: Who) -> Vec<Range<usize>> {
    let mut at = 0;
    let place = |frame: &Frame| {
        let start = at;
        at += frame.written(from).len();
        start..at
    };
    frames.iter().map(place).collect()
}

/// What a tunnel asks for; `messages` may begin in all.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    max_frame: Option<u64>,
    max_message: Option<u64>,
    messages: Option<u64>,
    ours: bool,
}

impl Asked {
    fn watch(&self, follower: &Follower) -> Watch<'static> {
        Watch {
            max_frame: self.max_frame,
            max_message: self.max_message,
            messages_left: self.messages.map(|messages| messages - follower.begun()),
            pong: self.ours.then_some(OURS),
        }
    }

    fn has_limits(&self) -> bool {
        self.max_frame.or(self.max_message).or(self.messages).is_some()
    }
}

/// A tunnel around a follower: keeps back what is undecided, and writes what passes.
struct Tunnel {
    follower: Follower,
    asked: Asked,
    passed: Vec<u8>,
    kept: Vec<u8>,
    /// Bytes taken off the stream: passed, or pongs of ours.
    taken: usize,
    stopped: Option<Then>,
}

impl Tunnel {
    fn new(from: Who, asked: Asked) -> Tunnel {
        Tunnel { follower: Follower::new(from), asked, passed: vec![], kept: vec![], taken: 0, stopped: None }
    }

    /// A stream in portions of these sizes, over and over.
    fn carry(&mut self, stream: &[u8], portions: &[usize], skips: bool, mut look: impl FnMut(&Tunnel)) {
        let mut rest = stream;
        for portion in portions.iter().cycle() {
            let (bytes, behind) = rest.split_at(rest.len().min(*portion));
            if skips && self.follower.payload_left() >= bytes.len() as u64 {
                self.follower.skip(bytes.len() as u64);
                self.passed.extend_from_slice(bytes);
                self.taken += bytes.len();
            } else {
                self.kept.extend_from_slice(bytes);
                self.take(&mut look);
            }
            look(self);
            rest = behind;
            if rest.is_empty() || self.stopped.is_some() {
                break;
            }
        }
        if self.stopped.is_none() {
            self.asked = Asked::default();
            self.take(&mut look);
            assert_eq!(self.kept, b"");
        }
    }

    fn take(&mut self, look: &mut impl FnMut(&Tunnel)) {
        loop {
            let Step { pass, then } = self.follower.follow(&self.kept, &self.asked.watch(&self.follower));
            self.taken += pass;
            self.passed.extend(self.kept.drain(..pass));
            match then {
                Then::All => return assert_eq!(self.kept, b""),
                Then::Undecided => return self.look_at_undecided(),
                Then::Pong(length) => {
                    self.kept.drain(..length);
                    self.taken += length;
                    look(self);
                }
                Then::Over(_) | Then::Pause => {
                    assert!(self.follower.is_at_boundary());
                    return self.stopped = Some(then);
                }
            }
        }
    }

    fn look_at_undecided(&self) {
        let kept = &self.kept;
        assert!((1..MAX_HEAD).contains(&kept.len()));
        if self.asked.has_limits() && Head::read(kept) == Ok(None) {
            return;
        }
        assert!(self.asked.ours);
        let key = kept.get(2..6).map_or(KEY, |key| key.try_into().unwrap());
        let ours = Frame { key, ..Frame::new(Opcode::PONG, OURS) };
        let begins = |from| {
            let mut pong = ours.written(from);
            // Less than a whole key.
            if let (Who::Client, shown @ 3..6) = (from, kept.len()) {
                pong[2..shown].copy_from_slice(&kept[2..shown]);
            }
            pong.starts_with(kept)
        };
        assert!(begins(Who::Client) || begins(Who::Upstream), "{kept:x?}");
    }
}

/// What has to come of whole frames that break nothing: what passes, and why it stops before the end.
fn expected(frames: &[Frame], from: Who, asked: Asked) -> (Vec<u8>, Option<Then>) {
    let (mut passed, mut begun, mut message, mut open) = (Vec::new(), 0, 0, false);
    for frame in frames {
        let length = frame.payload.len() as u64;
        if frame.is_data() {
            message = if open { message } else { 0 } + length;
            let over = |most: Option<u64>, length| most.is_some_and(|most| length > most);
            let stop = if over(asked.max_frame, length) {
                Some(Then::Over(Excess::Frame { length }))
            } else if over(asked.max_message, message) {
                Some(Then::Over(Excess::Message { length: message }))
            } else {
                (!open && asked.messages == Some(begun)).then_some(Then::Pause)
            };
            if stop.is_some() {
                return (passed, stop);
            }
            begun += u64::from(!open);
            open = !frame.fin;
        }
        if !(asked.ours && frame.is_ours()) {
            passed.extend(frame.written(from));
        }
    }
    (passed, None)
}

fn any_side() -> impl Strategy<Value = Who> {
    prop_oneof![Just(Who::Client), Just(Who::Upstream)]
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    let length =
        prop_oneof![12 => 0..20usize, 6 => 120..132usize, 2 => 300..3000usize, 1 => 65_530..65_540usize];
    (any::<u8>(), length).prop_map(|(byte, length)| vec![byte; length])
}

/// Pings, pongs that are ours, pongs that are nearly ours, and others.
fn any_control() -> impl Strategy<Value = Frame> {
    let nearly = (0..PING_PAYLOAD, 1..=255u8).prop_map(|(at, bit)| {
        let mut payload = OURS.to_vec();
        payload[at] ^= bit;
        Frame::new(Opcode::PONG, &payload)
    });
    let frame = prop_oneof![
        Just(Frame::new(Opcode::PONG, OURS)),
        nearly,
        (0..=10usize).prop_map(|length| Frame::new(Opcode::PONG, &b"wsproxy\x2a!!"[..length])),
        Just(Frame { rsv: 1, ..Frame::new(Opcode::PONG, OURS) }),
        Just(Frame::new(Opcode::PING, OURS)),
        (0..=125usize).prop_map(|length| Frame::new(Opcode::PING, &vec![b'p'; length])),
    ];
    (frame, any::<[u8; 4]>()).prop_map(|(frame, key)| Frame { key, ..frame })
}

/// A message in one frame or several, with control frames before each.
fn any_message() -> impl Strategy<Value = Vec<Frame>> {
    let controls = prop::collection::vec(any_control(), 0..3);
    let part = (controls, any_payload(), any::<[u8; 4]>());
    (prop::collection::vec(part, 1..4), 0..8u8, any::<bool>()).prop_map(|(parts, rsv, text)| {
        let first = if text { Opcode::TEXT } else { Opcode::BINARY };
        let last = parts.len() - 1;
        let mut frames = Vec::new();
        for (at, (controls, payload, key)) in parts.into_iter().enumerate() {
            frames.extend(controls);
            let (opcode, rsv) = if at == 0 { (first, rsv) } else { (Opcode::CONTINUATION, 0) };
            frames.push(Frame { fin: at == last, rsv, opcode, payload, key });
        }
        frames
    })
}

fn any_messages() -> impl Strategy<Value = Vec<Frame>> {
    let small = (any::<[u8; 4]>(), any::<bool>(), 0..140usize).prop_map(|(key, text, length)| {
        let opcode = if text { Opcode::TEXT } else { Opcode::BINARY };
        vec![Frame { key, ..Frame::new(opcode, &vec![b's'; length]) }]
    });
    let messages = prop_oneof![any_message(), small, any_control().prop_map(|frame| vec![frame])];
    prop::collection::vec(messages, 0..8).prop_map(|messages| messages.concat())
}

fn any_portions() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![1]),
        prop::collection::vec(1..20usize, 1..20),
        prop::collection::vec(1..70_000usize, 1..20),
        Just(vec![1 << 16]),
    ]
}

fn any_limits() -> impl Strategy<Value = Asked> {
    let most =
        || prop_oneof![3 => Just(None), 2 => (0..200u64).prop_map(Some), 1 => (0..70_000u64).prop_map(Some)];
    let messages = prop_oneof![2 => Just(None), 1 => (0..6u64).prop_map(Some)];
    (most(), most(), messages, any::<bool>()).prop_map(|(max_frame, max_message, messages, ours)| Asked {
        max_frame,
        max_message,
        messages,
        ours,
    })
}

/// Bytes that look like frames more often than chance would have it.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let telling =
        prop::sample::select(&b"\0\x01\x02\x03\x05\x7e\x7f\x80\x81\x82\x84\x88\x89\x8a\xfe\xff"[..]);
    let byte = prop_oneof![4 => telling, 1 => any::<u8>()];
    prop::collection::vec(byte, 0..80)
}

proptest! {
    #[test]
    fn what_passes_is_what_was_sent(
        from in any_side(),
        frames in any_messages(),
        portions in any_portions(),
        ours: bool,
        skips: bool,
    ) {
        let (stream, places) = (written(&frames, from), places(&frames, from));
        let mut tunnel = Tunnel::new(from, Asked { ours, ..Asked::default() });
        tunnel.carry(&stream, &portions, skips, |tunnel| {
            let inside = places.iter().any(|place| place.start < tunnel.taken && tunnel.taken < place.end);
            assert_eq!(tunnel.follower.is_at_boundary(), !inside);
        });
        let (passed, _) = expected(&frames, from, Asked { ours, ..Asked::default() });
        prop_assert!(tunnel.passed == passed);
        prop_assert_eq!(tunnel.stopped, None);
        prop_assert_eq!(tunnel.follower.breach(), None);
        let data = || frames.iter().filter(|frame| frame.is_data());
        prop_assert_eq!(tunnel.follower.messages(), data().filter(|frame| frame.fin).count() as u64);
        prop_assert_eq!(tunnel.follower.begun(), tunnel.follower.messages());
        prop_assert_eq!(tunnel.follower.payload(), data().map(|frame| frame.payload.len() as u64).sum::<u64>());
    }

    #[test]
    fn a_limit_stops_before_the_frame_that_breaks_it(
        from in any_side(),
        frames in any_messages(),
        portions in any_portions(),
        asked in any_limits(),
        skips: bool,
    ) {
        let mut tunnel = Tunnel::new(from, asked);
        tunnel.carry(&written(&frames, from), &portions, skips, |_| {});
        let (passed, stopped) = expected(&frames, from, asked);
        prop_assert_eq!(tunnel.passed.len(), passed.len());
        prop_assert!(tunnel.passed == passed);
        prop_assert_eq!(tunnel.stopped, stopped);
        prop_assert_eq!(tunnel.follower.breach(), None);
    }

    #[test]
    fn counts_are_of_what_has_passed(from in any_side(), frames in any_messages(), cut: prop::sample::Index) {
        let (stream, places) = (written(&frames, from), places(&frames, from));
        let cut = cut.index(stream.len() + 1);
        let mut tunnel = Tunnel::new(from, Asked::default());
        tunnel.carry(&stream[..cut], &[7], false, |_| {});
        let data = || frames.iter().zip(&places).filter(|(frame, _)| frame.is_data());
        let messages = data().filter(|(frame, place)| frame.fin && place.end <= cut).count();
        prop_assert_eq!(tunnel.follower.messages(), messages as u64);
        let payload = data().map(|(frame, place)| {
            let payload_at = place.end - frame.payload.len();
            cut.saturating_sub(payload_at).min(frame.payload.len()) as u64
        });
        prop_assert_eq!(tunnel.follower.payload(), payload.sum::<u64>());
        let inside = frames.iter().zip(&places).find(|(_, place)| place.start < cut && cut < place.end);
        let left = inside.map(|(frame, place)| (place.end - cut, frame.payload.len()));
        let left = left.filter(|(left, payload)| left <= payload).map_or(0, |(left, _)| left);
        prop_assert_eq!(tunnel.follower.payload_left(), left as u64);
    }

    #[test]
    fn any_bytes_pass_however_they_are_cut(from in any_side(), bytes in any_bytes(), portions in any_portions()) {
        let mut whole = Tunnel::new(from, Asked::default());
        whole.carry(&bytes, &[1 << 16], false, |_| {});
        prop_assert_eq!(&whole.passed, &bytes);
        let mut parts = Tunnel::new(from, Asked::default());
        parts.carry(&bytes, &portions, true, |_| {});
        prop_assert_eq!(&parts.passed, &bytes);
        prop_assert_eq!(parts.follower.breach(), whole.follower.breach());
        prop_assert_eq!(parts.follower.messages(), whole.follower.messages());
        prop_assert_eq!(parts.follower.begun(), whole.follower.begun());
        prop_assert_eq!(parts.follower.close(), whole.follower.close());
        prop_assert_eq!(parts.follower.is_at_boundary(), whole.follower.is_at_boundary());
    }

    #[test]
    fn limits_of_any_bytes_stop_at_one_place(
        from in any_side(),
        bytes in any_bytes(),
        portions in any_portions(),
        asked in any_limits(),
    ) {
        let mut whole = Tunnel::new(from, asked);
        whole.carry(&bytes, &[1 << 16], false, |_| {});
        let mut parts = Tunnel::new(from, asked);
        parts.carry(&bytes, &portions, false, |_| {});
        prop_assert_eq!(&parts.passed, &whole.passed);
        prop_assert_eq!(parts.taken, whole.taken);
        prop_assert_eq!(parts.stopped, whole.stopped);
        prop_assert_eq!(parts.follower.breach(), whole.follower.breach());
    }
}

/// Every pair of cuts through frames of each sort, in both directions.
#[test]
fn pongs_of_ours_are_taken_out_at_every_cut() {
    let ours = Frame { key: [0x8a, 0x88, 0, b'w'], ..Frame::new(Opcode::PONG, OURS) };
    let frames = [
        Frame::new(Opcode::TEXT, b"a"),
        ours.clone(),
        Frame::part(Opcode::BINARY, &[0x8a; 130]),
        Frame::new(Opcode::PONG, b"wsproxy"),
        ours.clone(),
        ours,
        Frame::new(Opcode::CONTINUATION, b""),
        Frame::new(Opcode::PONG, b"wsproxy+"),
    ];
    for from in [Who::Client, Who::Upstream] {
        let stream = written(&frames, from);
        let asked = Asked { ours: true, ..Asked::default() };
        let (passed, _) = expected(&frames, from, asked);
        for first in 1..stream.len() {
            for second in 1..=stream.len() - first {
                let mut tunnel = Tunnel::new(from, asked);
                tunnel.carry(&stream, &[first, second, stream.len()], false, |_| {});
                assert_eq!(tunnel.passed, passed);
                assert_eq!((tunnel.follower.messages(), tunnel.follower.payload()), (2, 131));
            }
        }
    }
}

#[test]
fn a_pong_with_the_wrong_mask_bit_is_not_ours() {
    for (from, other) in [(Who::Client, Who::Upstream), (Who::Upstream, Who::Client)] {
        let pong = Frame::new(Opcode::PONG, OURS).written(other);
        let mut tunnel = Tunnel::new(from, Asked { ours: true, ..Asked::default() });
        tunnel.carry(&pong, &[1], false, |_| {});
        assert_eq!(tunnel.passed, pong);
        assert!(tunnel.follower.breach().is_some());
    }
}

#[test]
fn what_stopped_goes_on_when_it_may() {
    let mut follower = Follower::new(Who::Upstream);
    let watch = |left| Watch { messages_left: Some(left), ..Watch::default() };
    let stream = b"\x01\x01a\x80\x01b\x81\x01c\x81\x01d";
    assert_eq!(follower.follow(stream, &watch(2)), Step { pass: 9, then: Then::Pause });
    assert_eq!(follower.follow(&stream[9..], &watch(0)), Step { pass: 0, then: Then::Pause });
    assert_eq!(follower.follow(&stream[9..], &watch(1)), all(3));
    assert_eq!((follower.messages(), follower.begun()), (3, 3));

    // What belongs to a message that has begun passes, and so do control frames.
    assert_eq!(follower.follow(b"\x01\x01a\x89\0", &watch(1)), all(5));
    assert_eq!((follower.messages(), follower.begun()), (3, 4));
    assert_eq!(follower.follow(b"\x89\0\x80\x01b", &watch(0)), all(5));
}

#[test]
fn a_length_is_told_as_announced() {
    let watch = Watch { max_message: Some(1 << 62), ..Watch::default() };
    let huge = b"\x01\x7f\x40\0\0\0\0\0\0\0";
    let mut follower = Follower::new(Who::Upstream);
    assert_eq!(follower.follow(huge, &watch), all(10));
    assert_eq!(follower.payload_left(), 1 << 62);
    // More than is left is not skipped.
    follower.skip(u64::MAX);
    assert_eq!((follower.payload_left(), follower.payload()), (0, 1 << 62));
    let over = |length| Step { pass: 0, then: Then::Over(Excess::Message { length }) };
    assert_eq!(follower.follow(b"\x80\x01", &watch), over((1 << 62) + 1));

    // More than 64 bits can count.
    let most = b"\0\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
    for _ in 0..2 {
        assert_eq!(follower.follow(most, &Watch::default()), all(10));
        follower.skip(u64::MAX >> 1);
    }
    assert_eq!(follower.follow(b"\x80\x01", &watch), over(u64::MAX));
}

#[test]
fn broken_framing_passes_and_is_told() {
    let cases: [(Who, &[u8], &str, Breach); 9] = [
        (Who::Client, b"\x81\x05", "frame of a client that is not masked", Breach::NotMasked),
        (Who::Upstream, b"\x81\x85\0\0\0\0", "masked frame of a server", Breach::Masked),
        (Who::Upstream, b"\x80\0", "continuation of no message", Breach::NothingToContinue),
        (Who::Upstream, b"\x01\0\x81\0", "message begins inside an unfinished one", Breach::MessageInMessage),
        (Who::Upstream, b"\x88\0\x81\0", "data behind a close frame", Breach::DataAfterClose),
        (
            Who::Upstream,
            b"\x81\x7e\0\x01",
            "frame length is not written in as few bytes as possible",
            Breach::Head(HeadError::LengthNotMinimal),
        ),
        (
            Who::Upstream,
            b"\x83\0",
            "frame with an undefined opcode",
            Breach::Violation(Violation::UndefinedOpcode),
        ),
        (
            Who::Upstream,
            b"\x09\0",
            "fragmented control frame",
            Breach::Violation(Violation::FragmentedControl),
        ),
        (
            Who::Client,
            b"\x89\xfe\0\x7e\0\0\0\0",
            "control frame with more than 125 bytes",
            Breach::Violation(Violation::LongControl),
        ),
    ];
    for (from, bytes, text, breach) in cases {
        let stream = [bytes, b"whatever \x8a\x08wsproxy\x2a \x81\x05"].concat();
        for asked in [Asked::default(), Asked { ours: true, max_frame: Some(4), ..Asked::default() }] {
            for portion in 1..stream.len() {
                let mut tunnel = Tunnel::new(from, asked);
                tunnel.carry(&stream, &[portion], portion % 2 == 0, |_| {});
                assert_eq!(tunnel.passed, stream);
                assert_eq!(tunnel.follower.breach(), Some(breach));
                assert!(!tunnel.follower.is_at_boundary());
                assert_eq!(tunnel.follower.payload_left(), u64::MAX);
            }
        }
        assert_eq!(breach.to_string(), text);
    }
}

#[test]
fn a_close_is_read_however_it_comes() {
    let cases: [(&[u8], Option<u16>, &str); 6] = [
        (b"", None, ""),
        (b"\x03", None, ""),
        (b"\x03\xe8", Some(1000), ""),
        (b"\x03\xf1gr\xc3\xbc\xc3\x9fe", Some(1009), "grüße"),
        (b"\x03\xee\xff", Some(1006), ""),
        (&[b'a'; 125], Some(0x6161), &"a".repeat(123)),
    ];
    for from in [Who::Client, Who::Upstream] {
        for (payload, code, reason) in cases {
            let close = Frame::new(Opcode::CLOSE, payload);
            let frames = [Frame::new(Opcode::TEXT, b"bye"), close, Frame::new(Opcode::PING, b"")];
            let (stream, end) = (written(&frames, from), places(&frames, from)[1].end);
            for portion in 1..=stream.len() {
                let mut tunnel = Tunnel::new(from, Asked::default());
                tunnel.carry(&stream, &[portion], true, |tunnel| {
                    let follower = &tunnel.follower;
                    assert_eq!(follower.has_closed(), tunnel.taken >= end);
                    assert_eq!(follower.close().is_some(), tunnel.taken >= end);
                    assert!(!(follower.has_closed() && follower.is_at_boundary()));
                });
                assert_eq!(tunnel.passed, stream);
                assert_eq!(tunnel.follower.close(), Some(Close { code, reason }));
                assert_eq!(tunnel.follower.breach(), None);
            }
        }
    }
}

#[test]
fn the_first_close_counts() {
    let mut follower = Follower::new(Who::Upstream);
    let stream = b"\x88\x02\x03\xe8\x88\x02\x03\xe9";
    assert_eq!(follower.follow(stream, &Watch::default()), all(8));
    assert_eq!(follower.close(), Some(Close { code: Some(1000), reason: "" }));
    assert_eq!(follower.breach(), None);
}

#[test]
fn a_follower_is_small() {
    assert!(size_of::<Follower>() <= 64, "{}", size_of::<Follower>());
}
