//! The lines of a `geo` block, of http or of stream (`ngx_http_geo`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::diagnostics::Diagnostic;
use crate::directive::values::{self, Cidr};
use crate::features::Call;
use crate::syntax::{Directive, Word};

use super::table::{Added, Networks, Ranges, ValueId, Values};
use super::{Geo, Table};

/// Reads a block; what is wrong with it is said. Nothing where its variable has no name.
pub fn read(call: &mut Call) -> Option<Geo> {
    for at in 0..call.args().len() {
        if !matches!(call.arg(at), [b'$', _, ..]) {
            let message = format!("invalid variable name \"{}\"", call.text(at));
            call.error(at, "invalid-variable", message);
            return None;
        }
    }
    let mut reading = Reading::default();
    let tree = call.tree;
    for line in tree.items(Some(call.directive.id)) {
        reading.line(call, line);
    }
    Some(reading.geo())
}

#[derive(Default)]
struct Reading {
    values: Values,
    /// Of ranges.
    default: Option<ValueId>,
    /// The addresses are ranges.
    ranges: bool,
    /// A network has been written.
    networks_begun: bool,
    networks: Networks,
    pieces: Ranges,
    proxies: Vec<Cidr>,
    proxy_recursive: bool,
}

impl Reading {
    fn line(&mut self, call: &mut Call, line: &Directive) {
        match &line.args[..] {
            [] if line.is("ranges") && self.networks_begun => {
                let message = "the \"ranges\" directive must be the first directive inside \"geo\" block";
                call.say(Diagnostic::error("invalid-geo", line.name.span, message));
            }
            [] if line.is("ranges") => self.ranges = true,
            [] if line.is("proxy_recursive") => self.proxy_recursive = true,
            [_] if line.is("include") => {}
            [proxy] if line.is("proxy") => self.proxies.extend(network(call, proxy)),
            [value] => {
                self.networks_begun |= !self.ranges;
                match line.is("delete") {
                    true => self.delete(call, value),
                    false => self.entry(call, line, value),
                }
            }
            _ => {
                let message = "invalid number of the geo parameters";
                let finding = Diagnostic::error("wrong-arguments", line.name.span, message);
                call.say(finding.here("a line is an address or a network, and a value"));
            }
        }
    }

    fn entry(&mut self, call: &mut Call, line: &Directive, word: &Word) {
        let value = self.values.id(&word.value);
        if line.is("default") {
            return self.otherwise(call, &line.name, value);
        }
        match self.ranges {
            true => self.range(call, &line.name, value),
            false => self.network(call, &line.name, value),
        }
    }

    /// What holds for all other addresses; networks have it as the widest of each family.
    fn otherwise(&mut self, call: &mut Call, word: &Word, value: ValueId) {
        let (old, what) = match self.ranges {
            true => (self.default.replace(value), "default geo range"),
            false => {
                let widest = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
                let widest = widest.map(|address| Cidr { address, prefix: 0, meaningless_bits: false });
                let old = widest.map(|network| self.networks.insert(&network, value));
                (old[1].or(old[0]), "network \"default\",")
            }
        };
        if let Some(old) = old {
            let message = format!("duplicate {what} value: {}", self.both(value, old));
            call.say(Diagnostic::warning("duplicate-value", word.span, message));
        }
    }

    fn network(&mut self, call: &mut Call, word: &Word, value: ValueId) {
        let Some(network) = network(call, word) else { return };
        if let Some(old) = self.networks.insert(&network, value) {
            let message = format!("duplicate network \"{}\", value: {}", word.value, self.both(value, old));
            call.say(Diagnostic::warning("duplicate-value", word.span, message));
        }
    }

    fn range(&mut self, call: &mut Call, word: &Word, value: ValueId) {
        let Some((start, end)) = range(call, word) else { return };
        match self.pieces.add(start, end, value) {
            Added::Fine => {}
            Added::Again(old) => {
                let message = format!("duplicate range \"{}\", value: {}", word.value, self.both(value, old));
                call.say(Diagnostic::warning("duplicate-value", word.span, message));
            }
            Added::Overlaps(from, to) => {
                let message = format!("range \"{}\" overlaps \"{from}-{to}\"", word.value);
                let finding = Diagnostic::error("invalid-geo", word.span, message);
                call.say(
                    finding.help("a range may lie within an earlier one, not across its end or around it"),
                );
            }
        }
    }

    fn delete(&mut self, call: &mut Call, word: &Word) {
        let (was_there, what) = match self.ranges {
            true => match range(call, word) {
                Some((start, end)) => (self.pieces.delete(start, end), "address range"),
                None => return,
            },
            false => match network(call, word) {
                Some(network) => (self.networks.remove(&network).is_some(), "network"),
                None => return,
            },
        };
        if !was_there {
            let message = format!("no {what} \"{}\" to delete", word.value);
            call.say(Diagnostic::warning("nothing-to-delete", word.span, message));
        }
    }

    fn both(&self, new: ValueId, old: ValueId) -> String {
        let text = |id| String::from_utf8_lossy(self.values.text(id)).into_owned();
        format!("\"{}\", old value: \"{}\"", text(new), text(old))
    }

    fn geo(mut self) -> Geo {
        let outside = self.default.unwrap_or_else(|| self.values.id(b""));
        let table = match self.ranges {
            true => Table::Ranges(self.pieces.segments(outside)),
            false => Table::Networks(self.networks.segments(outside)),
        };
        let Reading { values, proxies, proxy_recursive, .. } = self;
        Geo { values, table, proxies, proxy_recursive }
    }
}

fn range(call: &mut Call, word: &Word) -> Option<(u32, u32)> {
    // nginx takes 255.255.255.255 for "not an address".
    let address = |part: &[u8]| values::ipv4(part).filter(|address| *address != Ipv4Addr::BROADCAST);
    let dash = word.value.iter().position(|byte| *byte == b'-');
    let ends = dash.and_then(|dash| Some((address(&word.value[..dash])?, address(&word.value[dash + 1..])?)));
    if let Some((start, end)) = ends.filter(|(start, end)| start <= end) {
        return Some((start.to_bits(), end.to_bits()));
    }
    let message = format!("invalid range \"{}\"", word.value);
    let finding = Diagnostic::error("invalid-value", word.span, message);
    call.say(finding.help("a range is written as \"10.0.0.0-10.0.0.255\""));
    None
}

fn network(call: &mut Call, word: &Word) -> Option<Cidr> {
    let Some(network) = values::cidr(&word.value) else {
        let message = format!("invalid network \"{}\"", word.value);
        let finding = Diagnostic::error("invalid-value", word.span, message);
        call.say(finding.help("an address, or a network such as \"10.0.0.0/8\""));
        return None;
    };
    if network.meaningless_bits {
        let message = format!("low address bits of {} are meaningless", word.value);
        call.say(Diagnostic::warning("meaningless-bits", word.span, message));
    }
    Some(network)
}
