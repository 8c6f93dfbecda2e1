//! The catalogue of rules: what `rules` and `explain` print, the page, and what a real nginx says of the examples.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use wsproxy::directive::catalogue::{self, Edition, Row};
use wsproxy::lint::{RULES, Version, pages};

use crate::mending::mended;
use crate::support::server::Place;

fn wsproxy(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wsproxy")).args(arguments).output().expect("the binary")
}

fn folder(rule: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/rules").join(rule)
}

#[test]
fn ids_and_names_are_of_one_rule_each_and_in_order() {
    let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    let key = |id: &str| RULES.iter().find(|rule| rule.id == id).map(|rule| (rule.group(), rule.id));
    assert!(ids.windows(2).all(|pair| key(pair[0]) < key(pair[1])), "{ids:?}");
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
    for rule in RULES.iter() {
        assert!(!rule.why.is_empty() && !rule.summary.ends_with('.'), "{}", rule.name);
        assert!(!rule.summary.contains('\n') && rule.summary.len() < 110, "{}", rule.name);
    }
}

#[test]
fn the_page_is_what_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, pages::page()).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap() == pages::page(), "UPDATE_EXPECT=1 writes docs/rules.md");
    let printed = wsproxy(&["rules", "--format", "markdown"]);
    assert_eq!(String::from_utf8_lossy(&printed.stdout), pages::page());
}

#[test]
fn a_rule_is_explained_by_name_and_by_id() {
    let by_name = wsproxy(&["explain", "ws-idle-timeout"]);
    assert!(by_name.status.success());
    let text = String::from_utf8_lossy(&by_name.stdout).into_owned();
    assert!(text.contains("WS109") && text.contains("proxy_read_timeout 1h;"), "{text}");
    assert_eq!(wsproxy(&["explain", "ws109"]).stdout, by_name.stdout);
    let unknown = wsproxy(&["explain", "ws-idle-timout"]);
    assert_eq!(unknown.status.code(), Some(2));
    let told = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(told.contains("did you mean \"ws-idle-timeout\"?"), "{told}");
}

#[test]
fn rules_are_listed_for_people_and_for_programs() {
    let text = wsproxy(&["rules"]);
    assert_eq!(String::from_utf8_lossy(&text.stdout).lines().count(), RULES.len());
    let json: serde_json::Value =
        serde_json::from_slice(&wsproxy(&["rules", "--format", "json"]).stdout).unwrap();
    assert_eq!(json.as_array().map(Vec::len), Some(RULES.len()));
    assert_eq!(json[0]["id"], RULES[0].id);
}

/// Every folder of examples belongs to a rule, and nginx takes every example, and what fixes make of it: a rule is about
/// what nginx lets pass. A first line `# nginx refuses: …` marks those about what it does not, and `# nginx 1.29.7` those
/// for a newer one than Debian's.
#[test]
fn nginx_takes_the_examples() {
    for entry in fs::read_dir(folder("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(RULES.iter().any(|rule| rule.name == name), "fixtures/rules/{name}: there is no such rule");
    }
    for rule in RULES.iter() {
        for entry in fs::read_dir(folder(rule.name)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "conf") || !is_for_debian(&path) {
                continue;
            }
            nginx_takes(&path);
            let mended = mended(&path);
            if !mended.is_empty() {
                let copied = copied(&folder(rule.name), &mended);
                nginx_takes(&copied.path().join(path.file_name().unwrap()));
            }
        }
    }
}

/// Whether Debian's nginx is one that the example is for.
fn is_for_debian(path: &Path) -> bool {
    let debian = Version(1, 22, 1);
    let text = fs::read_to_string(path).unwrap();
    let first = text.lines().next().unwrap_or_default();
    let version =
        first.strip_prefix("# nginx ").and_then(|rest| rest.split(' ').next()?.parse::<Version>().ok());
    !first.starts_with("# nginx refuses") && version.is_none_or(|version| version <= debian)
}

fn nginx_takes(path: &Path) {
    let place = Place::new();
    let output = Command::new("nginx")
        .args(["-t", "-q", "-e", "stderr", "-p"])
        .arg(place.path(""))
        .arg("-c")
        .arg(path)
        .output()
        .expect("nginx");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {told}", path.display());
}

