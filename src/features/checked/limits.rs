//! `limit_conn` of stream, and zones that are used and that nobody declares.

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::features::zones::{self, PAGE, Zone};
use crate::syntax::Directive;

use super::{Build, Check, Whole, text};

pub const CHECKS: &[Check] = &[
    Check {
        name: "limit_conn",
        contexts: Context::IN_STREAM,
        check: |call| {
            zones::use_of_connections(call);
        },
    },
    Check {
        name: "limit_conn_zone",
        contexts: Context::IN_STREAM,
        check: |call| {
            zones::of_connections(call);
        },
    },
];

/// The zone of an `upstream`: declared where it has a size, used where it has none.
fn upstream_zone(line: &Directive, kind: &'static str, build: &mut Build) {
    let [name, size @ ..] = &line.args[..] else { return };
    let mut wrong = |span, message| build.diagnostics.push(Diagnostic::error("invalid-value", span, message));
    if name.value.is_empty() {
        return wrong(name.span, "invalid zone name \"\"".to_owned());
    }
    let [size] = size else {
        return build.zones.uses.push((name.value.to_vec(), kind, name.span));
    };
    let Some(bytes) = values::size(&size.value) else { return };
    if bytes < 8 * PAGE {
        return wrong(size.span, format!("zone \"{}\" is too small", name.value));
    }
    let zone = Zone { kind, size: bytes, span: name.span };
    let earlier = build
        .zones
        .declare(&name.value, zone)
        .err()
        .map(|earlier| (earlier.kind, earlier.size, earlier.span));
    let Some((other, declared, span)) = earlier else { return };
    let message = if other != kind {
        format!("the shared memory zone \"{}\" is already declared for a different use", name.value)
    } else if declared != bytes {
        format!(
            "the size {bytes} of shared memory zone \"{}\" conflicts with already declared size {declared}",
            name.value
        )
    } else {
        return;
    };
    build
        .diagnostics
        .push(Diagnostic::error("duplicate-zone", name.span, message).also(span, "the earlier one"));
}

/// Zones that are used and that nobody declares.
pub fn afterwards(whole: &Whole, build: &mut Build) {
    for (context, kind) in [(Context::UPSTREAM, "zone"), (Context::STREAM_UPSTREAM, "stream zone")] {
        for group in whole.within(context) {
            for line in whole.tree.items(group).filter(|line| line.is("zone")) {
                upstream_zone(line, kind, build);
            }
        }
    }
    if build.options.fragment {
        return;
    }
    for (name, kind, span) in std::mem::take(&mut build.zones.uses) {
        let name_shown = text(&name);
        let finding = match build.zones.find(&name) {
            Some(zone) if zone.kind == kind => continue,
            Some(zone) => {
                let message = format!(
                    "the shared memory zone \"{name_shown}\" is already declared for a different use"
                );
                Diagnostic::error("unknown-zone", span, message)
                    .also(zone.span, format!("by \"{}\"", zone.kind))
            }
            None => {
                let message = format!("zero size shared memory zone \"{name_shown}\"");
                let declared = kind.trim_start_matches("stream ");
                let declared = if declared == "zone" { "zone NAME SIZE" } else { declared };
                Diagnostic::error("unknown-zone", span, message)
                    .here("no such zone")
                    .help(format!("\"{declared}\" would declare it"))
            }
        };
        build.diagnostics.push(finding);
    }
}
