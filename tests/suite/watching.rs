//! `--watch`: the configuration is read again when one of its files changes, however that comes about.

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Child, Command, Stdio},
};

use crate::support::{client::Client, server::Place, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

struct Watched {
    place: Place,
    child: Child,
}

impl Watched {
    /// The server includes all of `conf.d`; where it answers, `conf.d/answer.conf` says.
    fn start(prepare: impl FnOnce(&Place)) -> Watched {
        let place = Place::new();
        fs::create_dir(place.path("conf.d")).expect("a folder");
        prepare(&place);
        let text = "pid @DIR@/pid; error_log @DIR@/error.log notice; events {}
            http { access_log off; server { listen @LISTEN@; include conf.d/*.conf; } }";
        let conf = place.write("nginx.conf", text);
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsproxy"));
        command.args(["-q", "--watch", "-c"]).arg(conf);
        let errors = fs::File::create(place.path("stderr")).expect("a file");
        let child = command.stderr(Stdio::from(errors)).spawn().expect("the binary");
        until("the pid file", || place.path("pid").exists());
        Watched { place, child }
    }

    fn answers(&self, path: &str, answer: &str) {
        let request = GET.replacen('/', path, 1);
        let ask = || Client::connect(&self.place.address("LISTEN")).ask(&request).expect("an answer");
        until(answer, || ask().body_text() == answer);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}{}", self.place.read("stderr"), self.place.read("error.log"));
        }
    }
}

fn root(answer: &str) -> String {
    format!("location / {{ return 200 {answer}; }}")
}

#[test]
fn files_that_change_come_and_go_are_noticed() {
    let watched = Watched::start(|place| {
        place.write("conf.d/answer.conf", &root("one"));
    });
    let place = &watched.place;
    watched.answers("/", "one");
    // Written in place.
    place.write("conf.d/answer.conf", &root("two"));
    watched.answers("/", "two");
    // Replaced, as editors do.
    place.write("answer.new", &root("three"));
    fs::rename(place.path("answer.new"), place.path("conf.d/answer.conf")).expect("a rename");
    watched.answers("/", "three");
    // One more that the pattern names, which includes a file from elsewhere.
    place.write("elsewhere", "return 200 four;");
    place.write("conf.d/more.conf", "location /more { include elsewhere; }");
    watched.answers("/more", "four");
    place.write("elsewhere", "return 200 five;");
    watched.answers("/more", "five");
    fs::remove_file(place.path("conf.d/more.conf")).expect("a removal");
    watched.answers("/more", "three");
}

#[test]
fn a_bad_edit_is_told_of_and_the_old_goes_on() {
    let watched = Watched::start(|place| {
        place.write("conf.d/answer.conf", &root("one"));
    });
    let place = &watched.place;
    place.write("conf.d/answer.conf", "locatoin / { return 200 two; }");
    until("a word about it", || place.read("stderr").contains("unknown directive \"locatoin\""));
    until("a line of the log", || place.read("error.log").contains("the old one goes on"));
    watched.answers("/", "one");
    place.write("conf.d/answer.conf", &root("two"));
    watched.answers("/", "two");
}

/// Kubernetes shows the files of a ConfigMap through a link, and turns the link.
#[test]
fn a_link_that_is_turned_is_noticed() {
    let watched = Watched::start(|place| {
        for (folder, answer) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(place.path("conf.d").join(folder)).expect("a folder");
            place.write(&format!("conf.d/{folder}/answer.conf"), &root(answer));
        }
        symlink("..1", place.path("conf.d/..data")).expect("a link");
        symlink("..data/answer.conf", place.path("conf.d/answer.conf")).expect("a link");
    });
    watched.answers("/", "one");
    symlink("..2", watched.place.path("conf.d/..tmp")).expect("a link");
    fs::rename(watched.place.path("conf.d/..tmp"), watched.place.path("conf.d/..data")).expect("a rename");
    watched.answers("/", "two");
}
