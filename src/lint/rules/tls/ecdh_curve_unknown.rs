//! Groups for the key exchange that only new builds of OpenSSL know.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::{Directive, Word};

pub static RULE: Rule = Rule {
    id: "TLS405",
    name: "ecdh-curve-unknown",
    severity: Severity::Warning,
    profile: Profile::Compat,
    summary: "ssl_ecdh_curve names a group that OpenSSL knows since 3.5 only",
    why: "Which groups there are is a matter of the OpenSSL that nginx is linked with, not of nginx. One name in the list \
          that it does not know, and nginx does not start: \"SSL_CTX_set1_curves_list() failed\". Debian 12, Ubuntu 24.04 \
          and RHEL 9 come with older builds. It does not matter where the configuration is for machines with 3.5 and \
          newer only, which offer these groups by themselves.",
    mend: Mend::None,
    examples: examples!("ecdh-curve-unknown"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (_, line) in site.all(&["ssl_ecdh_curve", "ssl_conf_command"]) {
        let Some(list) = groups(line) else { continue };
        let of_today = |group: &&[u8]| group.to_ascii_uppercase().contains_str("MLKEM");
        let new: Vec<String> = list
            .value
            .split(|byte| matches!(byte, b':' | b'/'))
            .map(|group| group.trim_start_with(|c| matches!(c, '?' | '*' | '-')))
            .filter(of_today)
            .map(|group| group.to_str_lossy().into_owned())
            .collect();
        if new.is_empty() {
            continue;
        }
        let verb = if new.len() == 1 { "is" } else { "are" };
        let message =
            format!("{} {verb} unknown to OpenSSL before 3.5: nginx does not start there", new.join(", "));
        found.push(
            rule.finding(list.span, message)
                .help("\"ssl_ecdh_curve auto;\" takes what the OpenSSL at hand has, these groups included where it knows them"),
        );
    }
}

/// The list of groups that a line sets.
fn groups(line: &Directive) -> Option<&Word> {
    match &line.args[..] {
        [list] if line.is("ssl_ecdh_curve") => Some(list),
        [command, list] => {
            let is = |name: &str| command.value.eq_ignore_ascii_case(name.as_bytes());
            (line.is("ssl_conf_command") && (is("Groups") || is("Curves"))).then_some(list)
        }
        _ => None,
    }
}
