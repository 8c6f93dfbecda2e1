//! Pages lead to what is there, and to one another.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(page: &Path) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// All pages, from the root of the project.
fn pages() -> BTreeSet<PathBuf> {
    let folders = ["", "docs"].map(|folder| fs::read_dir(root().join(folder)).expect("a folder"));
    let files = folders.into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let pages = files.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    pages.map(|path| path.strip_prefix(root()).expect("below the root").to_owned()).collect()
}

/// The lines of a page that are prose, not code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    page.lines().filter(move |line| {
        let fence = line.starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// Where a page's links lead: the file, from the root, and what stands behind `#`.
fn links(page: &Path) -> Vec<(PathBuf, String)> {
    let folder = page.parent().expect("a file's folder");
    let text = text(page);
    let targets =
        prose(&text).flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
    let inside = targets.filter(|target| !target.contains("://"));
    let resolved = inside.map(|target| {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let file = if file.is_empty() { page.to_owned() } else { plain(&folder.join(file)) };
        (file, anchor.to_owned())
    });
    resolved.collect()
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, component| {
        match component {
            Component::ParentDir => _ = plain.pop(),
            component => plain.push(component),
        }
        plain
    })
}

/// What a heading is called behind `#`, as GitHub has it.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = text(page);
    let headings = prose(&text).filter(|line| line.starts_with('#'));
    let named = headings.map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    });
    named.collect()
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for page in pages() {
        for (file, anchor) in links(&page) {
            let there = root().join(&file).exists();
            if !there || !anchor.is_empty() && !anchors(&file).contains(&anchor) {
                wrong.push(format!("{}: {}#{anchor}", page.display(), file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_is_found_from_the_readme() {
    let mut found = BTreeSet::from([PathBuf::from("README.md")]);
    let mut next = vec![PathBuf::from("README.md")];
    while let Some(page) = next.pop() {
        for (file, _) in links(&page) {
            if file.extension().is_some_and(|ending| ending == "md") && found.insert(file.clone()) {
                next.push(file);
            }
        }
    }
    let lost: Vec<_> = pages().difference(&found).cloned().collect();
    assert!(lost.is_empty(), "nothing leads to {lost:?}");
}

/// The map of the house has every room, every page, and the folders of fixtures.
#[test]
fn the_map_leaves_nothing_out() {
    let map = text(Path::new("ARCHITECTURE.md"));
    let rooms = map.split("```").nth(1).expect("the list of rooms");
    for folder in ["src", "docs", "fixtures", "benches", "tests"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name");
            let is_folder = entry.file_type().expect("a type").is_dir();
            if is_folder || folder == "docs" {
                assert!(rooms.contains(&name), "ARCHITECTURE.md has no {folder}/{name}");
            }
        }
    }
}

/// The tests that a page names with the rooms they are in.
#[test]
fn tests_that_are_named_exist() {
    let written = sources(&["src", "tests"]);
    let differences = text(Path::new("docs/differences.md"));
    let named = differences.split('`').filter(|word| word.contains("::") && !word.contains([' ', '[']));
    let missing: Vec<_> = named
        .filter(|name| {
            let last = name.rsplit("::").next().unwrap_or(name);
            let is_test = written.iter().any(|(_, text)| text.contains(&format!("fn {last}(")));
            let is_file = written.iter().any(|(path, _)| path.file_stem().is_some_and(|stem| stem == last));
            let is_folder =
                written.iter().any(|(path, _)| path.components().any(|part| part.as_os_str() == last));
            !is_test && !is_file && !is_folder
        })
        .collect();
    assert!(missing.is_empty(), "docs/differences.md names {missing:?}");
}

fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let mut folders: Vec<_> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                found.push((path, text));
            }
        }
    }
    found
}
