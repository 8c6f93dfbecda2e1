//! Many tunnels over sockets of the system: step by step, and on a thread.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread::ThreadId;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::tunnel::{FrameRules, Limit, Ping, Sides, Who};
use crate::websocket::frame::{Head, MAX_HEAD, Opcode, mask};

use super::*;

/// How long a test waits for what has to happen; it decides only how late a failure is reported.
const PATIENCE: Duration = Duration::from_secs(15);

struct Told(mpsc::Sender<Closing>);

impl super::Owner for Told {
    fn ended(self, closing: Closing) {
        // Who does not ask is gone.
        let _ = self.0.send(closing);
    }
}

/// The far ends of a tunnel.
struct Far {
    client: UnixStream,
    upstream: UnixStream,
    closing: mpsc::Receiver<Closing>,
}

/// The far ends, and what joins them.
fn tunnel(rules: Rules) -> (Far, Joining<Told>) {
    let (client, near) = UnixStream::pair().unwrap();
    let (upstream, far) = UnixStream::pair().unwrap();
    for socket in [&client, &near, &upstream, &far] {
        socket.set_nonblocking(true).unwrap();
    }
    let opened = |socket: UnixStream| Opened { socket: OwnedFd::from(socket), early: Vec::new() };
    let (owner, closing) = mpsc::channel();
    let joining = Joining {
        client: opened(near),
        upstream: opened(far),
        rules: Arc::new(rules),
        websocket: false,
        expires: None,
        owner: Told(owner),
    };
    (Far { client, upstream, closing }, joining)
}

/// A reactor that goes one step at a time; events are taken so many at once.
struct Stepped {
    reactor: Reactor<Told>,
    events: Vec<Event>,
}

impl Stepped {
    fn new(at_once: usize) -> Stepped {
        Stepped { reactor: Reactor::new(Instant::now(), None).unwrap(), events: Vec::with_capacity(at_once) }
    }

    fn join(&mut self, rules: Rules) -> Far {
        let (far, joining) = tunnel(rules);
        self.reactor.door.leave(Message::Join(Box::new(joining)));
        far
    }

    fn step(&mut self) {
        self.reactor.round(&mut self.events, Timespec::default()).unwrap();
        self.assert_tidy();
    }

    /// As many steps as it takes for everything that is there to be seen.
    fn steps(&mut self) {
        (0..200).for_each(|_| self.step());
    }

    /// So much time has passed since the last step.
    fn sleep(&mut self, time: Duration) {
        self.reactor.began -= time;
    }

    /// How many tunnels there are.
    fn open(&self) -> usize {
        self.reactor.entries.iter().flatten().count()
    }

    /// Every tunnel waits for one moment, and nobody else for any.
    fn assert_tidy(&self) {
        let Reactor { entries, free, deadlines, unfinished, .. } = &self.reactor;
        for (at, entry) in entries.iter().enumerate() {
            let Some(entry) = entry else {
                assert!(free.contains(&(at as u32)));
                continue;
            };
            assert!(deadlines.has(entry.deadline, at as u32), "{at} waits for nothing");
            assert_eq!(entry.again, unfinished.contains(&(at as u32)));
        }
        assert_eq!((deadlines.len(), free.len()), (self.open(), entries.len() - self.open()));
    }
}

fn idle(seconds: u64) -> Rules {
    Rules { read: Limit::from(Duration::from_secs(seconds)), ..Rules::default() }
}

/// What there is to be read now.
fn drain(socket: &mut UnixStream) -> usize {
    let (mut count, mut buffer) = (0, [0; 65536]);
    while let Ok(more @ 1..) = socket.read(&mut buffer) {
        count += more;
    }
    count
}

/// As much as a socket takes now.
fn fill(socket: &mut UnixStream) -> usize {
    let mut count = 0;
    while let Ok(more) = socket.write(&[7; 65536]) {
        count += more;
    }
    count
}

