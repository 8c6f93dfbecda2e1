//! What is said at the end, to whom, and how long that may take.

use std::io::ErrorKind;

use super::*;

fn silent() -> Joined {
    Joined::new(rules(|_| {}))
}

/// Its owner wants the tunnel to end, now.
fn leave(joined: &mut Joined) {
    joined.settle().unwrap();
    joined.tunnel.leave_at(joined.now, Drained::Stopping);
}

const STOPS: (u16, &str) = (1012, "the server stops");

#[test]
fn who_is_left_is_told_that_the_other_has_vanished() {
    let mut joined = silent();
    joined.settle().unwrap();
    joined.upstream.close();
    joined.settle().unwrap();
    let expected = (1014, "upstream closed the connection".to_owned());
    assert_eq!(told(Who::Client, &joined.client.received()), expected);
    assert!(joined.client.is_shut());
    joined.client.close();
    let closing = joined.settle().unwrap_err();
    assert_eq!(closing.to_string(), "upstream closed the connection without a Close");
    assert_eq!(closing.frames.unwrap().close.unwrap().code, Some(1014));

    let mut joined = silent();
    joined.client.close();
    joined.end();
    let expected = (1001, "client closed the connection".to_owned());
    assert_eq!(told(Who::Upstream, &joined.upstream.received()), expected);
}

#[test]
fn a_goodbye_ends_when_both_have_hung_up_and_else_after_two_seconds() {
    for hang_up in [[true, true], [true, false], [false, true], [false, false]] {
        let mut joined = silent();
        leave(&mut joined);
        joined.settle().unwrap();
        for (who, hangs_up) in SIDES.into_iter().zip(hang_up) {
            let side = joined.side(who);
            assert_eq!(told(who, &side.received()), (STOPS.0, STOPS.1.to_owned()));
            assert!(side.is_shut());
            if hangs_up {
                side.send(&close_frame(who, 1012, ""));
                side.close();
            }
        }
        let (closing, lasted) = joined.end();
        assert_eq!(lasted, if hang_up == [true, true] { Duration::ZERO } else { FAREWELL });
        assert_eq!((closing.lasted, closing.who), (Duration::ZERO, Who::Proxy));
        let counts = closing.frames.unwrap();
        assert_eq!(counts.close, Some(SeenClose { code: Some(1012), reason: STOPS.1.into() }));
    }
}

/// What comes behind our Close is read, for else the connection would be reset, and goes nowhere.
#[test]
fn nobody_gets_what_is_sent_behind_the_end() {
    let mut joined = silent();
    leave(&mut joined);
    joined.settle().unwrap();
    for who in SIDES {
        joined.side(who).received();
        for _ in 0..100 {
            joined.side(who).send(&text(who, &"too late".repeat(1000)));
        }
        joined.side(who).close();
    }
    let closing = joined.settle().unwrap_err();
    assert_eq!((joined.client.received().len(), joined.upstream.received().len()), (0, 0));
    assert_eq!((closing.received_from_client, closing.frames.unwrap().messages_from_client), (0, 0));
}

#[test]
fn a_flood_behind_the_end_ends_with_it() {
    let mut joined = silent();
    leave(&mut joined);
    joined.settle().unwrap();
    for _ in 0..30 {
        joined.client.send(&[0; 1_000_000]);
    }
    assert!(matches!(joined.turn(), Next::Again));
    joined.now += FAREWELL.as_millis() as u64;
    assert!(matches!(joined.turn(), Next::Ended(_)));
}

#[test]
fn a_frame_that_is_under_way_is_finished_first() {
    for who in SIDES {
        for cut in 1..40 {
            let mut joined = silent();
            let (near, far) = (joined.side(who), joined.side(other(who)));
            let message = text(who, "half of this is late, but not too late");
            near.send(&message[..cut]);
            leave(&mut joined);
            joined.settle().unwrap();
            // The one that is late hears it at once.
            assert_eq!(told(who, &near.received()).0, 1012);
            joined.pass(SECOND).unwrap();
            assert_eq!(far.received(), &message[..cut]);
            near.send(&[&message[cut..], &text(who, "too late")].concat());
            joined.settle().unwrap();
            let received = far.received();
            let (rest, close) = received.split_at(message.len() - cut);
            assert_eq!(rest, &message[cut..]);
            assert_eq!(told(other(who), close), (STOPS.0, STOPS.1.to_owned()));
            near.close();
            far.close();
            let closing = joined.settle().unwrap_err();
            assert_eq!(
                (closing.lasted, closing.frames.unwrap().close.unwrap().code),
                (Duration::ZERO, Some(1012))
            );
        }
    }
}

