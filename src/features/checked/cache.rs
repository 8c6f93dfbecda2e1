//! `*_cache`, `*_cache_path`, `*_cache_valid` and `*_store` of the modules that keep answers.

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::features::zones::Zone;
use crate::source::Span;
use crate::syntax::Directive;

use super::{Build, Call, Check, PAGE, Whole, span_of, text};

pub const CHECKS: &[Check] = &[
    Check { name: "fastcgi_cache", contexts: HTTP, check: cache },
    Check { name: "fastcgi_cache_path", contexts: HTTP, check: path },
    Check { name: "fastcgi_cache_valid", contexts: HTTP, check: valid },
    Check { name: "fastcgi_store", contexts: HTTP, check: store },
    Check { name: "proxy_cache", contexts: HTTP, check: cache },
    Check { name: "proxy_cache_path", contexts: HTTP, check: path },
    Check { name: "proxy_cache_valid", contexts: HTTP, check: valid },
    Check { name: "proxy_store", contexts: HTTP, check: store },
    Check { name: "scgi_cache", contexts: HTTP, check: cache },
    Check { name: "scgi_cache_path", contexts: HTTP, check: path },
    Check { name: "scgi_cache_valid", contexts: HTTP, check: valid },
    Check { name: "scgi_store", contexts: HTTP, check: store },
    Check { name: "uwsgi_cache", contexts: HTTP, check: cache },
    Check { name: "uwsgi_cache_path", contexts: HTTP, check: path },
    Check { name: "uwsgi_cache_valid", contexts: HTTP, check: valid },
    Check { name: "uwsgi_store", contexts: HTTP, check: store },
];

const HTTP: Context = Context::IN_HTTP;

/// `proxy` of `proxy_cache`.
fn module(name: &str) -> &'static str {
    let modules = ["fastcgi", "proxy", "scgi", "uwsgi"];
    modules.into_iter().find(|module| name.starts_with(module)).unwrap_or("proxy")
}

fn is_off(directive: &Directive) -> bool {
    directive.args.first().is_some_and(|word| word.value == "off")
}

fn cache(call: &mut Call) {
    if is_off(call.directive) {
        return;
    }
    incompatible(call, &format!("{}_store", module(&call.name())));
}

fn store(call: &mut Call) {
    if is_off(call.directive) {
        return;
    }
    incompatible(call, &format!("{}_cache", module(&call.name())));
}

/// An earlier line of the same block that this one cannot stand beside.
fn incompatible(call: &mut Call, other: &str) {
    let (tree, id) = (call.tree, call.directive.id);
    let mut before = tree.items(tree.block_of(id)).take_while(|directive| directive.id != id);
    let Some(earlier) = before.find(|directive| directive.is(other) && !is_off(directive)) else { return };
    let message = format!("\"{}\" directive is incompatible with \"{other}\"", call.name());
    let finding = Diagnostic::error("incompatible", call.directive.name.span, message);
    call.say(finding.also(earlier.name.span, "in the same block"));
}

fn valid(call: &mut Call) {
    let last = call.args().len() - 1;
    if values::seconds(call.arg(last)).is_none() {
        let message = format!("invalid time value \"{}\"", call.text(last));
        return call.error(last, "invalid-value", message);
    }
    for at in 0..last {
        let status = values::number(call.arg(at)).filter(|status| (100..=599).contains(status));
        if call.arg(at) != b"any" && status.is_none() {
            let message = format!("invalid status \"{}\"", call.text(at));
            call.error(at, "invalid-value", message);
        }
    }
}