/// The other end is gone, with or without what it had not read.
fn is_closed(socket: &mut UnixStream) -> bool {
    match socket.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_tunnel_whose_token_has_expired_ends_and_others_go_on() {
    let mut stepped = Stepped::new(256);
    let hour = Duration::from_secs(3600);
    let join = |expires| {
        let (far, joining) = tunnel(idle(86400));
        let joining = Joining { expires, ..joining };
        stepped.reactor.door.leave(Message::Join(Box::new(joining)));
        far
    };
    let expired = join(Some(wall_clock() - Duration::from_secs(1)));
    let (valid, without) = (join(Some(wall_clock() + hour)), join(None));
    stepped.steps();
    assert!(matches!(expired.closing.try_recv().unwrap().why, Why::TokenExpired));
    assert_eq!(stepped.open(), 2);
    // The clock on the wall does not go along with this one, so that it is looked at, again and again.
    for _ in 0..100 {
        stepped.sleep(Duration::from_secs(61));
        stepped.steps();
    }
    assert_eq!(stepped.open(), 2);
    drop((valid, without));
}

#[test]
fn a_flood_in_one_tunnel_leaves_others_their_turn() {
    let mut stepped = Stepped::new(256);
    let mut floods: Vec<Far> = (0..3).map(|_| stepped.join(idle(60))).collect();
    let mut quiet = stepped.join(idle(60));
    stepped.steps();
    let mut carried = 0;
    for round in 0..200u8 {
        for flood in &mut floods {
            fill(&mut flood.client);
            fill(&mut flood.upstream);
        }
        quiet.client.write_all(&[round]).unwrap();
        // An event each for all that have one: no more than one batch.
        stepped.step();
        let mut byte = [0];
        quiet.upstream.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [round]);
        for flood in &mut floods {
            carried += drain(&mut flood.client) + drain(&mut flood.upstream);
        }
    }
    assert!(carried > 10_000_000, "{carried}");
}

#[test]
fn thousands_of_tunnels_leave_nothing_behind() {
    let mut stepped = Stepped::new(16);
    for round in 0..100 {
        let mut fars: Vec<Far> = (0..20).map(|_| stepped.join(idle(60))).collect();
        (0..10).for_each(|_| stepped.step());
        for (number, far) in fars.iter_mut().enumerate() {
            match (number + round) % 4 {
                0 => far.client.write_all(b"last words").unwrap(),
                1 => assert!(fill(&mut far.upstream) > 0),
                2 => far.upstream.shutdown(std::net::Shutdown::Write).unwrap(),
                _ => {}
            }
            if number % 2 == 0 {
                far.client.shutdown(std::net::Shutdown::Both).unwrap();
            } else {
                far.upstream.shutdown(std::net::Shutdown::Both).unwrap();
            }
        }
        stepped.steps();
        for far in &mut fars {
            far.closing.try_recv().expect("an end");
            // Sockets that are open somewhere would have nothing to say yet.
            drain(&mut far.client);
            drain(&mut far.upstream);
            assert!(is_closed(&mut far.client) && is_closed(&mut far.upstream));
        }
        assert_eq!(stepped.open(), 0);
        assert_eq!((stepped.reactor.deadlines.len(), stepped.reactor.unfinished.len()), (0, 0));
    }
    assert!(stepped.reactor.entries.len() <= 20, "{} slots", stepped.reactor.entries.len());
}

#[test]
fn an_idle_tunnel_ends_at_its_moment_and_a_busy_one_does_not() {
    let mut stepped = Stepped::new(256);
    let idle_one = stepped.join(idle(60));
    let mut busy = stepped.join(idle(60));
    stepped.steps();
    for _ in 0..10 {
        stepped.sleep(Duration::from_secs(50));
        busy.client.write_all(b"busy").unwrap();
        stepped.steps();
    }
    let closing = idle_one.closing.try_recv().expect("an end");
    assert!(matches!(closing.why, Why::ReadTimeout));
    assert!(busy.closing.try_recv().is_err());
    stepped.sleep(Duration::from_secs(61));
    stepped.steps();
    assert!(busy.closing.try_recv().is_ok());
}

/// A machine that slept, or a worker that was held up: what came meanwhile is looked at before anybody is given
/// up, also where more has come than is taken at once.
#[test]
fn nobody_is_given_up_for_the_sleep_of_the_machine() {
    let mut stepped = Stepped::new(1);
    let mut fars: Vec<Far> = (0..10).map(|_| stepped.join(idle(60))).collect();
    stepped.steps();
    for far in &mut fars {
        far.client.write_all(b"all is well").unwrap();
    }
    stepped.sleep(Duration::from_secs(3600));
    stepped.steps();
    for far in &mut fars {
        assert!(far.closing.try_recv().is_err());
        assert_eq!(drain(&mut far.upstream), 11);
    }
}

#[test]
fn who_is_to_leave_leaves_in_time() {
    let mut stepped = Stepped::new(256);
    let fars: Vec<Far> = (0..10).map(|_| stepped.join(idle(6000))).collect();
    stepped.steps();
    let mut number = 0;
    let judge = move |_: &Told| {
        number += 1;
        (number <= 5).then(|| (Duration::from_secs(number * 100), Drained::Reloaded))
    };
    stepped.reactor.door.leave(Message::Leave(Box::new(judge)));
    stepped.steps();
    for left in 0..=5 {
        let ended = fars.iter().filter(|far| far.closing.try_recv().is_ok()).count();
        assert_eq!(ended, usize::from(left > 0), "after {left}");
        stepped.sleep(Duration::from_secs(100));
        stepped.steps();
    }
    assert_eq!(stepped.open(), 5);
}

