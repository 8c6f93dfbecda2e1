//! What nginx takes and warns of: old spellings, lines that undo or repeat one another.

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::source::Span;
use crate::syntax::Directive;

use super::{Build, Whole, span_of};

/// Directives that nginx ignores, and what takes their place, if anything does.
const OBSOLETE: &[(&str, Option<&str>)] = &[
    ("http2_idle_timeout", Some("keepalive_timeout")),
    ("http2_max_concurrent_pushes", None),
    ("http2_max_field_size", Some("large_client_header_buffers")),
    ("http2_max_header_size", Some("large_client_header_buffers")),
    ("http2_max_requests", Some("keepalive_requests")),
    ("http2_push", None),
    ("http2_push_preload", None),
    ("http2_recv_timeout", Some("client_header_timeout")),
];

/// Directives that nginx still takes under their old names.
const DEPRECATED: &[(&str, &str)] =
    &[("proxy_downstream_buffer", "proxy_buffer_size"), ("proxy_upstream_buffer", "proxy_buffer_size")];

/// The ways to choose a server of a group, of which the last one counts.
const METHODS: [&str; 5] = ["hash", "ip_hash", "least_conn", "least_time", "random"];

pub fn afterwards(whole: &Whole, build: &mut Build) {
    let mut found = Vec::new();
    for block in whole.within(Context::ANY) {
        found.extend(whole.tree.items(block).filter_map(old));
    }
    for server in whole.within(Context::SERVER) {
        found.extend(whole.tree.items(server).filter_map(listen_http2));
    }
    for group in whole.within(Context::UPSTREAM.or(Context::STREAM_UPSTREAM)) {
        let is_method = |line: &&Directive| METHODS.iter().any(|name| line.is(name));
        // What is sticky builds upon the method before it.
        let mut choosing = whole.tree.items(group).filter(|line| is_method(line) || line.is("sticky"));
        let Some(first) = choosing.next() else { continue };
        found.extend(choosing.filter(is_method).map(|again| {
            Diagnostic::warning("redefined", again.name.span, "load balancing method redefined")
                .also(first.name.span, "which was to be this one")
        }));
    }
    for block in whole.within(Context::IN_HTTP) {
        found.extend(["fastcgi", "scgi", "uwsgi"].iter().filter_map(|module| {
            let cache = whole.own(block, &format!("{module}_cache"))?;
            let off = cache.args.first().is_none_or(|word| word.value == "off");
            let key = whole.in_effect(block, &format!("{module}_cache_key"));
            if off || key.is_some() || build.options.fragment {
                return None;
            }
            let message = format!("no \"{module}_cache_key\" for \"{module}_cache\"");
            Some(
                Diagnostic::warning("missing-cache-key", cache.name.span, message)
                    .here("everything has the same key"),
            )
        }));
    }
    found.extend(affinity(whole));
    build.diagnostics.extend(found);
}

fn old(line: &Directive) -> Option<Diagnostic> {
    let warning = |message: String| Some(Diagnostic::warning("deprecated", line.name.span, message));
    if let Some((name, instead)) = OBSOLETE.iter().find(|(name, _)| line.is(name)) {
        return warning(match instead {
            Some(instead) => {
                format!("the \"{name}\" directive is obsolete, use the \"{instead}\" directive instead")
            }
            None => format!("the \"{name}\" directive is obsolete, ignored"),
        });
    }
    let (name, instead) = DEPRECATED.iter().find(|(name, _)| line.is(name))?;
    warning(format!("the \"{name}\" directive is deprecated, use the \"{instead}\" directive instead"))
}

fn listen_http2(line: &Directive) -> Option<Diagnostic> {
    let word = line.args.iter().skip(1).find(|word| word.value == "http2").filter(|_| line.is("listen"))?;
    let message = "the \"listen ... http2\" directive is deprecated, use the \"http2\" directive instead";
    Some(
        Diagnostic::warning("deprecated", word.span, message)
            .help("since 1.25.1: \"http2 on;\" in the server"),
    )
}

fn affinity(whole: &Whole) -> Option<Diagnostic> {
    let line = whole.within(Context::MAIN).find_map(|main| whole.own(main, "worker_cpu_affinity"))?;
    let masks = line.args.len() as u64;
    let processes = whole.in_effect(None, "worker_processes");
    let processes: Option<(u64, Option<Span>)> = match processes {
        None => Some((1, None)),
        Some(line) => {
            values::number(&line.args.first()?.value).map(|number| (number, Some(span_of(line, 0))))
        }
    };
    let (processes, place) = processes.filter(|(processes, _)| masks > 1 && *processes != masks)?;
    if line.args.first()?.value == "auto" {
        return None;
    }
    let message = "the number of \"worker_processes\" is not equal to the number of \"worker_cpu_affinity\" masks, \
                   using last mask for remaining worker processes";
    let finding = Diagnostic::warning("mask-count", line.name.span, message);
    let finding = finding.here(format!("{masks} masks for {processes}"));
    Some(match place {
        Some(place) => finding.also(place, "here"),
        None => finding,
    })
}
