//! Imports point at lower rooms, never at higher ones (`ARCHITECTURE.md`, “Who may know whom”).

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Rooms, lowest first. Those on one line stand side by side and do not know each other.
const ROOMS: &[&[&str]] = &[
    &["source"],
    &["diagnostics"],
    &["syntax"],
    &["layout"],
    &["net"],
    &["http1"],
    &["websocket"],
    &["tunnel", "upstream", "hub", "limits", "jwt", "fetch", "passwords"],
    &["request"],
    &["directive"],
    &["features"],
    &["model"],
    &["exchange"],
    &["runtime"],
    &["lint"],
    &["cli"],
];

/// Engines take plain parameters: they know nothing of configurations.
const ENGINES: &[&str] =
    &["net", "http1", "websocket", "tunnel", "upstream", "hub", "limits", "jwt", "fetch", "passwords"];
const FORBIDDEN_TO_ENGINES: &[&str] = &["diagnostics", "syntax"];

#[test]
fn imports_point_to_lower_rooms() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in rust_files(&source) {
        let relative = file.strip_prefix(&source).expect("a file under src");
        let room = room_of(relative);
        if room == "lib" || room == "main" {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source file");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            for imported in code.split("crate::").skip(1).map(first_word) {
                if let Some(why) = objection(&room, imported) {
                    wrong.push(format!("src/{}:{}: {why}", relative.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A foreign crate that would be felt everywhere has one door: where it may be named.
const DOORS: &[(&str, &str)] = &[
    ("nom", "syntax/words.rs"),
    ("nom_locate", "syntax/words.rs"),
    ("annotate_snippets", "diagnostics/text.rs"),
    ("httparse", "http1/"),
    ("tokio_tungstenite", "hub/"),
    ("pcre2", "request/pattern.rs"),
    ("regex_syntax", "lint/regex/"),
    ("clap", "cli/"),
    ("lsp_server", "cli/lsp/"),
    ("lsp_types", "cli/lsp/"),
    ("similar", "cli/diff.rs"),
    ("socket2", "net/"),
    ("nix", "net/handover.rs"),
    ("hickory_resolver", "net/resolver/servers.rs"),
    ("glob", "source.rs"),
    ("jsonwebtoken", "jwt/"),
    ("aws_lc_rs", "jwt/"),
    ("hashbrown", "limits/table.rs"),
    ("tracing_subscriber", "runtime/"),
    ("bcrypt", "passwords/"),
    ("sha_crypt", "passwords/"),
    ("yescrypt", "passwords/"),
    ("tokio_rustls", "fetch/"),
    ("rustls_native_certs", "fetch/"),
    ("toml", "lint/choice.rs"),
];

#[test]
fn foreign_crates_come_in_by_their_door() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in rust_files(&source) {
        let relative = file.strip_prefix(&source).expect("a file under src").to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).expect("a source file");
        for (name, door) in DOORS {
            let named = text.lines().any(|line| names_crate(line, name));
            if named && !relative.starts_with(door) {
                wrong.push(format!("src/{relative} names {name}, whose door is src/{door}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a line of code has a path that begins with this crate.
fn names_crate(line: &str, name: &str) -> bool {
    let code = line.split("//").next().unwrap_or(line);
    code.match_indices(&format!("{name}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
    })
}

#[test]
fn every_room_is_listed() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let unlisted: Vec<_> = rust_files(&source)
        .iter()
        .map(|file| room_of(file.strip_prefix(&source).expect("a file under src")))
        .filter(|room| level(room).is_none() && room != "lib" && room != "main")
        .collect();
    assert!(unlisted.is_empty(), "rooms without a place in the order: {unlisted:?}");
}

/// Why `room` may not import `imported`, if it may not.
fn objection(room: &str, imported: &str) -> Option<String> {
    if room == imported {
        return None;
    }
    let Some(theirs) = level(imported) else { return Some(format!("`{imported}` is no room")) };
    if ENGINES.contains(&room) && FORBIDDEN_TO_ENGINES.contains(&imported) {
        return Some(format!("{room} is an engine and must not know {imported}"));
    }
    (theirs >= level(room)?).then(|| format!("{room} must not know {imported}, which is not below it"))
}

fn level(room: &str) -> Option<usize> {
    ROOMS.iter().position(|rooms| rooms.contains(&room))
}

/// The room a file belongs to: the first part of its path under `src`, without `.rs`.
fn room_of(relative: &Path) -> String {
    let first = relative.iter().next().expect("a path").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn first_word(path: &str) -> &str {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    &path[..end]
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
