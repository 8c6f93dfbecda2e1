//! Frames, and what the tunnel says itself, under a clock that a test moves.

mod any;
mod broken;
mod codes;
mod early;
mod farewells;
mod pings;
mod rates;
mod sizes;

use std::time::Duration;

use super::memory::{Joined, Memory, seconds};
use super::*;
use crate::source::Place;
use crate::websocket::close;
use crate::websocket::frame::{Head, MAX_HEAD, Opcode, mask};

const KEY: [u8; 4] = [1, 2, 3, 4];

const SECOND: Duration = Duration::from_secs(1);

/// A goodbye takes no longer.
const FAREWELL: Duration = Duration::from_secs(2);

const SIDES: [Who; 2] = [Who::Client, Who::Upstream];

fn other(side: Who) -> Who {
    if side == Who::Client { Who::Upstream } else { Who::Client }
}

/// A whole frame as the client sends it, or as the upstream does.
fn frame(from: Who, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    part(from, true, opcode, payload)
}

/// A frame that may be one of several of a message.
fn part(from: Who, fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let key = (from == Who::Client).then_some(KEY);
    let mut head = [0; MAX_HEAD];
    let size = Head { fin, ..Head::message(opcode, key, payload.len() as u64) }.write(&mut head);
    let mut bytes = [&head[..size], payload].concat();
    mask(&mut bytes[size..], key.unwrap_or_default(), 0);
    bytes
}

fn text(from: Who, text: &str) -> Vec<u8> {
    frame(from, Opcode::TEXT, text.as_bytes())
}

fn close_frame(from: Who, code: u16, reason: &str) -> Vec<u8> {
    frame(from, Opcode::CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// The frames a side has received, all of them whole: opcodes and unmasked payloads. Those for the upstream
/// are masked, and no others.
fn frames(to: Who, mut bytes: &[u8]) -> Vec<(Opcode, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (head, size) = Head::read(bytes).expect("a head").expect("all of it");
        assert_eq!((head.violation(), head.mask.is_some()), (None, to == Who::Upstream));
        let (payload, rest) = bytes[size..].split_at(head.length as usize);
        let mut payload = payload.to_vec();
        mask(&mut payload, head.mask.unwrap_or_default(), 0);
        frames.push((head.opcode, payload));
        bytes = rest;
    }
    frames
}

/// What the one frame says that a side has received: it is a Close.
fn told(to: Who, bytes: &[u8]) -> (u16, String) {
    let frames = frames(to, bytes);
    assert_eq!(frames.len(), 1, "{frames:?}");
    assert_eq!(frames[0].0, Opcode::CLOSE);
    let (code, reason) = close::read(&frames[0].1).expect("a good Close").expect("a code");
    (code.get(), reason.to_owned())
}

/// The pings a side has received, which are all it has.
fn pings(to: Who, bytes: &[u8]) -> Vec<Vec<u8>> {
    let frames = frames(to, bytes).into_iter();
    frames.inspect(|frame| assert_eq!(frame.0, Opcode::PING)).map(|frame| frame.1).collect()
}

fn rules(change: impl FnOnce(&mut FrameRules)) -> Rules {
    let mut frames = FrameRules { close_notify: true, ..FrameRules::default() };
    change(&mut frames);
    Rules { frames: Some(frames), ..seconds(60, 60, 60) }
}

/// Pings after 20 seconds, answers within 5, as two lines of a file say.
fn asking(to: Sides) -> Ping {
    Ping { to, interval: limit(20, 5), timeout: limit(5, 6) }
}

fn limit(seconds: u64, line: u32) -> Limit {
    Limit { after: Duration::from_secs(seconds), place: place(line) }
}

fn place(line: u32) -> Option<Place> {
    Some(Place { file: "site.conf".into(), line })
}

/// How long it takes until nothing happens any more, and how it ended: both sides hang up as soon as they
/// have seen the end, as good ones do.
fn part_in_peace(joined: &mut Joined) -> (Box<Closing>, Duration) {
    let start = joined.now;
    loop {
        let deadline = match joined.settle() {
            Ok(deadline) => deadline,
            Err(closing) => return (closing, Duration::from_millis(joined.now - start)),
        };
        let shut = [&joined.client, &joined.upstream].map(Memory::is_shut);
        if shut == [false; 2] {
            joined.now = deadline;
            continue;
        }
        if shut[0] {
            joined.client.close();
        }
        if shut[1] {
            joined.upstream.close();
        }
        if let Err(closing) = joined.settle() {
            return (closing, Duration::from_millis(joined.now - start));
        }
        joined.now = deadline;
    }
}
