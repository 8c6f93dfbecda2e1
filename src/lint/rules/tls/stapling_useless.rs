//! Stapling where there is nothing to staple.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Site};
use crate::lint::{Mend, Profile, Rule, edit, examples};
use crate::source::Span;

pub static RULE: Rule = Rule {
    id: "TLS404",
    name: "stapling-useless",
    severity: Severity::Info,
    profile: Profile::Default,
    summary: "ssl_stapling is on where no answer can be had, or none that lasts",
    why: "With ssl_stapling nginx asks the certificate's authority whether it still holds and hands the answer to clients. \
          Let's Encrypt ended that service in August 2025 and names no responder in its certificates any more, so that \
          nginx only warns. Without a resolver nginx keeps to the addresses that the responder had when it started, and \
          says so in its log each time.",
    mend: Mend::Safe,
    examples: examples!("stapling-useless"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for (block, line) in site.all(&["ssl_stapling"]) {
        if !block.is_on("ssl_stapling", false)
            || block.own_last("ssl_stapling").map(|last| last.id) != Some(line.id)
        {
            continue;
        }
        let stapled: Vec<Block<'_>> = std::iter::once(block)
            .chain(block.descendants())
            .filter(|one| Context::SERVER.or(Context::STREAM_SERVER).meets(one.context()))
            .filter(|one| one.level("ssl_stapling") == Some(block))
            .filter(|one| !one.all_in_effect("ssl_certificate").is_empty() && one.is_known())
            .collect();
        let asks = |one: &Block<'_>| {
            ["ssl_stapling_file", "ssl_stapling_responder"].iter().all(|name| one.in_effect(name).is_none())
        };
        if stapled.is_empty() || !stapled.iter().all(asks) {
            continue;
        }
        if let Some(certificate) = of_lets_encrypt(&stapled) {
            let edits = ["ssl_stapling", "ssl_stapling_verify"]
                .iter()
                .filter_map(|name| block.own_last(name))
                .map(|line| edit::remove(site.tree, line))
                .collect();
            let message = "ssl_stapling is on for certificates of Let's Encrypt, which answers no OCSP requests since August 2025";
            found.push(rule.finding(line.head(), message).also(certificate, "the certificate").fix(Fix {
                title: "take the line out".to_owned(),
                safe: true,
                edits,
            }));
        } else if site.sees(Context::HTTP) && stapled.iter().all(|one| one.in_effect("resolver").is_none()) {
            let message = "ssl_stapling is on without a resolver: nginx asks the addresses that the OCSP responder had at start";
            found.push(
                rule.finding(line.head(), message)
                    .help("\"resolver 127.0.0.53;\", or that of your network, beside it"),
            );
        }
    }
}

/// One of the certificates, if all of them lie where certbot puts those of Let's Encrypt.
fn of_lets_encrypt(stapled: &[Block<'_>]) -> Option<Span> {
    let mut certificates =
        stapled.iter().flat_map(|server| server.all_in_effect("ssl_certificate")).peekable();
    let first = certificates.peek()?.head();
    let is = |path: &[u8]| path.to_ascii_lowercase().contains_str("letsencrypt/");
    certificates.all(|line| line.args.first().is_some_and(|path| is(&path.value))).then_some(first)
}
