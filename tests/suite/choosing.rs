//! Which rules speak: exemptions in comments, `wsproxy.toml`, flags.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const RULE: &str = "ws-idle-timeout";

/// A chat without a timeout of its own, with comments at five places.
fn chat(places: [&str; 6]) -> String {
    let [file, http, above, block, line, end] = places;
    format!(
        "{file}
events {{ worker_connections 4096; }}

http {{
    {http}
    server {{
        listen 127.0.0.1:8080;
        {above}
        location /chat {{ {block}
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; {line}
            proxy_set_header Connection upgrade;
            proxy_pass http://127.0.0.1:9000;
            {end}
        }}
        location /plain {{
            return 204;
        }}
    }}
}}
"
    )
}

fn check(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsproxy"));
    command.arg("check").args(arguments).args(["--format", "json", "site.conf"]).current_dir(folder);
    command.output().expect("the binary")
}

/// The codes of findings about idle sockets and exemptions, and how much they weigh.
fn told(output: &Output) -> Vec<(String, String)> {
    let json: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let found = json["diagnostics"].as_array().unwrap().iter();
    let found = found.map(|one| (one["code"].as_str().unwrap(), one["severity"].as_str().unwrap()));
    let wanted = found.filter(|(code, _)| [RULE, "unused-allow", "unknown-rule"].contains(code));
    wanted.map(|(code, severity)| (code.to_owned(), severity.to_owned())).collect()
}

/// A folder with this configuration.
fn folder(text: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("site.conf"), text).unwrap();
    folder
}

