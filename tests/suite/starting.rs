//! How wsproxy starts: with what it does not serve, in the background, with a log for machines.

use std::{
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use crate::support::server::Place;

/// A configuration that listens on a Unix socket; `main` and `server` stand where they say.
fn configuration(place: &Place, main: &str, server: &str) -> std::path::PathBuf {
    let folder = place.value("DIR");
    let text = format!(
        "{main}\nerror_log stderr info;\npid {folder}/pid;\nevents {{}}\n\
         http {{ access_log off; server {{ listen unix:{folder}/socket; {server} return 200 ok; }} }}\n"
    );
    place.write("nginx.conf", &text)
}

fn command(conf: &Path, words: &[&str]) -> Command {
    let mut command = talkative(conf);
    command.arg("-q").args(words);
    command
}

/// One that says what there is to say at the start.
fn talkative(conf: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsproxy"));
    command.arg("-c").arg(conf);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits until something is so; a machine that takes half a minute for it is broken.
fn until(what: &str, so: impl Fn() -> bool) {
    for _ in 0..3000 {
        if so() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain: {what}");
}

fn serving(place: &Place) {
    let socket = place.path("socket");
    until("it listens", || UnixStream::connect(&socket).is_ok());
}

fn stop(conf: &Path, child: Child) -> Output {
    assert!(command(conf, &["-s", "stop"]).output().expect("the binary").status.success());
    child.wait_with_output().expect("an end")
}

#[test]
fn what_clients_would_notice_stops_the_start_unless_lenient() {
    let place = Place::new();
    let conf = configuration(&place, "", "autoindex on;");
    let refused = command(&conf, &[]).output().expect("the binary");
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("\"autoindex\"") && said.contains("nginx.conf:5"), "{said}");
    let child = command(&conf, &["--lenient"]).spawn().expect("the binary");
    serving(&place);
    until("the pid file is there", || place.path("pid").exists());
    assert!(stop(&conf, child).status.success());
}

#[test]
fn a_log_for_machines_is_one_object_a_line() {
    let place = Place::new();
    let conf = configuration(&place, "worker_processes 2;", "");
    let child = command(&conf, &["--log-format", "json"]).spawn().expect("the binary");
    serving(&place);
    until("the pid file is there", || place.path("pid").exists());
    let said = stop(&conf, child).stderr;
    let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&said)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    assert!(lines.iter().any(|line| line["level"] == "notice" && line["message"] == "exit"), "{lines:?}");
}

#[test]
fn daemon_on_goes_to_the_background_once_it_serves() {
    let place = Place::new();
    let conf = configuration(&place, "daemon on;", "");
    let mut foreground = command(&conf, &[]);
    foreground.stderr(Stdio::null());
    assert!(foreground.status().expect("the binary").success());
    assert!(UnixStream::connect(place.path("socket")).is_ok(), "it serves by now");
    assert!(place.path("pid").exists());
    assert!(command(&conf, &["-s", "stop"]).output().expect("the binary").status.success());
    until("it has ended", || !place.path("pid").exists());
}

/// Nobody is allowed so many, whoever runs this.
#[test]
fn more_files_than_allowed_are_told_at_the_start() {
    let place = Place::new();
    let conf = configuration(&place, "worker_rlimit_nofile 1099511627776;", "");
    let child = talkative(&conf).spawn().expect("the binary");
    serving(&place);
    until("the pid file is there", || place.path("pid").exists());
    let said = stop(&conf, child).stderr;
    let said = String::from_utf8_lossy(&said);
    let warned = said.lines().find(|line| line.contains("[warn]")).unwrap_or_else(|| panic!("{said}"));
    for word in ["worker_rlimit_nofile 1099511627776", "ulimit -n", "LimitNOFILE=", "--ulimit", "fs.nr_open"]
    {
        assert!(warned.contains(word), "{word}: {warned}");
    }
}
