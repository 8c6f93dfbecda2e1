//! `websocket_message_rate`.

use std::io::ErrorKind;

use super::*;

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Two messages a second, three at once, of the client.
fn messages() -> Rate {
    Rate {
        unit: Unit::Messages,
        count: 2,
        per: SECOND,
        burst: 3,
        over: Over::Delay,
        of: Sides::Client,
        place: None,
    }
}

/// A hundred bytes a second, fifty at once, of the client.
fn bytes() -> Rate {
    Rate { unit: Unit::Bytes, count: 100, burst: 50, ..messages() }
}

fn joined(rate: Rate) -> Joined {
    Joined::new(rules(|rules| rules.rate = Some(rate)))
}

fn hello() -> Vec<u8> {
    text(Who::Client, "hello")
}

/// How many messages the upstream got in each of so many stretches of time.
fn arrivals(joined: &mut Joined, every: Duration, times: usize) -> Vec<usize> {
    let count = |joined: &mut Joined| {
        joined.settle().unwrap();
        let count = frames(Who::Upstream, &joined.upstream.received()).len();
        joined.pass(every).unwrap();
        count
    };
    (0..times).map(|_| count(joined)).collect()
}

#[test]
fn messages_that_come_too_fast_wait() {
    let mut joined = joined(messages());
    joined.client.send(&hello().repeat(10));
    assert_eq!(arrivals(&mut joined, millis(500), 9), [3, 1, 1, 1, 1, 1, 1, 1, 0]);
    // The bucket has filled by one meanwhile, and fills further.
    joined.client.send(&hello().repeat(10));
    assert_eq!(arrivals(&mut joined, millis(500), 3), [2, 1, 1]);
}

#[test]
fn a_message_waits_to_the_millisecond() {
    let mut joined = joined(messages());
    joined.client.send(&hello().repeat(5));
    joined.settle().unwrap();
    joined.upstream.received();
    assert_eq!(arrivals(&mut joined, millis(499), 2), [0, 0]);
    joined.pass(millis(2)).unwrap();
    assert_eq!(arrivals(&mut joined, millis(500), 2), [2, 0]);
}

#[test]
fn a_bucket_holds_no_more_than_its_burst() {
    let mut joined = joined(messages());
    joined.pass(50 * SECOND).unwrap();
    joined.client.send(&hello().repeat(10));
    assert_eq!(arrivals(&mut joined, millis(500), 2), [3, 1]);
}

#[test]
fn a_rate_by_the_minute() {
    let mut joined = joined(Rate { count: 6, per: 60 * SECOND, burst: 1, ..messages() });
    joined.client.send(&hello().repeat(4));
    assert_eq!(arrivals(&mut joined, 5 * SECOND, 8), [1, 0, 1, 0, 1, 0, 1, 0]);
}

#[test]
fn only_the_side_that_is_meant_is_slowed_down() {
    for (of, slow) in
        [(Sides::Client, [true, false]), (Sides::Upstream, [false, true]), (Sides::Both, [true; 2])]
    {
        for (who, slow) in SIDES.into_iter().zip(slow) {
            let mut joined = joined(Rate { of, ..messages() });
            joined.side(who).send(&text(who, "hello").repeat(10));
            joined.settle().unwrap();
            let count = frames(other(who), &joined.side(other(who)).received()).len();
            assert_eq!(count, if slow { 3 } else { 10 });
        }
    }
}

/// What is no message, or only goes on with one, needs no place in the bucket.
#[test]
fn fragments_and_control_frames_are_no_messages() {
    let mut joined = joined(Rate { burst: 1, ..messages() });
    let who = Who::Client;
    let message = [
        part(who, false, Opcode::TEXT, b"one "),
        frame(who, Opcode::PING, b"?"),
        part(who, false, Opcode::CONTINUATION, b"message"),
        part(who, true, Opcode::CONTINUATION, b"."),
        frame(who, Opcode::PONG, b"!"),
    ];
    joined.client.send(&[&message.concat()[..], &hello()].concat());
    joined.settle().unwrap();
    assert_eq!(joined.upstream.received(), message.concat());
    joined.pass(millis(500)).unwrap();
    joined.settle().unwrap();
    assert_eq!(joined.upstream.received(), hello());
}

#[test]
fn bytes_that_come_too_fast_wait() {
    let mut joined = joined(bytes());
    let message = frame(Who::Client, Opcode::BINARY, &[7; 192]);
    assert_eq!(message.len(), 200);
    joined.client.send(&message);
    let (mut counts, mut received) = (Vec::new(), Vec::new());
    for _ in 0..17 {
        joined.settle().unwrap();
        let bytes = joined.upstream.received();
        counts.push(bytes.len());
        received.extend(bytes);
        joined.pass(millis(100)).unwrap();
    }
    assert_eq!(received, message);
    // A tenth of what a second gives is worth a turn.
    assert_eq!(counts, [&[50][..], &[10; 15], &[0]].concat());
}

