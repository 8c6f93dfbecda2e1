//! Memory streams under a paused clock.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::*;
use crate::net::BUFFER_SIZE;
use crate::source::Place;

const MINUTE: Duration = Duration::from_secs(60);

/// A tunnel whose two far ends the test holds.
struct Joined {
    client: DuplexStream,
    upstream: DuplexStream,
    closing: JoinHandle<Closing>,
    drain: oneshot::Sender<()>,
}

fn join(buffer: usize, limits: Limits) -> Joined {
    join_early(buffer, limits, b"", b"")
}

fn join_early(buffer: usize, limits: Limits, from_client: &[u8], from_upstream: &[u8]) -> Joined {
    let (client, near_client) = duplex(buffer);
    let (upstream, near_upstream) = duplex(buffer);
    let near_client = Side { stream: near_client, early: from_client.to_vec() };
    let near_upstream = Side { stream: near_upstream, early: from_upstream.to_vec() };
    let (drain, drained) = oneshot::channel();
    let drained = async move {
        if drained.await.is_err() {
            pending().await
        }
    };
    let tunnel = relay(near_client, near_upstream, Arc::new(limits), Box::pin(drained));
    let closing = tokio::spawn(async move { tunnel.await.0 });
    Joined { client, upstream, closing, drain }
}

fn seconds(read: u64, send_upstream: u64, send_client: u64) -> Limits {
    let limit = |seconds: u64, line: u32| Limit {
        after: Duration::from_secs(seconds),
        place: Some(Place { file: "site.conf".into(), line }),
    };
    Limits {
        read: limit(read, 1),
        send_upstream: limit(send_upstream, 2),
        send_client: limit(send_client, 3),
    }
}

async fn read_some<S: AsyncRead + Unpin>(stream: &mut S) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    let length = stream.read(&mut bytes).await.unwrap();
    bytes.truncate(length);
    bytes
}

