//! Another binary takes the sockets over: `USR2`, `WINCH` and `QUIT` as nginx has them, each story told
//! beside a real nginx; from nginx to wsproxy and back; and sockets that systemd opened.

use std::{
    fs, io,
    os::fd::OwnedFd,
    os::unix::fs::symlink,
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::support::{
    client::Client,
    server::{Kind, Place},
    stream::Address,
    until,
};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn program(kind: Kind) -> PathBuf {
    match kind {
        Kind::Nginx => PathBuf::from("/usr/sbin/nginx"),
        Kind::Wsproxy => PathBuf::from(env!("CARGO_BIN_EXE_wsproxy")),
    }
}

/// Servers in the background that take each other's place in one directory.
struct Succession {
    place: Place,
}

impl Succession {
    fn start(kind: Kind, workers: usize) -> Succession {
        Succession::start_with(kind, workers, "")
    }

    fn start_with(kind: Kind, workers: usize, parameters: &str) -> Succession {
        let succession = Succession { place: Place::new() };
        succession.install(kind);
        succession.configure_listen(workers, "one", parameters);
        let mut command = Command::new(succession.place.path("server"));
        command.arg("-p").arg(succession.place.value("DIR")).args(["-c", "nginx.conf", "-e", "error.log"]);
        let status = command.stderr(Stdio::null()).status().expect("the server");
        assert!(status.success(), "{kind:?} did not start:\n{}", succession.log());
        until("the pid file", || succession.place.path("pid").exists());
        succession.serves(kind, 1);
        succession
    }

    /// Waits until nginx, which forgets what signals came before, heeds them.
    fn serves(&self, kind: Kind, times: usize) {
        if kind == Kind::Nginx {
            until("workers", || self.log().matches("start worker processes").count() >= times);
        }
    }

    /// Puts another program in the place of the one that runs.
    fn install(&self, kind: Kind) {
        let path = self.place.path("server");
        let _ = fs::remove_file(&path);
        symlink(program(kind), path).expect("a link");
    }

    fn configure(&self, workers: usize, answer: &str) {
        self.configure_listen(workers, answer, "");
    }

    /// With parameters of `listen` on the port.
    fn configure_listen(&self, workers: usize, answer: &str, parameters: &str) {
        let text = format!(
            "worker_processes {workers}; daemon on; pid @DIR@/pid; error_log @DIR@/error.log notice;
            events {{}}
            http {{
                access_log off;
                server {{
                    listen @LISTEN@;
                    listen @PORT@ {parameters};
                    location / {{ return 200 {answer}; }}
                }}
            }}\n"
        );
        self.place.write("nginx.conf", &text);
    }

    fn pid(&self, file: &str) -> Option<Pid> {
        self.place.read(file).trim().parse().ok().and_then(Pid::from_raw)
    }

    fn main(&self) -> Pid {
        self.pid("pid").expect("a pid in the file")
    }

    fn ask(&self, listen: &str) -> io::Result<String> {
        ask(&self.place.address(listen))
    }

    fn answers(&self, answer: &str) {
        until(answer, || {
            ["LISTEN", "PORT"].iter().all(|listen| self.ask(listen).is_ok_and(|text| text == answer))
        });
    }

    /// Starts the binary that is installed now; gives back who was there before, and who is there now.
    fn upgrade(&self) -> (Pid, Pid) {
        let old = self.main();
        send(old, Signal::USR2);
        until("the old pid file", || self.pid("pid.oldbin") == Some(old));
        until("the new pid file", || self.pid("pid").is_some_and(|pid| pid != old));
        (old, self.main())
    }

    fn log(&self) -> String {
        self.place.read("error.log")
    }

    fn says(&self, words: &str) {
        until(words, || self.log().contains(words));
    }
}

impl Drop for Succession {
    fn drop(&mut self) {
        let pids = ["pid.oldbin", "pid"].map(|file| self.pid(file));
        for pid in pids.into_iter().flatten() {
            send(pid, Signal::TERM);
            until("an end", || has_ended(pid));
        }
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

fn ask(address: &Address) -> io::Result<String> {
    Client::connect(address).ask(GET).map(|answer| answer.body_text())
}

fn send(pid: Pid, signal: Signal) {
    let _ = kill_process(pid, signal);
}

fn has_ended(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    test_kill_process(pid).is_err() || stat.contains(") Z ")
}

/// Tells a story of both servers: what one does, the other does.
fn both(story: impl Fn(Kind)) {
    story(Kind::Nginx);
    story(Kind::Wsproxy);
}

/// Asks on new connections, again and again, while something happens; nobody may be refused.
fn while_asking(succession: &Succession, what: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    thread::scope(|scope| {
        let askers = ["LISTEN", "PORT", "PORT"].map(|listen| {
            let (over, asked) = (&over, &asked);
            let address = succession.place.address(listen);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let answer = ask(&address).unwrap_or_else(|why| panic!("{listen}: {why}"));
                    assert!(["one", "two"].contains(&&answer[..]), "{answer}");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        // Whoever asks stops asking when the story is over, also when it goes wrong.
        let _over = Over(&over);
        until("some answers before", || asked.load(Ordering::Relaxed) > 50);
        what();
        let then = asked.load(Ordering::Relaxed);
        until("some answers after", || {
            asked.load(Ordering::Relaxed) > then + 50 || askers.iter().any(|asker| asker.is_finished())
        });
    });
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn usr2_starts_the_new_beside_the_old_and_quit_ends_the_old() {
    both(|kind| {
        let place = Succession::start(kind, 2);
        place.answers("one");
        place.configure(2, "two");
        while_asking(&place, || {
            let (old, new) = place.upgrade();
            place.says("changing binary");
            place.says(&format!("start new binary process {}", new.as_raw_nonzero()));
            place.says("using inherited sockets from \"");
            send(old, Signal::QUIT);
            until("the old one's end", || has_ended(old));
            assert_eq!(place.main(), new);
            assert!(!place.place.path("pid.oldbin").exists());
            assert!(place.place.path("listen").exists(), "the socket's file is the new one's");
        });
        place.answers("two");
        let new = place.main();
        send(new, Signal::QUIT);
        until("the new one's end", || has_ended(new));
        assert!(!place.place.path("listen").exists(), "nobody uses the socket any more");
        assert!(!place.place.path("pid").exists());
    });
}

#[test]
fn the_number_of_workers_may_change() {
    for (before, after, parameters) in [(1, 3, ""), (3, 1, "reuseport"), (3, 2, "reuseport")] {
        let place = Succession::start_with(Kind::Wsproxy, before, parameters);
        place.configure_listen(after, "two", parameters);
        while_asking(&place, || {
            let (old, _) = place.upgrade();
            send(old, Signal::QUIT);
            until("the old one's end", || has_ended(old));
        });
        place.answers("two");
    }
}

#[test]
fn a_new_binary_that_does_not_start_leaves_the_old_one_as_it_was() {
    both(|kind| {
        let place = Succession::start(kind, 1);
        let old = place.main();
        place.place.write("nginx.conf", "no_such_directive;");
        send(old, Signal::USR2);
        place.says("start new binary process ");
        place.says(" exited with code 1");
        until("the pid file", || place.pid("pid") == Some(old));
        assert!(!place.place.path("pid.oldbin").exists());
        place.answers("one");
        // Then one that does.
        place.configure(1, "two");
        let (old, _) = place.upgrade();
        send(old, Signal::QUIT);
        until("the old one's end", || has_ended(old));
        place.answers("two");
    });
}

#[test]
fn a_second_usr2_is_ignored_by_both() {
    both(|kind| {
        let place = Succession::start(kind, 1);
        let (old, new) = place.upgrade();
        place.serves(kind, 2);
        for (at, pid) in [old, new].into_iter().enumerate() {
            send(pid, Signal::USR2);
            until("a word", || {
                place.log().matches("the changing binary signal is ignored: you should shutdown or terminate before either old or new binary's process").count() > at
            });
        }
    });
}

#[test]
fn winch_rests_the_old_one_and_the_end_of_the_new_one_wakes_it() {
    both(|kind| {
        let place = Succession::start(kind, 2);
        place.configure(2, "two");
        let (old, new) = place.upgrade();
        place.serves(kind, 2);
        send(old, Signal::WINCH);
        place.says("stop accepting connections");
        place.says("gracefully shutting down");
        // Whoever is answered now is answered by the new one.
        until("only the new one", || (0..20).all(|_| place.ask("PORT").is_ok_and(|text| text == "two")));
        send(new, Signal::QUIT);
        until("the new one's end", || has_ended(new));
        place.says(&format!("new binary process {} exited with code 0", new.as_raw_nonzero()));
        until("the pid file", || place.pid("pid") == Some(old));
        place.answers("one");
    });
}

#[test]
fn hup_wakes_the_one_that_rests() {
    both(|kind| {
        let place = Succession::start(kind, 2);
        let (old, new) = place.upgrade();
        place.serves(kind, 2);
        place.configure(2, "two");
        send(old, Signal::WINCH);
        place.says("gracefully shutting down");
        let begun = place.log().matches("start worker processes").count();
        send(old, Signal::HUP);
        until("workers again", || place.log().matches("start worker processes").count() > begun);
        send(new, Signal::TERM);
        until("the new one's end", || has_ended(new));
        // The configuration was not read again.
        place.answers("one");
    });
}

#[test]
fn winch_and_hup_without_a_new_binary() {
    both(|kind| {
        let place = Succession::start(kind, 2);
        let main = place.main();
        send(main, Signal::WINCH);
        place.says("gracefully shutting down");
        place.configure(2, "two");
        send(main, Signal::HUP);
        place.answers("two");
    });
}

#[test]
fn nginx_hands_over_to_wsproxy_and_wsproxy_to_nginx() {
    let place = Succession::start(Kind::Nginx, 2);
    while_asking(&place, || {
        for (kind, answer) in [(Kind::Wsproxy, "two"), (Kind::Nginx, "one"), (Kind::Wsproxy, "two")] {
            place.install(kind);
            place.configure(2, answer);
            let (old, _) = place.upgrade();
            // nginx forgets the signals that came before this; wsproxy says it where it wakes alone.
            place.serves(kind, 2);
            send(old, Signal::QUIT);
            until("the old one's end", || has_ended(old));
            place.answers(answer);
        }
    });
}

/// systemd passes its sockets as descriptors from 3 on; nothing else is known of them.
#[test]
fn sockets_of_systemd_are_served() {
    let place = Place::new();
    let inet = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = inet.local_addr().expect("its address");
    let unix = std::os::unix::net::UnixListener::bind(place.path("systemd")).expect("a socket");
    let stranger = other.local_addr().expect("its address");
    let conf = place.write(
        "nginx.conf",
        &format!(
            "pid @DIR@/pid; error_log @DIR@/error.log notice; events {{}}
            http {{
                access_log off;
                server {{ listen {address}; listen unix:@DIR@/systemd; return 200 one; }}
            }}"
        ),
    );
    // They go by way of the standard streams: what is open for others to take may be taken by another test's programs.
    let passed = "exec 3<&0 4<&1 5<&2 </dev/null >/dev/null 2>&1; LISTEN_FDS=3 LISTEN_PID=$$ exec \"$@\"";
    let mut command = Command::new("bash");
    command.args(["-c", passed, "bash"]).arg(program(Kind::Wsproxy)).arg("-q").arg("-c").arg(conf);
    command.stdin(OwnedFd::from(inet)).stdout(OwnedFd::from(other)).stderr(OwnedFd::from(unix));
    let mut child = command.spawn().expect("a shell");
    drop(command);
    until("the pid file", || place.path("pid").exists());
    assert_eq!(ask(&Address::Tcp(address)).expect("an answer"), "one");
    assert_eq!(ask(&Address::Unix(place.path("systemd"))).expect("an answer"), "one");
    let log = place.read("error.log");
    assert!(log.contains("using 3 sockets of systemd"), "{log}");
    assert!(
        log.contains(&format!("no \"listen\" is about {stranger}: its inherited socket is closed")),
        "{log}"
    );
    assert!(std::net::TcpStream::connect(stranger).is_err(), "closed");
    let pid = Pid::from_raw(child.id() as i32).expect("a process id");
    send(pid, Signal::QUIT);
    assert!(child.wait().expect("an end").success());
    assert!(place.path("systemd").exists(), "the file is systemd's");
}
