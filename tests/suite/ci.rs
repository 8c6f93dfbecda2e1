//! What `docs/ci.md` tells to write works, as far as that can be seen without GitHub and GitLab.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::reports::{Folder, validate};
use crate::support::tool;

const GOOD: &str = "events { }\nhttp { server { listen 80; location / { return 200; } } }\n";
const BAD: &str = "events { }\nhttp { sever { } }\n";

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("a file of the project")
}

/// What the page shows for files of this name.
fn shown(name: &str) -> Vec<String> {
    let page = file("docs/ci.md");
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let first = format!("# {name}\n");
    blocks.filter_map(|block| block.strip_prefix(&first)).map(|block| format!("{block}\n")).collect()
}

/// Runs a program in a folder, with the binary under test as `wsproxy` and nothing of the user's settings.
fn run(folder: &Path, program: &OsStr, arguments: &[&str]) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_wsproxy")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("PATH", format!("{}:{path}", binary.display()));
    for variable in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"] {
        command.env_remove(variable);
    }
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_AUTHOR_NAME", "a"),
        ("GIT_AUTHOR_EMAIL", "a@localhost"),
        ("GIT_COMMITTER_NAME", "a"),
        ("GIT_COMMITTER_EMAIL", "a@localhost"),
    ] {
        command.env(name, value);
    }
    command.env("PRE_COMMIT_HOME", folder.join(".cache")).output().expect("a program")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Runs what has to succeed.
fn done(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = run(folder, OsStr::new(program), arguments);
    assert!(output.status.success(), "{program} {arguments:?}: {}", said(&output));
    said(&output).trim().to_owned()
}

fn commit(folder: &Folder) -> String {
    done(folder.path(), "git", &["init", "-q"]);
    done(folder.path(), "git", &["add", "."]);
    done(folder.path(), "git", &["commit", "-q", "-m", "first"]);
    done(folder.path(), "git", &["rev-parse", "HEAD"])
}

#[test]
fn the_hook_checks_what_is_committed() {
    let hooks = Folder::new(&[(".pre-commit-hooks.yaml", &file(".pre-commit-hooks.yaml"))]);
    let rev = commit(&hooks);
    let site =
        Folder::new(&[("nginx/nginx.conf", BAD), ("nginx/good.conf", GOOD), ("notes.txt", "sever { }\n")]);
    commit(&site);
    let pre_commit = tool("venv/bin/pre-commit");
    for settings in &shown(".pre-commit-config.yaml") {
        let settings = settings
            .replace("https://github.com/OWNER/wsproxy", &hooks.path().display().to_string())
            .replace("v0.1.0", &rev)
            .replace("id: wsproxy-check", "id: wsproxy-check-system");
        site.write(".pre-commit-config.yaml", settings);
        site.write("nginx/nginx.conf", BAD);
        done(site.path(), "git", &["add", "."]);
        let output = run(site.path(), pre_commit.as_os_str(), &["run", "--all-files"]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("unknown directive \"sever\""), "{}", said(&output));
        assert!(!said(&output).contains("notes.txt"), "{}", said(&output));
        site.write("nginx/nginx.conf", GOOD);
        done(site.path(), "git", &["add", "."]);
        let output = run(site.path(), pre_commit.as_os_str(), &["run", "--all-files"]);
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn what_the_page_shows_is_what_its_readers_take() {
    let page = Folder::new(&[]);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(".pre-commit-hooks.yaml");
    let pre_commit = tool("venv/bin/pre-commit").display().to_string();
    done(page.path(), &pre_commit, &["validate-manifest", &manifest.display().to_string()]);
    let settings = shown(".pre-commit-config.yaml");
    assert_eq!(settings.len(), 2);
    for text in &settings {
        page.write("config.yaml", text);
        done(page.path(), &pre_commit, &["validate-config", "config.yaml"]);
        assert!(text.contains(&format!("v{}\n", env!("CARGO_PKG_VERSION"))), "{text}");
    }
    for (name, schema) in
        [(".github/workflows/nginx.yml", "vendor.github-workflows"), (".gitlab-ci.yml", "vendor.gitlab-ci")]
    {
        let texts = shown(name);
        assert_eq!(texts.len(), 1);
        let file = page.write("shown.yml", &texts[0]);
        validate(&["--builtin-schema", schema].map(OsStr::new), &[file]);
    }
}

/// Every command of the page does what it says in a repository like the page's.
#[test]
fn commands_of_the_page_can_be_run() {
    let page = file("docs/ci.md");
    let lines = page.lines().map(|line| line.trim_start_matches(['-', ' ']).trim_start_matches("run: "));
    let commands: Vec<&str> = lines.filter(|line| line.starts_with("wsproxy check ")).collect();
    assert_eq!(commands.len(), 4);
    for command in commands {
        let site = Folder::new(&[("nginx/nginx.conf", BAD)]);
        let output = run(site.path(), OsStr::new("sh"), &["-c", command]);
        let accepts = command.contains("--write-baseline");
        assert_eq!(output.status.code(), Some(if accepts { 0 } else { 1 }), "{command}: {}", said(&output));
        let with_baseline = command.replace("wsproxy check", "wsproxy check --baseline nginx/baseline.json");
        if accepts {
            continue;
        }
        done(
            site.path(),
            "wsproxy",
            &["check", "--write-baseline", "nginx/baseline.json", "nginx/nginx.conf"],
        );
        done(site.path(), "sh", &["-c", &with_baseline]);
    }
}
