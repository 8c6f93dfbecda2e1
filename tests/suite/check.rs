//! `wsproxy check` from outside: what it reads, what it prints, and its exit codes.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub struct Run {
    pub output: Output,
    pub folder: tempfile::TempDir,
}

impl Run {
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    pub fn out(&self) -> String {
        let folder = self.folder.path().display().to_string();
        String::from_utf8_lossy(&self.output.stdout).replace(&folder, "DIR")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.output.stdout).expect("JSON")
    }
}

/// Writes files into a folder of their own and checks the first there, with `stdin` if one is given.
pub fn check(files: &[(&str, &str)], arguments: &[&str], stdin: Option<&str>) -> Run {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsproxy"));
    command.current_dir(folder.path()).arg("check").args(arguments).args(files.first().map(|(name, _)| name));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary");
    let written = child.stdin.take().unwrap().write_all(stdin.unwrap_or_default().as_bytes());
    // Who is not asked for standard input may be gone before it was written.
    drop(written);
    Run { output: child.wait_with_output().unwrap(), folder }
}

const GOOD: &str = "events { }\nhttp { server { listen 80; location / { return 200; } } }\n";
const BAD: &str = "events { }\nhttp {\n    sever { }\n}\n";

#[test]
fn the_exit_code_tells_clean_from_wrong_from_unseen() {
    let clean = check(&[("a.conf", GOOD)], &[], None);
    assert_eq!((clean.code(), clean.out()), (Some(0), "no errors, no warnings\n".into()));
    let wrong = check(&[("a.conf", BAD)], &[], None);
    assert_eq!(wrong.code(), Some(1));
    assert!(wrong.out().ends_with("\n1 error in 1 file\n"), "{}", wrong.out());
    let nothing = check(&[("a.conf", GOOD), ("b.conf", GOOD)], &["--rule", "nope=off", "b.conf"], None);
    assert_eq!((nothing.code(), nothing.out()), (Some(2), String::new()));
    let said = String::from_utf8_lossy(&nothing.output.stderr);
    assert!(said.starts_with("wsproxy: there is no rule \"nope\": ") && said.lines().count() == 1, "{said}");
    let unseen = check(&[("a.conf", GOOD)], &["nowhere.conf"], None);
    assert_eq!(unseen.code(), Some(2));
    assert!(String::from_utf8_lossy(&unseen.output.stderr).contains("nowhere.conf"));
    assert_eq!(check(&[("a.conf", GOOD)], &["."], None).code(), Some(2));
    assert_eq!(check(&[], &[], None).code(), Some(2));
    assert_eq!(check(&[("a.conf", GOOD)], &["--format", "xml"], None).code(), Some(2));
}

#[test]
fn standard_input_is_a_file_too() {
    let run = check(&[], &["-"], Some(BAD));
    assert_eq!(run.code(), Some(1));
    assert!(run.out().contains("--> <stdin>:3:5"), "{}", run.out());
    assert!(run.out().contains("help: did you mean \"server\"?"), "{}", run.out());
}

#[test]
fn a_warning_fails_only_where_that_is_asked_for() {
    let warned = "events { }\nhttp { server { set_real_ip_from 10.0.0.1/8; allow 10.0.0.1/8; deny all; } }\n";
    assert_eq!(check(&[("a.conf", warned)], &[], None).code(), Some(0));
    assert_eq!(check(&[("a.conf", warned)], &["--deny", "warnings"], None).code(), Some(1));
}

#[test]
fn what_depends_on_the_machine_is_a_warning_unless_strict() {
    let missing =
        "events { }\nhttp { ssl_certificate no.pem; ssl_certificate_key no.key; server { listen 80; } }\n";
    let run = check(&[("a.conf", missing)], &["--format", "json"], None);
    assert_eq!(run.code(), Some(0), "{}", run.out());
    let found = &run.json()["diagnostics"][0];
    assert_eq!((&found["severity"], &found["depends_on"]), (&"warning".into(), &"machine".into()));
    assert_eq!(check(&[("a.conf", missing)], &["--strict"], None).code(), Some(1));
}

