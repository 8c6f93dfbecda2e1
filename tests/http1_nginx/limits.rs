//! Heads of all lengths around the sizes of the buffers.

use wsproxy::http1::HeadLimits;

use super::nginx::Nginx;
use super::sight::{Seen, assert_none, by_us, compare, same, served_on};

#[test]
fn limits() {
    let directives = |limits: &HeadLimits| {
        let HeadLimits { client_header_buffer_size, large_count, large_size, .. } = limits;
        format!(
            "client_header_buffer_size {client_header_buffer_size};
             large_client_header_buffers {large_count} {large_size};"
        )
    };
    let small = served_on("small", &directives(&SMALL));
    let mut nginx = Nginx::start(&(small + &served_on("large", &directives(&LARGE))));
    let line = |length: usize| format!("GET /{} HTTP/1.0\r\n", "a".repeat(length - 16));
    let field = |length: usize| format!("A: {}\r\n", "b".repeat(length - 5));
    let mut cases = Vec::new();
    for first in [20, 254, 255, 256, 257, 258, 510, 511, 512, 513, 514, 767, 768, 769] {
        cases.push(line(first) + "\r\n");
        cases.push(line(first));
        for second in [5, 254, 255, 256, 257, 510, 511, 512, 513, 700, 768] {
            cases.push(line(first) + &field(second) + "\r\n");
            cases.push(line(first) + &field(second) + &field(256) + &field(254) + "\r\n");
            cases.push(line(first) + &field(second) + &field(256) + &field(255) + "\r\n");
            cases.push(line(first) + &field(second) + &field(512) + "\r\n");
            cases.push(line(first) + &field(second) + &field(511) + "\r\n");
            cases.push(line(first) + &field(second) + &field(510)[..509]);
        }
    }
    let mut differences = Vec::new();
    for (socket, limits) in [("small", &SMALL), ("large", &LARGE)] {
        // To a head that may go on nginx says nothing.
        let answered = |case: &&String| by_us(case.as_bytes(), limits, true).seen != Seen::Waiting;
        let cases: Vec<_> = cases.iter().filter(answered).map(same).collect();
        assert!(cases.len() > 700);
        differences.extend(compare(&mut nginx, socket, limits, true, &cases));
    }
    assert_none(differences);
}

const SMALL: HeadLimits = HeadLimits {
    client_header_buffer_size: 256,
    large_count: 2,
    large_size: 512,
    max_headers: 1000,
    ignore_invalid_headers: true,
    underscores_in_headers: false,
};

const LARGE: HeadLimits = HeadLimits { client_header_buffer_size: 768, large_count: 1, ..SMALL };
