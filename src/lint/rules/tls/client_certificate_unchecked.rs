//! Client certificates that are asked for, and whose check nobody looks at.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, examples};
use crate::syntax::Directive;

pub static RULE: Rule = Rule {
    id: "TLS407",
    name: "client-certificate-unchecked",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "ssl_verify_client is optional and nothing looks at what came of it",
    why: "With \"optional\" nginx lets in who has no certificate, and with \"optional_no_ca\" who has one that anybody \
          signed. What came of the check is in $ssl_client_verify, which a line of the configuration or the server behind \
          it has to look at. Where nothing does, the door is open.",
    mend: Mend::None,
    examples: examples!("client-certificate-unchecked"),
    check,
};

/// Languages in which requests may be looked at.
const PROGRAMS: [&str; 3] = ["lua", "js_", "perl"];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let asks = |line: &&Directive| {
        line.args.first().is_some_and(|value| value.value == "optional" || value.value == "optional_no_ca")
    };
    let all: Vec<_> = site
        .all(&["ssl_verify_client"])
        .filter(|(block, line)| asks(line) && block.is_known() && Context::IN_HTTP.meets(block.context()))
        .map(|(_, line)| line)
        .collect();
    if all.is_empty() || !site.sees(Context::HTTP) || is_looked_at(site) {
        return;
    }
    for line in all {
        let value = line.args[0].value.as_bstr();
        let whom = match value == "optional" {
            true => "who has no certificate is let in",
            false => "any certificate will do, and so will none",
        };
        let message =
            format!("\"ssl_verify_client {value}\" and nothing looks at $ssl_client_verify: {whom}");
        found.push(rule.finding(line.head(), message).help(
            "\"ssl_verify_client on;\", or where some may come without: \"if ($ssl_client_verify != SUCCESS) { return 403; }\"",
        ));
    }
}

/// Whether anything but a log may know who the client is.
fn is_looked_at(site: &Site<'_>) -> bool {
    let unseen = site.blocks().any(|block| !block.is_known());
    let looks = |line: &&Directive| {
        PROGRAMS.iter().any(|language| line.name.value.contains_str(language))
            || !line.is("log_format")
                && line.args.iter().any(|word| word.value.to_ascii_lowercase().contains_str("ssl_client_"))
    };
    // The rows of maps stand in no block of a site.
    let inner = |line: &&Directive| line.is("map") && site.tree.items(Some(line.id)).any(|row| looks(&row));
    unseen || site.blocks().any(|block| block.items().iter().any(|line| looks(line) || inner(line)))
}
