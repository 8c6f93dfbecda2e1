//! Paths that are not passed on letter by letter.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

use super::replaced::replaced;

pub static RULE: Rule = Rule {
    id: "PX203",
    name: "proxy-pass-normalized",
    severity: Severity::Info,
    profile: Profile::Pedantic,
    summary: "a URI in proxy_pass has nginx decode the path and encode it anew",
    why: "To put the URI in the place of the location's name nginx takes the path it has decoded: %2F is a slash by \
          then, two slashes are one, and dots are resolved. Identifiers with an encoded slash in them (packages, \
          objects, branches) no longer arrive whole. It does not matter to an application that has none.",
    mend: Mend::None,
    examples: examples!("proxy-pass-normalized"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for one in replaced(site).filter(|one| !one.ends_in_arguments()) {
        let name = one.name.name.to_str_lossy();
        let slash = if name.ends_with('/') { "" } else { "/" };
        let message = format!(
            "the URI in proxy_pass has nginx decode the path and encode it anew: {name}{slash}a%2Fb goes to the \
             upstream as {}",
            one.becomes(&format!("{slash}a/b"))
        );
        let url = one.pass.url.value.to_str_lossy();
        let bare = &url[..url.len() - one.uri.len()];
        let help = match one.uri == one.name.name {
            true => format!("the path stays the same: \"proxy_pass {bare};\" passes it on as it came"),
            false => format!("\"proxy_pass {bare};\" passes paths on as they came, with the location's name"),
        };
        found.push(rule.finding(one.pass.url.span, message).help(help));
    }
}
