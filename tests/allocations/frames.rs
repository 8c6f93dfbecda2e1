//! What it costs to keep to all that can be asked of frames: nothing either.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use wsproxy::tunnel::{FrameRules, MaxSize, Over, Ping, Rate, Rules, Sides, Unit};

use super::Tunnel;

/// Everything at once, and nothing of it too strict. `silent` is how long the client may be so.
fn everything(silent: Duration, unit: Unit) -> Arc<Rules> {
    let most = || Some(MaxSize { bytes: 1 << 20, of: Sides::Both, place: None });
    let plenty = 1 << 40;
    let rate = Rate {
        unit,
        count: plenty,
        per: Duration::from_secs(1),
        burst: plenty,
        over: Over::Delay,
        of: Sides::Both,
        place: None,
    };
    let ping = Ping { to: Sides::Client, interval: silent.into(), timeout: Duration::from_secs(60).into() };
    Arc::new(Rules {
        max_lifetime: Some(Duration::from_secs(3600).into()),
        frames: Some(FrameRules {
            close_notify: true,
            ping: Some(ping),
            max_frame: most(),
            max_message: most(),
            rate: Some(rate),
        }),
        ..Rules::default()
    })
}

/// A binary message; the client masks it with zeros.
fn message(from_client: bool, length: u16) -> Vec<u8> {
    let mut bytes = vec![0x82, if from_client { 0xfe } else { 0x7e }];
    bytes.extend(length.to_be_bytes());
    bytes.resize(bytes.len() + if from_client { 4 } else { 0 } + usize::from(length), 0);
    bytes
}

/// Sends one message there, in two pieces, and another back.
fn exchange(tunnel: &mut Tunnel, length: u16) {
    let (there, back) = (message(true, length), message(false, length));
    let (head, rest) = there.split_at(3);
    let mut buffer = vec![0; there.len()];
    for _ in 0..500 {
        tunnel.client.write_all(head).unwrap();
        tunnel.client.write_all(rest).unwrap();
        tunnel.upstream.read_exact(&mut buffer).unwrap();
        tunnel.upstream.write_all(&back).unwrap();
        tunnel.client.read_exact(&mut buffer[..back.len()]).unwrap();
    }
}

#[test]
fn a_message_whose_frame_is_followed_allocates_nothing() {
    for unit in [Unit::Messages, Unit::Bytes] {
        let mut tunnel = Tunnel::with(everything(Duration::from_secs(60), unit));
        // The second piece shall not wait for the first to be acknowledged.
        tunnel.client.set_nodelay(true).unwrap();
        exchange(&mut tunnel, 200);
        let (first, second) = (tunnel.allocated(), tunnel.allocated());
        exchange(&mut tunnel, 200);
        exchange(&mut tunnel, 5000);
        let third = tunnel.allocated();
        assert_eq!(third - second, second - first, "{unit:?}");
        drop(tunnel.client);
        let counts = tunnel.closing.recv().unwrap().frames.unwrap();
        assert_eq!((counts.messages_from_client, counts.messages_from_upstream), (1500, 1500));
        assert_eq!(counts.payload_from_client, 1000 * 200 + 500 * 5000);
    }
}

#[test]
fn asking_a_silent_side_allocates_nothing() {
    let mut tunnel = Tunnel::with(everything(Duration::from_millis(1), Unit::Messages));
    answer(&mut tunnel, 20);
    let (first, second) = (tunnel.allocated(), tunnel.allocated());
    answer(&mut tunnel, 20);
    let third = tunnel.allocated();
    assert_eq!(third - second, second - first);
}

/// Waits for pings and answers them.
fn answer(tunnel: &mut Tunnel, rounds: usize) {
    for _ in 0..rounds {
        let mut ping = [0; 10];
        tunnel.client.read_exact(&mut ping).unwrap();
        assert_eq!(ping[..2], [0x89, 8]);
        let mut pong = [0x8a, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        pong[6..].copy_from_slice(&ping[2..]);
        tunnel.client.write_all(&pong).unwrap();
    }
}
