//! Upstreams that the client chooses.

use bstr::ByteSlice;

use crate::diagnostics::{Diagnostic, Severity};
use crate::directive::Context;
use crate::lint::site::{Block, Condition, Origin, Piece, Site, pieces};
use crate::lint::{Mend, Profile, Rule, examples};

use super::access;
use super::chosen::{Chosen, Part, parts};
use super::hosts::Defaults;

pub static RULE: Rule = Rule {
    id: "SEC303",
    name: "ssrf",
    severity: Severity::Error,
    profile: Profile::Default,
    summary: "the client chooses to which host requests are passed",
    why: "nginx sits inside of your network and goes where it is told: to the metadata service of the cloud, to \
          databases without passwords, to other people's servers in your name. A path that the client chooses is \
          what a proxy is for; a host is not, unless it is one of a list.",
    mend: Mend::None,
    examples: examples!("ssrf"),
    check,
};

const PASSES: [&str; 5] = ["proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass"];

fn check(rule: &Rule, site: &Site<'_>, found: &mut Vec<Diagnostic>) {
    let defaults = Defaults::of(site);
    for (block, directive) in site.all(&PASSES).filter(|(block, _)| Context::IN_HTTP.meets(block.context())) {
        let Some(url) = directive.args.first().filter(|url| url.value.contains(&b'$')) else { continue };
        if block.outwards().any(|level| level.has("internal")) {
            continue;
        }
        let is_default = block.server().is_some_and(|server| defaults.has(server));
        let ways = parts(block, directive, &url.value);
        let Some(culprit) = ways.iter().find_map(|parts| culprit(parts, is_default)) else { continue };
        if is_checked(block, &culprit) {
            continue;
        }
        let message =
            format!("the client chooses the host of {} ({})", directive.name.value, culprit.variable);
        let mut finding = rule.finding(url.span, message);
        if let Some(span) = culprit.pattern {
            finding = finding.also(span, format!("{} is taken from this", culprit.variable));
        }
        found.push(finding.help(
            "name the hosts that there are: a \"map\" from what the client sends to upstreams, with a default that \
             leads nowhere; or \"internal\" where only your own servers may ask for it",
        ));
    }
}

/// What the client chooses of the host, in one way that the address may come to.
fn culprit(parts: &[Part], is_default: bool) -> Option<Chosen> {
    let host = host(parts);
    let at =
        host.iter().position(|part| matches!(part, Part::Chosen(chosen) if chosen.matters(is_default)))?;
    let Part::Chosen(chosen) = &host[at] else { return None };
    let rest: Option<Vec<&[u8]>> = host[at + 1..].iter().map(Part::text).collect();
    // Whoever cannot leave a label of the name stays in that domain.
    let domain = rest.map(|rest| rest.concat()).filter(|rest| is_domain(rest));
    (chosen.leaves_label || domain.is_none()).then(|| chosen.clone())
}

/// The scheme and host of an address: what stands before the path.
fn host(parts: &[Part]) -> Vec<Part> {
    let mut host = Vec::new();
    let mut has_scheme = false;
    for part in parts {
        match part {
            Part::Path => break,
            Part::Text(text) => {
                let mut text = &text[..];
                if !has_scheme && let Some(at) = text.find("://") {
                    has_scheme = true;
                    // What is chosen of the scheme matters where it may be all of an address.
                    host.retain(|part| matches!(part, Part::Chosen(chosen) if chosen.leaves_label));
                    text = &text[at + 3..];
                }
                match text.find_byteset(b"/?#") {
                    Some(end) => {
                        host.push(Part::Text(text[..end].to_vec()));
                        break;
                    }
                    None => host.push(Part::Text(text.to_vec())),
                }
            }
            other => host.push(other.clone()),
        }
    }
    host
}

/// Whether a host's end is a domain's: `.example.com`, `-api.internal`.
fn is_domain(rest: &[u8]) -> bool {
    let name = rest.split(|byte| *byte == b':').next().unwrap_or(rest);
    name.find_byte(b'.').is_some_and(|dot| name[dot + 1..].iter().any(u8::is_ascii_alphabetic))
}

/// Whether an `if` around turns those away who choose what they may not: it looks at one of the variables, or at a
/// signature of the link.
fn is_checked(block: Block<'_>, culprit: &Chosen) -> bool {
    let ifs = Context::IF_SERVER.or(Context::IF_LOCATION);
    let looks = |condition: Condition<'_>| {
        pieces(condition.subject).into_iter().any(|piece| match piece {
            Piece::Variable(name) => {
                let name = name.to_ascii_lowercase();
                let through = |name: &[u8]| culprit.through.iter().any(|known| known.as_slice() == name);
                name.starts_with(b"secure_link")
                    || through(&name)
                    || block.site.origins_in(block, &name).into_iter().any(|origin| {
                        match origin {
                    Origin::Map { input, .. } => pieces(&input.value).into_iter().any(|piece| {
                        matches!(piece, Piece::Variable(name) if through(&name.to_ascii_lowercase()))
                    }),
                    _ => false,
                }
                    })
            }
            _ => false,
        })
    };
    block.outwards().any(|level| {
        let here = Context::IF_LOCATION.or(Context::IF_SERVER).meets(level.context());
        let asked = here && level.condition().is_some_and(looks);
        asked
            || level.children().any(|child| {
                ifs.meets(child.context()) && access::refuses(child) && child.condition().is_some_and(looks)
            })
    })
}
