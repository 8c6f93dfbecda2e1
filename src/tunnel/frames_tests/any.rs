//! Whatever two sides send, however it is cut, whenever they take it: they get each other's bytes, and ours
//! only between frames.

use proptest::prelude::*;

use super::*;

/// One side, as it behaves in a story.
struct Peer {
    who: Who,
    /// Frames it has yet to send.
    frames: std::vec::IntoIter<Vec<u8>>,
    /// What is left of the present one.
    present: Vec<u8>,
    /// The present one answers a ping of ours.
    answers: bool,
    /// What the other side is to get.
    sent: Vec<u8>,
    /// All that came.
    received: Vec<u8>,
    /// How much of that was looked at for pings.
    seen: usize,
    /// Pings of ours it has yet to answer.
    owes: Vec<Vec<u8>>,
    /// It sends no frames, and would not know a ping.
    is_wild: bool,
}

#[derive(Clone, Debug)]
enum Event {
    /// A side sends so many bytes.
    Send(Who, usize),
    /// A side has room for so many.
    Room(Who, usize),
    /// Time passes, and the worker keeps up with it.
    Pass(u64),
    /// The worker was busy elsewhere, or the machine asleep.
    Sleep(u64),
}

/// Pings of the story have other payloads than ours, which have eight bytes.
fn is_ours(frame: &(Head, &[u8])) -> bool {
    frame.0.opcode == Opcode::PING && frame.1.len() == PING_PAYLOAD
}

/// Whole frames at the start of `bytes`, and how many bytes they are.
fn whole_frames(bytes: &[u8]) -> (Vec<(Head, &[u8])>, Vec<usize>) {
    let (mut frames, mut ends, mut at) = (Vec::new(), Vec::new(), 0);
    while let Ok(Some((head, size))) = Head::read(&bytes[at..]) {
        let Some(payload) = bytes[at + size..].get(..head.length as usize) else { break };
        frames.push((head, payload));
        at += size + payload.len();
        ends.push(at);
    }
    (frames, ends)
}

/// What a side received, without pings of ours; and the Close of ours behind it, if there is one.
fn without_ours(received: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let (frames, ends) = whole_frames(received);
    let (mut rest, mut close, mut start) = (Vec::new(), None, 0);
    for (frame, end) in frames.iter().zip(&ends) {
        assert_eq!(close, None, "something comes behind a Close");
        match frame.0.opcode {
            Opcode::CLOSE => close = Some(received[start..*end].to_vec()),
            _ if is_ours(frame) => {}
            _ => rest.extend_from_slice(&received[start..*end]),
        }
        start = *end;
    }
    assert!(close.is_none() || start == received.len(), "something comes behind a Close");
    // What was cut off may be ours as well; the story has no Close.
    match &received[start..] {
        [0x88, ..] | [0x89] => {}
        [0x89, second, ..] if usize::from(second & 0x7f) == PING_PAYLOAD => {}
        tail => rest.extend_from_slice(tail),
    }
    (rest, close)
}

impl Peer {
    fn new(who: Who, frames: Vec<Vec<u8>>) -> Peer {
        Peer {
            who,
            frames: frames.into_iter(),
            present: Vec::new(),
            answers: false,
            sent: Vec::new(),
            received: Vec::new(),
            seen: 0,
            owes: Vec::new(),
            is_wild: false,
        }
    }

    fn wild(who: Who, bytes: Vec<u8>) -> Peer {
        Peer { is_wild: true, ..Peer::new(who, vec![bytes]) }
    }

    /// Sends the next bytes; answers to pings come between its frames. False if there is nothing to send.
    fn send(&mut self, joined: &Joined, count: usize) -> bool {
        let mut piece = Vec::new();
        while piece.len() < count {
            if self.present.is_empty() {
                let answer = self.owes.pop().map(|ping| frame(self.who, Opcode::PONG, &ping));
                self.answers = answer.is_some();
                let Some(next) = answer.or_else(|| self.frames.next()) else { break };
                self.present = next;
            }
            let part: Vec<u8> = self.present.drain(..self.present.len().min(count - piece.len())).collect();
            if !self.answers {
                self.sent.extend_from_slice(&part);
            }
            piece.extend(part);
        }
        if !piece.is_empty() {
            joined.side(self.who).send(&piece);
        }
        !piece.is_empty()
    }

    fn receive(&mut self, joined: &Joined) {
        self.received.extend(joined.side(self.who).received());
        if self.is_wild {
            return;
        }
        let (frames, ends) = whole_frames(&self.received[self.seen..]);
        for frame in frames.iter().filter(|frame| is_ours(frame)) {
            let mut payload = frame.1.to_vec();
            mask(&mut payload, frame.0.mask.unwrap_or_default(), 0);
            self.owes.push(payload);
        }
        self.seen += ends.last().unwrap_or(&0);
    }
}

