//! One rule alone: what it finds in a file, and what its fixes make of it.

use std::fs;
use std::path::{Path, PathBuf};

use wsproxy::diagnostics::Diagnostic;
use wsproxy::directive::{Catalogue, Context};
use wsproxy::features::Options;
use wsproxy::lint::mend::{Mending, Seen};
use wsproxy::lint::{self, Mend, Rule, Selection};
use wsproxy::model;
use wsproxy::source::{Disk, Files};
use wsproxy::syntax::{Reader, Tree, understand};

/// The files that fixes of the rule, safe or not, change, and what they are then. What is found afterwards has no fix.
pub fn mended(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let rule = rule(path);
    let before = look(rule, path, &Disk);
    let fixes = || before.found.iter().filter(|one| one.code == rule.name).filter_map(|one| one.fix.as_ref());
    let place = path.display();
    match rule.mend {
        Mend::None => assert_eq!(fixes().count(), 0, "{place}: the rule says that it has no fix"),
        Mend::Unsafe => {
            assert!(fixes().all(|fix| !fix.safe), "{place}: the rule says that fixes are not safe")
        }
        Mend::Safe => {}
    }
    let has_to = rule.mend != Mend::None && path.ends_with("bad.conf");
    assert!(!has_to || fixes().count() > 0, "{place}: the rule says that there is a fix");
    let mending = Mending {
        look: &|_, files| look(rule, path, files),
        wants: &|found, _| found.code == rule.name,
        may_change: &|_, _| true,
    };
    let mended = mending.run(1, &Disk);
    assert!(mended.left_out.is_empty(), "{place}: fixes that cannot be made: {:#?}", mended.left_out);
    let left = mended.seen[0].found.iter().find(|one| one.code == rule.name && one.fix.is_some());
    assert!(left.is_none(), "{place}: found again when it is mended: {left:#?}");
    mended.changes.into_iter().map(|changed| (changed.file, changed.after)).collect()
}

/// What is found in a file: what nginx says, and what this rule and no other does.
fn look(rule: &Rule, path: &Path, files: &dyn Files) -> Seen {
    let (tree, mut found, by_rule) = found(rule, path, files);
    found.extend(by_rule);
    Seen { sources: tree.sources, found }
}

/// What is found in a file, apart what this rule and no other finds.
pub fn found(rule: &Rule, path: &Path, files: &dyn Files) -> (Tree, Vec<Diagnostic>, Vec<Diagnostic>) {
    let options = Options {
        prefix: folder(path).into(),
        conf_prefix: folder(path).into(),
        context: Context::MAIN,
        fragment: false,
    };
    let reader = Reader::new(folder(path), files).hints(&Catalogue).file(path);
    let (tree, model, mistakes) = understand(&reader, |tree| model::read(tree, files, &options));
    let found = lint::findings(&tree, &model, &options, &mistakes, &alone(rule.name, path));
    (tree, mistakes, found)
}

/// The rule whose folder this file is in.
pub fn rule(path: &Path) -> &'static Rule {
    let name = folder(path).file_name().unwrap().to_str().unwrap();
    lint::find(name).unwrap_or_else(|| panic!("{}: there is no such rule", folder(path).display()))
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap()
}

/// This rule and no other.
fn alone(name: &str, path: &Path) -> Selection {
    let text = fs::read_to_string(path).unwrap();
    let target = text.lines().next().and_then(|line| line.strip_prefix("# nginx "));
    // Another word than a version says that nginx refuses it, and why.
    let target = target.and_then(|target| target.split(' ').next()?.parse().ok());
    Selection { target, ..Selection::from_iter([name]) }
}
