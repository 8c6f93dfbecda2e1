//! The catalogue of rules: what `rules` and `explain` print, the page, and what a real nginx says of the examples.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
