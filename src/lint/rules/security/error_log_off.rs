//! An error log that is called "off".

use crate::diagnostics::{Diagnostic, Edit, Fix, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};

pub static RULE: Rule = Rule {
    id: "SEC315",
    name: "error-log-off",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "error_log off writes to a file named \"off\"",
    why: "Unlike access_log, error_log knows no \"off\": it is taken for the name of a file in nginx's directory. The \
          file grows, and nobody rotates or reads it.",
    mend: Mend::Safe,
    examples: examples!("error-log-off"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (_, directive) in site.all(&["error_log"]) {
        let Some(file) = directive.args.first().filter(|word| word.value == "off") else { continue };
        let message = "\"error_log off\" does not turn the log off: it writes to a file named \"off\"";
        let span = file.span.to(directive.args.last().map_or(file.span, |last| last.span));
        let edits = vec![Edit { span, text: "/dev/null emerg".to_owned() }];
        found.push(
            rule.finding(directive.head(), message)
                .help("to hear of nothing: \"error_log /dev/null emerg;\"")
                .fix(Fix { title: "write to /dev/null".to_owned(), safe: true, edits }),
        );
    }
}
