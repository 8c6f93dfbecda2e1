//! `websocket_ping_interval` and `websocket_ping_timeout`.

use super::*;

fn joined(to: Sides) -> Joined {
    Joined::new(rules(|rules| rules.ping = Some(asking(to))))
}

#[test]
fn a_silent_side_is_asked_and_its_answer_is_ours() {
    let mut joined = joined(Sides::Both);
    for _ in 0..10 {
        joined.pass(20 * SECOND).unwrap();
        joined.settle().unwrap();
        for who in SIDES {
            let asked = pings(who, &joined.side(who).received());
            assert_eq!(asked.len(), 1);
            joined.side(who).send(&frame(who, Opcode::PONG, &asked[0]));
        }
        joined.settle().unwrap();
        assert_eq!((joined.client.received().len(), joined.upstream.received().len()), (0, 0));
    }
    let (closing, lasted) = joined.end();
    assert_eq!(lasted, 25 * SECOND + FAREWELL);
    assert_eq!((closing.who, closing.lasted), (Who::Client, 225 * SECOND));
    let expected = "client did not answer a ping within 5s: websocket_ping_timeout, site.conf:6";
    assert_eq!(closing.to_string(), expected);
}

#[test]
fn only_those_are_asked_who_shall_be() {
    for (to, asked) in [(Sides::Client, [1, 0]), (Sides::Upstream, [0, 1]), (Sides::Both, [1, 1])] {
        let mut joined = joined(to);
        joined.pass(20 * SECOND - Duration::from_millis(1)).unwrap();
        assert_eq!((joined.client.received().len(), joined.upstream.received().len()), (0, 0));
        joined.pass(Duration::from_millis(1)).unwrap();
        joined.settle().unwrap();
        assert_eq!(SIDES.map(|who| pings(who, &joined.side(who).received()).len()), asked, "{to:?}");
        let (closing, lasted) = joined.end();
        assert_eq!(lasted, 5 * SECOND + FAREWELL);
        assert_eq!(closing.who, if to == Sides::Upstream { Who::Upstream } else { Who::Client });
        assert!(matches!(closing.why, Why::PingTimeout));
    }
}

/// Half a frame is as good a sign of life as any.
#[test]
fn any_byte_proves_life() {
    for who in SIDES {
        let to = if who == Who::Client { Sides::Client } else { Sides::Upstream };
        let mut joined = joined(to);
        let message = text(who, "a byte at a time");
        for byte in &message {
            joined.pass(19 * SECOND).unwrap();
            joined.side(who).send(&[*byte]);
            joined.settle().unwrap();
        }
        assert_eq!(joined.side(other(who)).received(), message);
        assert!(joined.side(who).received().is_empty());
    }
}

#[test]
fn any_byte_is_an_answer() {
    let mut joined = joined(Sides::Client);
    joined.pass(24 * SECOND).unwrap();
    joined.client.send(&text(Who::Client, "busy")[..3]);
    joined.pass(19 * SECOND).unwrap();
    assert_eq!(pings(Who::Client, &joined.client.received()).len(), 1);
}

#[test]
fn an_answer_in_pieces_is_an_answer() {
    for who in SIDES {
        let length = frame(who, Opcode::PONG, &[0; PING_PAYLOAD]).len();
        let to = if who == Who::Client { Sides::Client } else { Sides::Upstream };
        for cut in 1..length {
            let mut joined = joined(to);
            joined.pass(20 * SECOND).unwrap();
            joined.settle().unwrap();
            let (near, far) = (joined.side(who), joined.side(other(who)));
            let asked = pings(who, &near.received());
            let answer = frame(who, Opcode::PONG, &asked[0]);
            near.send(&answer[..cut]);
            joined.pass(3 * SECOND).unwrap();
            near.send(&answer[cut..]);
            near.send(&text(who, "hello"));
            joined.pass(19 * SECOND).unwrap();
            assert_eq!(far.received(), text(who, "hello"), "cut at {cut}");
        }
    }
}

