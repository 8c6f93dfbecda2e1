//! Directives that the nginx in question does not have yet.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::catalogue::{self, Edition};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, Version, examples};

pub static RULE: Rule = Rule {
    id: "CMP703",
    name: "directive-too-new",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "a directive is newer than the nginx that the configuration is for",
    why: "nginx does not start with a directive that it does not know: unknown directive. Which version is meant is said \
          with --nginx-version; without it the newest is, which has all of them.",
    mend: Mend::None,
    examples: examples!("directive-too-new"),
    check,
};

/// Directives that distributions put into old versions to mend a hole (CVE-2026-49975): Debian's 1.22.1 has them.
const PUT_INTO_OLD_ONES: [&str; 1] = ["max_headers"];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    if site.target >= Version::NEWEST {
        return;
    }
    for block in site.blocks() {
        for line in block.items() {
            let row = catalogue::in_context(&line.name.value, block.context());
            let row = row.filter(|row| row.edition == Edition::Open && !line.from_comment);
            let row = row.filter(|row| !PUT_INTO_OLD_ONES.contains(&row.name));
            let since = row.and_then(|row| row.since.parse::<Version>().ok());
            if let Some(since) = since.filter(|since| site.target < *since) {
                let name = line.name.value.as_bstr();
                let message =
                    format!("nginx {} does not know \"{name}\", which came with {since}", site.target);
                found.push(rule.finding(line.name.span, message).here(format!("since {since}")));
            }
        }
    }
}
