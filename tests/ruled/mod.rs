//! `fixtures/rules/<name>/`: what one rule finds in files called `bad…`, and that it finds nothing in those called
//! `good…`. A first line such as `# nginx 1.22` says for which nginx a file is written.

use std::fs;
use std::path::Path;

use wsproxy::diagnostics::text::render;
use wsproxy::directive::{Catalogue, Context};
use wsproxy::features::Options;
use wsproxy::lint::{self, Selection, Version};
use wsproxy::model;
use wsproxy::source::Disk;
use wsproxy::syntax::{Reader, understand};

/// What the rule whose folder this is says of a file.
pub fn ruled(path: &Path) -> String {
    let folder = path.parent().unwrap();
    let name = folder.file_name().unwrap().to_str().unwrap();
    let rule = lint::find(name).unwrap_or_else(|| panic!("{}: there is no such rule", folder.display()));
    let options = Options {
        prefix: folder.into(),
        conf_prefix: folder.into(),
        context: Context::MAIN,
        fragment: false,
    };
    let reader = Reader::new(folder, &Disk).hints(&Catalogue).file(path);
    let (tree, model, mistakes) = understand(&reader, |tree| model::read(tree, &Disk, &options));
    let found = lint::findings(&tree, &model, &options, &mistakes, &alone(rule.name, path));
    let is_bad = path.file_name().unwrap().to_str().unwrap().starts_with("bad");
    assert_eq!(!found.is_empty(), is_bad, "{}: {found:#?}", path.display());
    found.iter().map(|found| format!("{}\n\n", render(found, &tree.sources, false).trim_end())).collect()
}

/// This rule and no other.
fn alone(name: &str, path: &Path) -> Selection {
    let text = fs::read_to_string(path).unwrap();
    let target = text.lines().next().and_then(|line| line.strip_prefix("# nginx "));
    let target = target.map_or(Version::NEWEST, |target| target.trim().parse().unwrap());
    Selection { target, ..Selection::from_iter([name]) }
}