#[test]
fn what_others_ask_and_answer_goes_on() {
    for who in SIDES {
        let mut joined = joined(Sides::Both);
        joined.pass(20 * SECOND).unwrap();
        joined.settle().unwrap();
        let (near, far) = (joined.side(who), joined.side(other(who)));
        let ours = pings(who, &near.received()).remove(0);
        far.received();
        let theirs = [
            frame(who, Opcode::PING, &ours),
            frame(who, Opcode::PING, b""),
            frame(who, Opcode::PONG, b""),
            frame(who, Opcode::PONG, b"8 bytes!"),
            frame(who, Opcode::PONG, &ours[..7]),
            frame(who, Opcode::PONG, &[&ours[..], b"!"].concat()),
            frame(who, Opcode::BINARY, &ours),
        ]
        .concat();
        near.send(&theirs);
        near.send(&frame(who, Opcode::PONG, &ours));
        joined.settle().unwrap();
        assert_eq!(far.received(), theirs);
    }
}

/// A pong that answers our ping twice, or late, is still nobody else's.
#[test]
fn late_answers_are_ours_too() {
    let mut joined = joined(Sides::Client);
    joined.pass(20 * SECOND).unwrap();
    joined.settle().unwrap();
    let asked = pings(Who::Client, &joined.client.received());
    let pong = frame(Who::Client, Opcode::PONG, &asked[0]);
    joined.client.send(&[text(Who::Client, "hello"), pong.clone(), pong].concat());
    joined.settle().unwrap();
    assert_eq!(joined.upstream.received(), text(Who::Client, "hello"));
}

#[test]
fn a_ping_waits_for_the_end_of_a_frame() {
    for who in SIDES {
        let to = if who == Who::Client { Sides::Client } else { Sides::Upstream };
        let mut joined = joined(to);
        let message = text(other(who), "half of this is late");
        let (near, far) = (joined.side(other(who)), joined.side(who));
        near.send(&message[..9]);
        joined.pass(22 * SECOND).unwrap();
        assert_eq!(far.received(), &message[..9]);
        near.send(&message[9..]);
        joined.settle().unwrap();
        let received = far.received();
        assert_eq!(received[..message.len() - 9], message[9..]);
        assert_eq!(pings(who, &received[message.len() - 9..]).len(), 1);
        // It has its whole time to answer.
        joined.pass(5 * SECOND - Duration::from_millis(1)).unwrap();
        assert_eq!(joined.end().1, Duration::from_millis(1) + FAREWELL);
    }
}

#[test]
fn a_ping_waits_until_there_is_room() {
    let mut joined = joined(Sides::Client);
    let message = text(Who::Upstream, "not all of this fits");
    joined.client.set(|wire| wire.room = 5);
    joined.upstream.send(&message);
    joined.pass(40 * SECOND).unwrap();
    assert_eq!(joined.client.received(), &message[..5]);
    joined.client.set(|wire| wire.room = usize::MAX);
    joined.settle().unwrap();
    let received = joined.client.received();
    assert_eq!(received[..message.len() - 5], message[5..]);
    assert_eq!(pings(Who::Client, &received[message.len() - 5..]).len(), 1);
}

/// A ping of which only a part fits is finished before anything else goes that way.
#[test]
fn a_ping_in_pieces_is_a_ping() {
    let mut joined = joined(Sides::Client);
    joined.client.set(|wire| wire.room = 3);
    joined.pass(20 * SECOND).unwrap();
    joined.settle().unwrap();
    joined.upstream.send(&text(Who::Upstream, "hello"));
    joined.settle().unwrap();
    assert_eq!(joined.client.received().len(), 3);
    joined.client.set(|wire| wire.room = usize::MAX);
    joined.settle().unwrap();
    assert!(joined.client.received().ends_with(&text(Who::Upstream, "hello")));
}

