//! Two names that run into one.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::edit;
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

use super::replaced::{Replaced, replaced};

pub static RULE: Rule = Rule {
    id: "PX202",
    name: "proxy-pass-slash-missing",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "the location ends in a slash and the URI of proxy_pass does not: names run into each other",
    why: "nginx cuts the location's name off the path, letter by letter, and puts the URI of proxy_pass there. With the \
          name goes the slash, so the rest of the path is glued to the URI, and the upstream sees a path that nobody \
          has. It does not matter where nobody asks for more than the name itself.",
    mend: Mend::Unsafe,
    examples: examples!("proxy-pass-slash-missing"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    // Behind "-" or "=" the rest is meant to be added.
    let glued = |one: &Replaced<'_>| {
        one.name.name.ends_with(b"/")
            && one.uri.last().is_some_and(u8::is_ascii_alphanumeric)
            && !one.ends_in_arguments()
    };
    for one in replaced(site).filter(glued) {
        let name = one.name.name.to_str_lossy();
        let message = format!(
            "\"{name}\" ends in \"/\", but the URI of proxy_pass does not: {name}users goes to the upstream as {}",
            one.becomes("users")
        );
        let mut finding = rule
            .finding(one.pass.url.span, message)
            .here("does not end in \"/\"")
            .also(one.name.span, "does")
            .help(format!(
                "end the URI in \"/\" as well: \"proxy_pass {}/;\"",
                one.pass.url.value.to_str_lossy()
            ));
        finding.fix = fix(&one);
        found.push(finding);
    }
}

fn fix(one: &Replaced<'_>) -> Option<Fix> {
    let url = one.pass.url;
    let longer = format!("{}/", url.value.to_str().ok()?);
    let edits = vec![edit::replace(url, &longer)];
    Some(Fix { title: "end the URI in \"/\"".to_owned(), safe: false, edits })
}
