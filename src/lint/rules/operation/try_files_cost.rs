//! Files that are looked for anew with each request.

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::Directive;

pub static RULE: Rule = Rule {
    id: "OPS510",
    name: "try-files-cost",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "try_files without open_file_cache asks the disk with each request",
    why: "try_files asks the system for each of its names until one is there. With open_file_cache nginx remembers what is \
          there, and with open_file_cache_errors what is not. On a local disk that is a few microseconds; on a network \
          file system, or with many names, it shows. Where files are replaced in place they may be stale for \
          open_file_cache_valid.",
    mend: Mend::None,
    examples: examples!("try-files-cost"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    if !site.sees(Context::HTTP) {
        return;
    }
    // What one line would mend is one finding: those of a server.
    let mut last: Option<Block<'_>> = None;
    for server in site.servers() {
        for block in std::iter::once(server).chain(server.descendants()) {
            let Some(line) = block.own_last("try_files").filter(|line| looks_for_files(line)) else {
                continue;
            };
            let is_cached = block
                .in_effect("open_file_cache")
                .is_some_and(|line| line.args.first().is_some_and(|word| word.value != "off"));
            if is_cached || !block.is_known() {
                continue;
            }
            if last.replace(server) == Some(server) {
                continue;
            }
            found.push(
                rule.finding(
                    line.head(),
                    format!("each request of {block} asks the disk: there is no open_file_cache"),
                )
                .help("\"open_file_cache max=1000 inactive=20s;\" in http or in the server"),
            );
        }
    }
}

/// Whether any of the names but the last one is one of the request's; some write one that never is there, to come to a
/// named location.
fn looks_for_files(line: &Directive) -> bool {
    let names = line.args.split_last().map_or(&[][..], |(_, names)| names);
    names.iter().any(|name| name.value.contains(&b'$'))
}