/// Parts of configurations and, where there is one, what the only error is about.
const PARTS: &[(&str, Option<&str>)] = &[
    ("server { listen 80; location / { proxy_pass http://elsewhere/; } }", None),
    ("location / { proxy_pass http://elsewhere$nope; } location = /a { return 204; }", None),
    ("proxy_set_header Host $host;\nproxy_pass http://elsewhere;", None),
    ("server 127.0.0.1:80 weight=2;\nserver 127.0.0.1:81 backup;", None),
    (
        "upstream a { server 127.0.0.1:80; } map $http_upgrade $connection_upgrade { default upgrade; '' close; }",
        None,
    ),
    ("~^/a 1;\n~*b 2;\ndefault 0;", None),
    ("text/html html htm;\nimage/png png;", None),
    ("10.0.0.0/8 inside;\n192.168.0.0/16 inside;", None),
    ("server { listen 53 udp; proxy_pass 127.0.0.1:53; proxy_responses 1; }", None),
    ("load_module modules/ngx_http_js_module.so;", None),
    ("limit_req zone=elsewhere; access_log /dev/null elsewhere;", None),
    ("fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\nfastcgi_param A b;", None),
    (
        "server { listen 443 ssl; ssl_certificate_cash off; }",
        Some("unknown directive \"ssl_certificate_cash\""),
    ),
    ("location / { listen 80; }", Some("\"listen\" directive is not allowed here")),
    ("include nowhere.conf;\nserver { listen 80 }", Some("unexpected \"}\"")),
];

#[test]
fn a_part_is_checked_where_it_belongs() {
    for (text, message) in PARTS {
        let run = check(&[("conf.d/part.conf", text)], &["--format", "json"], None);
        let report = run.json();
        let errors: Vec<&Value> = report["diagnostics"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["severity"] == "error")
            .collect();
        let messages: Vec<&str> = errors.iter().map(|one| one["message"].as_str().unwrap()).collect();
        assert_eq!(messages, Vec::from_iter(*message), "{text}");
    }
}

#[test]
fn a_context_that_is_given_is_believed() {
    let text = "listen 80;";
    assert_eq!(check(&[("a.conf", text)], &["--context", "server"], None).code(), Some(0));
    assert_eq!(check(&[("a.conf", text)], &["--context", "http"], None).code(), Some(1));
    assert_eq!(check(&[("a.conf", text)], &["--context", "main"], None).code(), Some(1));
    assert_eq!(check(&[("a.conf", text)], &["--context", "nowhere"], None).code(), Some(2));
}

#[test]
fn a_part_finds_what_lies_beside_the_configuration_it_is_of() {
    let files = [
        ("conf.d/part.conf", "server { include snippets/a; }"),
        ("nginx.conf", ""),
        ("snippets/a", "lisen 80;"),
    ];
    let run = check(&files, &[], None);
    assert!(run.out().contains("DIR/snippets/a:1:1"), "{}", run.out());
    assert!(run.out().contains("included from conf.d/part.conf:1"), "{}", run.out());
    let away = [("part.conf", "include snippets/a;\nserver { }"), ("home/snippets/a", "sever { }")];
    assert_eq!(check(&away, &[], None).code(), Some(0));
    assert_eq!(check(&away, &["--prefix", "home"], None).code(), Some(1));
}

#[test]
fn what_is_not_served_is_one_line_unless_asked_for() {
    let text = "events { }\nhttp { gzip on; gzip_types a/b; ssi on; charset utf-8; }\n";
    let run = check(&[("a.conf", text)], &[], None);
    let quiet: Vec<String> =
        run.out().lines().filter(|line| line.contains("not-served")).map(str::to_owned).collect();
    assert_eq!(quiet.len(), 1, "{}", run.out());
    assert!(quiet[0].contains("charset, gzip, ssi"), "{quiet:?}");
    assert_eq!(run.code(), Some(0));
    let verbose = check(&[("a.conf", text)], &["--verbose"], None);
    assert_eq!(verbose.out().matches("info[not-served]").count(), 3, "{}", verbose.out());
}

