//! `fixtures/check/`: each mistake is found in nginx's words, and nginx decides the same.

mod findings;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use findings::{Case, cases};
use wsproxy::diagnostics::{Diagnostic, Severity};

const FOLDER: &str = "fixtures/check";

fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "conf")).collect();
    files.sort();
    files
}

fn errors(case: &Case) -> Vec<Diagnostic> {
    let (_, found) = case.look(Path::new(FOLDER));
    found.into_iter().filter(|one| one.severity == Severity::Error).collect()
}

#[test]
fn each_case_is_found_wrong_in_the_words_it_names() {
    let mut wrong = Vec::new();
    for file in files() {
        for case in cases(&file) {
            let errors = errors(&case);
            let said = match &case.message {
                None => errors.is_empty(),
                Some(message) => errors.iter().any(|one| one.message.starts_with(message.as_str())),
            };
            if !said {
                let messages: Vec<&str> = errors.iter().map(|one| one.message.as_str()).collect();
                wrong.push(format!("{}: {}\n    said: {messages:?}", file.display(), case.context));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const STREAM: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// Whether nginx accepts a case; `None` where there is no nginx to ask.
fn nginx_accepts(case: &Case, folder: &Path) -> Option<bool> {
    let file = folder.join("case.conf");
    let stream = if Path::new(STREAM).exists() { format!("load_module {STREAM};\n") } else { String::new() };
    let paths = format!("{stream}pid {}/pid;\n", folder.display());
    fs::write(&file, paths + &case.text).unwrap();
    let output = Command::new("nginx")
        .args(["-t", "-e", "stderr", "-p"])
        .arg(folder)
        .arg("-c")
        .arg(&file)
        .output()
        .ok()?;
    Some(output.status.success())
}

/// Debian's nginx is older than the one we follow: a case says where they differ.
#[test]
fn nginx_decides_the_same() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("nginx -t opens its logs, which only root may: nothing is compared");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("logs")).unwrap();
    let mut wrong = Vec::new();
    for file in files() {
        for case in cases(&file).iter().filter(|case| !case.differs()) {
            let Some(accepted) = nginx_accepts(case, folder.path()) else {
                eprintln!("there is no nginx to compare with");
                return;
            };
            if accepted != case.message.is_none() {
                let verdict = if accepted { "accepts" } else { "refuses" };
                wrong.push(format!("{}: nginx {verdict} {}", file.display(), case.context));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
