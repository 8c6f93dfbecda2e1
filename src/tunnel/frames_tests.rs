//! Frames, and what the tunnel says itself, under a clock that a test moves.

use std::time::Duration;

use super::memory::{Joined, seconds};
use super::*;
use crate::websocket::close;
use crate::websocket::frame::{Head, MAX_HEAD, Opcode, mask};

const KEY: [u8; 4] = [1, 2, 3, 4];

/// A frame as the client sends it, or as the upstream does.
fn frame(from: Who, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let key = (from == Who::Client).then_some(KEY);
    let mut head = [0; MAX_HEAD];
    let size = Head::message(opcode, key, payload.len() as u64).write(&mut head);
    let mut bytes = [&head[..size], payload].concat();
    mask(&mut bytes[size..], key.unwrap_or_default(), 0);
    bytes
}

/// The frames a side has received: opcodes and unmasked payloads.
fn frames(mut bytes: &[u8]) -> Vec<(Opcode, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (head, size) = Head::read(bytes).unwrap().unwrap();
        let (payload, rest) = bytes[size..].split_at(head.length as usize);
        let mut payload = payload.to_vec();
        mask(&mut payload, head.mask.unwrap_or_default(), 0);
        frames.push((head.opcode, payload));
        bytes = rest;
    }
    frames
}

/// What the one frame says that a side has received: it is a Close.
fn told(bytes: &[u8]) -> (u16, String) {
    let frames = frames(bytes);
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert_eq!(frames[0].0, Opcode::CLOSE);
    let (code, reason) = close::read(&frames[0].1).unwrap().unwrap();
    (code.get(), reason.to_owned())
}

fn rules(change: impl FnOnce(&mut FrameRules)) -> Rules {
    let mut frames = FrameRules { close_notify: true, ..FrameRules::default() };
    change(&mut frames);
    Rules { frames: Some(frames), ..seconds(60, 60, 60) }
}

#[test]
fn who_is_left_is_told_that_the_other_has_vanished() {
    let mut joined = Joined::new(rules(|_| {}));
    joined.settle().unwrap();
    joined.upstream.close();
    joined.settle().unwrap();
    assert_eq!(told(&joined.client.received()), (1014, "upstream closed the connection".into()));
    assert!(joined.client.is_shut());
    joined.client.close();
    let closing = joined.settle().unwrap_err();
    assert_eq!(closing.to_string(), "upstream closed the connection without a Close");
    assert_eq!(closing.frames.unwrap().close.unwrap().code, Some(1014));

    let mut joined = Joined::new(rules(|_| {}));
    joined.client.close();
    joined.settle().unwrap_err();
    assert_eq!(told(&joined.upstream.received()), (1001, "client closed the connection".into()));
}

#[test]
fn a_silent_side_is_asked_and_its_answer_is_ours() {
    let ping = Ping {
        to: Sides::Both,
        interval: Duration::from_secs(20).into(),
        timeout: Duration::from_secs(5).into(),
    };
    let mut joined = Joined::new(rules(|rules| rules.ping = Some(ping)));
    for _ in 0..10 {
        joined.pass(Duration::from_secs(20)).unwrap();
        joined.settle().unwrap();
        for (who, side) in [(Who::Client, joined.client.clone()), (Who::Upstream, joined.upstream.clone())] {
            let asked = frames(&side.received());
            assert_eq!((asked.len(), asked[0].0), (1, Opcode::PING));
            side.send(&frame(who, Opcode::PONG, &asked[0].1));
        }
        joined.settle().unwrap();
    }
    joined.client.send(&frame(Who::Client, Opcode::PONG, b"mine"));
    joined.settle().unwrap();
    assert_eq!(frames(&joined.upstream.received()), [(Opcode::PONG, b"mine".to_vec())]);
    let (closing, lasted) = joined.end();
    assert_eq!(lasted, Duration::from_secs(25));
    assert_eq!(closing.to_string(), "client did not answer a ping within 5s: websocket_ping_timeout");
    assert!(closing.lasted > Duration::from_secs(200));
}

#[test]
fn a_message_that_is_too_long_does_not_go_on() {
    let most = MaxSize { bytes: 10, of: Sides::Both, place: None };
    let mut joined = Joined::new(rules(|rules| rules.max_message = Some(most)));
    let (short, long) =
        (frame(Who::Client, Opcode::TEXT, b"short"), frame(Who::Client, Opcode::TEXT, b"eleven byte"));
    joined.client.send(&[short.clone(), long].concat());
    joined.settle().unwrap();
    let expected = (1009, "message of 11 bytes (websocket_max_message_size)".to_owned());
    assert_eq!(told(&joined.client.received()), expected);
    let received = joined.upstream.received();
    assert_eq!(received[..short.len()], short);
    assert_eq!(told(&received[short.len()..]), expected);
}

#[test]
fn what_is_too_fast_waits() {
    let rate = Rate {
        unit: Unit::Messages,
        count: 2,
        per: Duration::from_secs(1),
        burst: 3,
        over: Over::Delay,
        of: Sides::Client,
        place: None,
    };
    let mut joined = Joined::new(rules(|rules| rules.rate = Some(rate)));
    let message = frame(Who::Client, Opcode::TEXT, b"hi");
    joined.client.send(&message.repeat(10));
    let mut seen = Vec::new();
    for _ in 0..9 {
        joined.settle().unwrap();
        seen.push(frames(&joined.upstream.received()).len());
        joined.pass(Duration::from_millis(500)).unwrap();
    }
    assert_eq!(seen, [3, 1, 1, 1, 1, 1, 1, 1, 0]);
}
