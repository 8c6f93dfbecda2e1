//! Files that nginx opens and directories it needs, which depend on the machine.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::diagnostics::{DependsOn, Diagnostic};
use crate::directive::Context;
use crate::syntax::{Directive, Word};

use super::{Build, Whole};

/// What nginx does with a path, as its messages name it.
fn use_of(directive: &Directive) -> Option<&'static str> {
    let name = directive.name.value.to_string();
    match &name[..] {
        "access_log" | "error_log" | "pid" => Some("open"),
        "client_body_temp_path" => Some("mkdir"),
        _ if name.ends_with("_temp_path") || name.ends_with("_cache_path") => Some("mkdir"),
        _ => None,
    }
}

pub fn afterwards(whole: &Whole, build: &mut Build) {
    let mut told = HashSet::new();
    for block in whole.within(Context::ANY) {
        for directive in whole.tree.items(block) {
            let Some(word) = directive.args.first() else { continue };
            if let Some(call) = use_of(directive) {
                directory(call, word, &mut told, build);
            }
        }
    }
}

/// A path to a file; nothing where it only shows later, or where it is none.
fn path(word: &Word, prefix: &Path) -> Option<PathBuf> {
    let text = &word.value[..];
    let special = matches!(text, b"off" | b"stderr" | b"")
        || [&b"syslog:"[..], b"memory:", b"/dev/"].iter().any(|start| text.starts_with(start));
    (!special && !text.contains(&b'$')).then(|| prefix.join(Path::new(OsStr::from_bytes(text))))
}

/// A directory in which something is to be made has to be there; each is told of once.
fn directory(call: &str, word: &Word, told: &mut HashSet<PathBuf>, build: &mut Build) {
    let Some(path) = path(word, &build.options.prefix) else { return };
    let Some(parent) = path.parent().filter(|parent| parent.is_absolute()) else { return };
    let there = build.files.glob(parent).is_ok_and(|found| !found.is_empty());
    if there || !told.insert(parent.to_owned()) {
        return;
    }
    let message = format!("{call}() \"{}\" failed (2: No such file or directory)", path.display());
    let finding = Diagnostic::error("missing-directory", word.span, message)
        .here(format!("there is no directory \"{}\"", parent.display()));
    build.diagnostics.push(finding.depends_on(DependsOn::Machine));
}
