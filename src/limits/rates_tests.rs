//! Buckets beside a plain transcription of nginx's arithmetic, and under many hands.

use std::sync::Barrier;
use std::thread;

use proptest::prelude::*;

use super::rates::{Limit, Rates, Verdict, judge};

const ZONE: u64 = 32 * 1024;

/// Asks limits with a key each; an empty one is none.
fn ask(limits: &[(Limit<'_>, &[u8])], now: i64) -> Verdict {
    let mut of_number = |number: usize, key: &mut Vec<u8>| {
        let (limit, own) = limits[number];
        key.extend_from_slice(own);
        (!own.is_empty()).then_some(limit)
    };
    judge(limits.len(), &mut of_number, &mut Vec::new(), now)
}

fn limit(zone: &Rates, rate: i64, burst: i64, delay: i64) -> Limit<'_> {
    Limit { zone, rate, burst: burst * 1000, delay: delay.saturating_mul(1000) }
}

#[test]
fn a_burst_passes_or_waits_and_what_is_beyond_it_is_refused() {
    let zone = Rates::new(b"one", ZONE);
    let slow = [(limit(&zone, 2000, 3, 1), &b"key"[..])];
    let verdicts: Vec<Verdict> = (0..5).map(|_| ask(&slow, 10)).collect();
    let delayed = |excess, delay| Verdict::Delayed { limit: 0, excess, delay };
    assert_eq!(
        verdicts,
        [
            Verdict::Passed,
            Verdict::Passed,
            delayed(2000, 500),
            delayed(3000, 1000),
            Verdict::Refused { limit: 0, excess: 4000 }
        ]
    );
    // Half a second later one has run out, and another may come.
    assert_eq!(ask(&slow, 510), delayed(3000, 1000));
    assert_eq!(ask(&slow, 510 + 499), Verdict::Refused { limit: 0, excess: 3002 });
    assert_eq!(ask(&slow, 100_000), Verdict::Passed);
}

#[test]
fn a_request_counts_with_all_limits_or_with_none() {
    let (one, two) = (Rates::new(b"one", ZONE), Rates::new(b"two", ZONE));
    let wide = limit(&one, 1000, 9, i64::MAX);
    let narrow = limit(&two, 1000, 0, 0);
    assert_eq!(ask(&[(wide, b"a"), (narrow, b"a")], 0), Verdict::Passed);
    for _ in 0..5 {
        assert_eq!(ask(&[(wide, b"a"), (narrow, b"a")], 0), Verdict::Refused { limit: 1, excess: 1000 });
    }
    // The first zone has counted one request, and none of those that the second refused.
    assert_eq!(ask(&[(limit(&one, 1000, 9, 0), b"a")], 0), {
        Verdict::Delayed { limit: 0, excess: 1000, delay: 1000 }
    });
    assert_eq!((one.account().1, two.account().1), (0, 0));
    assert_eq!(ask(&[(wide, b""), (narrow, b"")], 0), Verdict::Uncounted);
    assert_eq!(ask(&[(wide, b"b"), (narrow, b"")], 0), Verdict::Passed);
}

#[test]
fn of_several_delays_the_longest_holds() {
    let (one, two) = (Rates::new(b"one", ZONE), Rates::new(b"two", ZONE));
    let limits = [(limit(&one, 500, 5, 0), &b"a"[..]), (limit(&two, 1000, 5, 0), b"a")];
    assert_eq!(ask(&limits, 0), Verdict::Passed);
    assert_eq!(ask(&limits, 0), Verdict::Delayed { limit: 0, excess: 1000, delay: 2000 });
    let swapped = [limits[1], limits[0]];
    assert_eq!(ask(&swapped, 0), Verdict::Delayed { limit: 1, excess: 2000, delay: 4000 });
}

#[test]
fn numbers_that_are_beyond_all_measure_do_no_harm() {
    let zone = Rates::new(b"one", ZONE);
    let most = Limit { zone: &zone, rate: i64::MAX, burst: i64::MAX, delay: 0 };
    for now in [0, i64::MAX, 0, i64::MIN, i64::MAX] {
        assert!(matches!(ask(&[(most, b"a")], now), Verdict::Passed | Verdict::Delayed { .. }));
    }
}

#[test]
fn a_full_zone_forgets_the_oldest_and_takes_no_more_than_its_size() {
    let zone = Rates::new(b"one", ZONE);
    let asked = |number: u32| ask(&[(limit(&zone, 16, 0, 0), &number.to_be_bytes()[..])], 0);
    // Six of seven pages hold 32 buckets each; a piece of one is nginx's own.
    let room = 6 * 32 - 1;
    for number in 0..room {
        assert_eq!(asked(number), Verdict::Passed);
    }
    assert!(matches!(asked(0), Verdict::Refused { .. }));
    assert_eq!(asked(room), Verdict::Passed);
    assert!(matches!(asked(0), Verdict::Refused { .. }), "it had been asked for last");
    assert_eq!(asked(1), Verdict::Passed, "it was the oldest, and is forgotten");
    let (buckets, _, memory) = zone.account();
    assert_eq!(buckets, room as usize);
    assert!(memory < ZONE as usize, "{memory}");
    let large = Rates::new(b"large", 1 << 20);
    for number in 0..100_000u32 {
        ask(&[(limit(&large, 16, 0, 0), &number.to_be_bytes()[..])], 0);
    }
    let (buckets, _, memory) = large.account();
    assert_eq!(buckets, 253 * 32 - 1);
    assert!(memory < 1 << 20, "{memory}");
}

#[test]
fn a_key_for_which_there_is_no_room_at_all_is_told() {
    let zone = Rates::new(b"one", ZONE);
    assert_eq!(ask(&[(limit(&zone, 16, 0, 0), &[7; 30_000])], 0), Verdict::NoRoom { limit: 0 });
}

#[test]
fn eight_threads_get_a_burst_and_not_one_more() {
    let (one, two) = (Rates::new(b"one", ZONE), Rates::new(b"two", ZONE));
    let barrier = Barrier::new(8);
    let passed: usize = thread::scope(|scope| {
        let hammer = || {
            barrier.wait();
            let limits =
                [(limit(&one, 1000, 100_000, i64::MAX), &b"a"[..]), (limit(&two, 16, 999, i64::MAX), b"a")];
            (0..1000).filter(|_| ask(&limits, 5) == Verdict::Passed).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(hammer)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread")).sum()
    });
    assert_eq!(passed, 1000);
    assert_eq!((one.account().1, two.account().1), (0, 0));
    let told = ask(&[(limit(&one, 1000, 0, 0), &b"a"[..])], 5);
    assert_eq!(told, Verdict::Refused { limit: 0, excess: 1_000_000 }, "each that passed was counted once");
}

/// A zone as `ngx_http_limit_req_module.c` has it, in plain lists.
struct Plain {
    /// The oldest first.
    nodes: Vec<Node>,
    room: usize,
    rate: i64,
}

struct Node {
    key: Vec<u8>,
    excess: i64,
    last: i64,
    count: i64,
}

#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Declined,
    Ok,
    Busy,
    Error,
    Again,
}

impl Plain {
    fn lookup(&mut self, key: &[u8], burst: i64, now: i64, ep: &mut i64, account: bool) -> Answer {
        if let Some(at) = self.nodes.iter().position(|node| node.key == key) {
            let node = self.nodes.remove(at);
            self.nodes.push(node);
            let node = self.nodes.last_mut().expect("just pushed");
            let mut ms = now - node.last;
            if ms < -60_000 {
                ms = 1;
            } else if ms < 0 {
                ms = 0;
            }
            let mut excess = node.excess - self.rate * ms / 1000 + 1000;
            if excess < 0 {
                excess = 0;
            }
            *ep = excess;
            if excess > burst {
                return Answer::Busy;
            }
            if account {
                node.excess = excess;
                if ms != 0 {
                    node.last = now;
                }
                return Answer::Ok;
            }
            node.count += 1;
            return Answer::Again;
        }
        *ep = 0;
        self.expire(1, now);
        if self.nodes.len() == self.room {
            self.expire(0, now);
            if self.nodes.len() == self.room {
                return Answer::Error;
            }
        }
        let (last, count) = if account { (now, 0) } else { (0, 1) };
        self.nodes.push(Node { key: key.to_vec(), excess: 0, last, count });
        if account { Answer::Ok } else { Answer::Again }
    }

    fn expire(&mut self, mut n: usize, now: i64) {
        while n < 3 {
            let Some(node) = self.nodes.first() else { return };
            if node.count != 0 {
                return;
            }
            let first = n == 0;
            n += 1;
            if !first {
                let ms = (now - node.last).abs();
                if ms < 60_000 || node.excess - self.rate * ms / 1000 > 0 {
                    return;
                }
            }
            self.nodes.remove(0);
        }
    }

    fn account(&mut self, key: &[u8], now: i64) -> i64 {
        let node = self.nodes.iter_mut().find(|node| node.key == key).expect("it was looked up");
        let mut ms = now - node.last;
        if ms < -60_000 {
            ms = 1;
        } else if ms < 0 {
            ms = 0;
        }
        let mut excess = node.excess - self.rate * ms / 1000 + 1000;
        if excess < 0 {
            excess = 0;
        }
        if ms != 0 {
            node.last = now;
        }
        node.excess = excess;
        node.count -= 1;
        excess
    }
}

/// What a location says of one of three zones.
#[derive(Clone, Debug)]
struct Line {
    zone: usize,
    burst: i64,
    delay: i64,
    key: Vec<u8>,
}

/// The loop of `ngx_http_limit_req_handler`.
fn plainly(zones: &mut [Plain], lines: &[Line], now: i64) -> Verdict {
    let (mut excess, mut answer, mut n) = (0, Answer::Declined, 0);
    let mut looked = vec![false; lines.len()];
    let mut limit = 0;
    while n < lines.len() {
        limit = n;
        let line = &lines[n];
        if !line.key.is_empty() {
            let is_last = n == lines.len() - 1;
            answer = zones[line.zone].lookup(&line.key, line.burst, now, &mut excess, is_last);
            if answer != Answer::Again {
                break;
            }
            looked[n] = true;
        }
        n += 1;
    }
    if answer == Answer::Declined {
        return Verdict::Uncounted;
    }
    if matches!(answer, Answer::Busy | Answer::Error) {
        for (line, _) in lines.iter().zip(&looked).take(n).filter(|(_, looked)| **looked) {
            let nodes = &mut zones[line.zone].nodes;
            nodes.iter_mut().find(|node| node.key == line.key).expect("it was looked up").count -= 1;
        }
        return match answer {
            Answer::Busy => Verdict::Refused { limit, excess },
            _ => Verdict::NoRoom { limit },
        };
    }
    if answer == Answer::Again {
        excess = 0;
    }
    let mut longest = 0;
    if excess > lines[limit].delay {
        longest = (excess - lines[limit].delay) * 1000 / zones[lines[limit].zone].rate;
    }
    let mut told = excess;
    for at in (0..n).rev().filter(|at| looked[*at]) {
        let line = &lines[at];
        let excess = zones[line.zone].account(&line.key, now);
        if excess > line.delay {
            let delay = (excess - line.delay) * 1000 / zones[line.zone].rate;
            if delay > longest {
                (longest, told, limit) = (delay, excess, at);
            }
        }
    }
    match longest {
        0 => Verdict::Passed,
        delay => Verdict::Delayed { limit, excess: told, delay },
    }
}

/// A key so long that eight of them fill a page, or none.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => Just(Vec::new()),
        6 => (0u8..3).prop_map(|key| vec![key; 200]),
        2 => any::<u8>().prop_map(|key| vec![key; 200]),
    ]
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = (0i64..6, 0i64..6, key());
    let zones = Just([0, 1, 2]).prop_shuffle();
    (prop::collection::vec(line, 1..4), zones).prop_map(|(lines, zones)| {
        let line = |((burst, delay, key), zone): ((i64, i64, Vec<u8>), usize)| Line {
            zone,
            burst: burst * 1000,
            delay: if delay == 5 { i64::MAX } else { delay * 1000 },
            key,
        };
        lines.into_iter().zip(zones).map(line).collect()
    })
}

