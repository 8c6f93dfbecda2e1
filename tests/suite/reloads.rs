//! Reloads and stops as clients see them: nobody is refused, nothing is cut, and tunnels end when the
//! configuration says so, with a Close that says why.

use std::{
    fs,
    io::Write,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use rustix::process::Signal;

use crate::support::{
    client::Client,
    message::Reader,
    server::{Kind, Place, Server},
    stream::Listener,
    until,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A whole configuration with one worker; wsproxy is its own upstream, which echoes WebSockets.
fn site(main: &str, http: &str, locations: &str) -> String {
    let no_log = if http.contains("access_log") { "" } else { "access_log off;" };
    format!(
        "worker_processes 1; pid @DIR@/pid; error_log @DIR@/error.log info; {main}
events {{}}
http {{
    {http} {no_log}
    server {{ listen @LISTEN2@; location / {{ websocket_echo; }} }}
    server {{ listen @LISTEN@; location / {{ return 200 ok; }} {locations} }}
}}
"
    )
}

fn tunnel_to(name: &str, more: &str) -> String {
    format!("location {name} {{ websocket_proxy on; proxy_pass http://@LISTEN2@; {more} }}\n")
}

fn start(site: &str) -> Server {
    Server::start(Kind::Wsproxy, Place::new(), site)
}

fn connect(server: &Server) -> Client {
    Client::connect(&server.address("LISTEN"))
}

/// A WebSocket through a location.
fn open(server: &Server, path: &str) -> Client {
    let mut client = connect(server);
    let handshake = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    assert_eq!(client.ask(handshake).expect("an answer").status(), 101);
    echoes(&mut client);
    client
}

fn echoes(client: &mut Client) {
    client.send(b"\x81\x85\0\0\0\0hello");
    assert_eq!(client.read(7).expect("the echo"), b"\x81\x05hello");
}

/// Reads a Close, answers it, and gives back its code and reason.
fn closed(client: &mut Client) -> (u16, String) {
    let head = client.read(4).expect("a Close");
    assert_eq!(head[0], 0x88, "{head:?}");
    let reason = client.read(usize::from(head[1]) - 2).expect("a reason");
    client.send([0x88, 0x82, 0, 0, 0, 0, head[2], head[3]]);
    assert_eq!(client.read_to_end().expect("an end"), b"");
    (u16::from_be_bytes([head[2], head[3]]), String::from_utf8(reason).expect("UTF-8"))
}

#[test]
fn tunnels_of_the_old_are_gone_when_worker_shutdown_timeout_has_passed() {
    let text = site("worker_shutdown_timeout 500ms;", "", &tunnel_to("/ws", ""));
    let server = start(&text);
    let mut before: Vec<Client> = (0..20).map(|_| open(&server, "/ws")).collect();
    server.reload(&text, 2);
    let mut after = open(&server, "/ws");
    for client in &mut before {
        assert_eq!(closed(client).0, 1012);
    }
    echoes(&mut after);
    let words = "its configuration was replaced: worker_shutdown_timeout";
    until(words, || server.place.read("error.log").contains(words));
}

#[test]
fn another_number_of_workers_is_told_to_come_later() {
    let text = site("", "", "");
    let server = start(&text);
    server.reload(&text.replace("worker_processes 1;", "worker_processes 2;"), 2);
    until("a word about it", || {
        server.place.read("error.log").contains("worker_processes: 1 go on; 2 will be")
    });
    assert_eq!(connect(&server).ask(GET).expect("an answer").body_text(), "ok");
}

#[test]
fn keep_spares_what_is_unchanged() {
    let keep = "websocket_reload keep;";
    let locations = |other: &str| tunnel_to("/same", "") + &tunnel_to("/other", other);
    let server = start(&site("worker_shutdown_timeout 300ms;", keep, &locations("")));
    let (mut same, mut other) = (open(&server, "/same"), open(&server, "/other"));
    let changed = format!("# moved\n{}", locations("proxy_read_timeout 61;"));
    server.reload(&site("worker_shutdown_timeout 300ms;", keep, &changed), 2);
    assert_eq!(closed(&mut other).0, 1012);
    echoes(&mut same);
    // And the next time, too.
    server.reload(&site("worker_shutdown_timeout 300ms;", keep, &changed), 3);
    echoes(&mut same);
}

#[test]
fn close_ends_what_is_gone_without_a_timeout() {
    let close = "websocket_reload close;";
    let locations = tunnel_to("/stays", "") + &tunnel_to("/goes", "") + &tunnel_to("/elsewhere", "");
    let server = start(&site("", close, &locations));
    let mut stays = open(&server, "/stays");
    let (mut goes, mut elsewhere) = (open(&server, "/goes"), open(&server, "/elsewhere"));
    let locations = tunnel_to("/stays", "proxy_read_timeout 61;")
        + "location /elsewhere { websocket_proxy on; proxy_pass http://@REFUSED@; }";
    server.reload(&site("", close, &locations), 2);
    assert_eq!(closed(&mut goes).0, 1012);
    assert_eq!(closed(&mut elsewhere).0, 1012);
    echoes(&mut stays);
    let words = "its location or upstream was removed: websocket_reload";
    until(words, || server.place.read("error.log").contains(words));
}

#[test]
fn without_a_timeout_tunnels_run_on() {
    let server = start(&site("", "", &tunnel_to("/ws", "")));
    let mut before = open(&server, "/ws");
    for generation in 2..5 {
        server.reload(&site("", "", ""), generation);
        echoes(&mut before);
    }
}

#[test]
fn quit_ends_tunnels_with_a_close_before_the_timeout() {
    let mut server = start(&site("worker_shutdown_timeout 300ms;", "", &tunnel_to("/ws", "")));
    let mut clients: Vec<Client> = (0..10).map(|_| open(&server, "/ws")).collect();
    server.signal(Signal::QUIT);
    for client in &mut clients {
        assert_eq!(closed(client).0, 1012);
    }
    server.wait().expect("an end");
}

#[test]
fn who_is_in_a_tunnel_is_told_of_a_stop_at_once() {
    let mut server = start(&site("", "", &tunnel_to("/ws", "")));
    let mut clients: Vec<Client> = (0..10).map(|_| open(&server, "/ws")).collect();
    server.signal(Signal::TERM);
    for client in &mut clients {
        // How it goes on is not waited for: the process may be gone by then.
        assert_eq!(client.read(20).expect("a Close"), b"\x88\x12\x03\xf4the server stops");
    }
    server.wait().expect("an end");
}

#[test]
fn the_old_configuration_goes_with_its_last_request_and_says_so() {
    let gone = "configuration 1 is no longer used: exited with code 0";
    let place = Place::new();
    let upstream = Listener::bind(&place.address("UPSTREAM1")).expect("an upstream");
    let text = |log: &str| {
        site("", &format!("access_log @DIR@/{log} combined buffer=64k flush=1h;"), "")
            .replace("return 200 ok;", "proxy_pass http://@UPSTREAM1@;")
    };
    let server = Server::start(Kind::Wsproxy, place, &text("old.log"));
    let mut client = connect(&server);
    client.send(GET);
    let mut asked = Reader::new(upstream.accept().expect("a request"));
    asked.head().expect("its head");
    server.reload(&text("new.log"), 2);
    assert!(!server.logs().contains(gone), "a request of it is under way");
    asked.stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").expect("an answer");
    assert_eq!(client.response(false).expect("the answer").body_text(), "late");
    until(gone, || server.logs().contains(gone));
    // What waited in its log's buffer is written, and the file is closed.
    until("the line", || server.place.read("old.log").lines().count() == 1);
    let old = server.place.path("old.log");
    until("the old log to be closed", || open_files(&server).iter().all(|file| *file != old));
}

/// Where the descriptors of the server lead.
fn open_files(server: &Server) -> Vec<std::path::PathBuf> {
    let folder = fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("descriptors");
    folder.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()).collect()
}

/// Kilobytes that are the process's own.
fn memory(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Nobody is refused and nothing is cut; and afterwards all is as it was.
#[test]
fn fifty_reloads_under_load_cost_nobody_anything() {
    let http = "access_log @DIR@/access.log; keepalive_requests 1000000;";
    let text = site("", http, &tunnel_to("/ws", ""));
    let server = start(&text);
    let mut generation = 1;
    let mut reloads = |count: usize| {
        for _ in 0..count {
            generation += 1;
            server.reload(&text, generation);
        }
    };
    let over = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    let mut held = open(&server, "/ws");
    let calm = open_files(&server).len();
    let (mut first, mut last) = (0, 0);
    thread::scope(|scope| {
        for kept_alive in [true, false, true] {
            let address = server.address("LISTEN");
            let (over, asked) = (&over, &asked);
            scope.spawn(move || {
                let mut client = Client::connect(&address);
                while !over.load(Ordering::Relaxed) {
                    if !kept_alive {
                        client = Client::connect(&address);
                    }
                    assert_eq!(client.ask(GET).expect("an answer").body_text(), "ok");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _over = Over(&over);
        until("some answers", || asked.load(Ordering::Relaxed) > 100);
        reloads(10);
        first = memory(&server);
        reloads(50);
        echoes(&mut held);
        last = memory(&server);
        let then = asked.load(Ordering::Relaxed);
        until("some more answers", || asked.load(Ordering::Relaxed) > then + 100);
    });
    until("descriptors to be closed", || open_files(&server).len() <= calm);
    echoes(&mut held);
    until("every old configuration's end", || {
        server.logs().matches("is no longer used: exited with code 0").count() == generation - 1
    });
    // A configuration of this size is a few hundred kilobytes: fifty of them would show.
    assert!(last < first + 2048, "{first} kB became {last} kB");
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