/// A copy of a folder of examples in which files have other texts.
fn copied(folder: &Path, texts: &[(PathBuf, Vec<u8>)]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let done = Command::new("cp").arg("-r").arg(folder.join(".")).arg(copy.path()).status().unwrap();
    assert!(done.success());
    for (file, text) in texts {
        fs::write(copy.path().join(file.strip_prefix(folder).unwrap()), text).unwrap();
    }
    copy
}

/// With `--nginx-version` an old spelling is what it is to that nginx: Debian's warns of the same lines, in the same words.
#[test]
fn an_older_nginx_warns_of_what_it_warns_of() {
    let text = "events {}\nhttp {\n    http2_push_preload on;\n    http2_max_field_size 4k;\n    http2_recv_timeout 3s;\n    \
                server {\n        listen 127.0.0.1:8080;\n        ssl off;\n        http2_push /a;\n    }\n    \
                server {\n        listen 127.0.0.1:8081 http2;\n    }\n}\n";
    let place = Place::new();
    let path = place.path("old.conf");
    fs::write(&path, text).unwrap();
    let nginx = Command::new("nginx")
        .args(["-t", "-e", "stderr", "-p"])
        .arg(place.path(""))
        .arg("-c")
        .arg(&path)
        .output();
    let told = String::from_utf8_lossy(&nginx.expect("nginx").stderr).into_owned();
    let warning = |line: &str| {
        let (_, message) = line.split_once("[warn] ")?;
        let (_, message) = message.split_once(": ")?;
        Some(message.split_once(" in /")?.0.to_owned())
    };
    let nginx: Vec<String> = told.lines().filter_map(warning).collect();
    assert_eq!(nginx.len(), 3, "{told}");
    let ours = |version: &str| -> Vec<(String, String)> {
        let path = path.to_str().unwrap();
        let run = wsproxy(&["check", "--format", "json", "--nginx-version", version, path]);
        let json: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        let wanted = ["deprecated", "unknown-directive", "ssl-on"];
        let found = json["diagnostics"].as_array().unwrap().iter();
        let found = found.filter(|one| wanted.iter().any(|code| one["code"] == *code));
        found.map(|one| (one["severity"].to_string(), one["message"].as_str().unwrap().to_owned())).collect()
    };
    let (severities, messages): (Vec<String>, Vec<String>) = ours("1.22.1").into_iter().unzip();
    assert_eq!(messages, nginx);
    assert!(severities.iter().all(|severity| severity == "\"warning\""), "{severities:?}");
    let newest: Vec<String> = ours("1.31.5").into_iter().map(|(_, message)| message).collect();
    assert!(newest.iter().any(|message| message == "unknown directive \"ssl\""), "{newest:?}");
    assert_eq!(newest.iter().filter(|message| message.contains("http2")).count(), 5, "{newest:?}");
}

/// A directive that is said to be newer than Debian's nginx is unknown to it.
#[test]
fn what_is_too_new_for_nginx_is_unknown_to_it() {
    let debian = Version(1, 22, 1);
    let is_new = |row: &Row| row.since.parse::<Version>().is_ok_and(|since| since > debian);
    let is_open = |row: &&Row| row.edition == Edition::Open;
    let mut names: Vec<&str> =
        catalogue::rows().iter().filter(is_open).filter(|row| is_new(row)).map(|row| row.name).collect();
    names.retain(|name| catalogue::find(name.as_bytes()).iter().filter(is_open).all(is_new));
    names.dedup();
    // Debian put this one into its old version.
    names.retain(|name| *name != "max_headers");
    assert!(names.len() > 30, "{names:?}");
    let place = Place::new();
    let path = place.path("new.conf");
    for name in names {
        fs::write(&path, format!("events {{}}\nhttp {{\n    {name} x;\n}}\n")).unwrap();
        let run = Command::new("nginx")
            .args(["-t", "-q", "-e", "stderr", "-p"])
            .arg(place.path(""))
            .arg("-c")
            .arg(&path)
            .output();
        let told = String::from_utf8_lossy(&run.expect("nginx").stderr).into_owned();
        assert!(told.contains("unknown directive"), "{name}: {told}");
    }
}
