//! A scheme that clients speak of and proxies do not.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Fix, Severity};
use crate::lint::site::Site;
use crate::lint::{Mend, Profile, Rule, edit, examples};

pub static RULE: Rule = Rule {
    id: "WS127",
    name: "proxy-pass-ws-scheme",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "proxy_pass has the scheme ws or wss",
    why: "A WebSocket begins as an HTTP request, and that is what nginx sends on: over http:// to a ws:// \
          backend, over https:// to a wss:// one. nginx refuses the other schemes with no more than: invalid \
          URL prefix. With variables in the URL it starts, and answers 500.",
    mend: Mend::Safe,
    examples: examples!("proxy-pass-ws-scheme"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    for pass in site.passes() {
        let Some(scheme) = pass.scheme() else { continue };
        let instead = match scheme.to_ascii_lowercase().as_slice() {
            b"ws" => "http",
            b"wss" => "https",
            _ => continue,
        };
        let message = format!(
            "proxy_pass takes http:// or https://, not {}://; the upgrade happens over HTTP",
            scheme.as_bstr()
        );
        let url = format!("{instead}{}", pass.url.value[scheme.len()..].as_bstr());
        found.push(rule.finding(pass.url.span, message).help(format!("write \"proxy_pass {url};\"")).fix(
            Fix {
                title: format!("write {instead}:// in its place"),
                safe: true,
                edits: vec![edit::replace(pass.url, &url)],
            },
        ));
    }
}