/// Mostly requests that come close together, some long silences, and clocks that go back.
fn pause() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 0i64..700, 2 => -50i64..0, 1 => 50_000i64..200_000, 1 => -130_000i64..-50_000]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn buckets_do_as_those_of_nginx(
        rates in [16i64..3000, 16i64..100_000, 1000i64..2000],
        asked in prop::collection::vec((lines(), pause()), 1..300),
    ) {
        let zones = [(); 3].map(|()| Rates::new(b"one", ZONE));
        // Seven pages, two of them begun by nginx itself.
        let mut plain = rates.map(|rate| Plain { nodes: Vec::new(), room: 5 * 8, rate });
        let mut now = 1_700_000_000_000;
        for (lines, pause) in asked {
            now += pause;
            let limit = |line: &Line| Limit {
                zone: &zones[line.zone],
                rate: rates[line.zone],
                burst: line.burst,
                delay: line.delay,
            };
            let limits: Vec<_> = lines.iter().map(|line| (limit(line), &line.key[..])).collect();
            prop_assert_eq!(ask(&limits, now), plainly(&mut plain, &lines, now), "{:?}", lines);
        }
        for (zone, plain) in zones.iter().zip(&plain) {
            prop_assert_eq!(zone.account().0, plain.nodes.len());
            prop_assert_eq!(zone.account().1, 0);
        }
    }
}