#[test]
fn what_cannot_be_waited_for_is_refused() {
    let mut stepped = Stepped::new(256);
    for broken in [Who::Client, Who::Upstream] {
        let (mut far, mut joining) = tunnel(idle(60));
        let file = OwnedFd::from(File::open("/proc/self/exe").unwrap());
        match broken {
            Who::Client => joining.client.socket = file,
            _ => joining.upstream.socket = file,
        }
        stepped.reactor.door.leave(Message::Join(Box::new(joining)));
        stepped.steps();
        let closing = far.closing.try_recv().expect("an end");
        assert!(matches!(closing.why, Why::Refused(_)), "{closing}");
        assert_eq!(far.client.read(&mut [0]).unwrap(), 0);
        assert_eq!(far.upstream.read(&mut [0]).unwrap(), 0);
    }
    assert_eq!(stepped.open(), 0);
}

fn started() -> Tunnels<Told> {
    Tunnels::start("tunnels of a test".to_owned()).unwrap()
}

fn join(tunnels: &Tunnels<Told>, rules: Rules) -> Far {
    join_as(tunnels, rules, false)
}

fn join_frames(tunnels: &Tunnels<Told>, rules: Rules) -> Far {
    join_as(tunnels, rules, true)
}

fn join_as(tunnels: &Tunnels<Told>, rules: Rules, websocket: bool) -> Far {
    let (far, joining) = tunnel(rules);
    let Joining { client, upstream, rules, owner, .. } = joining;
    tunnels.join(client, upstream, rules, websocket, None, owner);
    far.client.set_nonblocking(false).unwrap();
    far.upstream.set_nonblocking(false).unwrap();
    far
}

/// Nothing else would wake it for days.
#[test]
fn a_sleeping_thread_hears_of_what_is_asked_of_it() {
    let never = || Limit::from(Duration::MAX);
    let patient =
        || Rules { read: never(), send_client: never(), send_upstream: never(), ..Rules::default() };
    let tunnels = started();
    let mut first = join(&tunnels, patient());
    first.client.write_all(b"hello").unwrap();
    let mut hello = [0; 5];
    first.upstream.read_exact(&mut hello).unwrap();
    let second = join(&tunnels, patient());
    tunnels.leave(|_| Some((Duration::ZERO, Drained::Stopping)));
    for far in [first, second] {
        let closing = far.closing.recv_timeout(PATIENCE).expect("an end");
        assert!(matches!(closing.why, Why::Drained(Drained::Stopping)));
    }
    assert!(threads(&tunnels).blocking_recv().is_none());
}

#[test]
fn tunnels_that_are_dropped_are_cut() {
    let tunnels = started();
    let mut far = join(&tunnels, idle(60));
    drop(tunnels);
    far.client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(far.client.read(&mut [0]).unwrap(), 0);
    assert_eq!(far.upstream.read(&mut [0]).unwrap(), 0);
}

