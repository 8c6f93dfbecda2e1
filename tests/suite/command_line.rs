//! nginx's flags, answered so that scripts written for nginx go on working.

use std::process::{Command, Output};

use crate::support::{
    client::Client,
    server::{Kind, Place, Server},
    until,
};

/// Runs wsproxy on `configuration` (the whole file) with `flags`, in a directory of its own.
fn run(configuration: &str, flags: &[&str]) -> (Output, Place) {
    let place = Place::new();
    place.write("nginx.conf", configuration);
    let output = Command::new(env!("CARGO_BIN_EXE_wsproxy"))
        .args(["-p", place.value("DIR"), "-c", "nginx.conf", "-e", "error.log"])
        .args(flags)
        .output()
        .expect("the binary");
    (output, place)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const GOOD: &str = "events {} http { server { listen 127.0.0.1:1; location / { return 200; } } }";

#[test]
fn t_says_what_scripts_grep_for() {
    let (output, place) = run(GOOD, &["-t"]);
    let said = place.unfill(&text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    let lines: Vec<_> = said.lines().collect();
    let [.., syntax, test] = lines[..] else { panic!("{said}") };
    assert!(syntax.ends_with("the configuration file @DIR@/nginx.conf syntax is ok"), "{said}");
    assert!(test.ends_with("configuration file @DIR@/nginx.conf test is successful"), "{said}");
}

#[test]
fn t_refuses_with_a_place() {
    let (output, place) = run("events {}\nhttp {\n    lisen 80;\n}\n", &["-t"]);
    let said = place.unfill(&text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("lisen") && said.contains("nginx.conf:3"), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.ends_with("configuration file @DIR@/nginx.conf test failed"), "{said}");
}

#[test]
fn q_is_silent_when_there_is_nothing_to_say() {
    let (output, _) = run(GOOD, &["-t", "-q"]);
    assert_eq!(
        (output.status.code(), text(&output.stderr), text(&output.stdout)),
        (Some(0), String::new(), String::new())
    );
}

#[test]
fn capital_t_prints_every_file() {
    let place = Place::new();
    place.write("nginx.conf", "events {}\nhttp { include part.conf; }\n");
    place.write("part.conf", "server { listen 127.0.0.1:1; }\n");
    let output = Command::new(env!("CARGO_BIN_EXE_wsproxy"))
        .args(["-T", "-p", place.value("DIR"), "-c", "nginx.conf", "-e", "stderr"])
        .output()
        .expect("the binary");
    let said = place.unfill(&text(&output.stdout));
    let expected = "# configuration file @DIR@/nginx.conf:\nevents {}\nhttp { include part.conf; }\n\n\
        # configuration file @DIR@/part.conf:\nserver { listen 127.0.0.1:1; }\n\n";
    assert_eq!(said, expected);
}

/// Whatever nginx prints for `-T` on a file with an include, ours prints too.
#[test]
fn capital_t_is_nginxs() {
    let place = Place::new();
    place.write("nginx.conf", "events {}\nhttp { include part.conf;\n  include part.conf; }");
    place.write("part.conf", "# nothing\n\n");
    let dump = |program: &str| {
        let output = Command::new(program)
            .args(["-T", "-q", "-p", place.value("DIR"), "-c", "nginx.conf", "-e", "stderr"])
            .output()
            .expect("a program");
        text(&output.stdout)
    };
    assert_eq!(dump(env!("CARGO_BIN_EXE_wsproxy")), dump("nginx"));
}

#[test]
fn versions_are_what_tools_read() {
    let (short, _) = run(GOOD, &["-v"]);
    let short = text(&short.stderr);
    assert!(short.starts_with("nginx version: nginx/1.31.5 (wsproxy/"), "{short}");
    let (long, _) = run(GOOD, &["-V"]);
    let long = text(&long.stderr);
    assert!(long.starts_with(&short), "{long}");
    let arguments = long.lines().find(|line| line.starts_with("configure arguments:")).unwrap_or_default();
    assert!(arguments.contains("--without-http_gzip_module"), "{long}");
}

#[test]
fn g_sets_what_the_file_does_not() {
    let (output, place) = run(GOOD, &["-t", "-g", "no_such_directive on;"]);
    let said = place.unfill(&text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no_such_directive"), "{said}");
}

#[test]
fn s_speaks_to_the_running_process() {
    let site = "server { listen @LISTEN@; location / { return 200 one; } }";
    let mut server = Server::start(Kind::Wsproxy, Place::new(), site);
    let signal = |name: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_wsproxy"))
            .args(["-s", name, "-p", server.place.value("DIR"), "-c", "nginx.conf", "-e", "stderr"])
            .output()
            .expect("the binary");
        assert!(output.status.success(), "-s {name}: {}", text(&output.stderr));
    };
    // As in nginx, clients may connect before it is there.
    until("the pid file", || server.place.read("pid").ends_with('\n'));
    server.place.write("site.conf", &site.replace("one", "two"));
    signal("reload");
    let ask = || {
        let mut client = Client::connect(&server.address("LISTEN"));
        client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("an answer").body_text()
    };
    until("the new answer", || ask() == "two");
    signal("stop");
    server.wait().expect("an end");
}

#[test]
fn a_directive_that_clients_would_miss_stops_the_start() {
    let site = "server { listen @LISTEN@; location / { image_filter resize 10 10; return 200 ok; } }";
    let why = Server::refuse(Kind::Wsproxy, Place::new(), site);
    assert!(why.contains("image_filter"), "{why}");
    let (output, _) = run(
        "events {} http { server { listen 127.0.0.1:1; location / { image_filter resize 10 10; } } }",
        &["-t"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// nginx would not start, and with it nothing that has to do with the name either.
#[test]
fn a_name_that_does_not_resolve_costs_its_own_location_alone() {
    // A label is at most 63 bytes: this name can never be, and nobody is asked for it.
    let name = "a".repeat(64);
    let site = format!(
        "server {{ listen @LISTEN@; location / {{ return 200 fine; }}
        location /up {{ proxy_pass http://{name}.example:80; }} }}"
    );
    let server = Server::start(Kind::Wsproxy, Place::new(), &site);
    let mut client = Client::connect(&server.address("LISTEN"));
    let mut status =
        |uri: &str| client.ask(format!("GET {uri} HTTP/1.1\r\nHost: a\r\n\r\n")).expect("an answer").status();
    assert_eq!((status("/"), status("/up"), status("/")), (200, 502, 200));
    assert!(server.logs().contains(&name), "{}", server.logs());
}

#[test]
fn the_start_says_where_and_what() {
    let site = "server { listen @PORT@; location /ws/ { websocket_echo; } location /plain/ { return 200; } }";
    let server = Server::start(Kind::Wsproxy, Place::new(), site);
    let said = || server.place.unfill(&server.logs());
    until("a line about the listener", || said().contains("http://@PORT@"));
    until("a line about the location with WebSockets", || said().contains("/ws/"));
    assert!(!said().contains("/plain/"), "a line about a plain location:\n{}", said());
}
