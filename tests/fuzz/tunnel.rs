//! A tunnel that two sides, two sockets and a clock do anything to.
//!
//! The first two bytes of an input are the rules, and each pair behind them is something that happens.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use wsproxy::tunnel::{
    Closing, Drained, FrameRules, MaxSize, Next, Opened, Over, Ping, Rate, Rules, Sides, Socket, Tunnel, Unit,
};

use crate::engine::fuzz;

/// The near end of a connection; whoever plays the far one holds the same.
#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Ends>>);

#[derive(Default)]
struct Ends {
    incoming: VecDeque<u8>,
    sent: Vec<u8>,
    received: Vec<u8>,
    room: usize,
    ended: bool,
    failed: bool,
    /// What its tunnel has yet to be told: it is readable, writable, hung up.
    news: [bool; 3],
}

impl Socket for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ends = &mut *self.0.borrow_mut();
        match (ends.failed, ends.incoming.is_empty(), ends.ended) {
            (true, ..) => Err(ErrorKind::ConnectionReset.into()),
            (_, true, true) => Ok(0),
            (_, true, false) => Err(ErrorKind::WouldBlock.into()),
            (_, false, _) => {
                let count = ends.incoming.len().min(buffer.len());
                buffer[..count]
                    .iter_mut()
                    .zip(ends.incoming.drain(..count))
                    .for_each(|(to, byte)| *to = byte);
                Ok(count)
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ends = &mut *self.0.borrow_mut();
        let count = bytes.len().min(ends.room);
        match (ends.failed, count) {
            (true, _) => Err(ErrorKind::BrokenPipe.into()),
            (_, 0) => Err(ErrorKind::WouldBlock.into()),
            _ => {
                ends.room -= count;
                ends.received.extend_from_slice(&bytes[..count]);
                Ok(count)
            }
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire {
    fn send(&self, bytes: &[u8]) {
        let ends = &mut *self.0.borrow_mut();
        if !ends.ended && !ends.failed {
            ends.incoming.extend(bytes);
            ends.sent.extend_from_slice(bytes);
            ends.news[0] = true;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Ends)) {
        let ends = &mut *self.0.borrow_mut();
        change(ends);
        ends.news[1] |= ends.room > 0;
        ends.news[2] |= ends.ended || ends.failed;
    }
}

struct Play {
    sides: [Wire; 2],
    tunnel: Tunnel<Wire>,
    now: u64,
    buffer: Vec<u8>,
}

impl Play {
    fn new(rules: Rules, websocket: bool) -> Play {
        let sides = [Wire::default(), Wire::default()];
        sides.iter().for_each(|side| side.change(|ends| ends.room = usize::MAX));
        let [client, upstream] = sides.clone().map(|socket| Opened { socket, early: Vec::new() });
        let now = 5;
        let tunnel = Tunnel::new(client, upstream, Arc::new(rules), websocket, now);
        Play { sides, tunnel, now, buffer: vec![0; 64] }
    }

    /// Turns until there is nothing more to do now: when there will be, or the end.
    fn settle(&mut self) -> Result<u64, Box<Closing>> {
        for _ in 0..10_000 {
            let news = self.sides.each_ref().map(|side| std::mem::take(&mut side.0.borrow_mut().news));
            self.tunnel.client.heard(news[0][0], news[0][1], news[0][2]);
            self.tunnel.upstream.heard(news[1][0], news[1][1], news[1][2]);
            if self.tunnel.wants_clock(self.now) {
                self.tunnel.tell_clock(self.now, self.now + 1000);
            }
            match self.tunnel.turn(self.now, &mut self.buffer) {
                Next::Again => {}
                Next::Still => return Ok(self.now + 1),
                Next::Wait(deadline) => {
                    assert!(deadline > self.now, "it would spin");
                    return Ok(deadline);
                }
                Next::Ended(closing) => return Err(Box::new(closing)),
            }
        }
        panic!("it never settles")
    }

    /// Lets something happen, and says when the tunnel wants a turn again.
    fn happens(&mut self, what: u8, how: u8) -> Result<u64, Box<Closing>> {
        let side = &self.sides[usize::from(what & 1)];
        let masked = what & 1 == 0;
        match what >> 1 & 7 {
            0 => side.send(&[how]),
            1 => side.send(&frame(masked, 0x82, how)),
            2 => side.send(&frame(masked, how, what >> 4)),
            3 => side.send(&frame(masked, 0x82, how)[..usize::from(how) / 2 + 1]),
            4 => side.change(|ends| ends.room = if how == 255 { usize::MAX } else { how.into() }),
            5 => self.now += u64::from(how) * u64::from(what >> 4) * 10,
            6 => match how % 4 {
                0 => side.change(|ends| ends.ended = true),
                1 => side.change(|ends| ends.failed = true),
                // Its clock on the wall is a thousand milliseconds ahead of the other.
                2 if how > 127 => self.tunnel.expire_at(self.now + 1000 + u64::from(how)),
                2 => self.tunnel.leave_at(self.now + u64::from(how), Drained::Stopping),
                // A pong to the last ping that came.
                _ => {
                    let ping = side.0.borrow().received.windows(2).rposition(|head| head[0] == 0x89);
                    if let Some(at) = ping {
                        let received = side.0.borrow().received[at..].to_vec();
                        let payload = received.get(2..10).unwrap_or(&[0; 8]).to_vec();
                        let head: &[u8] = if masked { &[0x8a, 0x88, 0, 0, 0, 0] } else { &[0x8a, 8] };
                        side.send(&[head, &payload].concat());
                    }
                }
            },
            _ => side.send(&vec![how; usize::from(what >> 4) * 20]),
        }
        self.settle()
    }
}

/// A frame with this first byte and so many bytes of payload; masked with zeros.
fn frame(masked: bool, first: u8, length: u8) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut bytes = match length {
        126.. => vec![first, 126 | bit, 0, length],
        _ => vec![first, length | bit],
    };
    bytes.resize(bytes.len() + if masked { 4 } else { 0 } + usize::from(length), 0);
    bytes
}

fn rules(first: u8, second: u8) -> Rules {
    let has = |byte: u8, bit: u8| byte >> bit & 1 == 1;
    let size = |bytes| MaxSize { bytes, of: Sides::Both, place: None };
    let rate = Rate {
        unit: if has(second, 0) { Unit::Messages } else { Unit::Bytes },
        count: u64::from(second >> 4) + 1,
        per: Duration::from_secs(1),
        burst: 40,
        over: if has(second, 1) { Over::Delay } else { Over::Close },
        of: if has(second, 2) { Sides::Both } else { Sides::Client },
        place: None,
    };
    let seconds = |seconds| Duration::from_secs(seconds).into();
    Rules {
        read: seconds(6),
        send_upstream: seconds(4),
        send_client: seconds(5),
        max_lifetime: has(first, 1).then(|| seconds(20)),
        token_expiry: None,
        frames: Some(FrameRules {
            close_notify: has(first, 2),
            ping: has(first, 3).then(|| Ping { to: Sides::Both, interval: seconds(2), timeout: seconds(1) }),
            max_frame: has(first, 4).then(|| size(100)),
            max_message: has(first, 5).then(|| size(150)),
            rate: has(first, 6).then_some(rate),
        }),
    }
}

/// What a side received begins with what the other sent, and what may be behind that is one Close of ours.
fn assert_sound(play: &Play, notifies: bool) {
    for (from, to) in [(0, 1), (1, 0)] {
        let (sent, received) = (&play.sides[from].0.borrow().sent, &play.sides[to].0.borrow().received);
        let same = sent.iter().zip(received).take_while(|(sent, received)| sent == received).count();
        let ours = &received[same..];
        if !ours.is_empty() {
            // It may begin as what was to come does.
            let may_be = |at: &usize| received[*at] == 0x88 && received.len() - at <= 14 + 125;
            assert!(notifies && (0..=same).rev().any(|at| may_be(&at)), "{ours:?} behind {same} bytes");
        }
    }
}

#[test]
fn tunnel() {
    let words: [&[u8]; 10] = [
        b"\x02\x05",
        b"\x03\x05",
        b"\x24\x88",
        b"\x25\x88",
        b"\x08\x00",
        b"\x09\x03",
        b"\x08\xff",
        b"\x09\xff",
        b"\xaa\x28",
        b"\x0c\x03",
    ];
    fuzz(&["fuzz/corpus/tunnel"], &words, |input, _| {
        let (first, second) = (input.first().copied().unwrap_or(0), input.get(1).copied().unwrap_or(0));
        let rules = rules(first, second);
        let frames = rules.frames.as_ref().expect("rules for frames");
        let (websocket, asks, notifies) = (first & 1 == 0, frames.ping.is_some(), frames.close_notify);
        let mut play = Play::new(rules, websocket);
        let mut settled = play.settle();
        for event in input.get(2..).unwrap_or_default().chunks_exact(2) {
            if settled.is_err() {
                break;
            }
            settled = play.happens(event[0], event[1]);
        }
        // Whatever has happened: it can be ended, and that takes no longer than a goodbye.
        if settled.is_ok() {
            play.tunnel.leave_at(play.now, Drained::Stopping);
            settled = play.settle();
        }
        if settled.is_ok() {
            play.now += 2000;
            settled = play.settle();
        }
        let closing = settled.expect_err("an end");
        if !asks || !websocket {
            assert_sound(&play, notifies && websocket);
        }
        assert!(closing.to_string().len() < 1000);
        let counts = closing.frames.unwrap_or_default();
        let code = counts.close.and_then(|close| close.code);
        let passed = (counts.messages_from_client.min(3), counts.messages_from_upstream.min(3));
        (
            std::mem::discriminant(&closing.why),
            closing.who as u8,
            format!("{:?}", counts.breach),
            code,
            passed,
        )
    });
}
