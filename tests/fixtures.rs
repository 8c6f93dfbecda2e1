//! One named case per file under `fixtures/`: `UPDATE_EXPECT=1 cargo test --test fixtures` writes
//! what came out, and the diff is to be read.
//!
//! `cargo test --test fixtures NAME` runs the cases whose path contains `NAME`.

mod findings;
mod routed;
mod ruled;
mod written;

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A folder of cases, and what makes of a case what is expected beside it.
struct Kind {
    folder: &'static str,
    extension: &'static str,
    expected: &'static str,
    make: fn(&Path) -> String,
}

const KINDS: &[Kind] = &[
    Kind { folder: "check", extension: "conf", expected: "out", make: findings::findings },
    Kind { folder: "dump", extension: "conf", expected: "json", make: written::dumped },
    Kind { folder: "layout", extension: "conf", expected: "formatted", make: written::laid_out },
    Kind { folder: "mistakes", extension: "conf", expected: "out", make: written::told },
    Kind { folder: "route", extension: "conf", expected: "out", make: routed::routed },
    Kind { folder: "rules", extension: "conf", expected: "out", make: ruled::ruled },
    Kind { folder: "rules", extension: "conf", expected: "fixed", make: ruled::mended },
    Kind { folder: "syntax", extension: "conf", expected: "tree", make: written::tree_and_mistakes },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let cases: Vec<(&Kind, PathBuf)> =
        KINDS.iter().flat_map(|kind| cases(kind).into_iter().map(move |case| (kind, case))).collect();
    let cases = cases.into_iter().filter(|(_, case)| {
        wanted.is_empty() || wanted.iter().any(|name| case.to_string_lossy().contains(name.as_str()))
    });
    if arguments.iter().any(|argument| argument == "--list") {
        cases.for_each(|(_, case)| println!("{}: test", case.display()));
        return ExitCode::SUCCESS;
    }
    let outcomes: Vec<bool> = cases.map(|(kind, case)| run(kind, &case)).collect();
    let failed = outcomes.iter().filter(|passed| !**passed).count();
    println!("{} fixtures, {failed} failed", outcomes.len());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The files of a kind, relative to the crate, in order.
fn cases(kind: &Kind) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new("fixtures").join(kind.folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("included") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == kind.extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn run(kind: &Kind, case: &Path) -> bool {
    let expected = case.with_extension(kind.expected);
    let made = panic::catch_unwind(AssertUnwindSafe(|| (kind.make)(case)));
    let Ok(made) = made else {
        println!("{} ... FAILED: it panics", case.display());
        return false;
    };
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        match made.is_empty() {
            true => drop(fs::remove_file(&expected)),
            false => fs::write(&expected, &made).unwrap(),
        }
    }
    let wanted = fs::read_to_string(&expected).unwrap_or_default();
    if made == wanted {
        println!("{} ... ok", case.display());
        return true;
    }
    println!("{} ... FAILED", case.display());
    let diff = similar::TextDiff::from_lines(&wanted, &made);
    print!("{}", diff.unified_diff().header(&expected.to_string_lossy(), "what came out"));
    false
}