/// Plays a story; an end that nobody asked for is the error.
fn play(joined: &mut Joined, peers: &mut [Peer; 2], events: &[Event]) -> Result<(), Box<Closing>> {
    for event in events {
        let peer = |who: Who| usize::from(who == Who::Upstream);
        match event {
            Event::Send(who, count) => drop(peers[peer(*who)].send(joined, *count)),
            Event::Room(who, room) => joined.side(*who).set(|wire| wire.room = *room),
            Event::Pass(time) => joined.pass(Duration::from_millis(*time))?,
            Event::Sleep(time) => joined.now += time,
        }
        let settled = joined.settle();
        peers.iter_mut().for_each(|peer| peer.receive(joined));
        settled?;
    }
    Ok(())
}

/// Everything that is left is sent, and taken.
fn finish(joined: &mut Joined, peers: &mut [Peer; 2]) -> Result<(), Box<Closing>> {
    for who in SIDES {
        joined.side(who).set(|wire| wire.room = usize::MAX);
    }
    loop {
        joined.settle()?;
        peers.iter_mut().for_each(|peer| peer.receive(joined));
        let [client, upstream] = peers;
        if !client.send(joined, 100_000) & !upstream.send(joined, 100_000) {
            return Ok(());
        }
    }
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![8 => 0..30usize, 4 => 120..135usize, 1 => 65_530..65_545usize, 1 => 100_000..200_000usize];
    (length, any::<u8>())
        .prop_map(|(length, first)| (0..length).map(|at| first.wrapping_add(at as u8)).collect())
}

fn any_control() -> impl Strategy<Value = (Opcode, Vec<u8>)> {
    let payload =
        prop_oneof![prop::collection::vec(any::<u8>(), 0..8), prop::collection::vec(any::<u8>(), 9..126)];
    let pong = prop::collection::vec(any::<u8>(), 0..126).prop_map(|payload| (Opcode::PONG, payload));
    prop_oneof![payload.prop_map(|payload| (Opcode::PING, payload)), pong]
}

/// The frames of one message, with control frames between them.
fn any_message(from: Who) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let fragment = || (any_payload(), prop::collection::vec(any_control(), 0..2));
    prop_oneof![4 => 1..2usize, 1 => 2..5usize]
        .prop_flat_map(move |count| prop::collection::vec(fragment(), count))
        .prop_map(move |fragments| {
            let last = fragments.len() - 1;
            let frames = fragments.into_iter().enumerate().flat_map(move |(at, (payload, controls))| {
                let opcode = if at == 0 { Opcode::BINARY } else { Opcode::CONTINUATION };
                let data = part(from, at == last, opcode, &payload);
                let controls =
                    controls.into_iter().map(move |(opcode, payload)| frame(from, opcode, &payload));
                controls.chain([data]).collect::<Vec<_>>()
            });
            frames.collect()
        })
}

fn any_frames(from: Who) -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(any_message(from), 0..6).prop_map(|messages| messages.concat())
}

fn any_event() -> impl Strategy<Value = Event> {
    let who = || prop_oneof![Just(Who::Client), Just(Who::Upstream)];
    let count = prop_oneof![3 => 1..20usize, 2 => 1..300usize, 1 => 1..150_000usize];
    let room = prop_oneof![1 => Just(0usize), 2 => 1..50usize, 1 => 1..100_000usize, 2 => Just(usize::MAX)];
    prop_oneof![
        6 => (who(), count).prop_map(|(who, count)| Event::Send(who, count)),
        2 => (who(), room).prop_map(|(who, room)| Event::Room(who, room)),
        2 => (0..30_000u64).prop_map(Event::Pass),
        1 => (0..90_000u64).prop_map(Event::Sleep),
    ]
}

