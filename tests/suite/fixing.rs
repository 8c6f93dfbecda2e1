//! `wsproxy check --fix` from outside: which files it writes and how, what it shows, and its exit codes.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Lacks a `;`, which is sure, and has a misspelt name, which is not.
const WRONG: &str = "events {}\nhttp {\n    server {\n        listen 80;\n        sever_name a;\n        root /srv\n    }\n}\n";
const SAFE: &str = "events {}\nhttp {\n    server {\n        listen 80;\n        sever_name a;\n        root /srv;\n    }\n}\n";
const MENDED: &str = "events {}\nhttp {\n    server {\n        listen 80;\n        server_name a;\n        root /srv;\n    }\n}\n";

/// Runs `wsproxy check` in a folder.
fn check(folder: &Path, arguments: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsproxy"));
    command.current_dir(folder).arg("check").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary");
    // Who is not asked for standard input may be gone before it was written.
    drop(child.stdin.take().unwrap().write_all(stdin));
    child.wait_with_output().unwrap()
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn read(folder: &tempfile::TempDir, name: &str) -> Vec<u8> {
    fs::read(folder.path().join(name)).unwrap()
}

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_is_sure_is_mended_and_the_rest_is_told() {
    let folder = folder(&[("a.conf", WRONG.as_bytes())]);
    let (code, out, error) = said(&check(folder.path(), &["--fix", "a.conf"], b""));
    assert_eq!((code, &*error), (Some(1), "mended 1 in 1 file; 1 more with --unsafe-fixes\n"));
    assert!(out.contains("unknown directive \"sever_name\"") && !out.contains("missing-semicolon"), "{out}");
    assert_eq!(read(&folder, "a.conf"), SAFE.as_bytes());
    let inode = fs::metadata(folder.path().join("a.conf")).unwrap().ino();
    let (_, again, error) = said(&check(folder.path(), &["--fix", "a.conf"], b""));
    assert_eq!((again, &*error), (out, "mended nothing; 1 more with --unsafe-fixes\n"));
    assert_eq!(fs::metadata(folder.path().join("a.conf")).unwrap().ino(), inode, "it is not written again");
    let (code, _, error) = said(&check(folder.path(), &["--fix", "--unsafe-fixes", "a.conf"], b""));
    assert_eq!((code, &*error), (Some(0), "mended 1 in 1 file\n"));
    assert_eq!(read(&folder, "a.conf"), MENDED.as_bytes());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    assert_eq!(check(folder.path(), &["--unsafe-fixes", "a.conf"], b"").status.code(), Some(2));
}

#[test]
fn a_diff_shows_what_would_change_and_nothing_is_written() {
    let folder = folder(&[("conf/a.conf", WRONG.as_bytes())]);
    let expected = "--- conf/a.conf\n+++ conf/a.conf\n@@ -3,6 +3,6 @@\n     server {\n         listen 80;\n\
        \x20        sever_name a;\n-        root /srv\n+        root /srv;\n     }\n }\n";
    for arguments in [&["--diff", "conf/a.conf"][..], &["--fix", "--diff", "conf/a.conf"]] {
        let (code, out, error) = said(&check(folder.path(), arguments, b""));
        assert_eq!((code, &*out), (Some(1), expected));
        assert_eq!(error, "would mend 1 in 1 file; 1 more with --unsafe-fixes\n");
    }
    let (_, out, _) = said(&check(folder.path(), &["--diff", "--unsafe-fixes", "-"], WRONG.as_bytes()));
    assert!(out.starts_with("--- <stdin>\n") && out.contains("+        server_name a;"), "{out}");
    assert_eq!(read(&folder, "conf/a.conf"), WRONG.as_bytes());
    fs::write(folder.path().join("conf/a.conf"), MENDED).unwrap();
    let output = check(folder.path(), &["--diff", "conf/a.conf"], b"");
    assert_eq!(said(&output), (Some(0), String::new(), "would mend nothing\n".into()));
    assert_eq!(check(folder.path(), &["--diff", "conf/a.conf", "no.conf"], b"").status.code(), Some(2));
}

#[test]
fn bytes_outside_of_edits_stay() {
    // Ends of lines of Windows, and what is no text.
    let wrong = WRONG.replace("\n", "\r\n").replace("listen 80;", "listen 80; # \u{e9}X\t ");
    let bytes = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        let at = bytes.iter().position(|byte| *byte == b'X').unwrap();
        bytes[at] = 0xff;
        bytes
    };
    let folder = folder(&[("a.conf", &bytes(&wrong))]);
    check(folder.path(), &["--fix", "--unsafe-fixes", "a.conf"], b"");
    let mended = wrong.replace("sever", "server").replace("/srv", "/srv;");
    assert_eq!(read(&folder, "a.conf"), bytes(&mended));
}

#[test]
fn standard_input_is_mended_on_standard_output() {
    let folder = folder(&[("part.conf", b"location / { root /srv }\n")]);
    let (code, out, error) = said(&check(folder.path(), &["--fix", "-"], WRONG.as_bytes()));
    assert_eq!((code, &*out), (Some(1), SAFE));
    assert!(error.contains("--> <stdin>:5:9") && error.contains("\n1 error in 1 file\n"), "{error}");
    assert!(error.starts_with("mended 1 in 1 file; 1 more with --unsafe-fixes\n"), "{error}");
    let (code, out, _) = said(&check(folder.path(), &["--fix", "-"], MENDED.as_bytes()));
    assert_eq!((code, &*out), (Some(0), MENDED));
    // Who reads from a pipe does not expect files to be written.
    let including = "events {}\nhttp { server { include part.conf; } }\n";
    let (_, out, error) = said(&check(folder.path(), &["--fix", "-"], including.as_bytes()));
    assert_eq!((&*out, read(&folder, "part.conf")), (including, b"location / { root /srv }\n".to_vec()));
    assert!(error.contains("left out: part.conf: 1 fix"), "{error}");
}

