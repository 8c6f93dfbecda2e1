//! Where `fastcgi_pass`, `grpc_pass`, `memcached_pass`, `scgi_pass`, `tunnel_pass` and `uwsgi_pass`
//! lead, and the addresses that connections are bound to.

use std::collections::HashSet;

use crate::diagnostics::Diagnostic;
use crate::directive::Context;
use crate::syntax::{Directive, NodeId, Word};

use super::address::{self, Target};
use super::{Build, Call, Check, Whole, span_of, text};

pub const CHECKS: &[Check] = &[
    Check { name: "fastcgi_bind", contexts: HTTP, check: bind },
    Check { name: "fastcgi_pass", contexts: HTTP, check: pass },
    Check { name: "fastcgi_split_path_info", contexts: HTTP, check: split_path_info },
    Check { name: "grpc_bind", contexts: HTTP, check: bind },
    Check { name: "grpc_pass", contexts: HTTP, check: pass },
    Check { name: "memcached_bind", contexts: HTTP, check: bind },
    Check { name: "memcached_pass", contexts: HTTP, check: pass },
    Check { name: "proxy_bind", contexts: HTTP.or(Context::IN_STREAM), check: bind },
    Check { name: "scgi_bind", contexts: HTTP, check: bind },
    Check { name: "scgi_pass", contexts: HTTP, check: pass },
    Check { name: "uwsgi_bind", contexts: HTTP, check: bind },
    Check { name: "uwsgi_pass", contexts: HTTP, check: pass },
];

const HTTP: Context = Context::IN_HTTP;

/// The passes whose target needs a port or an `upstream` block.
const PASSES: [&str; 5] = ["fastcgi_pass", "grpc_pass", "memcached_pass", "scgi_pass", "uwsgi_pass"];

/// A target without the scheme that may stand before it.
fn authority<'a>(name: &str, word: &'a [u8]) -> &'a [u8] {
    let schemes: &[&[u8]] = match name {
        "grpc_pass" => &[b"grpc://", b"grpcs://"],
        "uwsgi_pass" => &[b"uwsgi://", b"suwsgi://"],
        "scgi_pass" => &[b"scgi://"],
        _ => &[],
    };
    let starts =
        |scheme: &&&[u8]| word.len() >= scheme.len() && word[..scheme.len()].eq_ignore_ascii_case(scheme);
    schemes.iter().find(starts).map_or(word, |scheme| &word[scheme.len()..])
}

fn pass(call: &mut Call) {
    let word = call.arg(0);
    if call.directive.is("memcached_pass") {
        // The key is a variable that the configuration has to set.
        let span = call.span(0);
        call.template_of(b"$memcached_key", span, 0);
    } else if word.contains(&b'$') {
        return;
    }
    if let Err(why) = address::parse(authority(&call.name(), word), false) {
        let message = format!("{why} in upstream \"{}\"", text(authority(&call.name(), word)));
        call.error(0, "invalid-address", message);
    }
}

fn bind(call: &mut Call) {
    let word = call.arg(0);
    if word == b"off" && call.args().len() == 1 || word.contains(&b'$') {
        return;
    }
    let known = match address::parse(word, false) {
        Ok(Target::Unix(_)) => false,
        Ok(target) => !target.is_name(),
        Err(_) => std::str::from_utf8(word).is_ok_and(|word| word.parse::<std::net::Ipv6Addr>().is_ok()),
    };
    if !known {
        let message = format!("invalid address \"{}\"", text(word));
        call.error(0, "invalid-address", message);
    }
}

fn split_path_info(call: &mut Call) {
    if captures(call.arg(0)) != 2 {
        let message = format!("pattern \"{}\" must have 2 captures", call.text(0));
        call.error(0, "invalid-regex", message);
    }
}

/// How many groups of a regular expression capture.
fn captures(pattern: &[u8]) -> usize {
    let (mut count, mut at, mut in_class) = (0, 0, false);
    while at < pattern.len() {
        match pattern[at] {
            b'\\' => at += 1,
            b'[' => in_class = true,
            b']' => in_class = false,
            b'(' if !in_class => {
                let rest = &pattern[at + 1..];
                let named = [&b"?<"[..], b"?P<", b"?'"].iter().any(|start| rest.starts_with(start));
                let looks_behind = rest.starts_with(b"?<=") || rest.starts_with(b"?<!");
                count +=
                    usize::from(!rest.starts_with(b"?") && !rest.starts_with(b"*") || named && !looks_behind);
            }
            _ => {}
        }
        at += 1;
    }
    count
}