/// Times without end, so that a story ends when it wants to; only pings come in time.
fn patient(change: impl FnOnce(&mut FrameRules)) -> Rules {
    let rules = rules(|rules| {
        rules.ping = Some(Ping { to: Sides::Both, interval: limit(10, 5), timeout: Duration::MAX.into() });
        change(rules);
    });
    let never = || Limit::from(Duration::MAX);
    Rules { read: never(), send_upstream: never(), send_client: never(), ..rules }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn both_get_what_the_other_sent_and_ours_between_frames(
        client in any_frames(Who::Client),
        upstream in any_frames(Who::Upstream),
        events in prop::collection::vec(any_event(), 0..60),
    ) {
        let mut joined = Joined::new(patient(|_| {}));
        let mut peers = [Peer::new(Who::Client, client), Peer::new(Who::Upstream, upstream)];
        play(&mut joined, &mut peers, &events).unwrap();
        finish(&mut joined, &mut peers).unwrap();
        // A ping is due some time, and then nothing of what came before is incomplete.
        joined.pass(11 * SECOND).unwrap();
        peers.iter_mut().for_each(|peer| peer.receive(&joined));
        let [client, upstream] = &peers;
        for (from, to) in [(client, upstream), (upstream, client)] {
            prop_assert!(!to.owes.is_empty());
            prop_assert_eq!(to.seen, to.received.len());
            let (received, close) = without_ours(&to.received);
            prop_assert!(received == from.sent, "{} of {} bytes", received.len(), from.sent.len());
            prop_assert_eq!(close, None);
        }
    }

    #[test]
    fn what_both_get_until_a_sudden_end_is_what_was_sent(
        client in any_frames(Who::Client),
        upstream in any_frames(Who::Upstream),
        events in prop::collection::vec(any_event(), 0..60),
        end in 0..5usize,
        behind in prop::collection::vec(any_event(), 0..20),
        limits in any::<bool>(),
    ) {
        let most = || Some(MaxSize { bytes: 125, of: Sides::Both, place: None });
        let rate = Rate { unit: Unit::Messages, count: 1, per: SECOND, burst: 2, over: Over::Delay,
            of: Sides::Both, place: None };
        let mut joined = Joined::new(patient(|rules| if limits {
            (rules.max_frame, rules.max_message, rules.rate) = (most(), most(), Some(rate));
        }));
        let mut peers = [Peer::new(Who::Client, client), Peer::new(Who::Upstream, upstream)];
        let mut ended = play(&mut joined, &mut peers, &events);
        if ended.is_ok() {
            match end {
                0 => joined.tunnel.leave_at(joined.now, Drained::Stopping),
                1 => joined.client.close(),
                2 => joined.upstream.fail(std::io::ErrorKind::ConnectionReset),
                3 => joined.client.set(|wire| (wire.room, wire.write_error) = (0, Some(std::io::ErrorKind::BrokenPipe))),
                _ => joined.upstream.close(),
            }
            ended = play(&mut joined, &mut peers, &behind);
        }
        if ended.is_ok() {
            joined.tunnel.leave_at(joined.now, Drained::Stopping);
            let (_, lasted) = joined.end();
            prop_assert!(lasted <= FAREWELL + SECOND, "{lasted:?}");
        }
        peers.iter_mut().for_each(|peer| peer.receive(&joined));
        let [client, upstream] = &peers;
        for (from, to) in [(client, upstream), (upstream, client)] {
            let (received, close) = without_ours(&to.received);
            prop_assert!(from.sent.starts_with(&received), "{} of {} bytes", received.len(), from.sent.len());
            if let Some(close) = close {
                told(to.who, &close);
            }
        }
    }

    /// Whatever it is, if it cannot be frames it passes, limits or not.
    #[test]
    fn bytes_that_are_no_frames_pass_unchanged(
        first in prop_oneof![Just(0x83u8), Just(0x09), Just(0x8f), Just(0x07)],
        client in prop::collection::vec(any::<u8>(), 4..2000),
        upstream in prop::collection::vec(any::<u8>(), 4..2000),
        events in prop::collection::vec(any_event(), 0..60),
    ) {
        let most = || Some(MaxSize { bytes: 1, of: Sides::Both, place: None });
        let mut joined = Joined::new(patient(|rules| (rules.max_frame, rules.max_message) = (most(), most())));
        let noise = |bytes: Vec<u8>| [&[first, 0x80][..], &bytes].concat();
        // The client's is masked as it should be: the rest of what it sends is what breaks it.
        let mut peers = [Peer::wild(Who::Client, noise(client)), Peer::wild(Who::Upstream, noise(upstream))];
        for peer in &mut peers {
            peer.send(&joined, 6);
        }
        play(&mut joined, &mut peers, &events).unwrap();
        finish(&mut joined, &mut peers).unwrap();
        let [client, upstream] = &mut peers;
        joined.client.close();
        let _ = joined.end();
        client.receive(&joined);
        upstream.receive(&joined);
        prop_assert_eq!(&client.received, &upstream.sent);
        prop_assert_eq!(&upstream.received, &client.sent);
    }

    /// Bytes of any kind, which may be frames now and then: nobody panics, nobody spins.
    #[test]
    fn bytes_of_any_kind_pass_unchanged_where_nothing_is_asked_of_them(
        client in prop::collection::vec(any::<u8>(), 0..500),
        upstream in prop::collection::vec(any::<u8>(), 0..500),
        events in prop::collection::vec(any_event(), 0..60),
    ) {
        let mut joined = Joined::new(patient(|rules| (rules.ping, rules.close_notify) = (None, false)));
        let mut peers = [Peer::wild(Who::Client, client), Peer::wild(Who::Upstream, upstream)];
        play(&mut joined, &mut peers, &events).unwrap();
        finish(&mut joined, &mut peers).unwrap();
        let [client, upstream] = &mut peers;
        prop_assert_eq!(&client.received, &upstream.sent);
        prop_assert_eq!(&upstream.received, &client.sent);
    }
}
