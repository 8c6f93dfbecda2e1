//! Bytes, and time that passes when a test says so.

use std::io::ErrorKind;
use std::time::Duration;

use proptest::prelude::*;

use super::memory::{Joined, seconds};
use super::*;
use crate::net::BUFFER_SIZE;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_idle_tunnel_ends_after_proxy_read_timeout() {
    let (closing, lasted) = Joined::new(seconds(60, 5, 5)).end();
    assert_eq!((lasted, closing.lasted, closing.idle), (MINUTE, MINUTE, MINUTE));
    assert!(matches!(closing.why, Why::ReadTimeout));
    assert_eq!(closing.who, Who::Upstream);
    assert_eq!(closing.to_string(), "idle for 60s: proxy_read_timeout, site.conf:1");
}

#[test]
fn a_talkative_client_keeps_a_silent_upstream_open_and_the_other_way_round() {
    for client_talks in [true, false] {
        let mut joined = Joined::new(seconds(60, 5, 5));
        for _ in 0..10 {
            joined.pass(59 * SECOND).unwrap();
            let (talker, listener) = match client_talks {
                true => (&joined.client, &joined.upstream),
                false => (&joined.upstream, &joined.client),
            };
            let listener = listener.clone();
            talker.send(b"still here");
            joined.settle().unwrap();
            assert_eq!(listener.received(), b"still here");
        }
        let (closing, lasted) = joined.end();
        assert_eq!(lasted, MINUTE);
        assert!(matches!(closing.why, Why::ReadTimeout));
        assert_eq!((closing.idle, closing.lasted), (MINUTE, 10 * 59 * SECOND + MINUTE));
        let (sent, received) = (closing.sent_to_client, closing.received_from_client);
        assert_eq!((sent, received), if client_talks { (0, 100) } else { (100, 0) });
    }
}

#[test]
fn what_a_side_sent_before_it_closed_is_delivered() {
    for client_closes in [true, false] {
        let mut joined = Joined::new(seconds(60, 60, 60));
        let (closes, stays) = match client_closes {
            true => (joined.client.clone(), joined.upstream.clone()),
            false => (joined.upstream.clone(), joined.client.clone()),
        };
        let message: Vec<u8> = (0..5000).map(|at| at as u8).collect();
        stays.set(|wire| wire.room = 16);
        closes.send(&message);
        closes.close();
        let mut received = Vec::new();
        let closing = loop {
            let settled = joined.settle();
            received.extend(stays.received());
            stays.set(|wire| wire.room = 16);
            if let Err(closing) = settled {
                break closing;
            }
        };
        assert_eq!(received, message);
        assert!(matches!(closing.why, Why::Eof));
        assert_eq!(closing.who, if client_closes { Who::Client } else { Who::Upstream });
    }
}

#[test]
fn a_half_close_ends_both_directions() {
    let mut joined = Joined::new(seconds(60, 60, 60));
    joined.client.send(b"bye");
    joined.client.close();
    assert_eq!(joined.settle().unwrap_err().to_string(), "client closed");
    assert_eq!(joined.upstream.received(), b"bye");
}

#[test]
fn early_bytes_come_first() {
    let early = (b"early from the client, ", b"early from the upstream, ");
    let mut joined = Joined::early(seconds(60, 60, 60), early.0, early.1);
    joined.client.send(b"late 1");
    joined.upstream.send(b"late 2");
    joined.settle().unwrap();
    assert_eq!(joined.upstream.received(), b"early from the client, late 1");
    assert_eq!(joined.client.received(), b"early from the upstream, late 2");
    joined.client.close();
    let closing = joined.settle().unwrap_err();
    assert_eq!((closing.received_from_client, closing.sent_to_upstream), (6, 29));
    assert_eq!((closing.received_from_upstream, closing.sent_to_client), (6, 31));
}

#[test]
fn early_bytes_are_delivered_even_if_the_side_has_closed_already() {
    let mut joined = Joined::early(seconds(60, 60, 60), b"", b"first and last");
    joined.upstream.close();
    joined.settle().unwrap_err();
    assert_eq!(joined.client.received(), b"first and last");
}