/// More of it than one turn may read is there at once, and nobody tells of it a second time.
#[test]
fn a_large_frame_that_is_under_way_is_finished_first() {
    for who in SIDES {
        let mut joined = silent();
        let (near, far) = (joined.side(who), joined.side(other(who)));
        let message = frame(who, Opcode::BINARY, &[7; 3_000_000]);
        near.send(&message[..10]);
        leave(&mut joined);
        joined.settle().unwrap();
        near.send(&message[10..]);
        joined.settle().unwrap();
        let received = far.received();
        assert!(received[..message.len()] == message, "only {} bytes", received.len());
        assert_eq!(told(other(who), &received[message.len()..]).0, 1012);
    }
}

#[test]
fn a_frame_that_is_never_finished_is_cut() {
    for who in SIDES {
        let mut joined = silent();
        let (near, far) = (joined.side(who), joined.side(other(who)));
        let message = text(who, "never finished");
        near.send(&message[..10]);
        leave(&mut joined);
        assert_eq!(joined.end().1, FAREWELL);
        assert_eq!(far.received(), &message[..10]);
        assert!(!far.is_shut());
    }
}

/// The rest of a frame, and then the end of that side: who is left is told all the same.
#[test]
fn a_side_that_finishes_its_frame_and_goes_is_followed_by_a_close() {
    let mut joined = silent();
    let message = text(Who::Client, "hello");
    joined.client.send(&message[..4]);
    leave(&mut joined);
    joined.settle().unwrap();
    joined.client.send(&message[4..]);
    joined.client.close();
    joined.settle().unwrap();
    let received = joined.upstream.received();
    assert_eq!(received[..message.len()], message);
    assert_eq!(told(Who::Upstream, &received[message.len()..]).0, 1012);
}

/// A Close of its own that comes behind the rest of a frame is the last that goes that way.
#[test]
fn a_side_that_finishes_its_frame_may_close_itself() {
    for who in SIDES {
        let mut joined = silent();
        let (near, far) = (joined.side(who), joined.side(other(who)));
        let sent = [text(who, "hello"), close_frame(who, 1000, "bye")].concat();
        near.send(&sent[..4]);
        leave(&mut joined);
        joined.settle().unwrap();
        near.send(&sent[4..]);
        joined.settle().unwrap();
        assert_eq!(far.received(), sent);
        assert!(far.is_shut());
    }
}

#[test]
fn an_answer_to_our_ping_behind_the_rest_of_a_frame_stays_here() {
    let mut joined = Joined::new(rules(|rules| rules.ping = Some(asking(Sides::Client))));
    joined.pass(20 * SECOND).unwrap();
    joined.settle().unwrap();
    let asked = pings(Who::Client, &joined.client.received());
    let message = text(Who::Client, "hello");
    joined.client.send(&message[..4]);
    leave(&mut joined);
    joined.settle().unwrap();
    joined.client.send(&[&message[4..], &frame(Who::Client, Opcode::PONG, &asked[0])].concat());
    joined.settle().unwrap();
    let received = joined.upstream.received();
    assert_eq!(told(Who::Upstream, &received[message.len()..]).0, 1012);
}

#[test]
fn no_close_goes_inside_a_frame_of_one_that_vanished() {
    for who in SIDES {
        for how in [None, Some(ErrorKind::ConnectionReset)] {
            let mut joined = silent();
            let (near, far) = (joined.side(who), joined.side(other(who)));
            let message = text(who, "never finished");
            near.send(&message[..9]);
            joined.settle().unwrap();
            how.map_or_else(|| near.close(), |kind| near.fail(kind));
            let closing = joined.settle().unwrap_err();
            assert_eq!(far.received(), &message[..9]);
            // Nobody has said anything.
            assert_eq!(closing.frames.unwrap().close, None);
            assert_eq!(closing.who, who);
        }
    }
}

/// Control frames may stand between the fragments of a message.
#[test]
fn a_close_may_go_between_fragments() {
    let mut joined = silent();
    let fragment = part(Who::Upstream, false, Opcode::TEXT, b"to be contin");
    joined.upstream.send(&fragment);
    joined.upstream.close();
    joined.settle().unwrap();
    let received = joined.client.received();
    assert_eq!(received[..fragment.len()], fragment);
    assert_eq!(told(Who::Client, &received[fragment.len()..]).0, 1014);
}

