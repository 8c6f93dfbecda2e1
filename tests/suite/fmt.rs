//! `wsproxy fmt` from outside: what it writes, what it leaves alone, and its exit codes.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const LOOSE: &str = "events {}\nhttp { server { listen 80; } }\n";
const LAID_OUT: &str = "events {}\nhttp {\n    server {\n        listen 80;\n    }\n}\n";
const WRONG: &str = "server {\n  listen 80;\n";

/// Runs `wsproxy fmt` in a folder.
fn fmt(folder: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsproxy"));
    command.current_dir(folder).arg("fmt").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary");
    // Who is not asked for standard input may be gone before it was written.
    drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
    child.wait_with_output().unwrap()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn files_are_written_where_they_need_it() {
    let folder = folder(&[("a.conf", LOOSE), ("b.conf", LAID_OUT)]);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let inode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().ino();
    let before = inode("b.conf");
    let output = fmt(folder.path(), &["a.conf", "b.conf"], "");
    assert_eq!(said(&output), (Some(0), String::new(), String::new()));
    assert_eq!((read("a.conf"), read("b.conf")), (LAID_OUT.into(), LAID_OUT.into()));
    assert_eq!(inode("b.conf"), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
}

#[test]
fn owner_mode_and_links_stay() {
    let folder = folder(&[("a.conf", LOOSE)]);
    let file = folder.path().join("a.conf");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    // Only root may give a file away.
    drop(chown(&file, Some(4711), Some(4712)));
    let before = fs::metadata(&file).unwrap();
    symlink("a.conf", folder.path().join("link.conf")).unwrap();
    assert_eq!(fmt(folder.path(), &["link.conf"], "").status.code(), Some(0));
    assert!(fs::symlink_metadata(folder.path().join("link.conf")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), LAID_OUT);
    let after = fs::metadata(&file).unwrap();
    assert_ne!(after.ino(), before.ino(), "it is another file, which took the place of the old one at once");
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
}

#[test]
fn standard_input_is_laid_out_on_standard_output() {
    let folder = folder(&[]);
    for arguments in [&[][..], &["-"]] {
        assert_eq!(said(&fmt(folder.path(), arguments, LOOSE)), (Some(0), LAID_OUT.into(), String::new()));
    }
    assert_eq!(fmt(folder.path(), &[], LAID_OUT).stdout, LAID_OUT.as_bytes());
    let (code, out, error) = said(&fmt(folder.path(), &["-"], WRONG));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(error.contains("<stdin>:2:13"), "{error}");
    assert_eq!(said(&fmt(folder.path(), &["--check"], LOOSE)), (Some(1), "<stdin>\n".into(), String::new()));
}

#[test]
fn check_names_what_would_change_and_writes_nothing() {
    let folder = folder(&[("a.conf", LOOSE), ("b.conf", LAID_OUT), ("c.conf", LOOSE)]);
    let output = fmt(folder.path(), &["--check", "a.conf", "b.conf", "c.conf"], "");
    assert_eq!(said(&output), (Some(1), "a.conf\nc.conf\n".into(), String::new()));
    assert_eq!(fs::read_to_string(folder.path().join("a.conf")).unwrap(), LOOSE);
    assert_eq!(
        said(&fmt(folder.path(), &["--check", "b.conf"], "")),
        (Some(0), String::new(), String::new())
    );
}

#[test]
fn diff_shows_what_would_change_and_writes_nothing() {
    let folder = folder(&[("a.conf", LOOSE), ("b.conf", LAID_OUT)]);
    let (code, out, _) = said(&fmt(folder.path(), &["--diff", "a.conf", "b.conf"], ""));
    let expected = "--- a.conf\n+++ a.conf\n@@ -1,2 +1,6 @@\n events {}\n-http { server { listen 80; } }\n+http {\n\
        +    server {\n+        listen 80;\n+    }\n+}\n";
    assert_eq!((code, out.as_str()), (Some(1), expected));
    assert_eq!(fs::read_to_string(folder.path().join("a.conf")).unwrap(), LOOSE);
}

#[test]
fn what_cannot_be_read_is_left_alone_with_the_words_of_check() {
    let folder = folder(&[("wrong.conf", WRONG), ("a.conf", LOOSE)]);
    let (code, out, error) = said(&fmt(folder.path(), &["wrong.conf", "nowhere.conf", ".", "a.conf"], ""));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(fs::read_to_string(folder.path().join("wrong.conf")).unwrap(), WRONG);
    assert_eq!(fs::read_to_string(folder.path().join("a.conf")).unwrap(), LAID_OUT, "the others are done");
    assert!(error.contains("\"wrong.conf\" is left as it is"), "{error}");
    assert!(error.contains("nowhere.conf") && error.contains("it is a directory"), "{error}");
    let check = Command::new(env!("CARGO_BIN_EXE_wsproxy"))
        .args(["check", "wrong.conf"])
        .current_dir(folder.path())
        .output()
        .expect("the binary");
    let first = String::from_utf8_lossy(&check.stdout).split("\n\n").next().unwrap().to_owned();
    assert!(first.contains("missing-brace") && error.contains(&first), "{first}\n{error}");
    assert_eq!(fmt(folder.path(), &["--check", "wrong.conf", "nowhere.conf"], "").status.code(), Some(2));
}

/// What `check` finds in files, but for the places.
fn checked(folder: &Path, files: &[String]) -> Vec<[String; 4]> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsproxy"));
    command.current_dir(folder).args(["check", "--profile", "pedantic,security,compat", "--format", "json"]);
    let output = command.args(files).output().expect("the binary");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found = report["diagnostics"].as_array().unwrap().iter();
    let mut found: Vec<[String; 4]> = found
        .map(|one| ["file", "severity", "code", "message"].map(|member| one[member].as_str().unwrap().into()))
        .collect();
    found.sort();
    found
}

/// Nothing that is found, and no comment that allows it, depends on the layout.
#[test]
fn check_says_the_same_before_and_after() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let folder = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-R").arg(&fixtures).arg(folder.path()).status().unwrap();
    assert!(copied.success());
    let mut folders =
        ["check", "layout", "mistakes", "rules", "sites"].map(|name| format!("fixtures/{name}")).to_vec();
    let mut files = Vec::new();
    while let Some(name) = folders.pop() {
        for entry in fs::read_dir(folder.path().join(&name)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{name}/{}", entry.file_name().to_string_lossy());
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(path),
                // Where braces pair, but not as they were meant to, lines that begin elsewhere are all that tells.
                false if path.ends_with("braces_that_pair.conf") => {}
                false if path.ends_with(".conf") => files.push(path),
                false => {}
            }
        }
    }
    let before = checked(folder.path(), &files);
    let arguments: Vec<&str> = files.iter().map(String::as_str).collect();
    fmt(folder.path(), &arguments, "");
    let changed = files.iter().filter(|file| {
        fs::read(fixtures.join("..").join(file)).unwrap() != fs::read(folder.path().join(file)).unwrap()
    });
    assert!(changed.count() > 30);
    let after = checked(folder.path(), &files);
    let lost: Vec<_> = before.iter().filter(|one| !after.contains(one)).collect();
    let new: Vec<_> = after.iter().filter(|one| !before.contains(one)).collect();
    assert!(before == after, "lost: {lost:#?}\nnew: {new:#?}");
}
