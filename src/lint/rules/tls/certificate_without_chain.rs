//! certbot's file with the certificate alone.

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, edit, examples};

pub static RULE: Rule = Rule {
    id: "TLS408",
    name: "certificate-without-chain",
    severity: Severity::Warning,
    profile: Profile::Default,
    summary: "ssl_certificate is certbot's cert.pem, which lacks the intermediate certificate",
    why: "certbot writes the certificate alone to cert.pem, and with the intermediate that leads to a known root to \
          fullchain.pem. Browsers that have met the intermediate elsewhere do not mind; curl, phones and programs refuse \
          the connection.",
    mend: Mend::Safe,
    examples: examples!("certificate-without-chain"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (_, line) in site.all(&["ssl_certificate"]) {
        let Some(word) = line.args.first() else { continue };
        let Ok(path) = std::str::from_utf8(&word.value) else { continue };
        let Some(folder) =
            path.strip_suffix("/cert.pem").filter(|folder| folder.contains("letsencrypt/live/"))
        else {
            continue;
        };
        let whole = format!("{folder}/fullchain.pem");
        let edits = vec![edit::replace(word, &whole)];
        found.push(
            rule.finding(
                word.span,
                "cert.pem of certbot is the certificate without the intermediate that clients need",
            )
            .help(format!("\"ssl_certificate {whole};\""))
            .fix(Fix { title: "use the file with the chain".to_owned(), safe: true, edits }),
        );
    }
}