/// The tunnel ended about `expected` after `since`: a millisecond is the grain of the clock.
fn assert_lasted(since: Instant, expected: Duration) {
    let lasted = since.elapsed();
    assert!(lasted >= expected && lasted <= expected + Duration::from_millis(2), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_tunnel_ends_after_proxy_read_timeout() {
    let start = Instant::now();
    let mut joined = join(64, seconds(60, 5, 5));
    assert_eq!(joined.client.read(&mut [0]).await.unwrap(), 0);
    assert_lasted(start, MINUTE);
    let closing = joined.closing.await.unwrap();
    assert!(matches!(closing.why, Why::ReadTimeout));
    assert_eq!(closing.who, Who::Upstream);
    assert_eq!(closing.to_string(), "idle for 60s: proxy_read_timeout, site.conf:1");
}

#[tokio::test(start_paused = true)]
async fn a_talkative_client_keeps_a_silent_upstream_open_and_the_other_way_round() {
    for client_talks in [true, false] {
        let mut joined = join(64, seconds(60, 5, 5));
        for _ in 0..10 {
            sleep(Duration::from_secs(59)).await;
            let (talker, listener) = match client_talks {
                true => (&mut joined.client, &mut joined.upstream),
                false => (&mut joined.upstream, &mut joined.client),
            };
            talker.write_all(b"still here").await.unwrap();
            assert_eq!(read_some(listener).await, b"still here");
        }
        let last = Instant::now();
        let closing = joined.closing.await.unwrap();
        assert_lasted(last, MINUTE);
        assert!(matches!(closing.why, Why::ReadTimeout));
        assert!(closing.idle >= MINUTE && closing.lasted >= 10 * Duration::from_secs(59));
        let (sent, received) = (closing.sent_to_client, closing.received_from_client);
        assert_eq!((sent, received), if client_talks { (0, 100) } else { (100, 0) });
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_side_sent_before_it_closed_is_delivered() {
    for client_closes in [true, false] {
        let Joined { client, upstream, closing, drain: _drain } = join(16, Limits::default());
        let (mut closes, mut stays) = if client_closes { (client, upstream) } else { (upstream, client) };
        let message = vec![7; 5000];
        let sent = message.clone();
        let writer = tokio::spawn(async move {
            closes.write_all(&sent).await.unwrap();
        });
        let mut received = Vec::new();
        stays.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, message);
        writer.await.unwrap();
        let closing = closing.await.unwrap();
        assert!(matches!(closing.why, Why::Eof));
        assert_eq!(closing.who, if client_closes { Who::Client } else { Who::Upstream });
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_close_ends_both_directions() {
    let mut joined = join(64, Limits::default());
    joined.client.write_all(b"bye").await.unwrap();
    joined.client.shutdown().await.unwrap();
    let mut received = Vec::new();
    joined.upstream.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"bye");
    assert_eq!(joined.client.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(joined.closing.await.unwrap().to_string(), "client closed");
}

#[tokio::test(start_paused = true)]
async fn early_bytes_come_first() {
    let mut joined =
        join_early(8, Limits::default(), b"early from the client, ", b"early from the upstream, ");
    joined.client.write_all(b"late 1").await.unwrap();
    joined.upstream.write_all(b"late 2").await.unwrap();
    let mut bytes = [0; 29];
    joined.upstream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"early from the client, late 1");
    let mut bytes = [0; 31];
    joined.client.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"early from the upstream, late 2");
    drop(joined.client);
    let closing = joined.closing.await.unwrap();
    assert_eq!((closing.received_from_client, closing.sent_to_upstream), (6, 29));
    assert_eq!((closing.received_from_upstream, closing.sent_to_client), (6, 31));
}

#[tokio::test(start_paused = true)]
async fn early_bytes_are_delivered_even_if_the_side_has_closed_already() {
    let mut joined = join_early(64, Limits::default(), b"", b"first and last");
    joined.upstream.shutdown().await.unwrap();
    let mut received = Vec::new();
    joined.client.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"first and last");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up_after_send_timeout() {
    let mut joined = join(16, seconds(60, 20, 10));
    joined.upstream.write_all(&[0; 40]).await.unwrap();
    let blocked = Instant::now();
    let closing = joined.closing.await.unwrap();
    assert_lasted(blocked, Duration::from_secs(10));
    assert!(matches!(closing.why, Why::SendTimeout));
    assert_eq!(closing.to_string(), "client took nothing for 10s: send_timeout, site.conf:3");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_takes_nothing_is_given_up_after_proxy_send_timeout() {
    let mut joined = join(16, seconds(60, 20, 10));
    joined.client.write_all(&[0; 40]).await.unwrap();
    let closing = joined.closing.await.unwrap();
    assert!(matches!(closing.why, Why::SendTimeout));
    assert_eq!(closing.to_string(), "upstream took nothing for 20s: proxy_send_timeout, site.conf:2");
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_waited_for_longer_than_its_upstream_may_be_silent() {
    let mut joined = join(16, seconds(10, 10, 60));
    joined.upstream.write_all(&[0; 40]).await.unwrap();
    let closing = joined.closing.await.unwrap();
    assert_eq!(closing.to_string(), "client took nothing for 60s: send_timeout, site.conf:3");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_gets_on_has_no_send_timeout() {
    let mut joined = join(16, seconds(60, 10, 10));
    let writer = tokio::spawn(async move {
        joined.upstream.write_all(&[0; 200]).await.unwrap();
        joined.upstream
    });
    for _ in 0..20 {
        sleep(Duration::from_secs(9)).await;
        joined.client.read_exact(&mut [0; 10]).await.unwrap();
    }
    let _upstream = writer.await.unwrap();
    assert!(matches!(joined.closing.await.unwrap().why, Why::ReadTimeout));
}

#[tokio::test(start_paused = true)]
async fn sixteen_mebibytes_each_way_at_once_through_tiny_buffers() {
    const LENGTH: usize = 16 << 20;
    let joined = join(1021, Limits::default());
    let pattern = |seed: usize| (0..LENGTH).map(|at| ((at * seed) >> 8) as u8).collect::<Vec<u8>>();
    let exchange = |stream: DuplexStream, sent: Vec<u8>, expected: Vec<u8>| async move {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let writing = tokio::spawn(async move { writer.write_all(&sent).await.map(|()| writer) });
        let mut received = vec![0; LENGTH];
        reader.read_exact(&mut received).await.unwrap();
        assert!(received == expected);
        (writing.await.unwrap().unwrap(), reader)
    };
    let client = tokio::spawn(exchange(joined.client, pattern(3), pattern(5)));
    let upstream = tokio::spawn(exchange(joined.upstream, pattern(5), pattern(3)));
    let (_kept, _kept_too) = (client.await.unwrap(), upstream.await.unwrap());
    drop(_kept);
    let closing = joined.closing.await.unwrap();
    assert_eq!(closing.sent_to_client, LENGTH as u64);
    assert_eq!(closing.sent_to_upstream, LENGTH as u64);
}

#[tokio::test(start_paused = true)]
async fn a_drained_tunnel_ends_at_once() {
    let mut joined = join(64, Limits::default());
    joined.client.write_all(b"x").await.unwrap();
    assert_eq!(read_some(&mut joined.upstream).await, b"x");
    let start = Instant::now();
    joined.drain.send(()).unwrap();
    let closing = joined.closing.await.unwrap();
    assert!(matches!((closing.who, closing.why), (Who::Proxy, Why::Drained)));
    assert_lasted(start, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn limits_of_nothing_and_of_eternity() {
    let start = Instant::now();
    let joined = join(64, Limits { read: Duration::ZERO.into(), ..Limits::default() });
    assert!(matches!(joined.closing.await.unwrap().why, Why::ReadTimeout));
    assert_lasted(start, Duration::ZERO);
    let joined = join(64, Limits { read: Duration::MAX.into(), ..Limits::default() });
    sleep(100 * 24 * 60 * MINUTE).await;
    drop(joined.client);
    assert!(matches!(joined.closing.await.unwrap().why, Why::Eof));
}

/// A stream whose reads and writes a test scripts, and which keeps what was written.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Scripted>>);

#[derive(Default)]
struct Scripted {
    reads: Vec<io::Result<Vec<u8>>>,
    written: Vec<u8>,
    /// Bytes the stream takes; after that it blocks, or fails.
    room: usize,
    write_error: Option<io::ErrorKind>,
    /// Flushing does not come to an end.
    flush_blocks: bool,
    polled_reads: usize,
    waker: Option<Waker>,
}

impl Script {
    fn set(&self, change: impl FnOnce(&mut Scripted)) {
        let mut script = self.0.lock().unwrap();
        change(&mut script);
        if let Some(waker) = script.waker.take() {
            waker.wake();
        }
    }
}

impl AsyncRead for Script {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut script = self.0.lock().unwrap();
        script.polled_reads += 1;
        if script.reads.is_empty() {
            script.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let bytes = script.reads.remove(0)?;
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut script = self.0.lock().unwrap();
        let taken = bytes.len().min(script.room);
        if taken > 0 || bytes.is_empty() {
            script.room -= taken;
            script.written.extend_from_slice(&bytes[..taken]);
            return Poll::Ready(Ok(taken));
        }
        if let Some(kind) = script.write_error {
            return Poll::Ready(Err(kind.into()));
        }
        script.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut script = self.0.lock().unwrap();
        if script.flush_blocks {
            script.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn run(client: &Script, upstream: &Script, limits: Limits) -> JoinHandle<Closing> {
    let side = |script: &Script| Side { stream: script.clone(), early: Vec::new() };
    let tunnel = relay(side(client), side(upstream), Arc::new(limits), pending());
    tokio::spawn(async move { tunnel.await.0 })
}

#[tokio::test(start_paused = true)]
async fn a_reset_side_ends_the_tunnel_and_its_last_bytes_arrive() {
    let (client, upstream) = (Script::default(), Script::default());
    client.set(|script| {
        script.reads = vec![Ok(b"last words".to_vec()), Err(io::ErrorKind::ConnectionReset.into())];
    });
    let closing = run(&client, &upstream, Limits::default());
    sleep(Duration::from_secs(1)).await;
    assert!(!closing.is_finished());
    upstream.set(|script| script.room = 100);
    let closing = closing.await.unwrap();
    assert_eq!(upstream.0.lock().unwrap().written, b"last words");
    assert_eq!(closing.who, Who::Client);
    assert!(matches!(closing.why, Why::ReadFailed(error) if error.kind() == io::ErrorKind::ConnectionReset));
}

#[tokio::test(start_paused = true)]
async fn a_side_that_cannot_be_written_to_still_gets_its_last_bytes_delivered() {
    let (client, upstream) = (Script::default(), Script::default());
    upstream.set(|script| script.room = 100);
    client.set(|script| script.write_error = Some(io::ErrorKind::BrokenPipe));
    upstream.set(|script| script.reads = vec![Ok(b"are you there?".to_vec())]);
    let closing = run(&client, &upstream, Limits::default());
    sleep(Duration::from_millis(500)).await;
    assert!(!closing.is_finished());
    client.set(|script| script.reads = vec![Ok(b"goodbye".to_vec()), Ok(Vec::new())]);
    let closing = closing.await.unwrap();
    assert_eq!(upstream.0.lock().unwrap().written, b"goodbye");
    assert_eq!(closing.who, Who::Client);
    assert!(matches!(closing.why, Why::WriteFailed(error) if error.kind() == io::ErrorKind::BrokenPipe));
}

#[tokio::test(start_paused = true)]
async fn a_broken_side_that_says_nothing_is_not_waited_for() {
    let (client, upstream) = (Script::default(), Script::default());
    upstream.set(|script| script.write_error = Some(io::ErrorKind::TimedOut));
    client.set(|script| script.reads = vec![Ok(b"hello?".to_vec())]);
    let start = Instant::now();
    let closing = run(&client, &upstream, Limits::default()).await.unwrap();
    assert_lasted(start, Duration::from_secs(1));
    assert_eq!(closing.who, Who::Upstream);
    assert!(matches!(closing.why, Why::WriteFailed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_side_that_keeps_bytes_to_itself_is_flushed_and_waited_for() {
    let (client, upstream) = (Script::default(), Script::default());
    upstream.set(|script| (script.room, script.flush_blocks) = (100, true));
    client.set(|script| script.reads = vec![Ok(b"last".to_vec()), Ok(Vec::new())]);
    let closing = run(&client, &upstream, seconds(60, 10, 60));
    sleep(Duration::from_secs(9)).await;
    assert!(!closing.is_finished());
    upstream.set(|script| script.flush_blocks = false);
    assert!(matches!(closing.await.unwrap().why, Why::Eof));
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_read_for_a_side_that_takes_nothing() {
    let (client, upstream) = (Script::default(), Script::default());
    upstream.set(|script| script.reads = (0..10).map(|_| Ok(vec![1; BUFFER_SIZE])).collect());
    let closing = run(&client, &upstream, Limits::default());
    sleep(Duration::from_secs(1)).await;
    assert_eq!(upstream.0.lock().unwrap().polled_reads, 1);
    client.set(|script| script.room = 1);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(upstream.0.lock().unwrap().polled_reads, 1);
    client.set(|script| script.room = BUFFER_SIZE - 1);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(upstream.0.lock().unwrap().polled_reads, 2);
    drop(closing);
}

#[tokio::test(start_paused = true)]
async fn a_flood_does_not_keep_the_worker_to_itself() {
    let (client, upstream) = (Script::default(), Script::default());
    client.set(|script| script.room = usize::MAX);
    upstream.set(|script| script.reads = (0..1000).map(|_| Ok(vec![1; 1000])).collect());
    let side = |script: &Script| Side { stream: script.clone(), early: Vec::new() };
    let mut tunnel = pin!(relay(side(&client), side(&upstream), Arc::default(), pending()));
    let goes_on = poll_fn(|cx| Poll::Ready(tunnel.as_mut().poll(cx).is_pending())).await;
    assert!(goes_on);
    let reads = upstream.0.lock().unwrap().polled_reads;
    assert!((1..20).contains(&reads), "{reads}");
    upstream.set(|script| script.reads.push(Ok(Vec::new())));
    assert_eq!(tunnel.await.0.sent_to_client, 1_000_000);
}

#[tokio::test]
async fn an_idle_tunnel_is_small() {
    let (client, upstream) = (duplex(1).0, duplex(1).0);
    let sides = size_of_val(&client) + size_of_val(&upstream);
    let side = |stream| Side { stream, early: Vec::new() };
    let tunnel = relay(side(client), side(upstream), Arc::default(), pending());
    assert!(size_of_val(&tunnel) - sides <= 450, "{}", size_of_val(&tunnel) - sides);
    type Real = Relay<crate::net::Stream, crate::net::Stream, std::future::Pending<()>>;
    assert!(size_of::<Real>() <= 512, "{}", size_of::<Real>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_come_out_as_they_went_in(
        up in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
        down in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
        early in prop::collection::vec(any::<u8>(), 0..50),
        buffer in 1..100usize,
        read in 1..100usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let joined = join_early(buffer, Limits::default(), &early, &early);
            let expect = |chunks: &Vec<Vec<u8>>| [&early, &chunks.concat()[..]].concat();
            let (expected_up, expected_down) = (expect(&up), expect(&down));
            let client = tokio::spawn(converse(joined.client, up, expected_down.len(), read));
            let upstream = tokio::spawn(converse(joined.upstream, down, expected_up.len(), read));
            let (client, upstream) = (client.await.unwrap(), upstream.await.unwrap());
            assert_eq!(client, expected_down);
            assert_eq!(upstream, expected_up);
        });
    }
}

/// Sends `chunks` one by one while reading `expected` bytes, at most `read` at a time.
async fn converse(stream: DuplexStream, chunks: Vec<Vec<u8>>, expected: usize, read: usize) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let writing = tokio::spawn(async move {
        for chunk in chunks {
            writer.write_all(&chunk).await.unwrap();
            tokio::task::yield_now().await;
        }
        writer
    });
    let mut received = Vec::new();
    let mut buffer = vec![0; read];
    while received.len() < expected {
        let length = reader.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0);
        received.extend_from_slice(&buffer[..length]);
    }
    let _writer = writing.await.unwrap();
    // The other side may not have everything yet: ending here would end the tunnel.
    sleep(Duration::from_secs(1)).await;
    received
}
