//! `fixtures/rules/<name>/`: what one rule finds in files called `bad…`, and that it finds nothing in those called
//! `good…`; what its fixes make of the former. A first line such as `# nginx 1.22` says for which nginx a file is
//! written.

pub mod mending;

use std::fs;
use std::path::Path;

use wsproxy::diagnostics::text::render;
use wsproxy::source::Disk;

/// What the rule whose folder this is says of a file.
pub fn ruled(path: &Path) -> String {
    let (tree, _, found) = mending::found(mending::rule(path), path, &Disk);
    let is_bad = path.file_name().unwrap().to_str().unwrap().starts_with("bad");
    assert_eq!(!found.is_empty(), is_bad, "{}: {found:#?}", path.display());
    found.iter().map(|found| format!("{}\n\n", render(found, &tree.sources, false).trim_end())).collect()
}

/// What the fixes of the rule make of a file, and of files that it includes; nothing if they change nothing.
pub fn mended(path: &Path) -> String {
    let own = fs::canonicalize(path).unwrap();
    let folder = own.parent().unwrap();
    let mended = mending::mended(path).into_iter().map(|(file, text)| {
        let text = String::from_utf8(text).unwrap();
        if file == own { text } else { format!("# {}\n{text}", file.strip_prefix(folder).unwrap().display()) }
    });
    mended.collect()
}