#[test]
fn nothing_goes_behind_a_close() {
    for who in SIDES {
        let mut joined = silent();
        let (near, far) = (joined.side(who), joined.side(other(who)));
        near.send(&close_frame(who, 4000, "mine"));
        leave(&mut joined);
        joined.end();
        assert_eq!(far.received(), close_frame(who, 4000, "mine"));
        // That is an answer, whoever gives it.
        assert_eq!(told(who, &near.received()), (4000, String::new()));
    }
}

/// RFC 6455, section 5.5.1: the answer has the code that was said.
#[test]
fn a_close_that_the_other_side_leaves_unanswered_is_answered() {
    let said = [
        (close_frame(Who::Client, 1000, "bye"), Some(1000)),
        (close_frame(Who::Client, 4001, ""), Some(4001)),
        (frame(Who::Client, Opcode::CLOSE, b""), None),
        // Which must not be sent.
        (close_frame(Who::Client, 1005, ""), None),
        (close_frame(Who::Client, 1006, ""), None),
        (close_frame(Who::Client, 1015, ""), None),
        (frame(Who::Client, Opcode::CLOSE, b"\x03"), None),
    ];
    for (close, code) in said {
        let mut joined = silent();
        joined.client.send(&close);
        joined.settle().unwrap();
        assert_eq!(joined.upstream.received(), close);
        joined.upstream.close();
        joined.settle().unwrap();
        let payload = code.map_or(Vec::new(), |code: u16| code.to_be_bytes().to_vec());
        assert_eq!(frames(Who::Client, &joined.client.received()), [(Opcode::CLOSE, payload)]);
        joined.client.close();
        let closing = joined.settle().unwrap_err();
        assert_eq!(closing.who, Who::Client);
        assert!(matches!(closing.why, Why::Close));
    }
}

#[test]
fn a_client_that_does_not_wait_for_the_answer_has_closed_all_the_same() {
    let mut joined = silent();
    joined.client.send(&close_frame(Who::Client, 1000, ""));
    joined.client.close();
    let closing = joined.settle().unwrap_err();
    assert_eq!(joined.upstream.received(), close_frame(Who::Client, 1000, ""));
    assert!(closing.is_normal());
    assert_eq!(closing.to_string(), "client closed with 1000");
}

#[test]
fn where_both_have_closed_there_is_nothing_to_add() {
    for who in SIDES {
        let mut joined = silent();
        let (near, far) = (joined.side(who), joined.side(other(who)));
        near.send(&close_frame(who, 1000, "bye"));
        joined.settle().unwrap();
        far.send(&close_frame(other(who), 1000, ""));
        joined.settle().unwrap();
        joined.upstream.close();
        let closing = joined.settle().unwrap_err();
        assert_eq!(far.received(), close_frame(who, 1000, "bye"));
        assert_eq!(near.received(), close_frame(other(who), 1000, ""));
        assert!(closing.is_normal());
        assert_eq!(closing.to_string(), format!("{who} closed with 1000 \"bye\""));
    }
}

#[test]
fn a_close_is_normal_by_its_code() {
    for (code, normal) in [(1000, true), (1001, true), (1002, false), (1011, false), (4000, false)] {
        let mut joined = silent();
        joined.upstream.send(&close_frame(Who::Upstream, code, ""));
        joined.upstream.close();
        assert_eq!(joined.end().0.is_normal(), normal, "{code}");
    }
}

/// What was sent before the end still goes to one that is slow, if it is not too slow.
#[test]
fn a_slow_side_gets_the_rest_and_the_close() {
    let mut joined = silent();
    let message = text(Who::Upstream, "more than there is room for");
    joined.client.set(|wire| wire.room = 5);
    joined.upstream.send(&message);
    leave(&mut joined);
    joined.pass(SECOND).unwrap();
    assert_eq!(joined.client.received(), &message[..5]);
    assert!(!joined.client.is_shut());
    joined.client.set(|wire| wire.room = message.len());
    joined.settle().unwrap();
    assert!(!joined.client.is_shut());
    joined.client.set(|wire| wire.room = 1000);
    joined.settle().unwrap();
    let received = joined.client.received();
    assert_eq!(received[..message.len() - 5], message[5..]);
    assert_eq!(told(Who::Client, &received[message.len() - 5..]).0, 1012);
    assert!(joined.client.is_shut());
}

#[test]
fn a_side_that_takes_nothing_is_not_waited_for_longer_than_a_goodbye() {
    let mut joined = silent();
    joined.client.set(|wire| wire.room = 0);
    joined.upstream.send(&text(Who::Upstream, "hello"));
    leave(&mut joined);
    assert_eq!(joined.end().1, FAREWELL);
    assert_eq!(told(Who::Upstream, &joined.upstream.received()).0, 1012);
}