fn codes(text: &str) -> Vec<String> {
    told(&check(folder(text).path(), &[])).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn an_exemption_is_about_the_place_where_it_stands() {
    let allow = "# wsproxy: allow(ws-idle-timeout) the chat pings by itself";
    assert_eq!(codes(&chat([""; 6])), [RULE]);
    let silent = |at: usize| {
        let mut places = [""; 6];
        places[at] = allow;
        codes(&chat(places))
    };
    for (at, place) in ["the file", "http", "above the location", "behind its brace"].into_iter().enumerate()
    {
        assert!(silent(at).is_empty(), "{place}: {:?}", silent(at));
    }
    // About a line that is none of the finding's, and about nothing.
    assert_eq!(silent(4), [RULE, "unused-allow"]);
    assert_eq!(silent(5), [RULE, "unused-allow"]);
}

#[test]
fn an_exemption_at_the_head_of_a_block_is_about_the_block() {
    let inside =
        |line: &str| chat([""; 6]).replace("location /chat { \n", &format!("location /chat {{\n{line}\n"));
    assert!(codes(&inside("# wsproxy: allow(WS109) the chat pings by itself")).is_empty());
    let plain =
        chat([""; 6]).replace("return 204;", "# wsproxy: allow(ws-idle-timeout) not here\nreturn 204;");
    assert_eq!(codes(&plain), [RULE, "unused-allow"]);
}

#[test]
fn an_exemption_between_words_is_about_their_directive() {
    let broken = |line: &str| {
        let allow = "# wsproxy: allow(ws-idle-timeout) the chat pings by itself";
        let one = line.replace('#', &format!("{allow}\n"));
        chat([""; 6]).replace("location /chat {", &one)
    };
    assert!(codes(&broken("location #/chat {")).is_empty());
    assert!(codes(&broken("location\n/chat\n# {")).is_empty());
    let elsewhere =
        chat([""; 6]).replace("return 204;", "return\n# wsproxy: allow(ws-idle-timeout) not here\n204;");
    assert_eq!(codes(&elsewhere), [RULE, "unused-allow"]);
}

#[test]
fn an_exemption_of_several_rules_tells_them_apart() {
    let mut places = [""; 6];
    places[0] = "# wsproxy: allow(ws-idle-timeout, ws-idle-time) a typo";
    assert_eq!(codes(&chat(places)), ["unknown-rule"]);
}

#[test]
fn a_list_of_addresses_goes_on_where_it_is_included() {
    let codes = |text: &str| {
        let output = check(folder(text).path(), &[]);
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = json["diagnostics"].as_array().unwrap().iter();
        found.map(|one| one["code"].as_str().unwrap().to_owned()).collect::<Vec<String>>()
    };
    let list = "allow 192.0.2.0/24;\nallow 198.51.100.0/24;\n";
    assert!(codes(list).is_empty());
    let server = format!("server {{\nlisten 127.0.0.1:8080;\n{list}return 204;\n}}\n");
    assert!(codes(&server).contains(&"allow-without-deny".to_owned()));
}

#[test]
fn an_exemption_holds_in_what_is_included() {
    let folder = folder(
        "events { worker_connections 4096; }\nhttp {\n# wsproxy: allow(ws-idle-timeout) all of them ping\nserver { \
         include chat.inc; }\nserver { listen 127.0.0.1:8081; }\n}\n",
    );
    let chat = "listen 127.0.0.1:8080;\nlocation /chat {\nproxy_pass http://127.0.0.1:9000;\nproxy_http_version 1.1;\n\
                proxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection upgrade;\n}\n";
    fs::write(folder.path().join("chat.inc"), chat).unwrap();
    assert!(told(&check(folder.path(), &[])).is_empty());
    fs::write(folder.path().join("chat.inc"), chat.replace("location", "proxy_read_timeout 1h; location"))
        .unwrap();
    assert_eq!(told(&check(folder.path(), &[]))[0].0, "unused-allow");
}

#[test]
fn an_exemption_of_a_rule_that_is_not_asked_is_not_missed() {
    let mut places = [""; 6];
    places[0] = "# wsproxy: allow(ws-room-split) one server today";
    let folder = folder(&chat(places));
    assert_eq!(told(&check(folder.path(), &["--rule", "WS109=off"]))[0].0, "unused-allow");
    assert!(told(&check(folder.path(), &["--rule", "ws=off"])).is_empty());
}

#[test]
fn an_exemption_names_a_rule() {
    let mut places = [""; 6];
    places[0] = "# wsproxy: allow(ws-idle-timout) a typo";
    let output = check(folder(&chat(places)).path(), &[]);
    assert_eq!(told(&output).iter().map(|(code, _)| &code[..]).collect::<Vec<_>>(), ["unknown-rule", RULE]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("did you mean \\\"ws-idle-timeout\\\"?"));
}

#[test]
fn a_project_chooses_in_its_file_and_a_flag_goes_before_it() {
    let around = folder("");
    let within = around.path().join("conf.d");
    fs::create_dir(&within).unwrap();
    fs::write(within.join("site.conf"), chat([""; 6])).unwrap();
    let write = |text: &str| fs::write(around.path().join("wsproxy.toml"), text).unwrap();
    write("[rules]\nws-idle-timeout = \"error\"\n");
    let output = check(&within, &[]);
    assert_eq!(told(&output), [(RULE.to_owned(), "error".to_owned())]);
    assert_eq!(output.status.code(), Some(1));
    let output = check(&within, &["--rule", "ws109=warning"]);
    assert_eq!(told(&output), [(RULE.to_owned(), "warning".to_owned())]);
    assert_eq!(output.status.code(), Some(0));
    write("[rules]\nws = \"off\"\n");
    assert!(told(&check(&within, &[])).is_empty());
    let other = around.path().join("other.toml");
    fs::write(&other, "nginx-version = \"1.22\"\n").unwrap();
    assert_eq!(told(&check(&within, &["--config", other.to_str().unwrap()])).len(), 1);
}

#[test]
fn what_is_wrong_with_a_choice_is_said_and_nothing_is_looked_at() {
    let folder = folder(&chat([""; 6]));
    let wrong = |arguments: &[&str]| {
        let output = check(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(wrong(&["--rule", "ws-idle-timout=off"]).contains("did you mean \"ws-idle-timeout\"?"));
    assert!(wrong(&["--rule", "ws-idle-timeout"]).contains("ws-idle-timeout=off"));
    assert!(wrong(&["--profile", "everything"]).contains("pedantic"));
    assert!(wrong(&["--nginx-version", "latest"]).contains("1.22"));
    assert!(wrong(&["--config", "absent.toml"]).contains("absent.toml"));
    fs::write(folder.path().join("wsproxy.toml"), "[rules]\nws-idle-timeout = 3\n").unwrap();
    let told = wrong(&[]);
    assert!(told.contains("wsproxy.toml") && told.contains("line 2"), "{told}");
}
