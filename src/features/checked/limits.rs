//! `limit_req`, `limit_conn` and their zones, in http and stream.

use crate::diagnostics::Diagnostic;
use crate::directive::{Context, values};
use crate::features::zones::Zone;
use crate::syntax::Directive;

use super::{Build, Call, Check, PAGE, Whole, text};

pub const CHECKS: &[Check] = &[
    Check { name: "limit_conn", contexts: ANYWHERE, check: limit_conn },
    Check { name: "limit_conn_zone", contexts: ANYWHERE, check: limit_conn_zone },
    Check { name: "limit_req", contexts: Context::IN_HTTP, check: limit_req },
    Check { name: "limit_req_zone", contexts: Context::HTTP, check: limit_req_zone },
];

const ANYWHERE: Context = Context::IN_HTTP.or(Context::IN_STREAM);

fn limit_conn_zone(call: &mut Call) {
    let mut zone = None;
    for at in 1..call.args().len() {
        match call.arg(at).strip_prefix(b"zone=") {
            Some(value) => zone = zone_size(call, at, value).or(zone),
            None => invalid(call, at),
        }
    }
    let kind = kind(call, "limit_conn_zone", "stream limit_conn_zone");
    declare(call, zone, kind);
}

fn limit_req_zone(call: &mut Call) {
    let mut zone = None;
    for at in 1..call.args().len() {
        let word = call.arg(at);
        if let Some(value) = word.strip_prefix(b"zone=") {
            zone = zone_size(call, at, value).or(zone);
        } else if let Some(rate) = word.strip_prefix(b"rate=") {
            let number = rate.strip_suffix(b"r/s").or(rate.strip_suffix(b"r/m")).unwrap_or(rate);
            if values::number(number).is_none_or(|rate| rate == 0) {
                let message = format!("invalid rate \"{}\"", text(word));
                let finding = Diagnostic::error("invalid-value", call.span(at), message);
                call.say(finding.help("a rate is written as \"10r/s\" or \"30r/m\""));
            }
        } else if word != b"sync" || at < 3 {
            invalid(call, at);
        }
    }
    declare(call, zone, "limit_req_zone");
}

fn invalid(call: &mut Call, at: usize) {
    let message = format!("invalid parameter \"{}\"", call.text(at));
    call.error(at, "invalid-parameter", message);
}

/// The name and size of `zone=name:size`; what is wrong with them is said.
fn zone_size<'a>(call: &mut Call<'a, '_>, at: usize, value: &'a [u8]) -> Option<(&'a [u8], u64)> {
    let whole = call.text(at);
    let colon = value.iter().position(|byte| *byte == b':');
    let read = colon.and_then(|colon| Some((&value[..colon], values::size(&value[colon + 1..])?)));
    let Some((name, size)) = read else {
        let finding =
            Diagnostic::error("invalid-value", call.span(at), format!("invalid zone size \"{whole}\""));
        call.say(finding.help("a zone has a name and a size: \"zone=name:10m\""));
        return None;
    };
    if size < 8 * PAGE {
        let finding =
            Diagnostic::error("invalid-value", call.span(at), format!("zone \"{whole}\" is too small"));
        call.say(finding.help("the least size is 32k"));
        return None;
    }
    Some((name, size))
}

fn declare(call: &mut Call, zone: Option<(&[u8], u64)>, kind: &'static str) {
    let Some((name, size)) = zone.filter(|(name, _)| !name.is_empty()) else {
        if !call.args().iter().any(|word| word.value.starts_with(b"zone=")) {
            let message = format!("\"{}\" must have \"zone\" parameter", call.name());
            call.error(0, "missing-parameter", message);
        }
        return;
    };
    let span = call.span(1);
    let earlier = match call.build.zones.declare(name, Zone { kind, size, span }) {
        Ok(()) => return,
        Err(earlier) => (earlier.kind, earlier.span),
    };
    let name = text(name);
    let message = if earlier.0 == kind {
        format!("{} \"{name}\" is already bound to a key", call.name())
    } else {
        format!("the shared memory zone \"{name}\" is already declared for a different use")
    };
    call.say(Diagnostic::error("duplicate-zone", span, message).also(earlier.1, "the earlier one"));
}

fn limit_conn(call: &mut Call) {
    let kind = kind(call, "limit_conn_zone", "stream limit_conn_zone");
    call.build.zones.uses.push((call.arg(0).to_vec(), kind, call.span(0)));
    let earlier =
        call.earlier().find(|other| other.args.first().is_some_and(|name| name.value == call.arg(0)));
    duplicate(call, earlier.map(|other| other.name.span));
}

fn limit_req(call: &mut Call) {
    let zone = call.args().iter().find_map(|word| word.value.strip_prefix(b"zone="));
    let Some(zone) = zone else {
        return call.error(0, "missing-parameter", "\"limit_req\" must have \"zone\" parameter");
    };
    call.build.zones.uses.push((zone.to_vec(), "limit_req_zone", call.span(0)));
    let of_zone =
        |other: &&Directive| other.args.iter().any(|word| word.value.strip_prefix(b"zone=") == Some(zone));
    let earlier = call.earlier().find(of_zone).map(|other| other.name.span);
    duplicate(call, earlier);
}

fn duplicate(call: &mut Call, earlier: Option<crate::source::Span>) {
    let Some(earlier) = earlier else { return };
    let message = format!("\"{}\" directive is duplicate", call.name());
    let finding = Diagnostic::error("duplicate-directive", call.directive.name.span, message);
    call.say(finding.here("the same zone a second time").also(earlier, "the first time"));
}

fn kind(call: &Call, http: &'static str, stream: &'static str) -> &'static str {
    if call.context.meets(Context::IN_STREAM) { stream } else { http }
}

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
