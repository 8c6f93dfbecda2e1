//! `websocket_max_frame_size` and `websocket_max_message_size`.

use super::*;

fn limited(frame: Option<u64>, message: Option<u64>, of: Sides) -> Rules {
    let most = |bytes: Option<u64>, line| bytes.map(|bytes| MaxSize { bytes, of, place: place(line) });
    rules(|rules| (rules.max_frame, rules.max_message) = (most(frame, 7), most(message, 8)))
}

/// Sends pieces from a side; what the other side got before the Close, and the Close.
fn carry(rules: Rules, from: Who, pieces: &[&[u8]]) -> (Vec<u8>, Option<(u16, String)>) {
    let mut joined = Joined::new(rules);
    for piece in pieces {
        joined.side(from).send(piece);
    }
    joined.settle().unwrap();
    let told_back = joined.side(from).received();
    let mut received = joined.side(other(from)).received();
    if told_back.is_empty() {
        return (received, None);
    }
    let (code, reason) = told(from, &told_back);
    let sent = pieces.concat();
    let same = received.iter().zip(&sent).take_while(|(got, sent)| got == sent).count();
    let close = received.split_off(same);
    assert_eq!(told(other(from), &close), (code, reason.clone()));
    (received, Some((code, reason)))
}

#[test]
fn a_message_that_is_too_long_does_not_go_on() {
    for who in SIDES {
        let (short, long) = (text(who, "ten bytes!"), text(who, "eleven byte"));
        let sent = [short.clone(), long].concat();
        let (passed, told) = carry(limited(None, Some(10), Sides::Both), who, &[&sent]);
        assert_eq!(passed, short);
        assert_eq!(told, Some((1009, "message of 11 bytes (websocket_max_message_size)".to_owned())));
        // However it is cut.
        for cut in 1..sent.len() {
            let pieces = [&sent[..cut], &sent[cut..]];
            let (passed, told) = carry(limited(None, Some(10), Sides::Both), who, &pieces);
            assert_eq!((passed, told.map(|told| told.0)), (short.clone(), Some(1009)), "cut at {cut}");
        }
    }
}

#[test]
fn only_the_side_that_is_meant_is_measured() {
    for (of, measured) in
        [(Sides::Client, [true, false]), (Sides::Upstream, [false, true]), (Sides::Both, [true; 2])]
    {
        for (who, measured) in SIDES.into_iter().zip(measured) {
            for rules in [limited(Some(10), None, of), limited(None, Some(10), of)] {
                let told = carry(rules, who, &[&text(who, "eleven byte")]).1;
                assert_eq!(told.is_some(), measured, "{of:?} {who}");
            }
        }
    }
}

/// All fragments together make the message; what stands between them does not count.
#[test]
fn fragments_are_counted_together() {
    let who = Who::Client;
    let first = part(who, false, Opcode::TEXT, b"12345");
    let between = [frame(who, Opcode::PING, &[0; 100]), frame(who, Opcode::PONG, b"x")].concat();
    let (fits, does_not) =
        (part(who, true, Opcode::CONTINUATION, b"67890"), part(who, true, Opcode::CONTINUATION, b"678901"));
    let limits = || limited(Some(6), Some(10), Sides::Both);
    let good = [&first[..], &between, &fits, &first, &between].concat();
    assert_eq!(carry(limits(), who, &[&good]), (good.clone(), None));
    let (passed, told) = carry(limits(), who, &[&good, &does_not]);
    assert_eq!(passed, good);
    assert_eq!(told.unwrap().1, "message of 11 bytes (websocket_max_message_size)");
    let (passed, told) =
        carry(limits(), who, &[&first, &between, &part(who, false, Opcode::CONTINUATION, b"1234567")]);
    assert_eq!(passed, [first, between].concat());
    assert_eq!(told.unwrap().1, "frame of 7 bytes (websocket_max_frame_size)");
}

/// What a head announces is enough: nobody waits for the payload.
#[test]
fn a_head_is_enough() {
    let announced = b"\x82\xff\x40\0\0\0\0\0\0\0\x01\x02\x03\x04";
    let (passed, told) = carry(limited(None, Some(1 << 20), Sides::Both), Who::Client, &[announced]);
    assert_eq!(passed, b"");
    assert_eq!(told.unwrap().1, "message of 4611686018427387904 bytes (websocket_max_message_size)");
}

/// An end in the middle of a head that might have been too long: who is left is told, unless all is to be as it
/// came.
#[test]
fn the_beginning_of_a_head_gives_way_to_a_close() {
    for notify in [true, false] {
        let limits = limited(Some(1000), Some(1000), Sides::Both);
        let frames = limits.frames.map(|frames| FrameRules { close_notify: notify, ..frames });
        let mut joined = Joined::new(Rules { frames, ..limits });
        joined.client.send(b"\x82\xfe\x01");
        joined.settle().unwrap();
        assert_eq!(joined.upstream.received(), b"");
        joined.client.close();
        joined.end();
        match notify {
            true => assert_eq!(told(Who::Upstream, &joined.upstream.received()).0, 1001),
            false => assert_eq!(joined.upstream.received(), b"\x82\xfe\x01"),
        }
    }
}

/// Nothing of a refused message waits behind a slow reader, but all before it.
#[test]
fn what_came_before_is_delivered_to_a_slow_reader() {
    let mut joined = Joined::new(limited(None, Some(10), Sides::Both));
    let short = text(Who::Upstream, "ten bytes!");
    joined.client.set(|wire| wire.room = 3);
    joined.upstream.send(&[short.clone(), text(Who::Upstream, "eleven byte")].concat());
    joined.settle().unwrap();
    joined.client.set(|wire| wire.room = usize::MAX);
    joined.settle().unwrap();
    let received = joined.client.received();
    assert_eq!(received[..short.len()], short);
    assert_eq!(told(Who::Client, &received[short.len()..]).0, 1009);
}
