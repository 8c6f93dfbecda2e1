//! `wsproxy check --baseline` and `--write-baseline`, from outside.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::reports::Folder;

const BAD: &str = "events { }\nhttp {\n    sever { }\n    gzip on;\n}\n";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder whose baseline holds what is found in these files.
fn accepted(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new(files);
    let output = folder.check(&["--write-baseline", "baseline.json", files[0].0]);
    assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
    folder
}

fn check(folder: &Folder, file: &str) -> Output {
    folder.check(&["--baseline", "baseline.json", file])
}

#[test]
fn what_was_there_is_accepted_wherever_it_moves() {
    let folder = accepted(&[("a.conf", BAD)]);
    let output = check(&folder, "a.conf");
    assert_eq!(output.status.code(), Some(0));
    assert!(
        said(&output).ends_with("no errors, no warnings; 1 info; 1 in the baseline\n"),
        "{}",
        said(&output)
    );
    folder.write("a.conf", format!("# moved\n\n{}", BAD.replace("    ", "\t")));
    assert_eq!(check(&folder, "./a.conf").status.code(), Some(0));
    // Named from elsewhere it is the same file.
    assert_eq!(check(&folder, folder.path().join("a.conf").to_str().unwrap()).status.code(), Some(0));
}

#[test]
fn what_is_new_fails_and_a_second_of_the_same_is_new() {
    let folder = accepted(&[("a.conf", BAD)]);
    folder.write("a.conf", BAD.replace("sever { }", "sever { }\n    sever { }"));
    let output = check(&folder, "a.conf");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).ends_with("1 error in 1 file; 1 info; 1 in the baseline\n"), "{}", said(&output));
    folder.write("a.conf", BAD.replace("sever { }", "sever { }\n    locatoin / { }"));
    let output = check(&folder, "a.conf");
    assert!(said(&output).contains("unknown directive \"locatoin\""), "{}", said(&output));
    assert!(!said(&output).contains("unknown directive \"sever\""), "{}", said(&output));
}

#[test]
fn machines_are_told_how_many_were_there() {
    let folder = accepted(&[("a.conf", BAD)]);
    let output = folder.check(&["--format", "json", "--baseline", "baseline.json", "a.conf"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["summary"]["errors"], &report["summary"]["in_baseline"]), (&0.into(), &1.into()));
}

#[test]
fn what_two_configurations_include_counts_once() {
    let bad = "events { }\nhttp { include part.conf; }\n";
    let folder = accepted(&[("a.conf", bad), ("b.conf", bad), ("part.conf", "sever { }\n")]);
    let output = folder.check(&["--baseline", "baseline.json", "a.conf", "b.conf", "part.conf"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn what_was_mended_is_told_where_the_same_files_were_asked() {
    let folder = accepted(&[("a.conf", BAD), ("b.conf", "events { }\n")]);
    folder.write("a.conf", BAD.replace("sever", "server"));
    let output = check(&folder, "a.conf");
    assert_eq!(output.status.code(), Some(0));
    let said = said(&output);
    assert!(
        said.contains("info[stale-baseline]: an entry of the baseline matches nothing any more"),
        "{said}"
    );
    assert!(said.contains("--> baseline.json:5:"), "{said}");
    assert!(said.contains("unknown-directive in a.conf"), "{said}");
    assert!(said.contains("help: --write-baseline baseline.json writes it anew"), "{said}");
    let other = check(&folder, "b.conf");
    assert!(!String::from_utf8_lossy(&other.stdout).contains("stale-baseline"));
}

#[test]
fn a_baseline_is_the_same_text_when_nothing_changed() {
    let folder = accepted(&[("a.conf", BAD)]);
    let first = fs::read_to_string(folder.path().join("baseline.json")).expect("a baseline");
    folder.write("a.conf", format!("\n{BAD}"));
    folder.check(&["--write-baseline", "baseline.json", "a.conf"]);
    assert_eq!(first, fs::read_to_string(folder.path().join("baseline.json")).expect("a baseline"));
    assert_eq!(first.lines().count(), 7, "{first}");
}

#[test]
fn a_baseline_that_cannot_be_used_is_said_to_be_so() {
    let folder = Folder::new(&[
        ("a.conf", BAD),
        ("no.json", "{ \"version\": 1 }"),
        ("new.json", "{ \"version\": 7 }"),
    ]);
    for (file, expected) in [
        ("nowhere.json", "wsproxy: cannot read the baseline \"nowhere.json\": No such file"),
        ("no.json", "wsproxy: cannot use the baseline \"no.json\": it is no baseline: missing field `files`"),
        ("new.json", "its version is 7, and this wsproxy knows 1 (--write-baseline new.json makes one)"),
        ("a.conf", "it is no baseline: expected value at line 1 column 1"),
    ] {
        let output = folder.check(&["--baseline", file, "a.conf"]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert!(complained(&output).contains(expected), "{}", complained(&output));
        assert_eq!(said(&output), "");
    }
}

#[test]
fn a_baseline_of_what_was_not_seen_is_not_written() {
    let folder = Folder::new(&[("a.conf", BAD)]);
    let output = folder.check(&["--write-baseline", "baseline.json", "a.conf", "nowhere.conf"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        complained(&output).contains("is not written, since not every file was read"),
        "{}",
        complained(&output)
    );
    assert!(!folder.path().join("baseline.json").exists());
    let output = folder.check(&["--write-baseline", "no/folder/here.json", "a.conf"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        complained(&output).contains("cannot write the baseline \"no/folder/here.json\": "),
        "{}",
        complained(&output)
    );
    let both = folder.check(&["--baseline", "a", "--write-baseline", "b", "a.conf"]);
    assert_eq!(both.status.code(), Some(2));
}