fn path(call: &mut Call) {
    let mut zone = None;
    for at in 1..call.args().len() {
        let word = call.arg(at);
        if let Some(levels) = word.strip_prefix(b"levels=") {
            if !are_levels(levels) {
                let message = format!("invalid \"levels\" \"{}\"", text(word));
                let finding = Diagnostic::error("invalid-value", call.span(at), message);
                call.say(finding.help("up to three numbers, each 1 or 2: \"levels=1:2\""));
            }
        } else if let Some(value) = word.strip_prefix(b"keys_zone=") {
            zone = values::zone(value).map(|(name, size)| (name, size, call.span(at)));
        }
    }
    let Some((name, size, span)) = zone else {
        let message = format!("\"{}\" must have \"keys_zone\" parameter", call.name());
        return call.error(0, "missing-parameter", message);
    };
    if size < 2 * PAGE {
        let message = format!("keys zone \"keys_zone={}\" is too small", text(name));
        return call.say(Diagnostic::error("invalid-value", span, message).help("the least size is 8k"));
    }
    let kind = kind(&call.name());
    let earlier = call
        .build
        .zones
        .declare(name, Zone { kind, size, span })
        .err()
        .map(|earlier| (earlier.kind, earlier.span));
    if let Some((other, earlier)) = earlier {
        let name = text(name);
        let message = match other == kind {
            true => format!("duplicate zone \"{name}\""),
            false => format!("the shared memory zone \"{name}\" is already declared for a different use"),
        };
        call.say(Diagnostic::error("duplicate-zone", span, message).also(earlier, "the earlier one"));
    }
}

/// `1`, `2`, `1:2`, `1:2:2`.
fn are_levels(levels: &[u8]) -> bool {
    let numbers: Vec<&[u8]> = levels.split(|byte| *byte == b':').collect();
    numbers.len() <= 3 && numbers.iter().all(|number| matches!(*number, b"1" | b"2"))
}

fn kind(name: &str) -> &'static str {
    match module(name) {
        "fastcgi" => "fastcgi_cache_path",
        "scgi" => "scgi_cache_path",
        "uwsgi" => "uwsgi_cache_path",
        _ => "proxy_cache_path",
    }
}

/// Caches whose zone nobody declares, and two caches in one directory.
pub fn afterwards(whole: &Whole, build: &mut Build) {
    let mut paths: Vec<(&[u8], Span)> = Vec::new();
    for block in whole.within(HTTP) {
        for directive in whole.tree.items(block) {
            let name = directive.name.value.to_string();
            if matches!(&name[..], "fastcgi_cache" | "proxy_cache" | "scgi_cache" | "uwsgi_cache") {
                unknown_zone(directive, &name, build);
            }
            let Some(path) = directive.args.first().filter(|_| name.ends_with("_cache_path")) else {
                continue;
            };
            // nginx compares the names as they are written.
            let directory = &path.value[..];
            match paths.iter().find(|(other, _)| *other == directory) {
                Some((_, earlier)) => {
                    let message =
                        format!("the same path name \"{}\" is used by another cache", text(directory));
                    let finding = Diagnostic::error("duplicate-path", path.span, message);
                    build.diagnostics.push(finding.also(*earlier, "here"));
                }
                None => paths.push((directory, path.span)),
            }
        }
    }
}

fn unknown_zone(directive: &Directive, name: &str, build: &mut Build) {
    let Some(zone) = directive.args.first() else { return };
    if is_off(directive) || zone.value.contains(&b'$') || build.options.fragment {
        return;
    }
    let span = span_of(directive, 0);
    let kind = kind(name);
    match build.zones.find(&zone.value) {
        Some(declared) if declared.kind == kind => {}
        Some(declared) => {
            let message =
                format!("the shared memory zone \"{}\" is already declared for a different use", zone.value);
            let finding = Diagnostic::error("unknown-zone", span, message);
            build.diagnostics.push(finding.also(declared.span, format!("by \"{}\"", declared.kind)));
        }
        None => {
            let message = format!("\"{name}\" zone \"{}\" is unknown", zone.value);
            let finding = Diagnostic::error("unknown-zone", span, message);
            let help = format!(
                "a line \"{kind} DIRECTORY keys_zone={}:10m;\" in \"http\" would declare it",
                zone.value
            );
            build.diagnostics.push(finding.help(help));
        }
    }
}