/// Targets without a port that no `upstream` block is named for, and ports where one is.
pub fn afterwards(whole: &Whole, build: &mut Build) {
    let mut groups: HashSet<Vec<u8>> = HashSet::new();
    for block in whole.within(Context::HTTP) {
        let upstreams = whole.tree.items(block).filter(|directive| directive.is("upstream"));
        groups.extend(upstreams.filter_map(|group| Some(group.args.first()?.value.to_ascii_lowercase())));
    }
    for block in whole.within(Context::UPSTREAM.or(Context::STREAM_UPSTREAM)) {
        methods(whole, block, build);
        run_time(whole, block, build);
    }
    for block in whole.within(HTTP) {
        for directive in whole.tree.items(block) {
            if PASSES.iter().any(|name| directive.is(name)) {
                target(directive, &groups, build);
            }
        }
    }
}

/// Servers whose names are to be resolved while requests come need a zone and a resolver.
fn run_time(whole: &Whole, group: Option<NodeId>, build: &mut Build) {
    let Some(block) = group.filter(|_| !build.options.fragment) else { return };
    let name = whole.tree.get(block).args.first().map_or_else(String::new, |word| word.value.to_string());
    let servers = whole.tree.items(group).filter(|line| line.is("server"));
    let named = servers.filter(|server| {
        let host = server.args.first().map(|word| address::parse(&word.value, false));
        matches!(host, Some(Ok(target)) if target.is_name())
    });
    let word = named.flat_map(|server| &server.args).find(|word| word.value == "resolve");
    let Some(word) = word else { return };
    let lacking = match (whole.own(group, "zone"), whole.in_effect(group, "resolver")) {
        (None, _) => {
            format!("resolving names at run time requires upstream \"{name}\" to be in shared memory")
        }
        (_, None) => format!("no resolver defined to resolve names at run time in upstream \"{name}\""),
        _ => return,
    };
    build.diagnostics.push(Diagnostic::error("missing-parameter", word.span, lacking));
}

/// What the balancing method before a `server` cannot do with it. Where a server starts slowly the method may stand
/// behind it, too: a hash would never ask how much of a weight holds.
fn methods(whole: &Whole, group: Option<NodeId>, build: &mut Build) {
    let is_method = |line: &&Directive| ["hash", "ip_hash", "random"].iter().any(|name| line.is(name));
    let mut before: Option<&Directive> = None;
    let last = whole.tree.items(group).filter(is_method).last();
    for directive in whole.tree.items(group) {
        before = Some(directive).filter(is_method).or(before);
        if !directive.is("server") {
            continue;
        }
        for word in directive.args.iter().skip(1) {
            let method = match &word.value[..] {
                b"backup" => before,
                slow if slow.starts_with(b"slow_start=") => last,
                _ => None,
            };
            let Some(method) = method else { continue };
            let message = format!("balancing method does not support parameter \"{}\"", word.value);
            let finding = Diagnostic::error("invalid-parameter", word.span, message);
            build.diagnostics.push(finding.also(method.name.span, "the method"));
        }
    }
}

fn target(directive: &Directive, groups: &HashSet<Vec<u8>>, build: &mut Build) {
    let computed = |word: &&Word| word.value.contains(&b'$') && !directive.is("memcached_pass");
    let Some(word) = directive.args.first().filter(|word| !computed(word)) else { return };
    let name = directive.name.value.to_string();
    let Ok(Target::Host { host, port }) = address::parse(authority(&name, &word.value), false) else {
        return;
    };
    let is_group = groups.contains(&host.to_ascii_lowercase());
    let span = span_of(directive, 0);
    let shown = text(host);
    let finding = match port {
        Some(port) if is_group => {
            Diagnostic::error("upstream-port", span, format!("upstream \"{shown}\" may not have port {port}"))
                .help("the ports are those of the servers in the group")
        }
        None if !is_group && !build.options.fragment => {
            Diagnostic::error("missing-port", span, format!("no port in upstream \"{shown}\""))
                .here("neither an address with a port nor the name of an \"upstream\" block")
        }
        Some(_) | None => return,
    };
    build.diagnostics.push(finding);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_counted() {
        assert_eq!(captures(br"^(.+\.php)(/.+)$"), 2);
        assert_eq!(captures(br"^(?:.+)(?<path>/.+)(?=x)(?<!y)$"), 1);
        assert_eq!(captures(br"\([(](.)"), 1);
    }

    #[test]
    fn schemes_are_taken_off() {
        assert_eq!(authority("grpc_pass", b"GRPCS://a:1"), b"a:1");
        assert_eq!(authority("fastcgi_pass", b"a:1"), b"a:1");
    }
}