/// RFC 6455, section 5.3: masked with keys that nobody can foresee.
#[test]
fn pings_for_the_upstream_are_masked_with_fresh_keys() {
    let mut joined = joined(Sides::Upstream);
    let mut keys = std::collections::HashSet::new();
    for _ in 0..100 {
        joined.pass(20 * SECOND).unwrap();
        joined.settle().unwrap();
        let bytes = joined.upstream.received();
        let (head, _) = Head::read(&bytes).unwrap().unwrap();
        keys.insert(head.mask.expect("a mask"));
        let asked = pings(Who::Upstream, &bytes);
        joined.upstream.send(&frame(Who::Upstream, Opcode::PONG, &asked[0]));
        joined.settle().unwrap();
    }
    assert_eq!(keys.len(), 100);
}

/// What it said waits in its socket while the upstream takes nothing.
#[test]
fn a_client_that_is_not_listened_to_is_not_given_up() {
    let mut joined = Joined::new(Rules {
        read: limit(600, 1),
        send_upstream: limit(600, 2),
        ..rules(|rules| rules.ping = Some(asking(Sides::Client)))
    });
    joined.upstream.set(|wire| wire.room = 0);
    joined.client.send(&text(Who::Client, "hello"));
    joined.pass(100 * SECOND).unwrap();
    assert!(joined.client.received().is_empty());
    joined.upstream.set(|wire| wire.room = usize::MAX);
    joined.settle().unwrap();
    let asked = pings(Who::Client, &joined.client.received());
    joined.client.send(&frame(Who::Client, Opcode::PONG, &asked[0]));
    joined.pass(19 * SECOND).unwrap();
    assert_eq!(joined.upstream.received(), text(Who::Client, "hello"));
}

#[test]
fn a_client_that_was_asked_and_is_not_listened_to_then_is_not_given_up() {
    let mut joined = joined(Sides::Client);
    joined.pass(20 * SECOND).unwrap();
    joined.settle().unwrap();
    let asked = pings(Who::Client, &joined.client.received());
    joined.upstream.set(|wire| wire.room = 0);
    joined.client.send(&text(Who::Client, "hello"));
    joined.client.send(&frame(Who::Client, Opcode::PONG, &asked[0]));
    joined.pass(50 * SECOND).unwrap();
    joined.upstream.set(|wire| wire.room = usize::MAX);
    joined.pass(19 * SECOND).unwrap();
    assert_eq!(joined.upstream.received(), text(Who::Client, "hello"));
}

/// RFC 6455, section 5.5.2: who has received a Close need not answer pings.
#[test]
fn nobody_is_asked_behind_a_close() {
    let mut joined = joined(Sides::Both);
    joined.client.send(&close_frame(Who::Client, 1000, "done"));
    let (closing, lasted) = joined.end();
    // As long as it would have taken a ping and its answer.
    assert_eq!(lasted, 25 * SECOND + FAREWELL);
    assert_eq!(closing.to_string(), "client closed with 1000 \"done\"");
    assert!(closing.is_normal());
    assert_eq!(joined.upstream.received(), close_frame(Who::Client, 1000, "done"));
    assert_eq!(told(Who::Client, &joined.client.received()), (1000, String::new()));
}

/// The one that slept is told as well: it reads it when it wakes up.
#[test]
fn both_are_told_that_one_was_given_up() {
    for (to, who, code) in [(Sides::Client, "client", 1001), (Sides::Upstream, "upstream", 1011)] {
        let mut joined = joined(to);
        joined.pass(20 * SECOND).unwrap();
        joined.settle().unwrap();
        for who in SIDES {
            joined.side(who).received();
        }
        joined.end();
        let expected = (code, format!("{who} does not answer (websocket_ping_timeout)"));
        assert_eq!(told(Who::Client, &joined.client.received()), expected);
        assert_eq!(told(Who::Upstream, &joined.upstream.received()), expected);
    }
}

/// What a ping's answer is worth to `proxy_read_timeout`: something has moved.
#[test]
fn answers_keep_a_tunnel_open() {
    let mut joined = joined(Sides::Client);
    for _ in 0..100 {
        joined.pass(20 * SECOND).unwrap();
        joined.settle().unwrap();
        for asked in pings(Who::Client, &joined.client.received()) {
            joined.client.send(&frame(Who::Client, Opcode::PONG, &asked));
        }
        joined.settle().unwrap();
    }
    assert!(joined.upstream.received().is_empty());
}
