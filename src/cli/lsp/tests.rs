//! What requests find in texts of which `|` is the place that is asked about.

use std::fs;
use std::path::Path;

use lsp_types::{HoverContents, InitializeParams, Location};

use super::documents::Documents;
use super::settings::Settings;
use super::view::View;
use super::workspace::Workspace;
use super::{completion, definition, hover, uri};
use crate::cli::chosen::Chosen;

/// Opens the first of these files, in a folder with the others, and asks about its `|`.
fn ask<T>(files: &[(&str, &str)], find: impl FnOnce(&View, u32) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace('|', "")).unwrap();
    }
    let (name, text) = files[0];
    let offset = text.find('|').unwrap() as u32;
    let mut documents = Documents::default();
    documents.open(uri::of(&folder.path().join(name)).unwrap(), 1, text.replace('|', ""));
    let settings = settings(folder.path());
    let mut workspace = Workspace::default();
    let looked = workspace.look(&documents, &settings);
    let (key, document) = documents.iter().next().unwrap();
    let one = looked.iter().find(|one| one.file(key).is_some()).unwrap();
    find(&View::new(&documents, document, &settings, one, one.file(key).unwrap()), offset)
}

fn settings(folder: &Path) -> Settings {
    let options = serde_json::json!({
        "capabilities": {
            "textDocument": { "hover": { "contentFormat": ["markdown"] } }
        },
        "rootUri": uri::of(folder),
        "initializationOptions": { "main": "conf/main.conf", "notServed": true },
    });
    let params: InitializeParams = serde_json::from_value(options).unwrap();
    Settings::of(&params, Chosen::default()).0
}

/// What is offered in a text.
fn offered(files: &[(&str, &str)]) -> Vec<String> {
    ask(files, completion::completion).into_iter().map(|item| item.label).collect()
}

fn offered_in(text: &str) -> Vec<String> {
    offered(&[("x.conf", text)])
}

#[test]
fn directives_are_offered_where_they_may_stand() {
    for (text, may, may_not) in [
        ("|", "server", "worker_processes"),
        ("events {}\n|", "worker_processes", "server"),
        ("http { server { | } }", "listen", "upstream"),
        ("http { upstream a { | } }", "keepalive", "listen"),
        ("stream { server { | } }", "proxy_pass", "location"),
        ("http { server { location / { if ($x) { | } } } }", "return", "location"),
        ("http { server { if ($x) { | } } }", "rewrite", "proxy_pass"),
        ("http { map $a $b { | } }", "default", "server"),
    ] {
        let found = offered_in(text);
        assert!(found.contains(&may.to_owned()), "{text}: {may} may stand here");
        assert!(!found.contains(&may_not.to_owned()), "{text}: {may_not} may not");
    }
    assert!(offered_in("http { server { # | } }").is_empty());
    assert!(offered_in("http { nobody_knows { | } }").is_empty());
}

#[test]
fn a_part_knows_where_it_is_included() {
    let main =
        ("conf/main.conf", "http { upstream api { server a; } server { location / { include ../p*/x; } } }");
    let found = offered(&[("parts/x", "|"), main]);
    assert!(found.contains(&"proxy_pass".to_owned()) && !found.contains(&"listen".to_owned()));
    assert_eq!(offered(&[("parts/x", "proxy_pass |"), main]), ["http://api"]);
    assert_eq!(offered(&[("parts/x", "proxy_pass https://|"), main]), ["https://api"]);
}