#[test]
fn who_is_too_fast_may_lose_the_tunnel() {
    let mut joined = joined(Rate { over: Over::Close, place: place(10), ..messages() });
    joined.client.send(&hello().repeat(3));
    joined.pass(SECOND).unwrap();
    joined.client.send(&hello().repeat(2));
    joined.settle().unwrap();
    assert_eq!(joined.upstream.received(), hello().repeat(5));
    joined.client.send(&hello().repeat(2));
    let closing = joined.end().0;
    assert_eq!(
        told(Who::Upstream, &joined.upstream.received()),
        (1008, "too fast (websocket_message_rate)".into())
    );
    assert_eq!(closing.to_string(), "client sent too fast: websocket_message_rate, site.conf:10");

    let mut joined = self::joined(Rate { over: Over::Close, ..bytes() });
    joined.client.send(&frame(Who::Client, Opcode::BINARY, &[7; 44]));
    joined.settle().unwrap();
    assert_eq!(joined.upstream.received().len(), 50);
    joined.pass(millis(100)).unwrap();
    joined.client.send(&[0x82; 11]);
    assert!(matches!(joined.end().0.why, Why::TooFast));
    assert_eq!(told(Who::Client, &joined.client.received()).0, 1008);
}

/// The frame that is under way then is finished before the Close goes behind it, and nothing of it is missing.
#[test]
fn who_is_too_fast_inside_a_frame_may_finish_it() {
    let mut joined = joined(Rate { over: Over::Close, ..bytes() });
    let message = frame(Who::Client, Opcode::BINARY, &(0..100).collect::<Vec<u8>>());
    for piece in message.chunks(40) {
        joined.client.send(piece);
    }
    let closing = joined.end().0;
    assert!(matches!(closing.why, Why::TooFast));
    let received = joined.upstream.received();
    assert_eq!(received[..message.len()], message);
    assert_eq!(told(Who::Upstream, &received[message.len()..]).0, 1008);
}

/// Nobody is called idle while we let somebody wait.
#[test]
fn a_client_that_waits_is_not_an_idle_upstream() {
    let mut joined = joined(Rate { count: 1, per: 200 * SECOND, burst: 1, ..messages() });
    joined.client.send(&hello().repeat(3));
    assert_eq!(arrivals(&mut joined, 100 * SECOND, 4), [1, 0, 1, 0]);
    assert_eq!(arrivals(&mut joined, SECOND, 1), [1]);
    assert_eq!(joined.end().0.idle, 60 * SECOND);
}

#[test]
fn a_client_that_waits_need_not_answer() {
    let rate = Rate { count: 1, per: 30 * SECOND, burst: 1, ..messages() };
    let mut joined = Joined::new(rules(|rules| {
        rules.rate = Some(rate);
        rules.ping = Some(asking(Sides::Client));
    }));
    joined.client.send(&hello().repeat(4));
    assert_eq!(arrivals(&mut joined, 30 * SECOND, 3), [1, 1, 1]);
    joined.settle().unwrap();
    // Now that it is listened to again it is asked.
    assert_eq!(pings(Who::Client, &joined.client.received()).len(), 1);
}

/// Nothing is lost that may go on by and by.
#[test]
fn what_waits_is_delivered_before_the_end() {
    for how in [None, Some(ErrorKind::ConnectionReset)] {
        let mut joined = joined(Rate { count: 1, per: 10 * SECOND, burst: 1, ..messages() });
        joined.client.send(&hello().repeat(4));
        how.map_or_else(|| joined.client.close(), |kind| joined.client.fail(kind));
        let (closing, lasted) = part_in_peace(&mut joined);
        assert_eq!((lasted, closing.who), (30 * SECOND, Who::Client));
        assert_eq!(closing.frames.unwrap().messages_from_client, 4);
        let received = joined.upstream.received();
        assert_eq!(received[..hello().len() * 4], hello().repeat(4));
        assert_eq!(told(Who::Upstream, &received[hello().len() * 4..]).0, 1001);
    }
}

#[test]
fn what_waits_is_delivered_although_its_sender_cannot_be_written_to() {
    let mut joined = joined(Rate { count: 1, per: 10 * SECOND, burst: 1, ..messages() });
    joined.client.send(&hello().repeat(4));
    joined.settle().unwrap();
    joined.client.set(|wire| (wire.room, wire.write_error) = (0, Some(ErrorKind::BrokenPipe)));
    joined.upstream.send(&text(Who::Upstream, "are you there?"));
    let (closing, _) = part_in_peace(&mut joined);
    assert_eq!(closing.frames.as_ref().unwrap().messages_from_client, 4);
    assert!(matches!(closing.why, Why::WriteFailed(_)));
}

/// What waits is the proxy's to give up, not more of it than the socket's next reads.
#[test]
fn who_waits_is_not_read_from() {
    let mut joined = joined(messages());
    for _ in 0..10 {
        joined.client.send(&hello().repeat(100));
    }
    joined.settle().unwrap();
    assert_eq!(joined.client.reads(), 1);
    joined.pass(40 * SECOND).unwrap();
    assert_eq!(joined.client.reads(), 1);
    joined.pass(20 * SECOND).unwrap();
    assert_eq!(joined.client.reads(), 2);
}
