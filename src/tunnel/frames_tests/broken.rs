//! Framing that nobody can follow: it passes as it is, and nothing of ours goes in between.

use super::*;
use crate::websocket::frame::{HeadError, Violation};

/// Ways to break the framing of a side, behind a whole message.
fn breaches(from: Who) -> Vec<(Vec<u8>, Breach)> {
    let key = if from == Who::Client { 0x80 } else { 0 };
    let masking: &[u8] = if from == Who::Client { &KEY } else { &[] };
    let head = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[1] |= key;
        [&bytes, masking].concat()
    };
    let wrong_mask = match from {
        Who::Client => (text(Who::Upstream, "unmasked"), Breach::NotMasked),
        _ => (text(Who::Client, "masked"), Breach::Masked),
    };
    let begun = part(from, false, Opcode::TEXT, b"begun");
    let closed = close_frame(from, 1000, "");
    vec![
        wrong_mask,
        (head(b"\x82\x7e\x00\x7d"), Breach::Head(HeadError::LengthNotMinimal)),
        (head(b"\x82\x7f\0\0\0\0\0\0\xff\xff"), Breach::Head(HeadError::LengthNotMinimal)),
        (head(b"\x82\x7f\xff\0\0\0\0\0\0\0"), Breach::Head(HeadError::LengthTooBig)),
        (head(b"\x83\x00"), Breach::Violation(Violation::UndefinedOpcode)),
        (head(b"\x09\x00"), Breach::Violation(Violation::FragmentedControl)),
        (head(b"\x89\x7e\x00\x7e"), Breach::Violation(Violation::LongControl)),
        (part(from, true, Opcode::CONTINUATION, b"of what?"), Breach::NothingToContinue),
        ([begun, text(from, "inside")].concat(), Breach::MessageInMessage),
        ([closed, text(from, "late")].concat(), Breach::DataAfterClose),
    ]
}

/// All that can be asked of frames, and generously.
fn everything() -> Rules {
    rules(|rules| {
        let most = || Some(MaxSize { bytes: 1000, of: Sides::Both, place: None });
        rules.ping = Some(Ping { to: Sides::Both, interval: limit(20, 5), timeout: limit(5, 6) });
        (rules.max_frame, rules.max_message) = (most(), most());
        rules.rate = Some(Rate {
            unit: Unit::Messages,
            count: 100,
            per: SECOND,
            burst: 100,
            over: Over::Close,
            of: Sides::Both,
            place: None,
        });
    })
}

#[test]
fn it_passes_untouched_and_silences_us() {
    for rules in [rules(|_| {}), everything()] {
        for who in SIDES {
            for (bytes, breach) in breaches(who) {
                let mut joined = Joined::new(rules.clone());
                let (near, far) = (joined.side(who), joined.side(other(who)));
                let noise: Vec<u8> = (0..2000).map(|at| (at * 31 % 251) as u8).collect();
                let sent = [text(who, "whole"), bytes, noise].concat();
                near.send(&sent);
                joined.settle().unwrap();
                far.send(&text(other(who), "well"));
                joined.settle().unwrap();
                assert_eq!(far.received(), sent, "{breach}");
                let (closing, lasted) = joined.end();
                assert_eq!(lasted, 60 * SECOND, "{breach}");
                assert_eq!(near.received(), text(other(who), "well"), "{breach}");
                assert_eq!(far.received(), b"", "{breach}");
                assert!(!near.is_shut() && !far.is_shut());
                assert!(closing.passed().to_string().contains(&breach.to_string()), "{}", closing.passed());
                let counts = closing.frames.unwrap();
                assert_eq!(counts.breach, Some((who, breach)));
                let (from, back) = match who {
                    Who::Client => (counts.messages_from_client, counts.messages_from_upstream),
                    _ => (counts.messages_from_upstream, counts.messages_from_client),
                };
                assert_eq!((from, back), (1, 1), "{breach}");
            }
        }
    }
}

/// One byte at a time, with every limit there is.
#[test]
fn it_passes_untouched_however_it_comes() {
    for who in SIDES {
        for (bytes, breach) in breaches(who) {
            let mut joined = Joined::new(everything());
            for byte in &bytes {
                joined.side(who).send(&[*byte]);
            }
            joined.side(who).send(b"and more");
            joined.settle().unwrap();
            joined.side(who).close();
            let closing = joined.settle().unwrap_err();
            assert_eq!(joined.side(other(who)).received(), [&bytes[..], b"and more"].concat());
            assert_eq!(closing.frames.unwrap().breach, Some((who, breach)));
        }
    }
}

/// What was asked before is still to be answered, and the answer is still ours where it can be told.
#[test]
fn an_answer_is_ours_although_the_other_side_broke() {
    let mut joined = Joined::new(everything());
    joined.pass(20 * SECOND).unwrap();
    joined.settle().unwrap();
    let asked = pings(Who::Client, &joined.client.received());
    joined.upstream.send(b"\x83\x00");
    joined.client.send(&frame(Who::Client, Opcode::PONG, &asked[0]));
    joined.settle().unwrap();
    joined.upstream.received();
    joined.client.send(&text(Who::Client, "hello"));
    joined.settle().unwrap();
    assert_eq!(joined.upstream.received(), text(Who::Client, "hello"));
    assert_eq!(joined.client.received(), b"\x83\x00");
}
