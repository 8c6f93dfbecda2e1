//! What was read behind the heads of the handshake: frames like those that come later.

use super::*;

#[test]
fn half_a_frame_is_followed_to_its_end() {
    for who in SIDES {
        let message = text(who, "hello");
        for cut in 1..message.len() {
            let early = [&message[..], &message[..cut]].concat();
            let mut joined = match who {
                Who::Client => Joined::early(rules(|_| {}), &early, b""),
                _ => Joined::early(rules(|_| {}), b"", &early),
            };
            joined.side(who).send(&[&message[cut..], &message].concat());
            joined.settle().unwrap();
            assert_eq!(joined.side(other(who)).received(), message.repeat(3));
            joined.side(who).close();
            joined.side(other(who)).close();
            let counts = joined.end().0.frames.unwrap();
            assert_eq!(counts.messages_from_client + counts.messages_from_upstream, 3);
        }
    }
}

/// A head of a request may be larger than what a worker reads at once, and so may what comes with it.
#[test]
fn there_may_be_much_of_it() {
    let message = frame(Who::Client, Opcode::BINARY, &[7; 30_000]);
    let early = message.repeat(10);
    let limits = [
        rules(|_| {}),
        rules(|rules| rules.max_message = Some(MaxSize { bytes: 30_000, of: Sides::Both, place: None })),
        seconds(60, 60, 60),
    ];
    for rules in limits {
        let mut joined = Joined::early(rules, &early, b"");
        joined.upstream.set(|wire| wire.room = 100_000);
        joined.client.send(&message);
        joined.settle().unwrap();
        joined.upstream.set(|wire| wire.room = usize::MAX);
        joined.settle().unwrap();
        assert!(joined.upstream.received() == message.repeat(11));
    }
}

#[test]
fn it_is_measured() {
    let most = MaxSize { bytes: 5, of: Sides::Both, place: None };
    for who in SIDES {
        let rules = rules(|rules| rules.max_message = Some(most.clone()));
        let early = [text(who, "fits"), text(who, "does not")].concat();
        let mut joined = match who {
            Who::Client => Joined::early(rules, &early, b""),
            _ => Joined::early(rules, b"", &early),
        };
        joined.settle().unwrap();
        let received = joined.side(other(who)).received();
        let fits = text(who, "fits").len();
        assert_eq!(received[..fits], early[..fits]);
        assert_eq!(told(other(who), &received[fits..]).0, 1009);
        assert_eq!(told(who, &joined.side(who).received()).0, 1009);
    }
}

#[test]
fn it_is_not_faster_than_what_comes_later() {
    let rate =
        |unit, over| Rate { unit, count: 10, per: SECOND, burst: 2, over, of: Sides::Client, place: None };
    let message = text(Who::Client, "hello");
    let begin = |rate| Joined::early(rules(|rules| rules.rate = Some(rate)), &message.repeat(4), b"");
    let mut joined = begin(rate(Unit::Messages, Over::Delay));
    joined.settle().unwrap();
    assert_eq!(joined.upstream.received(), message.repeat(2));
    joined.pass(Duration::from_millis(100)).unwrap();
    joined.settle().unwrap();
    assert_eq!(joined.upstream.received(), message);
    // 44 bytes, of which 2 may come at once.
    let mut joined = begin(rate(Unit::Bytes, Over::Delay));
    joined.pass(4 * SECOND).unwrap();
    assert_eq!(joined.upstream.received(), b"");
    joined.pass(SECOND).unwrap();
    assert_eq!(joined.upstream.received(), message.repeat(4));
    for unit in [Unit::Messages, Unit::Bytes] {
        let closing = begin(rate(unit, Over::Close)).end().0;
        assert!(matches!(closing.why, Why::TooFast));
    }
}

/// An upstream that answers, says all it has to say and goes, all in one breath.
#[test]
fn a_whole_conversation_may_be_early() {
    let early = [text(Who::Upstream, "hello"), close_frame(Who::Upstream, 1000, "")].concat();
    let mut joined = Joined::early(rules(|_| {}), b"", &early);
    joined.upstream.close();
    let closing = joined.settle().unwrap_err();
    assert_eq!(joined.client.received(), early);
    assert!(closing.is_normal());
    assert_eq!(closing.to_string(), "upstream closed with 1000");
}

#[test]
fn a_close_that_is_held_back_by_a_slow_side_has_been_said() {
    let mut joined = Joined::early(rules(|_| {}), &close_frame(Who::Client, 1000, ""), b"");
    joined.upstream.set(|wire| wire.room = 0);
    joined.settle().unwrap();
    joined.upstream.close();
    let closing = joined.end().0;
    assert_eq!(closing.to_string(), "client closed with 1000");
}