#[test]
fn colours_come_only_where_they_are_wanted() {
    let coloured = |arguments: &[&str]| check(&[("a.conf", BAD)], arguments, None).out().contains('\u{1b}');
    assert!(!coloured(&[]));
    assert!(coloured(&["--color", "always"]));
    assert!(!coloured(&["--color", "never"]));
}

#[test]
fn several_files_make_one_report() {
    let run = check(&[("a.conf", BAD), ("b.conf", BAD)], &["--format", "json", "b.conf"], None);
    let report = run.json();
    let files: Vec<&str> =
        report["diagnostics"].as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["b.conf", "a.conf"]);
    assert_eq!(report["summary"]["files"], 2);
    assert_eq!(report["version"], 1);
}

#[test]
fn json_says_what_the_page_says() {
    let run = check(
        &[("site.conf", "server {\n    listen 80;\n    sever_name x;\n}\n")],
        &["--format", "json"],
        None,
    );
    let found = &run.json()["diagnostics"][0];
    let place = serde_json::json!({
        "file": "site.conf", "line": 3, "column": 5, "end_line": 3, "end_column": 15, "offset": 28, "length": 10,
    });
    for (member, value) in place.as_object().unwrap() {
        assert_eq!(&found[member], value, "{member}");
        assert_eq!(&found["fix"]["edits"][0][member], value, "{member}");
    }
    assert_eq!(found["code"], "unknown-directive");
    assert_eq!(found["fix"]["edits"][0]["text"], "server_name");
    assert_eq!(found["fix"]["safe"], false);
}

/// Every code that the sources give a finding, as far as it is written where the finding is made.
fn codes(folder: &Path, found: &mut BTreeSet<String>) {
    const MAKERS: [&str; 6] = [
        "Diagnostic::error(",
        "Diagnostic::warning(",
        "Diagnostic::info(",
        "call.error(",
        "call.warning(",
        "call.machine_error(",
    ];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes(&path, found);
            continue;
        }
        if path.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for maker in MAKERS {
            for (at, _) in text.match_indices(maker) {
                let arguments: String = text[at + maker.len()..].chars().take(120).collect();
                let code = arguments.split('"').nth(1).unwrap_or_default();
                let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
                if !code.is_empty() && code.chars().all(kebab) {
                    found.insert(code.to_owned());
                }
            }
        }
    }
}

#[test]
fn what_is_allowed_in_a_part_may_be_found_in_the_whole() {
    let page = std::fs::read_to_string("docs/check.md").unwrap();
    let rest = page.split_once("```nginx\nlocation /chat {").expect("an example").1;
    let part = format!("location /chat {{{}", rest.split("```").next().unwrap());
    let alone = check(&[("part.conf", &part)], &[], None);
    assert_eq!(alone.out(), "no errors, no warnings\n");
    let whole = format!(
        "events {{ worker_connections 4096; }}\nhttp {{ upstream chat {{ server 127.0.0.1:1; server 127.0.0.1:2; }}\n\
         proxy_http_version 1.1; proxy_set_header Host $host; server {{ listen 80;\n{part}}} }}\n"
    );
    let whole = check(&[("nginx.conf", &whole)], &["--rule", "px=off"], None);
    assert_eq!(whole.out(), "no errors, no warnings\n");
}

#[test]
fn the_page_has_every_code() {
    let page = std::fs::read_to_string("docs/check.md").unwrap();
    let mut found = BTreeSet::new();
    codes(Path::new("src"), &mut found);
    let missing: Vec<&String> = found.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
    assert!(found.len() > 50 && missing.is_empty(), "not in docs/check.md: {missing:?}");
}
