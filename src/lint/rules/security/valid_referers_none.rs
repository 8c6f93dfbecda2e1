//! A check of Referer that is passed by sending none.

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

pub static RULE: Rule = Rule {
    id: "SEC309",
    name: "valid-referers-none",
    severity: Severity::Warning,
    profile: Profile::Security,
    summary: "requests without a Referer pass valid_referers",
    why: "With \"none\" a request without Referer counts as one from your own pages, and any page can have it left out \
          (Referrer-Policy: no-referrer). So it keeps nobody out who wants in. Against pictures that others embed \
          without thinking it may be enough, and people whose browser sends no Referer are let in.",
    mend: Mend::None,
    examples: examples!("valid-referers-none"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (_, directive) in site.all(&["valid_referers"]) {
        let Some(none) = directive.args.iter().find(|word| word.value == "none") else { continue };
        let message =
            "\"valid_referers none\" lets requests without Referer through, which any page can have sent";
        found.push(rule.finding(none.span, message).help(
            "take \"none\" away where this is to protect something; a token or a cookie protects better",
        ));
    }
}
