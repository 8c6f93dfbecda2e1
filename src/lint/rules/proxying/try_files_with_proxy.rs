//! Upstreams that are asked only for what is here already.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::{Modifier, Site};
use crate::lint::{Mend, Profile, Rule, examples};

pub static RULE: Rule = Rule {
    id: "PX214",
    name: "try-files-with-proxy",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "try_files beside proxy_pass: only requests for files that exist reach the upstream",
    why: "try_files comes before the content: where a file is found, the location's own handler has the request, and \
          that is the upstream; where none is, the last argument has it. So the upstream is asked for what lies on the \
          disk, and an application's own paths, WebSockets among them, never reach it. It is right where programs lie \
          on the disk and the upstream runs them.",
    mend: Mend::None,
    examples: examples!("try-files-with-proxy"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for location in site.locations() {
        let (Some(files), Some(pass)) = (location.own_last("try_files"), location.pass()) else { continue };
        let is_for_programs = location.name().is_some_and(|name| {
            matches!(name.modifier, Modifier::Pattern { .. }) && name.name.contains_str("\\.")
        });
        let Some(last) = files.args.last().filter(|_| !is_for_programs) else { continue };
        let last = last.value.to_str_lossy();
        let rest = match last.strip_prefix('=') {
            Some(code) => format!("all others are answered with {code}"),
            None => format!("all others go to {last}"),
        };
        let message = format!(
            "try_files beside proxy_pass: only requests for existing files reach the upstream, {rest}"
        );
        let found_here =
            if last.starts_with('@') { "reached for existing files only" } else { "not for what is missing" };
        let url = pass.url.value.to_str_lossy();
        found.push(
            rule.finding(files.span, message)
                .also(pass.directive.span, found_here)
                .help(format!(
                    "to serve files here and pass the rest on: \"try_files $uri @app;\", with \"location @app {{ proxy_pass \
                     {url}; }}\" and the proxy settings in there"
                ))
                .help("to pass everything on, take try_files out"),
        );
    }
}
