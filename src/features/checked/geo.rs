//! `geo` and what stands in it: `ngx_http_geo`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use crate::diagnostics::Diagnostic;
use crate::directive::variables::Protocol;
use crate::directive::{Context, values};
use crate::syntax::{Directive, Word};

use super::{Call, Check};

pub const CHECKS: &[Check] = &[Check { name: "geo", contexts: Context::HTTP.or(Context::STREAM), check }];

fn check(call: &mut Call) {
    for at in 0..call.args().len() {
        if !call.arg(at).starts_with(b"$") {
            let message = format!("invalid variable name \"{}\"", call.text(at));
            return call.error(at, "invalid-variable", message);
        }
    }
    let defined = call.args().len() - 1;
    if call.context == Context::HTTP {
        if defined == 1 {
            call.template(0);
        }
        let name = &call.arg(defined)[1..];
        if Protocol::Http.is_constant(name) {
            let message = format!("the duplicate \"{}\" variable", super::text(name));
            return call.error(defined, "invalid-variable", message);
        }
        call.build.variables.slot(name);
    }
    let (mut ranges, mut networks) = (false, false);
    let mut values: HashMap<(IpAddr, u8), &Word> = HashMap::new();
    let lines: Vec<&Directive> = call.lines().collect();
    for line in lines {
        match &line.args[..] {
            [] if line.is("ranges") && networks => {
                let message = "the \"ranges\" directive must be the first directive inside \"geo\" block";
                call.say(Diagnostic::error("invalid-geo", line.name.span, message));
            }
            [] if line.is("ranges") => ranges = true,
            [] if line.is("proxy_recursive") => {}
            [_] if line.is("include") => {}
            [network] if line.is("proxy") => self::network(call, network),
            [_] => {
                networks |= !ranges;
                entry(call, line, ranges);
                if !ranges {
                    repeated(call, line, &mut values);
                }
            }
            _ => {
                let message = "invalid number of the geo parameters";
                let finding = Diagnostic::error("wrong-arguments", line.name.span, message);
                call.say(finding.here("a line is an address or a network, and a value"));
            }
        }
    }
}

fn entry(call: &mut Call, line: &Directive, ranges: bool) {
    if line.is("default") {
        return;
    }
    let key = if line.is("delete") { &line.args[0] } else { &line.name };
    match ranges {
        true if !is_range(&key.value) => {
            let message = format!("invalid range \"{}\"", key.value);
            let finding = Diagnostic::error("invalid-value", key.span, message);
            call.say(finding.help("a range is written as \"10.0.0.0-10.0.0.255\""));
        }
        true => {}
        false => network(call, key),
    }
}

/// A network that has a value already: the new one counts.
fn repeated<'a>(call: &mut Call, line: &'a Directive, values: &mut HashMap<(IpAddr, u8), &'a Word>) {
    let (Some(network), Some(value)) = (values::cidr(&line.name.value), line.args.first()) else { return };
    let Some(old) = values.insert((network.address, network.prefix), value) else { return };
    let message = format!(
        "duplicate network \"{}\", value: \"{}\", old value: \"{}\"",
        line.name.value, value.value, old.value
    );
    call.say(Diagnostic::warning("duplicate-value", line.name.span, message).also(old.span, "the old value"));
}

fn is_range(word: &[u8]) -> bool {
    let Some(dash) = word.iter().position(|byte| *byte == b'-') else { return false };
    // nginx takes 255.255.255.255 for "not an address".
    let address = |part: &[u8]| values::ipv4(part).filter(|address| *address != Ipv4Addr::BROADCAST);
    match (address(&word[..dash]), address(&word[dash + 1..])) {
        (Some(start), Some(end)) => start <= end,
        _ => false,
    }
}

fn network(call: &mut Call, word: &Word) {
    match values::cidr(&word.value) {
        None => {
            let message = format!("invalid network \"{}\"", word.value);
            let finding = Diagnostic::error("invalid-value", word.span, message);
            call.say(finding.help("an address, or a network such as \"10.0.0.0/8\""));
        }
        Some(network) if network.meaningless_bits => {
            let message = format!("low address bits of {} are meaningless", word.value);
            call.say(Diagnostic::warning("meaningless-bits", word.span, message));
        }
        Some(_) => {}
    }
}