#[test]
fn a_client_that_takes_nothing_is_given_up_after_send_timeout() {
    for (read, send_client) in [(60, 10), (10, 60)] {
        // An upstream is not to blame for its silence while nobody listens to it.
        let mut joined = Joined::new(seconds(read, 5, send_client));
        joined.client.set(|wire| wire.room = 16);
        joined.upstream.send(&[0; 40]);
        let (closing, lasted) = joined.end();
        assert_eq!(lasted, send_client as u32 * SECOND);
        assert!(matches!(closing.why, Why::SendTimeout));
        let expected = format!("client took nothing for {send_client}s: send_timeout, site.conf:3");
        assert_eq!(closing.to_string(), expected);
    }
}

#[test]
fn an_upstream_that_takes_nothing_is_given_up_after_proxy_send_timeout() {
    let mut joined = Joined::new(seconds(60, 20, 10));
    joined.upstream.set(|wire| wire.room = 16);
    joined.client.send(&[0; 40]);
    let (closing, lasted) = joined.end();
    assert_eq!(lasted, 20 * SECOND);
    assert_eq!(closing.to_string(), "upstream took nothing for 20s: proxy_send_timeout, site.conf:2");
}

#[test]
fn a_write_that_gets_on_has_no_send_timeout() {
    let mut joined = Joined::new(seconds(60, 10, 10));
    joined.client.set(|wire| wire.room = 0);
    joined.upstream.send(&[0; 200]);
    for _ in 0..20 {
        joined.pass(9 * SECOND).unwrap();
        joined.client.set(|wire| wire.room = 10);
    }
    assert!(matches!(joined.end().0.why, Why::ReadTimeout));
    assert_eq!(joined.client.received().len(), 200);
}

/// However long a slow side was waited for: idleness is measured by its own limit afterwards.
#[test]
fn the_patience_with_a_slow_side_ends_with_its_slowness() {
    let mut joined = Joined::new(seconds(60, 5, 600));
    joined.client.set(|wire| wire.room = 0);
    joined.upstream.send(&[0; 20]);
    joined.pass(100 * SECOND).unwrap();
    joined.client.set(|wire| wire.room = 1000);
    joined.settle().unwrap();
    let (closing, lasted) = joined.end();
    assert_eq!((lasted, closing.idle), (MINUTE, MINUTE));
}

#[test]
fn limits_of_nothing_and_of_eternity() {
    let (closing, lasted) = Joined::new(seconds(0, 60, 60)).end();
    assert!(matches!(closing.why, Why::ReadTimeout));
    assert_eq!(lasted, Duration::ZERO);
    let mut joined = Joined::new(Rules { read: Duration::MAX.into(), ..seconds(60, 60, 60) });
    joined.pass(100 * 24 * 60 * MINUTE).unwrap();
    joined.client.close();
    assert!(matches!(joined.settle().unwrap_err().why, Why::Eof));
}

#[test]
fn a_reset_side_ends_the_tunnel_and_its_last_bytes_arrive() {
    let mut joined = Joined::new(seconds(60, 60, 60));
    joined.upstream.set(|wire| wire.room = 0);
    joined.client.send(b"last words");
    joined.client.fail(ErrorKind::ConnectionReset);
    joined.pass(SECOND).unwrap();
    joined.upstream.set(|wire| wire.room = 100);
    let closing = joined.settle().unwrap_err();
    assert_eq!(joined.upstream.received(), b"last words");
    assert_eq!(closing.who, Who::Client);
    assert!(matches!(closing.why, Why::ReadFailed(error) if error.kind() == ErrorKind::ConnectionReset));
}

