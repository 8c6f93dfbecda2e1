//! What a worker allocates for a request that is passed on, and for one that is answered here, once its
//! buffers have grown: nothing.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};
use wsproxy::directive::Context;
use wsproxy::exchange::{Accepted, Live, Permit, Shared, Worker, serve};
use wsproxy::features::Options;
use wsproxy::features::listen::ListenAddress;
use wsproxy::model;
use wsproxy::net::{Address, Stream};
use wsproxy::source::{Disk, Memory};
use wsproxy::syntax::load_text;

use super::counting::allocated;

/// Answers every request on every connection with the same bytes.
fn upstream(path: &Path, answer: &'static [u8]) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut request = [0; 4096];
                while stream.read(&mut request).is_ok_and(|count| count > 0) {
                    stream.write_all(answer).unwrap();
                }
            });
        }
    });
}

/// Asks the worker's thread how often it has allocated.
type Ask = tokio::sync::mpsc::UnboundedSender<std::sync::mpsc::Sender<u64>>;

fn count(ask: &Ask) -> u64 {
    let (tell, told) = std::sync::mpsc::channel();
    ask.send(tell).unwrap();
    told.recv().unwrap()
}

/// Zones for those tests that limit.
const ZONES: &str =
    "limit_req_zone $arg_k zone=rate:1m rate=1000000r/s; limit_req_zone $uri zone=uri:1m rate=1000000r/s;
    limit_conn_zone $arg_k zone=open:1m; limit_conn_zone $uri zone=pages:1m;";

/// Serves `locations` on this thread while `talk` runs on another.
fn with_worker<T: Send + 'static>(
    folder: &Path,
    locations: &str,
    talk: impl FnOnce(UnixStream, Ask) -> T + Send + 'static,
) -> T {
    let listen = folder.join("listen");
    let text = format!(
        "events {{}} http {{ access_log {}/access.log; {ZONES} upstream up {{ server unix:{}/up; }}
            server {{ listen unix:{}; {locations} }} }}",
        folder.display(),
        folder.display(),
        listen.display()
    );
    let (tree, found) = load_text("test", text.into_bytes(), folder, &Memory::default());
    assert!(found.is_empty(), "{found:?}");
    let options = Options {
        prefix: folder.to_owned(),
        conf_prefix: folder.to_owned(),
        context: Context::MAIN,
        fragment: false,
    };
    let (model, found) = model::read(&tree, &Disk, &options);
    assert!(found.is_empty(), "{found:?}");
    let live = Live::new(model, None).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async move {
        let worker = Rc::new(Worker::new(0, Arc::new(Shared::new(live))).unwrap().0);
        let address = Address::unix(&listen);
        let listener = Arc::new(ListenAddress::Known(address.clone()));
        let (client, server) = UnixStream::pair().unwrap();
        let stream = Stream::from_fd(server.into()).unwrap();
        let permit = Permit::new(&worker.open);
        let accepted = Accepted { stream, peer: Address::unix(""), local: address, listener, permit };
        tokio::task::spawn_local(serve(worker.clone(), accepted));
        let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel::<std::sync::mpsc::Sender<u64>>();
        tokio::task::spawn_local(async move {
            while let Some(tell) = asked.recv().await {
                tell.send(allocated()).unwrap();
            }
        });
        let (done, is_done) = tokio::sync::oneshot::channel();
        thread::spawn(move || drop(done.send(talk(client, ask))));
        is_done.await.unwrap()
    })
}

/// How many allocations the worker makes for 400 requests, after 100 that warm it up, and how long that takes.
fn allocations_of(
    folder: &Path,
    locations: &str,
    request: &'static [u8],
    answer_ends: &'static [u8],
) -> (u64, Duration) {
    with_worker(folder, locations, move |mut client, counter| {
        let mut ask = |count: usize| {
            for _ in 0..count {
                client.write_all(request).unwrap();
                let mut answer = Vec::new();
                while !answer.ends_with(answer_ends) {
                    let mut part = [0; 4096];
                    let count = client.read(&mut part).unwrap();
                    assert!(count > 0, "closed after {:?}", String::from_utf8_lossy(&answer));
                    answer.extend_from_slice(&part[..count]);
                }
            }
        };
        ask(100);
        let (before, start) = (count(&counter), Instant::now());
        ask(400);
        (count(&counter) - before, start.elapsed())
    })
}

#[test]
fn a_request_that_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    upstream(&folder.path().join("up"), answer);
    let pass = "location / { proxy_pass http://up; }";
    let request = b"GET /a/b?c=d HTTP/1.1\r\nHost: example.org\r\nUser-Agent: test\r\nAccept: */*\r\n\r\n";
    few(allocations_of(folder.path(), pass, request, b"hello"));
}

#[test]
fn a_request_that_is_answered_here() {
    let folder = tempfile::tempdir().unwrap();
    let here = "location / { add_header X-A $request_uri; return 200 hello; }";
    let request = b"GET /a/b?c=d HTTP/1.1\r\nHost: example.org\r\n\r\n";
    few(allocations_of(folder.path(), here, request, b"hello"));
}

#[test]
fn a_request_that_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    upstream(&folder.path().join("up"), answer);
    let limited = "location / { limit_req zone=rate burst=9; limit_req zone=uri burst=9 nodelay;
        limit_conn open 9; limit_conn pages 9; proxy_pass http://up; }";
    // As long as an IPv6 address is in bytes: keys that are longer than 22 bytes cost an allocation each time
    // that the first of a key comes, since what is not there is not kept.
    let request = b"GET /page?k=0123456789abcdef HTTP/1.1\r\nHost: example.org\r\n\r\n";
    few(allocations_of(folder.path(), limited, request, b"hello"));
}

/// The clock's texts are made anew once a second, which takes five, and the counting takes one; requests take none.
fn few((allocations, lasted): (u64, Duration)) {
    let seconds = lasted.as_secs() + 1;
    assert!(allocations <= 1 + 5 * seconds, "{allocations} allocations for 400 requests in {lasted:?}");
}
