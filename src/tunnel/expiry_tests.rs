//! Tunnels whose token expires, and a clock on the wall that somebody sets.

use std::time::Duration;

use proptest::prelude::*;

use crate::websocket::frame::{Head, MAX_HEAD, Opcode};

use super::memory::{Joined, seconds};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Tunnels that may be idle for a day, with frames that are followed, and whose sides are told.
fn rules(close_notify: bool) -> Rules {
    Rules { frames: Some(FrameRules { close_notify, ..FrameRules::default() }), ..seconds(86400, 60, 60) }
}

/// One whose token expires in that time.
fn with_token(time: Duration) -> Joined {
    let mut joined = Joined::new(rules(false));
    joined.expire_in(time);
    joined
}

#[track_caller]
fn assert_expired(closing: &Closing) {
    assert!(matches!((closing.who, &closing.why), (Who::Proxy, Why::TokenExpired)), "{closing}");
    assert_eq!(closing.to_string(), "token expired: websocket_token_expiry, site.conf:4");
}

/// An unmasked message: nobody here looks at the key.
fn message() -> Vec<u8> {
    let mut head = [0; MAX_HEAD];
    let size = Head::message(Opcode::TEXT, Some([0; 4]), 2).write(&mut head);
    [&head[..size], b"hi"].concat()
}

#[test]
fn a_tunnel_ends_with_its_token() {
    let mut joined = with_token(10 * MINUTE);
    let (closing, after) = joined.end();
    assert_expired(&closing);
    assert_eq!(after, 10 * MINUTE);
    // Without close_notify nobody is told anything.
    assert_eq!((joined.client.received(), joined.upstream.received()), (vec![], vec![]));
}

#[test]
fn one_that_has_expired_before_it_began_ends_at_once() {
    let mut joined = with_token(Duration::ZERO);
    let (closing, after) = joined.end();
    assert_expired(&closing);
    assert_eq!(after, Duration::ZERO);
}

#[test]
fn one_without_a_token_is_never_told_the_time() {
    let mut joined = Joined::new(rules(false));
    joined.pass(10 * MINUTE).unwrap();
    assert!(!joined.tunnel.wants_clock(joined.now));
    assert_eq!(joined.settle().unwrap(), joined.now + 86_400_000 - 600_000);
}

#[test]
fn a_clock_that_is_set_forward_is_seen_within_a_minute() {
    let mut joined = with_token(60 * MINUTE);
    joined.pass(5 * MINUTE + 20 * SECOND).unwrap();
    joined.wall += 3_600_000;
    let (closing, after) = joined.end();
    assert_expired(&closing);
    assert!(after <= MINUTE, "{after:?}");
}

/// The clock of moments stands still meanwhile, the one on the wall goes on.
#[test]
fn so_is_one_that_went_on_while_the_machine_slept() {
    let mut joined = with_token(60 * MINUTE);
    joined.pass(30 * SECOND).unwrap();
    joined.wall += 8 * 3_600_000;
    let (_, after) = joined.end();
    assert!(after <= MINUTE, "{after:?}");
}

#[test]
fn a_clock_that_is_set_back_gives_the_time_back() {
    let mut joined = with_token(10 * MINUTE);
    joined.pass(9 * MINUTE + 59 * SECOND).unwrap();
    joined.wall -= 30 * 60_000;
    joined.pass(30 * MINUTE).unwrap();
    let (closing, after) = joined.end();
    assert_expired(&closing);
    assert_eq!(after, SECOND);
}

#[test]
fn who_talks_without_a_pause_gains_no_time() {
    let mut joined = with_token(10 * SECOND);
    for _ in 0..10 * 1000 {
        joined.client.send(&message());
        joined.settle().unwrap();
        joined.now += 1;
    }
    joined.client.send(&message());
    assert_expired(&joined.settle().unwrap_err());
}

#[test]
fn nor_does_who_does_not_read() {
    let mut joined = Joined::new(rules(true));
    joined.expire_in(10 * SECOND);
    joined.client.set(|wire| wire.room = 1);
    joined.upstream.send(&message());
    let (closing, after) = joined.end();
    assert_expired(&closing);
    // The goodbye takes its time.
    assert!(after <= 13 * SECOND, "{after:?}");
}

#[test]
fn what_ends_earlier_goes_before() {
    let mut joined = Joined::new(seconds(30, 60, 60));
    joined.expire_in(MINUTE);
    assert!(matches!(joined.end().0.why, Why::ReadTimeout));
}

proptest! {
    /// However the clock on the wall is set, and however long nothing happens: a tunnel never ends before it shows
    /// that the token has expired, and not much more than a minute after it has begun to.
    #[test]
    fn no_clock_ends_a_tunnel_too_early_or_keeps_it(
        life in 0..1000u64,
        steps in prop::collection::vec((-500_000..500_000i64, 0..200u64, any::<bool>()), 1..30),
    ) {
        let mut joined = with_token(Duration::from_secs(life));
        let expires = joined.wall + joined.now + life * 1000;
        for (shift, seconds, talks) in steps {
            joined.wall = joined.wall.saturating_add_signed(shift);
            if talks {
                joined.client.send(&message());
            }
            let had_expired = joined.wall + joined.now >= expires;
            let passed = joined.pass(Duration::from_secs(seconds));
            if let Err(closing) = passed {
                assert_expired(&closing);
                prop_assert!(joined.wall + joined.now >= expires);
                return Ok(());
            }
            prop_assert!(!had_expired || seconds <= 60, "expired, and there after {seconds}s");
        }
    }
}
