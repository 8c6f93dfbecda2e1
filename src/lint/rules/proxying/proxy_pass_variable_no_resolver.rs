//! Names that nobody can resolve.

use std::collections::HashSet;

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{ANYTHING, Pass, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, examples};

use super::destination::{Destination, Peer, host_and_port};

pub static RULE: Rule = Rule {
    id: "PX204",
    name: "proxy-pass-variable-no-resolver",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "a name in a proxy_pass with variables, and no resolver: every request fails with 502",
    why: "With a variable anywhere in proxy_pass nginx resolves the host at each request, by the servers of \"resolver\" \
          alone: neither /etc/resolv.conf nor /etc/hosts counts. nginx -t has nothing to say about it. Addresses and \
          names of upstream blocks need no resolver, nor do names that another line passes to without variables.",
    mend: Mend::None,
    examples: examples!("proxy-pass-variable-no-resolver"),
    check,
};

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    if !site.sees(Context::HTTP) {
        return;
    }
    let known = Known::of(site);
    for pass in site.passes().filter(|pass| pass.has_variables() && pass.block.is_known()) {
        if pass.block.level("resolver").is_some() {
            continue;
        }
        let Some(host) = Destination::all(&pass).into_iter().find(|one| known.fails(site, &pass, one)) else {
            continue;
        };
        found.push(finding(rule, &pass, &host));
    }
}

fn finding(rule: &Rule, pass: &Pass<'_>, host: &Destination) -> Diagnostic {
    let name = host.host.to_str_lossy().replace(ANYTHING as char, "…");
    let message = match host.host == [ANYTHING] {
        true => "proxy_pass takes its host from a variable, but no resolver is in scope: whatever is no IP address is \
                 answered with 502 \"no resolver defined\""
            .to_owned(),
        false => format!(
            "proxy_pass has a variable and the host {name}, but no resolver is in scope: requests fail with 502 \"no \
             resolver defined to resolve {name}\""
        ),
    };
    let help = "say who resolves names: \"resolver 127.0.0.53;\" (the address in /etc/resolv.conf; 127.0.0.11 in Docker) \
                in the server or in http";
    let finding = rule.finding(pass.url.span, message).help(help);
    let uri = pass.uri().unwrap_or_default();
    let host_is_plain = !pass.authority().contains(&b'$') && pass.scheme().is_some();
    match host_is_plain && uri == b"$request_uri" {
        true => finding.help(format!(
            "or leave $request_uri out, then the name is resolved at start: \"proxy_pass {};\" passes the path on as it \
             came",
            pass.url.value.to_str_lossy().trim_end_matches("$request_uri")
        )),
        false if host_is_plain => {
            finding.help(format!("or name an upstream block: \"upstream backend {{ server {}; }}\"", host.shown()))
        }
        false => finding,
    }
}

/// Names that nginx needs no resolver for.
struct Known<'a> {
    groups: Vec<&'a [u8]>,
    /// Host and port of what is passed to without variables: resolved at start, and known by name from then on.
    resolved: HashSet<(Vec<u8>, Vec<u8>)>,
}

impl<'a> Known<'a> {
    fn of(site: &'a Site<'a>) -> Known<'a> {
        let group = site
            .within(Context::UPSTREAM)
            .filter_map(|block| Some(&block.directive()?.args.first()?.value[..]));
        let fixed = site.passes().filter(|pass| !pass.has_variables());
        let mut resolved: HashSet<_> =
            fixed.flat_map(|pass| Destination::all(&pass)).map(|one| key(&one)).collect();
        for (_, line) in site.all(&["fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass"])
        {
            let Some(word) = line.args.first().filter(|word| !word.value.contains(&b'$')) else { continue };
            let from = word.value.find("://").map_or(0, |at| at + 3);
            if let (host, Some(port)) = host_and_port(&word.value[from..]) {
                resolved.insert((host.to_ascii_lowercase(), port.to_vec()));
            }
        }
        Known { groups: group.collect(), resolved }
    }

    /// Whether nginx would have to resolve a host that is sure to be a name.
    fn fails(&self, site: &Site<'_>, pass: &Pass<'_>, one: &Destination) -> bool {
        if !matches!(one.peer(site), Peer::Localhost | Peer::Name) || one.host.is_empty() {
            return false;
        }
        if one.is_known() {
            return !self.resolved.contains(&key(one));
        }
        let may_be = |known: &[u8]| fits(&one.host.to_ascii_lowercase(), &known.to_ascii_lowercase());
        let mut all = self.groups.iter().copied().chain(self.resolved.iter().map(|(host, _)| &host[..]));
        let is_name = has_letters(one) || is_the_clients(pass);
        is_name && !all.any(may_be)
    }
}

fn key(one: &Destination) -> (Vec<u8>, Vec<u8>) {
    let usual = if one.scheme == "https" { "443" } else { "80" };
    let port = one.port.as_deref().map_or(usual.as_bytes(), |port| port);
    (one.host.to_ascii_lowercase(), port.to_vec())
}

/// Whether what is known of a host makes a name of it: its last label has a letter.
fn has_letters(one: &Destination) -> bool {
    let label = one.host.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    !label.contains(&ANYTHING) && label.iter().any(u8::is_ascii_alphabetic)
}

/// Whether the host is the name that clients ask for.
fn is_the_clients(pass: &Pass<'_>) -> bool {
    let names: [&[u8]; 3] = [b"host", b"http_host", b"ssl_server_name"];
    let authority = pieces(pass.authority());
    pass.url.value.contains_str("://")
        && matches!(authority.first(), Some(Piece::Variable(name)) if names.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// Whether a text fits an outline.
fn fits(outline: &[u8], text: &[u8]) -> bool {
    let Some(at) = outline.find_byte(ANYTHING) else { return outline == text };
    let (start, rest) = (&outline[..at], &outline[at + 1..]);
    text.strip_prefix(start).is_some_and(|tail| (0..=tail.len()).any(|skipped| fits(rest, &tail[skipped..])))
}