#[test]
fn owner_mode_and_links_stay() {
    let folder = folder(&[("conf/a.conf", WRONG.as_bytes())]);
    let file = folder.path().join("conf/a.conf");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    // Only root may give a file away.
    drop(chown(&file, Some(4711), Some(4712)));
    let before = fs::metadata(&file).unwrap();
    symlink("conf/a.conf", folder.path().join("link.conf")).unwrap();
    check(folder.path(), &["--fix", "link.conf"], b"");
    assert!(fs::symlink_metadata(folder.path().join("link.conf")).unwrap().is_symlink());
    assert_eq!(read(&folder, "conf/a.conf"), SAFE.as_bytes());
    let after = fs::metadata(&file).unwrap();
    assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
}

#[test]
fn all_files_are_written_or_none() {
    let main = "events {}\nhttp { include part.conf; server { listen 80 } }\n";
    let folder = folder(&[("nginx.conf", main.as_bytes()), ("part.conf", b"server { listen 81 }\n")]);
    fs::set_permissions(folder.path().join("part.conf"), Permissions::from_mode(0o444)).unwrap();
    let (code, out, error) = said(&check(folder.path(), &["--fix", "nginx.conf"], b""));
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(error.contains("cannot write \"part.conf\"") && error.contains("no file was changed"), "{error}");
    assert_eq!(read(&folder, "nginx.conf"), main.as_bytes());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    fs::set_permissions(folder.path().join("part.conf"), Permissions::from_mode(0o644)).unwrap();
    let (code, _, error) = said(&check(folder.path(), &["--fix", "nginx.conf"], b""));
    assert_eq!((code, &*error), (Some(0), "mended 2 in 2 files\n"));
    assert_eq!(read(&folder, "part.conf"), b"server { listen 81; }\n");
}

#[test]
fn a_file_that_is_included_twice_is_mended_once() {
    let main =
        "events {}\nhttp { server { listen 80; include part; } server { listen 81; include ./link; } }\n";
    let files: &[(&str, &[u8])] = &[("nginx.conf", main.as_bytes()), ("part", b"location / { root /srv }\n")];
    let folder = folder(files);
    symlink("part", folder.path().join("link")).unwrap();
    let (code, _, error) = said(&check(folder.path(), &["--fix", "nginx.conf", "part"], b""));
    assert_eq!(code, Some(0), "{error}");
    assert!(error.ends_with(" in 1 file\n"), "{error}");
    assert_eq!(read(&folder, "part"), b"location / { root /srv; }\n");
}

#[test]
fn files_of_others_are_left_alone() {
    let others = folder(&[("part.conf", b"server { listen 81 }\n")]);
    let part = others.path().join("part.conf");
    let main = format!("events {{}}\nhttp {{ include {}; include sites/*; }}\n", part.display());
    let folder = folder(&[("nginx.conf", main.as_bytes()), ("sites/own", b"server { listen 82 }\n")]);
    symlink(&part, folder.path().join("sites/theirs")).unwrap();
    let (code, _, error) = said(&check(folder.path(), &["--fix", "nginx.conf"], b""));
    assert_eq!(code, Some(1));
    assert!(error.contains(&format!("left out: {}", part.display())), "{error}");
    assert_eq!(read(&others, "part.conf"), b"server { listen 81 }\n");
    assert_eq!(read(&folder, "sites/own"), b"server { listen 82; }\n");
    // Who names a file means it.
    check(folder.path(), &["--fix", "sites/theirs"], b"");
    assert_eq!(read(&others, "part.conf"), b"server { listen 81; }\n");
}

#[test]
fn a_part_may_change_what_lies_around_its_main_file() {
    let files: &[(&str, &[u8])] = &[
        ("nginx.conf", b""),
        ("sites/a.conf", b"server { listen 80; include snippets/b; }\n"),
        ("snippets/b", b"location / { root /srv }\n"),
    ];
    let folder = folder(files);
    let (code, _, error) = said(&check(folder.path(), &["--fix", "sites/a.conf"], b""));
    assert_eq!((code, &*error), (Some(0), "mended 1 in 1 file\n"));
    assert_eq!(read(&folder, "snippets/b"), b"location / { root /srv; }\n");
}

/// Where nginx runs, one of the sites may have the mark already.
#[test]
fn no_default_server_is_chosen_where_sites_are_elsewhere() {
    let servers = "server { listen 80; server_name a; }\nserver { listen 80; server_name b; }\n";
    let whole = |include: &str| format!("events {{}}\nhttp {{\n{include}{servers}}}\n");
    let mended = |text: &str| {
        let folder = folder(&[("a.conf", text.as_bytes())]);
        check(folder.path(), &["--rule", "all=off", "--rule", "OPS501=on", "--fix", "a.conf"], b"");
        read(&folder, "a.conf") != text.as_bytes()
    };
    assert!(mended(&whole("")));
    assert!(!mended(&whole("include sites/*.conf;\n")) && !mended(servers));
}