#[test]
fn the_age_of_a_tunnel_has_an_end() {
    let mut joined = Joined::new(Rules { max_lifetime: Some(limit(100, 9)), ..rules(|_| {}) });
    for _ in 0..9 {
        joined.pass(11 * SECOND).unwrap();
        joined.client.send(&text(Who::Client, "busy"));
    }
    joined.pass(SECOND - Duration::from_millis(1)).unwrap();
    let (closing, lasted) = part_in_peace(&mut joined);
    assert_eq!((closing.lasted, closing.idle), (100 * SECOND, SECOND));
    assert_eq!(lasted, Duration::from_millis(1));
    assert_eq!(closing.to_string(), "open for 100s: websocket_max_lifetime, site.conf:9");
    assert_eq!(told(Who::Client, &joined.client.received()).0, 1001);
}

/// Who never stops sending does not become older than others, nor outlives a server that stops.
#[test]
fn a_flood_has_an_end_too() {
    for leaves in [true, false] {
        let mut joined = Joined::new(Rules { max_lifetime: Some(limit(100, 9)), ..seconds(60, 60, 60) });
        if leaves {
            joined.tunnel.leave_at(joined.now + 100_000, Drained::Stopping);
        }
        for _ in 0..100 {
            for _ in 0..20 {
                joined.upstream.send(&[1; crate::net::BUFFER_SIZE]);
            }
            assert!(matches!(joined.turn(), Next::Again));
            joined.now += 1000;
        }
        assert!(matches!(joined.turn(), Next::Ended(_)));
    }
}

#[test]
fn a_wish_to_leave_comes_true_at_its_moment() {
    for (why, reason) in [
        (Drained::Stopping, "the server stops"),
        (Drained::Reloaded, "the server was reconfigured"),
        (Drained::Removed, "the server was reconfigured"),
    ] {
        let mut joined = silent();
        joined.tunnel.leave_at(joined.now + 9000, why);
        joined.tunnel.leave_at(joined.now + 50_000, Drained::Stopping);
        let (closing, lasted) = part_in_peace(&mut joined);
        assert_eq!(lasted, 9 * SECOND);
        assert!(matches!(closing.why, Why::Drained(drained) if drained == why));
        for who in SIDES {
            assert_eq!(told(who, &joined.side(who).received()), (1012, reason.to_owned()));
        }
    }
}

/// Byte for byte what nginx does: nobody is told anything, and nobody waits.
#[test]
fn with_close_notify_off_nothing_is_added() {
    let off = || rules(|rules| rules.close_notify = false);
    let ends: [fn(&mut Joined); 4] = [
        |joined| joined.upstream.close(),
        |joined| joined.client.fail(ErrorKind::ConnectionReset),
        |joined| joined.tunnel.leave_at(joined.now, Drained::Stopping),
        |joined| joined.now += 60_000,
    ];
    for end in ends {
        let mut joined = Joined::new(off());
        joined.client.send(&text(Who::Client, "hello"));
        joined.settle().unwrap();
        joined.upstream.send(&text(Who::Upstream, "hello")[..3]);
        joined.settle().unwrap();
        end(&mut joined);
        joined.settle().unwrap_err();
        assert_eq!(joined.upstream.received(), text(Who::Client, "hello"));
        assert_eq!(joined.client.received(), text(Who::Upstream, "hello")[..3]);
        assert!(!joined.client.is_shut() && !joined.upstream.is_shut());
    }
}

/// Another protocol than WebSocket has no frames, whatever the location says of them.
#[test]
fn what_is_no_websocket_is_bytes() {
    let strict = rules(|rules| {
        rules.ping = Some(asking(Sides::Both));
        rules.max_message = Some(MaxSize { bytes: 1, of: Sides::Both, place: None });
    });
    let mut joined = Joined::made(strict, b"", b"", false);
    joined.client.send(&text(Who::Client, "more than one byte"));
    joined.upstream.send(&close_frame(Who::Upstream, 1000, ""));
    let (closing, lasted) = joined.end();
    assert_eq!(lasted, 60 * SECOND);
    assert_eq!(joined.upstream.received(), text(Who::Client, "more than one byte"));
    assert_eq!(joined.client.received(), close_frame(Who::Upstream, 1000, ""));
    assert_eq!(closing.frames, None);
    assert_eq!(closing.to_string(), "idle for 60s: proxy_read_timeout, site.conf:1");
}