#[test]
fn arguments_are_offered_that_are_known() {
    let within = |line: &str| {
        let text = "http { limit_req_zone $a zone=one:1m; log_format long $uri; server { location @err { } location / { LINE } } }";
        let mut found = offered_in(&text.replace("LINE", line));
        found.sort();
        found
    };
    assert_eq!(within("proxy_buffering o|"), ["off", "on"]);
    assert_eq!(within("proxy_http_version |"), ["1.0", "1.1", "2"]);
    assert_eq!(within("limit_req zone=|"), ["burst=", "delay=", "nodelay", "zone=one"]);
    assert_eq!(within("access_log a.log |"), ["long"]);
    assert_eq!(within("error_page 502 @|"), ["@err"]);
    assert_eq!(within("proxy_read_timeout |"), ["60s"]);
    assert!(within("proxy_read_timeout 60s |").is_empty());
    let variables = within("proxy_set_header X a$up|");
    assert!(variables.contains(&"$upstream_addr".to_owned()) && !variables.contains(&"$protocol".to_owned()));
    assert!(within("proxy_set_header X ${up|").contains(&"${upstream_addr}".to_owned()));
}

/// What looks whole is a part if something includes it.
#[test]
fn a_block_in_a_file_of_its_own_is_no_configuration() {
    let main = ("conf/main.conf", "events { }\ninclude http.conf;");
    let codes = |view: &View, _| -> Vec<&str> { view.looked.seen.found.iter().map(|one| one.code).collect() };
    let found = ask(&[("conf/http.conf", "|http { server { lisen 80; } }"), main], codes);
    assert!(found.contains(&"unknown-directive") && !found.contains(&"missing-events"), "{found:?}");
}

#[test]
fn files_are_offered_to_include() {
    let files = [("nginx.conf", "http { include conf.d/|; }"), ("conf.d/a.conf", ""), ("conf.d/b/c", "")];
    assert_eq!(offered(&files), ["conf.d/a.conf", "conf.d/b/"]);
}

/// The lines that a definition leads to, counted from 1.
fn leads(text: &str) -> Vec<u32> {
    let found = ask(&[("nginx.conf", text)], definition::definition);
    found.iter().map(|Location { range, .. }| range.start.line + 1).collect()
}

#[test]
fn names_mean_what_is_in_reach() {
    let text = "stream { upstream a { server s; } }\nhttp {\nupstream a { server t; }\nserver {\n\
        location @b { }\nlocation / { proxy_pass http://|a/x; error_page 500 @b; } }\n\
        server { location / { } location @b { } } }";
    assert_eq!(leads(text), [3]);
    let of_b = text.replace('|', "").replace("500 @b", "500 |@b");
    assert_eq!(leads(&of_b), [5]);
    let captured = "http { server { listen 80;\nserver_name ~^(?<who>.+)$;\nreturn 200 $|who; } }";
    assert_eq!(leads(captured), [2]);
    let set_twice = "http { server {\nset $a 1;\nset $a 2;\nreturn 200 ${|a}; } }";
    assert_eq!(leads(set_twice), [2, 3]);
    assert!(leads("http { server { return 200 $ho|st; } }").is_empty());
    assert!(leads("http { server { list|en 80; } }").is_empty());
}

/// What is said about a place.
fn told(text: &str) -> Option<String> {
    let found = ask(&[("nginx.conf", text)], hover::hover)?;
    let HoverContents::Markup(markup) = found.contents else { return None };
    Some(markup.value)
}

#[test]
fn what_is_known_of_a_directive_is_told() {
    let told = |text| told(text).unwrap_or_default();
    let page = told("http { server { lis|ten 80; } }");
    assert!(page.contains("Context: server  \n") && page.contains("Module: http_core"), "{page}");
    let page = told("http { server { location / { # wsproxy: websocket_pro|xy on;\n} } }");
    assert!(page.contains("nginx does not know it"), "{page}");
    let page = told("stream { server { lis|ten 80; } }");
    assert!(page.contains("Module: stream_core") && page.contains("Not served"), "{page}");
    let page = told("http { map $a $b { x y; }\nserver { return 200 $|b; } }");
    assert!(page.contains("nginx.conf:1") && page.contains("map $a $b { x y; }"), "{page}");
    assert_eq!(told("http { map $a $b { def|ault y; } }"), "");
}
