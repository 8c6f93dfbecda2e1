//! `user`: whether this machine knows it.

use std::path::Path;

use crate::diagnostics::{DependsOn, Diagnostic};
use crate::directive::Context;
use crate::source::Span;

use super::{Build, Whole, span_of, text};

/// Where users and groups are written down; the one nginx asks may know more.
const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

pub fn afterwards(whole: &Whole, build: &mut Build) {
    let Some(line) = whole.within(Context::MAIN).find_map(|main| whole.own(main, "user")) else { return };
    let [user, group @ ..] = &line.args[..] else { return };
    missing(build, USERS, "getpwnam", &user.value, span_of(line, 0));
    if let [group] = group {
        missing(build, GROUPS, "getgrnam", &group.value, span_of(line, 1));
    }
}

fn missing(build: &mut Build, list: &str, function: &str, name: &[u8], span: Span) {
    let Ok(known) = build.files.read(Path::new(list)) else { return };
    let is_it = |entry: &[u8]| entry.strip_prefix(name).is_some_and(|rest| rest.starts_with(b":"));
    if !known.split(|byte| *byte == b'\n').any(is_it) {
        let message = format!("{function}(\"{}\") failed", text(name));
        let finding = Diagnostic::error("unknown-user", span, message).here(format!("not in {list}"));
        build.diagnostics.push(finding.depends_on(DependsOn::Machine));
    }
}