#[test]
fn a_side_that_cannot_be_written_to_still_gets_its_last_bytes_delivered() {
    let mut joined = Joined::new(seconds(60, 60, 60));
    joined.client.set(|wire| (wire.room, wire.write_error) = (0, Some(ErrorKind::BrokenPipe)));
    joined.upstream.send(b"are you there?");
    joined.pass(SECOND / 2).unwrap();
    joined.client.send(b"goodbye");
    joined.client.close();
    let closing = joined.settle().unwrap_err();
    assert_eq!(joined.upstream.received(), b"goodbye");
    assert_eq!(closing.who, Who::Client);
    assert!(matches!(closing.why, Why::WriteFailed(error) if error.kind() == ErrorKind::BrokenPipe));
}

#[test]
fn a_broken_side_that_says_nothing_is_not_waited_for() {
    let mut joined = Joined::new(seconds(60, 60, 60));
    joined.upstream.set(|wire| (wire.room, wire.write_error) = (0, Some(ErrorKind::TimedOut)));
    joined.client.send(b"hello?");
    let (closing, lasted) = joined.end();
    assert_eq!(lasted, SECOND);
    assert_eq!(closing.who, Who::Upstream);
    assert!(matches!(closing.why, Why::WriteFailed(_)));
}

#[test]
fn nothing_more_is_read_for_a_side_that_takes_nothing() {
    let mut joined = Joined::new(seconds(60, 60, 60));
    joined.client.set(|wire| wire.room = 0);
    for _ in 0..10 {
        joined.upstream.send(&[1; BUFFER_SIZE]);
    }
    joined.pass(SECOND).unwrap();
    assert_eq!(joined.upstream.reads(), 1);
    joined.client.set(|wire| wire.room = 1);
    joined.pass(SECOND).unwrap();
    assert_eq!(joined.upstream.reads(), 1);
    joined.client.set(|wire| wire.room = BUFFER_SIZE - 1);
    joined.pass(SECOND).unwrap();
    assert_eq!(joined.upstream.reads(), 2);
}

#[test]
fn a_flood_does_not_keep_the_worker_to_itself() {
    let mut joined = Joined::new(seconds(60, 60, 60));
    for _ in 0..1000 {
        joined.upstream.send(&[1; BUFFER_SIZE]);
    }
    assert!(matches!(joined.turn(), Next::Again));
    assert!((1..20).contains(&joined.upstream.reads()), "{}", joined.upstream.reads());
    joined.settle().unwrap();
    assert_eq!(joined.client.received().len(), 1000 * BUFFER_SIZE);
}

#[test]
fn an_idle_tunnel_is_small() {
    let size = size_of::<Tunnel<std::os::fd::OwnedFd>>();
    assert!(size <= 144, "{size}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn bytes_come_out_as_they_went_in(
        up in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
        down in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
        early in prop::collection::vec(any::<u8>(), 0..50),
        rooms in prop::collection::vec((0..400usize, 0..400usize), 1..20),
    ) {
        let mut joined = Joined::early(seconds(60, 60, 60), &early, &early);
        joined.client.set(|wire| wire.room = 0);
        joined.upstream.set(|wire| wire.room = 0);
        let (mut to_client, mut to_upstream) = (Vec::new(), Vec::new());
        let expect = |chunks: &[Vec<u8>]| [&early, &chunks.concat()[..]].concat();
        let mut ups = up.iter();
        let mut downs = down.iter();
        let rooms = rooms.iter().copied().chain(std::iter::once((usize::MAX, usize::MAX)));
        for (client_room, upstream_room) in rooms.chain(std::iter::repeat_n((usize::MAX, usize::MAX), 20)) {
            ups.next().into_iter().for_each(|chunk| joined.client.send(chunk));
            downs.next().into_iter().for_each(|chunk| joined.upstream.send(chunk));
            joined.client.set(|wire| wire.room = client_room);
            joined.upstream.set(|wire| wire.room = upstream_room);
            joined.settle().unwrap();
            to_client.extend(joined.client.received());
            to_upstream.extend(joined.upstream.received());
        }
        prop_assert_eq!(to_client, expect(&down));
        prop_assert_eq!(to_upstream, expect(&up));
    }
}
