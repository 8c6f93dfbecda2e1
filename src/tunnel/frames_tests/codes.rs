//! Which code and reason each end is told with, and what is said of it in the log.

use std::io::ErrorKind;

use super::*;

/// An end: the rules, what happens, what the client and the upstream are told, and the line in the log.
struct End {
    rules: fn(&mut Rules),
    happens: fn(&mut Joined),
    client: Option<(u16, &'static str)>,
    upstream: Option<(u16, &'static str)>,
    log: &'static str,
}

fn nothing(_: &mut Rules) {}

fn asks_client(rules: &mut Rules) {
    rules.frames.as_mut().unwrap().ping = Some(asking(Sides::Client));
}

fn asks_upstream(rules: &mut Rules) {
    rules.frames.as_mut().unwrap().ping = Some(asking(Sides::Upstream));
}

fn measures(rules: &mut Rules) {
    let most = |bytes, line| Some(MaxSize { bytes, of: Sides::Both, place: place(line) });
    let frames = rules.frames.as_mut().unwrap();
    (frames.max_frame, frames.max_message) = (most(5, 7), most(8, 8));
}

fn counts(rules: &mut Rules) {
    rules.frames.as_mut().unwrap().rate = Some(Rate {
        unit: Unit::Messages,
        count: 1,
        per: SECOND,
        burst: 1,
        over: Over::Close,
        of: Sides::Both,
        place: place(10),
    });
}

const IDLE: Option<(u16, &str)> = Some((1001, "idle for 60s (proxy_read_timeout)"));
const OLD: Option<(u16, &str)> = Some((1001, "open for 30s (websocket_max_lifetime)"));
const EXPIRED: Option<(u16, &str)> = Some((4401, "token expired (websocket_token_expiry)"));
const LARGE: Option<(u16, &str)> = Some((1009, "frame of 6 bytes (websocket_max_frame_size)"));
const LONG: Option<(u16, &str)> = Some((1009, "message of 10 bytes (websocket_max_message_size)"));
const FAST: Option<(u16, &str)> = Some((1008, "too fast (websocket_message_rate)"));
const STOPS: Option<(u16, &str)> = Some((1012, "the server stops"));
const RELOADED: Option<(u16, &str)> = Some((1012, "the server was reconfigured"));

const ENDS: &[End] = &[
    End {
        rules: nothing,
        happens: |_| {},
        client: IDLE,
        upstream: IDLE,
        log: "idle for 60s: proxy_read_timeout, site.conf:1",
    },
    End {
        rules: |rules| rules.max_lifetime = Some(limit(30, 9)),
        happens: |_| {},
        client: OLD,
        upstream: OLD,
        log: "open for 30s: websocket_max_lifetime, site.conf:9",
    },
    End {
        rules: nothing,
        happens: |joined| joined.expire_in(30 * SECOND),
        client: EXPIRED,
        upstream: EXPIRED,
        log: "token expired: websocket_token_expiry, site.conf:4",
    },
    End {
        rules: nothing,
        happens: |joined| joined.upstream.close(),
        client: Some((1014, "upstream closed the connection")),
        upstream: None,
        log: "upstream closed the connection without a Close",
    },
    End {
        rules: nothing,
        happens: |joined| joined.upstream.fail(ErrorKind::ConnectionReset),
        client: Some((1014, "upstream reset the connection")),
        upstream: None,
        log: "reading from upstream failed: connection reset",
    },
    End {
        rules: nothing,
        happens: |joined| joined.upstream.fail(ErrorKind::TimedOut),
        client: Some((1011, "connection to upstream failed")),
        upstream: None,
        log: "reading from upstream failed: timed out",
    },
    End {
        rules: nothing,
        happens: |joined| {
            joined.upstream.set(|wire| (wire.room, wire.write_error) = (0, Some(ErrorKind::BrokenPipe)));
            joined.client.send(&text(Who::Client, "hello"));
        },
        client: Some((1014, "upstream reset the connection")),
        upstream: None,
        log: "writing to upstream failed: broken pipe",
    },
    End {
        rules: |rules| rules.send_upstream = limit(50, 2),
        happens: |joined| {
            joined.upstream.set(|wire| wire.room = 0);
            joined.client.send(&text(Who::Client, "hello"));
        },
        client: Some((1011, "upstream does not answer (proxy_send_timeout)")),
        upstream: None,
        log: "upstream took nothing for 50s: proxy_send_timeout, site.conf:2",
    },
    End {
        rules: asks_upstream,
        happens: asked,
        client: Some((1011, "upstream does not answer (websocket_ping_timeout)")),
        upstream: Some((1011, "upstream does not answer (websocket_ping_timeout)")),
        log: "upstream did not answer a ping within 5s: websocket_ping_timeout, site.conf:6",
    },
    End {
        rules: nothing,
        happens: |joined| joined.client.close(),
        client: None,
        upstream: Some((1001, "client closed the connection")),
        log: "client closed the connection without a Close",
    },
    End {
        rules: nothing,
        happens: |joined| joined.client.fail(ErrorKind::ConnectionReset),
        client: None,
        upstream: Some((1001, "client closed the connection")),
        log: "reading from client failed: connection reset",
    },
    End {
        rules: |rules| rules.send_client = limit(40, 3),
        happens: |joined| {
            joined.client.set(|wire| wire.room = 0);
            joined.upstream.send(&text(Who::Upstream, "hello"));
        },
        client: None,
        upstream: Some((1001, "client does not answer (send_timeout)")),
        log: "client took nothing for 40s: send_timeout, site.conf:3",
    },
    End {
        rules: asks_client,
        happens: asked,
        client: Some((1001, "client does not answer (websocket_ping_timeout)")),
        upstream: Some((1001, "client does not answer (websocket_ping_timeout)")),
        log: "client did not answer a ping within 5s: websocket_ping_timeout, site.conf:6",
    },
    End {
        rules: measures,
        happens: |joined| joined.client.send(&text(Who::Client, "6bytes")),
        client: LARGE,
        upstream: LARGE,
        log: "client sent a frame of 6 bytes: websocket_max_frame_size, site.conf:7",
    },
    End {
        rules: measures,
        happens: |joined| {
            joined.upstream.send(&part(Who::Upstream, false, Opcode::TEXT, b"5byte"));
            joined.settle().unwrap();
            joined.client.received();
            joined.upstream.send(&part(Who::Upstream, true, Opcode::CONTINUATION, b"5byte"));
        },
        client: LONG,
        upstream: LONG,
        log: "upstream sent a message of 10 bytes: websocket_max_message_size, site.conf:8",
    },
    End {
        rules: counts,
        happens: |joined| {
            joined.client.send(&text(Who::Client, "one"));
            joined.settle().unwrap();
            joined.upstream.received();
            joined.client.send(&text(Who::Client, "two"));
        },
        client: FAST,
        upstream: FAST,
        log: "client sent too fast: websocket_message_rate, site.conf:10",
    },
    End {
        rules: nothing,
        happens: |joined| joined.tunnel.leave_at(joined.now, Drained::Stopping),
        client: STOPS,
        upstream: STOPS,
        log: "wsproxy stops",
    },
    End {
        rules: nothing,
        happens: |joined| joined.tunnel.leave_at(joined.now, Drained::Reloaded),
        client: RELOADED,
        upstream: RELOADED,
        log: "its configuration was replaced: worker_shutdown_timeout",
    },
    End {
        rules: nothing,
        happens: |joined| joined.tunnel.leave_at(joined.now, Drained::Removed),
        client: RELOADED,
        upstream: RELOADED,
        log: "its location or upstream was removed: websocket_reload",
    },
];

/// A ping goes out, and nobody answers.
fn asked(joined: &mut Joined) {
    joined.pass(20 * SECOND).unwrap();
    joined.settle().unwrap();
    for who in SIDES {
        pings(who, &joined.side(who).received());
    }
}

#[test]
fn each_end_has_its_code_and_reason() {
    for end in ENDS {
        let mut rules = rules(|_| {});
        (end.rules)(&mut rules);
        let mut joined = Joined::new(rules);
        joined.settle().unwrap();
        (end.happens)(&mut joined);
        let closing = joined.end().0;
        assert_eq!(closing.to_string(), end.log);
        for (who, expected) in SIDES.into_iter().zip([end.client, end.upstream]) {
            let received = joined.side(who).received();
            match expected {
                None => assert_eq!(received, b"", "{}: {who}", end.log),
                Some((code, reason)) => {
                    assert_eq!(told(who, &received), (code, reason.to_owned()), "{}: {who}", end.log);
                    assert!(close::CloseCode::new(code).is_some() && reason.len() <= close::MAX_REASON);
                }
            }
        }
        let said = closing.frames.as_ref().and_then(|frames| frames.close.as_ref());
        let expected = end.client.or(end.upstream).expect("somebody is told");
        assert_eq!(said.map(|said| (said.code, &*said.reason)), Some((Some(expected.0), expected.1)));
        assert!(!closing.is_normal());
    }
}

/// Numbers without end are cut, and never inside a character.
#[test]
fn a_reason_fits_into_its_frame() {
    let mut joined = Joined::new(Rules { read: limit(u64::MAX / 1000, 1), ..rules(|_| {}) });
    joined.tunnel.leave_at(joined.now, Drained::Stopping);
    joined.settle().unwrap();
    let (head, _) = Head::read(&joined.client.received()).unwrap().unwrap();
    assert!(head.length <= close::MAX_PAYLOAD as u64);
}

#[test]
fn the_log_says_what_passed() {
    let mut joined = Joined::new(rules(|_| {}));
    joined.pass(5 * SECOND).unwrap();
    for word in ["three", "small", "messages"] {
        joined.client.send(&text(Who::Client, word));
    }
    joined.client.send(&frame(Who::Client, Opcode::PING, b"not counted"));
    joined.upstream.send(&text(Who::Upstream, "one"));
    joined.settle().unwrap();
    joined.upstream.send(&text(Who::Upstream, "unfinished")[..4]);
    let (closing, _) = joined.end();
    let expected =
        "; open for 65s, idle for 60s, 3 messages (18 bytes) from client, 1 message (5 bytes) from upstream";
    assert_eq!(closing.passed().to_string(), expected);
    let counts = closing.frames.unwrap();
    assert_eq!((counts.messages_from_client, counts.payload_from_client), (3, 18));
    assert_eq!((counts.messages_from_upstream, counts.payload_from_upstream), (1, 5));
    assert_eq!(counts.breach, None);
    let closing = Joined::new(rules(|_| {})).end().0;
    let expected = "; open for 60s, idle for 60s, no messages from client, no messages from upstream";
    assert_eq!(closing.passed().to_string(), expected);
    let closing = Joined::new(seconds(60, 60, 60)).end().0;
    assert_eq!(
        closing.passed().to_string(),
        "; open for 60s, idle for 60s, 0 bytes from client, 0 from upstream"
    );
}

#[test]
fn what_a_peer_says_cannot_break_a_line_of_the_log() {
    let mut joined = Joined::new(rules(|_| {}));
    joined.client.send(&close_frame(Who::Client, 4000, "a \"quote\"\nand a\u{1b}[31m line"));
    joined.client.close();
    let closing = joined.settle().unwrap_err();
    let expected = r#"client closed with 4000 "a \"quote\"\nand a\u{1b}[31m line""#;
    assert_eq!(closing.to_string(), expected);
}
