//! Versions of TLS that nobody should speak any more.

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::syntax::{Directive, Word};

pub static RULE: Rule = Rule {
    id: "TLS401",
    name: "tls-old-protocols",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "ssl_protocols offers versions of TLS that are obsolete",
    why: "RFC 8996 took TLS 1.0 and 1.1 out of use: their hashes and ciphers are broken, and browsers have not spoken them \
          since 2020. A server that still offers them lets an attacker talk a client down to them. It is another matter \
          only where devices have to connect that know nothing newer.",
    mend: Mend::Safe,
    examples: examples!("tls-old-protocols"),
    check,
};

/// Each with the RFC that forbids it.
const OLD: [(&str, &str); 4] =
    [("SSLv2", "RFC 6176"), ("SSLv3", "RFC 7568"), ("TLSv1", "RFC 8996"), ("TLSv1.1", "RFC 8996")];
const GOOD: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (_, line) in site.all(&["ssl_protocols"]) {
        let old: Vec<(usize, &str, &str)> = line
            .args
            .iter()
            .enumerate()
            .filter_map(|(at, word)| {
                OLD.iter().find(|(name, _)| is(word, name)).map(|(name, rfc)| (at, *name, *rfc))
            })
            .collect();
        let Some(((at, _, rfc), more)) = old.split_first() else { continue };
        let names: Vec<&str> = old.iter().map(|(_, name, _)| *name).collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        let message = format!("{} {verb} obsolete ({rfc})", names.join(", "));
        let finding = rule.finding(line.args[*at].span, message).fix(fix(site, line, &old));
        let finding = more.iter().fold(finding, |finding, (at, _, rfc)| {
            finding.also(line.args[*at].span, format!("and this ({rfc})"))
        });
        found.push(finding.help("\"ssl_protocols TLSv1.2 TLSv1.3;\" is what clients of today speak"));
    }
}

fn is(word: &Word, name: &str) -> bool {
    word.value.eq_ignore_ascii_case(name.as_bytes())
}

/// Takes the old ones out, or puts the good ones in their place where none would be left.
fn fix(site: &Site<'_>, line: &Directive, old: &[(usize, &str, &str)]) -> Fix {
    let is_good = |word: &Word| GOOD.iter().any(|name| is(word, name));
    if line.args.iter().any(is_good) {
        let edits = old.iter().map(|(at, ..)| edit::remove_argument(site.tree, line, *at)).collect();
        return Fix { title: "take them out of the list".to_owned(), safe: true, edits };
    }
    let mut edits: Vec<Edit> =
        (1..line.args.len()).map(|at| edit::remove_argument(site.tree, line, at)).collect();
    edits.extend(line.args.first().map(|first| Edit { span: first.span, text: GOOD.join(" ") }));
    Fix { title: format!("offer {}", GOOD.join(" and ")), safe: false, edits }
}