/// Bytes of any amount through real sockets, which go around our own memory where there are many.
#[test]
fn much_arrives_as_it_was_sent() {
    let tunnels = started();
    let far = join(&tunnels, idle(60));
    let sent: Vec<u8> = (0..20_000_000u32).map(|at| (at * 31 % 251) as u8).collect();
    let Far { mut client, mut upstream, closing } = far;
    let received = thread::scope(|scope| {
        scope.spawn(|| {
            for piece in sent.chunks(1_000_003) {
                client.write_all(piece).unwrap();
            }
            client.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        upstream.read_to_end(&mut received).unwrap();
        received
    });
    assert!(received == sent, "{} bytes", received.len());
    let closing = closing.recv_timeout(PATIENCE).expect("an end");
    assert_eq!(closing.sent_to_upstream, 20_000_000);
    assert!(
        client
            .read(&mut [0])
            .map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |count| count == 0)
    );
}

/// A whole message in one frame; a client's is masked with zeros.
fn frame(masked: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut head = [0; MAX_HEAD];
    let size = Head::message(opcode, masked.then_some([0; 4]), payload.len() as u64).write(&mut head);
    [&head[..size], payload].concat()
}

/// Reads one frame: its head, and its payload as it stands there.
fn read_frame(socket: &mut UnixStream) -> (Head, Vec<u8>) {
    let mut head = Vec::new();
    loop {
        if let Some((head, _)) = Head::read(&head).unwrap() {
            let mut payload = vec![0; head.length as usize];
            socket.read_exact(&mut payload).unwrap();
            return (head, payload);
        }
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
}

/// What is large goes around our memory, and still nothing of ours gets into it.
#[test]
fn frames_of_any_size_arrive_whole_between_pings_of_ours() {
    let millisecond = Limit::from(Duration::from_millis(1));
    let ping = Ping { to: Sides::Both, interval: millisecond, timeout: Duration::from_secs(600).into() };
    let rules = Rules { frames: Some(FrameRules { ping: Some(ping), ..FrameRules::default() }), ..idle(600) };
    let tunnels = started();
    let Far { mut client, mut upstream, .. } = join_frames(&tunnels, rules);
    let sizes: Vec<usize> = (0..300).map(|at: usize| at.pow(3) * 7 % 300_001 / (1 + at % 5)).collect();
    let payload = |at: usize| vec![at as u8; sizes[at]];
    let asked = thread::scope(|scope| {
        scope.spawn(|| {
            for at in 0..sizes.len() {
                client.write_all(&frame(true, Opcode::BINARY, &payload(at))).unwrap();
            }
        });
        let (mut at, mut asked) = (0, 0);
        while at < sizes.len() || asked == 0 {
            let (head, mut bytes) = read_frame(&mut upstream);
            mask(&mut bytes, head.mask.expect("a mask"), 0);
            if head.opcode == Opcode::PING {
                asked += 1;
                upstream.write_all(&frame(false, Opcode::PONG, &bytes)).unwrap();
                continue;
            }
            assert!((head.opcode, bytes) == (Opcode::BINARY, payload(at)), "message {at}");
            at += 1;
        }
        asked
    });
    assert!(asked > 0);
}

/// The thread that serves it, of each tunnel.
fn threads(tunnels: &Tunnels<Told>) -> UnboundedReceiver<ThreadId> {
    let (seen, threads) = unbounded_channel();
    tunnels.leave(move |_| {
        // Who does not listen is gone.
        let _ = seen.send(thread::current().id());
        None
    });
    threads
}

/// As many tunnels as are where they began, which is here, and on the thread of those that talk.
async fn whereabouts(tunnels: &Tunnels<Told>) -> (usize, usize) {
    let (mut here, mut there) = (0, 0);
    let mut threads = threads(tunnels);
    while let Some(thread) = threads.recv().await {
        *(if thread == thread::current().id() { &mut here } else { &mut there }) += 1;
    }
    (here, there)
}

#[test]
fn a_tunnel_that_talks_moves_and_takes_everything_along() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build_local(tokio::runtime::LocalOptions::default()).unwrap();
    let (tunnels, served) =
        runtime.block_on(async { Tunnels::here("tunnels of a test".to_owned()) }).unwrap();
    let mut quiet = join(&tunnels, Rules::default());
    let mut talks = join(&tunnels, Rules::default());
    runtime.block_on(async {
        tokio::task::spawn_local(served);
        assert_eq!(whereabouts(&tunnels).await, (2, 0));
    });
    let (done, is_done) = tokio::sync::oneshot::channel();
    let far = thread::spawn(move || {
        let mut answer = [0; 5];
        for _ in 0..4 * usize::from(TALKING) {
            talks.client.write_all(b"hello").unwrap();
            talks.upstream.read_exact(&mut answer).unwrap();
            talks.upstream.write_all(&answer).unwrap();
            talks.client.read_exact(&mut answer).unwrap();
        }
        quiet.client.write_all(b"hello").unwrap();
        quiet.upstream.read_exact(&mut answer).unwrap();
        done.send(()).unwrap();
        // Asked to end, both do, wherever they are.
        let closings = [&talks, &quiet].map(|far| far.closing.recv_timeout(PATIENCE).unwrap());
        assert!(closings.iter().all(|closing| matches!(closing.why, Why::Drained(Drained::Stopping))));
        closings.map(|closing| closing.sent_to_upstream)
    });
    runtime.block_on(async {
        is_done.await.unwrap();
        assert_eq!(whereabouts(&tunnels).await, (1, 1));
        tunnels.leave(|_| Some((Duration::ZERO, Drained::Stopping)));
        while !far.is_finished() {
            yield_now().await;
        }
        assert_eq!(whereabouts(&tunnels).await, (0, 0));
    });
    assert_eq!(far.join().unwrap(), [5 * 4 * u64::from(TALKING), 5]);
}
